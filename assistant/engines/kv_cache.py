"""What is in the KV cache, and how much of it the next prompt can use.

One sequence is live at a time. Its token ids are mirrored here; a prompt reuses the longest common prefix. When older
messages were dropped from the prompt, what follows them is moved forward (its positions are shifted) instead of being
computed again. Other conversations wait in memory as exported state, the least recently used are forgotten.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant.engines.native import Handle, library

_SEQUENCE = 0
_KEPT_CONVERSATIONS = 4
_KEPT_BYTES = 64 << 20  # of all together
_LARGEST_BYTES = 160 << 20  # of the last one, alone: a full context of a 1.5B; parked while a tool is chosen
_SHIFT_AT_LEAST = 16  # tokens: moving fewer costs more than computing them


@dataclass(slots=True)
class EncodedPrompt:
    """A prompt as token ids. `starts` maps message id to where that message's own text begins; `head` is the length of
    the constant head; `per_message` counts the tokens of each message, the opening of the reply with the last one."""

    tokens: list[int]
    starts: dict[str, int]
    head: int
    per_message: list[int]


@dataclass(slots=True)
class _Live:
    conversation: str = ""
    tokens: list[int] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Saved:
    live: _Live
    state: bytes


class KvCache:
    """Mirror of the context's memory. The owner must tell of each token it decoded and of an interrupted prompt."""

    def __init__(self, context: Handle) -> None:
        self._lib = library()
        self._context = context
        self._memory = self._lib.llama_get_memory(context)
        self._can_shift = bool(self._lib.llama_memory_can_shift(self._memory))
        self._live = _Live()
        self._moved = (
            False  # keys were moved to other positions and llama.cpp has yet to rotate them, in its next decode
        )
        self._saved: OrderedDict[str, _Saved] = OrderedDict()

    @property
    def tokens(self) -> list[int]:
        """Token ids in the cache, position 0 first."""
        return self._live.tokens

    def prepare(self, conversation: str, prompt: EncodedPrompt) -> int:
        """Make the cache hold a prefix of the prompt, as long as possible but not all of it; return its length."""
        if conversation != self._live.conversation:
            self._switch(conversation, prompt)
        tokens, live = prompt.tokens, self._live
        common = min(common_prefix(live.tokens, tokens), len(tokens) - 1)
        shift = self._shiftable(prompt, common)
        if shift is not None:
            source, target, length = shift
            self._move(source, target, length)
            live.tokens[target:] = live.tokens[source : source + length]
            common = target + length
        self.truncate(common)
        live.starts = dict(prompt.starts)
        return len(live.tokens)

    def extend(self, tokens: list[int]) -> None:
        """Note tokens that were decoded."""
        self._live.tokens.extend(tokens)
        self._moved = False

    def interrupted(self) -> None:
        """Computing the prompt was stopped. Keys that may be rotated by half are forgotten; all else stays usable."""
        if self._moved:
            self.clear()

    def truncate(self, length: int) -> None:
        """Forget everything from position `length` on; the whole sequence where a model cannot forget a part."""
        live = self._live
        if length < len(live.tokens) and not self._lib.llama_memory_seq_rm(self._memory, _SEQUENCE, length, -1):
            length = 0
            self._lib.llama_memory_clear(self._memory, False)
        del live.tokens[length:]

    def clear(self) -> None:
        self._lib.llama_memory_clear(self._memory, False)
        self._live.tokens.clear()
        self._moved = False

    def export(self) -> bytes:
        """The state of the live sequence, b"" if the model's memory cannot be exported."""
        size = int(self._lib.llama_state_seq_get_size(self._context, _SEQUENCE))
        buffer = (ctypes.c_uint8 * size)()
        written = int(self._lib.llama_state_seq_get_data(self._context, buffer, size, _SEQUENCE))
        return bytes(memoryview(buffer)[:written])

    def restore(self, state: bytes, tokens: Sequence[int]) -> bool:
        """Make the live sequence what export() returned when it held `tokens`; leave it empty if that does not fit."""
        self.clear()
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = int(self._lib.llama_state_seq_set_data(self._context, buffer, len(state), _SEQUENCE))
        last = int(self._lib.llama_memory_seq_pos_max(self._memory, _SEQUENCE))
        if read != len(state) or last != len(tokens) - 1:
            self.clear()
            return False
        self._live.tokens = list(tokens)
        return True

    # -- several conversations --------------------------------------------------------------------------------------

    def _switch(self, conversation: str, prompt: EncodedPrompt) -> None:
        """Park the live conversation; take the wanted one back if the prompt has more in common with it."""
        wanted = self._saved.pop(conversation, None)
        gain = common_prefix(wanted.live.tokens, prompt.tokens) if wanted else 0
        live = self._live
        if len(live.tokens) > prompt.head and live.tokens != prompt.tokens[: len(live.tokens)]:
            self._save(live)
        if (
            wanted
            and gain > common_prefix(live.tokens, prompt.tokens)
            and self.restore(wanted.state, wanted.live.tokens)
        ):
            self._live.starts = wanted.live.starts
        self._live.conversation = conversation

    def _save(self, live: _Live) -> None:
        state = self.export()
        if not state or len(state) > _LARGEST_BYTES:
            return
        kept = _Live(live.conversation, list(live.tokens), dict(live.starts))
        self._saved[live.conversation] = _Saved(kept, state)
        while len(self._saved) > 1 and (
            len(self._saved) > _KEPT_CONVERSATIONS or sum(len(s.state) for s in self._saved.values()) > _KEPT_BYTES
        ):
            self._saved.popitem(last=False)

    # -- trimmed prompts --------------------------------------------------------------------------------------------

    def _shiftable(self, prompt: EncodedPrompt, common: int) -> tuple[int, int, int] | None:
        """(source, target, length) of a run of cached tokens that the prompt has at an earlier position, if it pays."""
        if not self._can_shift:
            return None
        cached = self._live.tokens
        for message, target in prompt.starts.items():  # in order: the first message that stayed
            source = self._live.starts.get(message, target)
            if source <= target or target > common:
                continue
            length = common_prefix(cached[source:], prompt.tokens[target:-1])
            if target + length >= common + _SHIFT_AT_LEAST:
                return source, target, length
        return None

    def _move(self, source: int, target: int, length: int) -> None:
        lib, memory = self._lib, self._memory
        lib.llama_memory_seq_rm(memory, _SEQUENCE, source + length, -1)
        lib.llama_memory_seq_rm(memory, _SEQUENCE, target, source)
        lib.llama_memory_seq_add(memory, _SEQUENCE, source, source + length, target - source)
        del self._live.tokens[source + length :]
        self._moved = True


def common_prefix(a: list[int] | bytes, b: list[int] | bytes) -> int:
    """Length of the longest common prefix. Compares whole blocks first: a long chat costs microseconds."""
    at, block, end = 0, 512, min(len(a), len(b))
    while block and at < end:
        size = min(block, end - at)
        if a[at : at + size] == b[at : at + size]:
            at += size
        else:
            block = size // 2
    return at
