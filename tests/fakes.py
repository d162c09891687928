"""A scripted language model: the screen's and the session's tests say what it answers and look at what it was asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator

from assistant.engines import Prompt
from assistant.turn import Turn


class ScriptedModel:
    """Implements LanguageModel. `enqueue("hel|lo")` scripts one reply, cut into pieces at each bar.

    An exception among the pieces is raised there. `hold()` makes the next replies wait after their first piece until
    `release()`, so that a test can look at the screen in mid-reply.
    """

    name = "scripted"
    file_name = "scripted.gguf"
    n_context = 2048
    ends_for = "stop"  # the finish reason of a reply that comes to its end

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.closed = False
        self._replies: deque[Iterable[str | Exception]] = deque()
        self._go = threading.Event()
        self._go.set()

    def enqueue(self, reply: str | Iterable[str | Exception]) -> None:
        self._replies.append(reply.split("|") if isinstance(reply, str) else reply)

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        self.prompts.append(prompt)
        pieces = self._replies.popleft() if self._replies else ["(nothing scripted)"]
        usage = turn.usage
        usage.prompt_tokens = sum(len(m.content.split()) for m in prompt.messages)
        usage.n_context = self.n_context
        usage.ttft_ms = 12.0
        for piece in pieces:
            if isinstance(piece, Exception):
                usage.finish_reason = "crashed"
                raise piece
            if turn.cancelled:
                break
            usage.reply_tokens += 1
            usage.decode_ms += 10.0
            yield piece
            while not self._go.wait(0.01) and not turn.cancelled:
                pass
        usage.finish_reason = "cancelled" if turn.cancelled else self.ends_for

    def close(self) -> None:
        self.closed = True
