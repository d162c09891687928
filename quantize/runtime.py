"""The runtime that users have, as a measuring instrument: llama.cpp through its low-level bindings.

`Runtime` scores text (all logits of a chunk) and samples many sequences at once. The assistant's own engine streams
one reply at a time and stops there; measuring and generating training text need whole logit rows and wide batches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
import numpy.typing as npt

from assistant.engines import amx
from assistant.errors import ModelRefusedError

Logits = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int32]


def _narrate_nothing(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    """llama.cpp narrates every load on stderr; errors reach the caller as return codes."""


_silent = llama_cpp.llama_log_callback(_narrate_nothing)


@dataclass(frozen=True, slots=True)
class Sampler:
    """`temperature` 0 is greedy; `min_p` drops tokens less likely than that share of the likeliest (0 keeps all)."""

    temperature: float = 0.8
    min_p: float = 0.05

    def pick(self, logits: Logits, random: np.random.Generator) -> int:
        """One token id from one row of logits, shape (n_vocab,)."""
        if self.temperature == 0:
            return int(logits.argmax())
        best = float(logits.max())
        floor = best + self.temperature * np.log(self.min_p) if self.min_p else -np.inf
        candidates = np.flatnonzero(logits >= floor)
        noisy = logits[candidates] / self.temperature + random.gumbel(size=len(candidates))
        return int(candidates[noisy.argmax()])


class Runtime:
    """One GGUF file loaded for scoring and batched sampling. Close it, or use `open_runtime`."""

    def __init__(self, path: Path, n_context: int = 512, n_sequences: int = 1, n_threads: int = 1) -> None:
        """`n_context` is per sequence. Raises ModelRefusedError if llama.cpp cannot load the file."""
        llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
        amx.switch_off()
        llama_cpp.llama_backend_init()
        self._context = None
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self._model:
            raise ModelRefusedError(f"llama.cpp cannot load {path}; run `quantize inspect` on it")
        self.n_context = n_context
        self.n_sequences = n_sequences
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.n_vocab: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.end_token: int = llama_cpp.llama_vocab_eos(self._vocab)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_context * n_sequences
        params.n_batch = params.n_ubatch = max(n_context, 512)
        params.n_seq_max = n_sequences
        params.n_threads = params.n_threads_batch = n_threads
        params.kv_unified = False
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)

    def close(self) -> None:
        if self._context:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self._context)
            llama_cpp.llama_model_free(self._model)
            self._context = None

    def tokenize(self, text: str, special: bool = False) -> Tokens:
        """Token ids of `text`; `special` lets the text of control tokens such as <|im_start|> become those tokens."""
        raw = text.encode()
        buffer = (llama_cpp.llama_token * (len(raw) + 8))()
        n = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), buffer, len(buffer), False, special)
        return np.array(buffer[:n], dtype=np.int32)

    def detokenize(self, tokens: Sequence[int] | Tokens, special: bool = False) -> str:
        n = len(tokens)
        ids = (llama_cpp.llama_token * n)(*[int(token) for token in tokens])
        buffer = ctypes.create_string_buffer(n * 32 + 64)
        size = llama_cpp.llama_detokenize(self._vocab, ids, n, buffer, len(buffer), False, special)
        return buffer.raw[: max(size, 0)].decode(errors="replace")

    def _decode(
        self, tokens: Sequence[int] | Tokens, positions: Sequence[int], sequences: Sequence[int], wanted: Sequence[bool]
    ) -> Logits:
        """Logits of the wanted rows, shape (n_wanted, n_vocab): a view that the next call overwrites."""
        batch = self._batch
        for row, (token, position, sequence, want) in enumerate(zip(tokens, positions, sequences, wanted, strict=True)):
            batch.token[row] = int(token)
            batch.pos[row] = position
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = sequence
            batch.logits[row] = want
        batch.n_tokens = len(tokens)
        if code := llama_cpp.llama_decode(self._context, batch):
            raise ModelRefusedError(f"llama_decode failed with code {code}")
        pointer = llama_cpp.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, shape=(sum(wanted), self.n_vocab))

    def score(self, tokens: Tokens, first: int) -> Logits:
        """Logits after positions first .. n-2 of a fresh chunk, shape (n - 1 - first, n_vocab): row i predicts token
        first+i+1."""
        llama_cpp.llama_memory_clear(self._memory, True)
        n = len(tokens)
        wanted = [first <= position < n - 1 for position in range(n)]
        return self._decode(tokens, range(n), [0] * n, wanted)

    def likelihoods(self, prompt: Tokens, endings: Sequence[Tokens]) -> list[float]:
        """Log-likelihood in nats of each ending after the prompt, which is computed once."""
        llama_cpp.llama_memory_clear(self._memory, True)
        n = len(prompt)
        head = self._decode(prompt, range(n), [0] * n, [False] * (n - 1) + [True]).copy()
        totals = []
        for ending in endings:
            tail = ending[:-1]
            positions = range(n, n + len(tail))
            rows = [head]
            if len(tail):
                rows.append(self._decode(tail, positions, [0] * len(tail), [True] * len(tail)))
                llama_cpp.llama_memory_seq_rm(self._memory, 0, n, -1)
            logits = np.concatenate(rows).astype(np.float64)
            top = logits.max(axis=1)
            normaliser = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
            totals.append(float((logits[np.arange(len(ending)), ending] - normaliser).sum()))
        return totals

    def sample(
        self, prompts: Sequence[Sequence[int] | Tokens], n_tokens: int, sampler: Sampler, seed: int
    ) -> list[Tokens]:
        """Continue every prompt by up to `n_tokens`, `n_sequences` at a time; a sequence ends at the end token
        (kept).

        Each prompt has its own random stream from (seed, its index), so the result does not depend on the batching
        width except through floating-point order.
        """
        results: list[Tokens] = []
        for start in range(0, len(prompts), self.n_sequences):
            results += self._sample_wave(prompts[start : start + self.n_sequences], start, n_tokens, sampler, seed)
        return results

    def _sample_wave(
        self, prompts: Sequence[Sequence[int] | Tokens], start: int, n_tokens: int, sampler: Sampler, seed: int
    ) -> list[Tokens]:
        llama_cpp.llama_memory_clear(self._memory, True)
        randoms = [np.random.default_rng((seed, start + i)) for i in range(len(prompts))]
        replies: list[list[int]] = [[] for _ in prompts]
        for i, prompt in enumerate(prompts):
            logits = self._decode(prompt, range(len(prompt)), [i] * len(prompt), [False] * (len(prompt) - 1) + [True])
            replies[i].append(sampler.pick(logits[0], randoms[i]))
        for _ in range(n_tokens - 1):
            live = [
                i
                for i, reply in enumerate(replies)
                if reply[-1] != self.end_token and len(prompts[i]) + len(reply) < self.n_context
            ]
            if not live:
                break
            positions = [len(prompts[i]) + len(replies[i]) - 1 for i in live]
            logits = self._decode([replies[i][-1] for i in live], positions, live, [True] * len(live))
            for row, i in enumerate(live):
                replies[i].append(sampler.pick(logits[row], randoms[i]))
        return [np.array(reply, dtype=np.int32) for reply in replies]


@contextmanager
def open_runtime(path: Path, n_context: int = 512, n_sequences: int = 1, n_threads: int = 1) -> Iterator[Runtime]:
    runtime = Runtime(path, n_context, n_sequences, n_threads)
    try:
        yield runtime
    finally:
        runtime.close()
