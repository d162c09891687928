"""A decision by an adapter: one of a menu of codes, and pieces of the request itself. Nothing is written freely.

The adapter is attached to a context of its own beside the conversation's, over the same weights. So nothing is
reloaded, the conversation's cache stays as it is, and what the model answers there cannot change: that context has
never seen the adapter. The request alone is the prompt. Choosing among the codes is one look at the logits behind it;
a piece is copied by asking, word by word, whether it goes on or ends.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assistant.engines import Menu, Picked
from assistant.engines.native import AbortFlag, Handle, Vocabulary, library, load_adapter, new_context
from assistant.engines.plan import Plan
from assistant.errors import EngineError

N_CONTEXT = 512  # tokens: a request and what is copied of it
_DRAFT = 4  # tokens of the request that are looked at together when a piece is copied
_SHOWN = 5


class Picker:
    """One loaded adapter and its context. Raises EngineError if the adapter does not fit the model."""

    def __init__(self, model: Handle, vocabulary: Vocabulary, plan: Plan, abort: AbortFlag, adapter: Path) -> None:
        self._lib = library()
        self._vocabulary = vocabulary
        self._adapter = load_adapter(model, str(adapter))
        self._context = new_context(model, _small(plan), abort)
        adapters = (self._lib.llama_adapter_lora_p_ctypes * 1)(self._adapter)
        self._lib.llama_set_adapters_lora(self._context, adapters, 1, (ctypes.c_float * 1)(1.0))
        self._memory = self._lib.llama_get_memory(self._context)
        self._batch = self._lib.llama_batch_init(N_CONTEXT, 0, 1)
        self._n_past = 0
        self._menu: tuple[Menu, dict[str, int]] | None = None

    def pick(self, request: str, menu: Menu) -> Picked:
        """See RemoteLanguageModel.pick."""
        tokens = self._vocabulary.tokenise(request)
        separator = self._vocabulary.control_token(menu.separator)
        (end,) = self._vocabulary.tokenise(menu.end)
        codes = self._codes(menu)
        if separator is None:
            raise EngineError(f"the vocabulary has no {menu.separator}: the adapter is for another model")
        if not tokens or 2 * len(tokens) + 8 > N_CONTEXT:
            return Picked([], [])
        self._lib.llama_memory_clear(self._memory, False)
        self._n_past = 0
        logits = self._decode([*tokens, separator], 1)[0]
        chances = _softmax([float(logits[token]) for token in codes.values()])
        ranked = sorted(zip(codes, chances, strict=True), key=lambda pair: -pair[1])[:_SHOWN]
        pieces = self._copied(tokens, codes[ranked[0][0]], end, menu.codes[ranked[0][0]])
        return Picked(ranked, pieces)

    def metadata(self, key: str) -> str:
        """A string of the adapter's metadata, "" if it has none of that name."""
        buffer = ctypes.create_string_buffer(512)
        found = self._lib.llama_adapter_meta_val_str(self._adapter, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace") if found >= 0 else ""

    def close(self) -> None:
        """Free the context. The adapter goes with its model."""
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _codes(self, menu: Menu) -> dict[str, int]:
        """Token by code. Raises EngineError where a code is not one token of this vocabulary."""
        if self._menu is not None and self._menu[0] == menu:
            return self._menu[1]
        tokens = {}
        for word in menu.codes:
            found = self._vocabulary.tokenise(f" {word}")
            if len(found) != 1:
                raise EngineError(f"{word!r} is not one token here: the adapter is for another model")
            tokens[word] = found[0]
        if self.metadata("homebody.codes") != menu.fingerprint:
            raise EngineError("the adapter was trained on another table of tools than this version has")
        self._menu = (menu, tokens)
        return tokens

    def _copied(self, request: list[int], code: int, end: int, n_pieces: int) -> list[str]:
        """The pieces of the request that follow a code."""
        pieces = []
        before = code
        for _ in range(n_pieces):
            logits = self._decode([before], 1)[0]
            starts = [i for i in range(len(request)) if self._begins_word(request, i)]
            at = max(starts, key=lambda i: (float(logits[request[i]]), -i))
            stop = self._end_of_piece(request, at, end)
            pieces.append(b"".join(map(self._vocabulary.piece, request[at:stop])).decode(errors="replace").strip())
            before = end
        return pieces

    def _end_of_piece(self, request: list[int], at: int, end: int) -> int:
        """Where the piece that begins at token `at` ends. Tokens of the request are decoded ahead, those after the end
        are forgotten again."""
        first = self._n_past
        for chunk in range(at, len(request), _DRAFT):
            ahead = request[chunk : chunk + _DRAFT]
            rows = self._decode(ahead, len(ahead))
            for row, logits in enumerate(rows):
                following = chunk + row + 1
                if following == len(request) or (
                    self._may_end(request, following) and float(logits[end]) > float(logits[request[following]])
                ):
                    self._truncate(first + following - at)
                    return following
        return len(request)

    def _begins_word(self, request: list[int], i: int) -> bool:
        return i == 0 or self._vocabulary.piece(request[i]).startswith(b" ")

    def _may_end(self, request: list[int], i: int) -> bool:
        """A piece may end before a space or a mark, not inside a word."""
        text = self._vocabulary.piece(request[i])
        return not text[:1].isalnum() and text[:1] < b"\x80"

    def _decode(self, tokens: Sequence[int], n_outputs: int) -> list[Any]:
        """Append tokens; the logits behind the last `n_outputs` of them."""
        batch, n = self._batch, len(tokens)
        batch.n_tokens = n
        for row, token in enumerate(tokens):
            batch.token[row], batch.pos[row] = token, self._n_past + row
            batch.n_seq_id[row], batch.seq_id[row][0] = 1, 0
            batch.logits[row] = row >= n - n_outputs
        code = self._lib.llama_decode(self._context, batch)
        if code:
            raise EngineError(f"the model could not compute the choice of a tool (code {code}); ask again")
        self._n_past += n
        return [self._lib.llama_get_logits_ith(self._context, row) for row in range(n - n_outputs, n)]

    def _truncate(self, length: int) -> None:
        self._lib.llama_memory_seq_rm(self._memory, 0, length, -1)
        self._n_past = length


def _small(plan: Plan) -> Plan:
    from dataclasses import replace

    return replace(plan, n_context=N_CONTEXT, n_batch=min(N_CONTEXT, max(plan.n_batch, 64)))


def _softmax(values: Sequence[float]) -> list[float]:
    top = max(values)
    parts = [math.exp(v - top) for v in values]
    return [p / sum(parts) for p in parts]
