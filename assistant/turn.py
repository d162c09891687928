"""A Turn: one question and its answer. Cancelled once, never reused; it carries its own time stamps.

There is no shared "generating" flag anywhere: whoever works for a turn holds that turn, and late work of an old turn
is dropped because it is not the current one (`is`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Usage:
    """What the engine did for one turn; filled in by the engine when the stream ends.

    `cached_tokens` of the `prompt_tokens` were already in the KV cache. `ttft_ms` counts from the request to the
    first token of text, `decode_ms` from there to the last token. `end_log_odds` is there before the first piece of
    text: ln(P(end) / P(more)) behind the last word of the question, where the prompt asks for it and it has words.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    reply_tokens: int = 0
    ttft_ms: float = 0.0
    decode_ms: float = 0.0
    n_context: int = 0
    end_log_odds: float | None = None
    finish_reason: str = ""  # stop | length | context | cancelled | repetition | deadline | crashed | too_long

    @property
    def tokens_per_s(self) -> float:
        """Decoding speed: tokens after the first, over the time they took."""
        return (self.reply_tokens - 1) / self.decode_ms * 1000 if self.reply_tokens > 1 and self.decode_ms > 0 else 0.0


@dataclass(eq=False)
class Turn:
    """One question and its answer; compared by identity."""

    usage: Usage = field(default_factory=Usage)
    marks: dict[str, float] = field(default_factory=dict)  # name -> seconds on the monotonic clock
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _callbacks: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.mark("start")

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask everything that works for this turn to stop. Safe from any thread; the second call does nothing."""
        with self._lock:
            if self._cancelled.is_set():
                return
            self._cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the turn is cancelled, at once if it already is. It must not block."""
        with self._lock:
            if not self._cancelled.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def mark(self, name: str) -> None:
        """Note the time of the first event of this name."""
        self.marks.setdefault(name, time.monotonic())
