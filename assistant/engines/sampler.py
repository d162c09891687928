"""Choosing the next token, in C: penalties, top-k, top-p, min-p, temperature and a draw, or the likeliest.

Two orders differ from the usual ones because they cost less and choose the same:

- Penalties only lower the logits of at most `repeat_last_n` tokens, so the `top_k` best after them are among the
  `top_k + repeat_last_n` best before them. Cutting to those first spares a hash lookup for each of 150 k tokens.
- A grammar is asked last ("rejection first", llama.cpp pull request 4306): the model mostly writes what the grammar
wants.
  Choose freely, check that one token; if it is refused choose again among the best 128, and only if none of these is
  allowed mask the whole vocabulary, which takes as long as a small model's token.
"""

from __future__ import annotations

import ctypes
import random
from typing import Any

from assistant.engines import Sampling
from assistant.engines.native import Handle, Vocabulary, library
from assistant.errors import EngineError

_NARROW = 128
_MAX_TOP_K = 1000
_MAX_REPEAT_LAST_N = 512


class Sampler:
    """The sampler of one reply; close() frees it."""

    def __init__(self, context: Handle, vocabulary: Vocabulary, sampling: Sampling, grammar: str | None = None) -> None:
        self._lib = library()
        self._context = context
        self._vocabulary = vocabulary
        seed = sampling.seed if sampling.seed is not None else random.SystemRandom().getrandbits(32)
        self._seed = seed & 0xFFFFFFFF
        # JSON repeats its quotes and keys for a reason; penalties are for free text. They also are the only part of the
        # chain with a memory, which a refused token must not enter.
        self._free = self._chain(sampling, penalise=grammar is None)
        self._grammar: Handle = None
        self._narrow: Handle = None
        self._wide: Handle = None
        if grammar is not None:
            self._constrain(sampling, grammar)

    def sample(self) -> int:
        """The next token, given the logits of the last decoded one."""
        token = int(self._lib.llama_sampler_sample(self._free, self._context, -1))
        if self._grammar is None or self._accepted(token):
            return token
        for chain in (self._narrow, self._wide):
            token = int(self._lib.llama_sampler_sample(chain, self._context, -1))
            if self._accepted(token):
                return token
        raise EngineError("the model has no token that the schema allows here; use another model for this schema")

    def close(self) -> None:
        for sampler in (self._free, self._narrow, self._wide, self._grammar):
            if sampler is not None:
                self._lib.llama_sampler_free(sampler)
        self._free = self._narrow = self._wide = self._grammar = None

    # -- chains ---------------------------------------------------------------------------------------------------

    def _chain(self, sampling: Sampling, *, penalise: bool = False, first: tuple[Handle, ...] = ()) -> Handle:
        lib = self._lib
        parameters = lib.llama_sampler_chain_default_params()
        parameters.no_perf = True
        chain = lib.llama_sampler_chain_init(parameters)
        for sampler in (*first, *self._links(sampling, penalise)):
            lib.llama_sampler_chain_add(chain, sampler)
        return chain

    def _links(self, sampling: Sampling, penalise: bool) -> list[Handle]:
        lib = self._lib
        if sampling.temperature <= 0:
            return [lib.llama_sampler_init_greedy()]  # the plain argmax: penalties would make it another function
        top_k = min(max(sampling.top_k, 1), _MAX_TOP_K)
        last_n = min(max(sampling.repeat_last_n, 0), _MAX_REPEAT_LAST_N)
        links = []
        if penalise and last_n and sampling.repeat_penalty != 1:
            n_vocabulary = self._vocabulary.n_tokens
            penalties = lib.llama_sampler_init_penalties(n_vocabulary, last_n, sampling.repeat_penalty, 0.0, 0.0)
            if sampling.repeat_penalty > 1:  # below 1 it rewards, and any token may rise
                links.append(lib.llama_sampler_init_top_k(top_k + last_n))
            links.append(penalties)
        return [
            *links,
            lib.llama_sampler_init_top_k(top_k),
            lib.llama_sampler_init_top_p(sampling.top_p, 1),
            lib.llama_sampler_init_min_p(sampling.min_p, 1),
            lib.llama_sampler_init_temp(sampling.temperature),
            lib.llama_sampler_init_dist(self._seed),
        ]

    # -- grammar --------------------------------------------------------------------------------------------------

    def _constrain(self, sampling: Sampling, grammar: str) -> None:
        lib = self._lib
        self._grammar = lib.llama_sampler_init_grammar(self._vocabulary.handle, grammar.encode(), b"root") or None
        if self._grammar is None:
            raise EngineError("llama.cpp does not accept the grammar made from the schema; simplify the schema")
        self._interface = self._asking()
        self._narrow = self._chain(sampling, first=(lib.llama_sampler_init_top_k(_NARROW), self._ask()))
        self._wide = self._chain(sampling, first=(self._ask(),))
        self._one = (lib.llama_token_data * 1)()
        self._candidates = lib.llama_token_data_array(data=self._one, size=1, selected=-1, sorted=False)

    def _asking(self) -> Any:
        """The functions of a sampler that only asks the grammar: both chains need it, neither advances or frees it."""
        lib, grammar = self._lib, self._grammar

        def apply(_sampler: object, candidates: Any) -> None:
            lib.llama_sampler_apply(grammar, candidates)
            candidates.contents.sorted = False  # refused ones are minus infinity now, wherever they stand

        return lib.llama_sampler_i(apply=lib.llama_sampler_i_apply(apply))

    def _ask(self) -> Handle:
        return self._lib.llama_sampler_init(ctypes.byref(self._interface), None)

    def _accepted(self, token: int) -> bool:
        """Whether the grammar allows `token`; if so, it moves on behind it."""
        one = self._one[0]
        one.id, one.logit, one.p = token, 1.0, 0.0
        self._candidates.size = 1
        self._lib.llama_sampler_apply(self._grammar, ctypes.byref(self._candidates))
        if one.logit < 0:  # refused tokens get minus infinity
            return False
        self._lib.llama_sampler_accept(self._grammar, token)
        return True
