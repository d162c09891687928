"""Is what is said meant for us? Open microphone, wake word, or a key that is held.

Counted in samples of the input, like everything in the audio path.
"""

from __future__ import annotations

from enum import StrEnum

from assistant.audio import RATE_HZ
from assistant.voice.turn_taking import patience_s

_AFTER_WAKE_S = 8.0  # how long we wait for a sentence after the wake word
_AFTER_KEY_S = 0.5  # the last word may come a little late
_FOREVER = 1 << 62


class Mode(StrEnum):
    """How a turn begins."""

    OPEN = "open"  # whatever is said
    WAKE = "wake"  # after the wake word, and for a while after an answer
    PUSH = "push"  # while a key is held


class Attention:
    """Fed what happens; knows until when an utterance that begins is for us."""

    def __init__(self, mode: Mode = Mode.OPEN) -> None:
        self.mode = mode
        self._until = _FOREVER if mode is Mode.OPEN else 0

    def listening(self, now: int) -> bool:
        return now < self._until

    def woken(self, now: int) -> None:
        """The wake word ended at `now`."""
        self._extend(now, _AFTER_WAKE_S)

    def key(self, down: bool, now: int) -> None:
        """The push-to-talk key went down or up."""
        if self.mode is Mode.PUSH:
            self._until = _FOREVER if down else now + int(_AFTER_KEY_S * RATE_HZ)

    def answered(self, now: int, question: str, reply: str) -> None:
        """An answer has ended: a follow-up needs no wake word for a while, longer after a question of ours."""
        if self.mode is Mode.WAKE:
            self._extend(now, patience_s(reply, question))

    def _extend(self, now: int, seconds: float) -> None:
        self._until = max(self._until, now + int(seconds * RATE_HZ))
