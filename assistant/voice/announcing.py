"""What is said without having been asked for: a timer that is done, a reminder. Said when nobody else is speaking.

An announcement is no turn: it is not part of the conversation, and what is said over it is meant for the assistant and
answered like a question ("stop" stops the timer that rings).
"""

from __future__ import annotations

import threading
from collections import deque

from assistant.audio.speaker import Speaker
from assistant.engines.hearing import Voice
from assistant.errors import AssistantError
from assistant.spoken.clauses import clauses
from assistant.turn import Turn


class _Announcement:
    """One, being spoken on a thread of its own. `finished` is set when it was played or stopped."""

    def __init__(self, text: str, voice: Voice, speaker: Speaker) -> None:
        self.turn = Turn()
        self.finished = threading.Event()
        self._text, self._voice, self._speaker = text, voice, speaker
        threading.Thread(target=self._run, name="announcement", daemon=True).start()

    def _run(self) -> None:
        try:
            self._speaker.play(self._voice.say(clauses([self._text]), self.turn), self.turn)
        except AssistantError:  # whoever announces shows it as well; nobody waits for the sound
            return
        finally:
            self.finished.set()


class Announcements:
    """What is still to be announced, and what is being announced. Used by one thread, that of the voice loop."""

    def __init__(self, voice: Voice, speaker: Speaker) -> None:
        self._voice, self._speaker = voice, speaker
        self._waiting: deque[str] = deque()
        self._current: _Announcement | None = None

    def add(self, text: str) -> None:
        self._waiting.append(text)

    @property
    def speaking(self) -> bool:
        return self._current is not None

    @property
    def busy(self) -> bool:
        """Whether something is being said or still to be said."""
        return self._current is not None or bool(self._waiting)

    def advance(self, free: bool) -> bool:
        """Begin the next one if the floor is `free`; tell whether one has just ended."""
        ended = self._current is not None and self._current.finished.is_set()
        if ended:
            self._current = None
        if free and self._waiting and self._current is None:
            self._current = _Announcement(self._waiting.popleft(), self._voice, self._speaker)
        return ended

    def stop(self) -> None:
        """Silence the one being spoken."""
        if self._current is not None:
            self._current.turn.cancel()

    def give_way(self, longest_s: float) -> None:
        """Stop, and wait until the speaker is free."""
        if self._current is not None:
            self._current.turn.cancel()
            self._current.finished.wait(longest_s)
            self._current = None

    def keep_step(self) -> None:
        """Without a clock: wait until there is sound, or nothing more will come."""
        if self._current is not None:
            while not (self._speaker.playing or self._current.finished.wait(0.001)):
                pass
