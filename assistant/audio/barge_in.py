"""Barge-in: duck at once, decide soon, resume if it was nothing.

    SILENT -> PLAYING -> DUCKED -> SILENT     the user went on speaking: stop
                 ^----------'                 a cough, "mhm", a door: resume

Ducking is cheap and reversible, so one frame that sounds like speech is enough; stopping throws an answer away, so it
needs speech that lasts, or words that mean it. The decision falls `decide_ms` after the onset, or soon after it where
somebody is speaking at that moment (people pause after "Please"); a sound so short that no word can be in it is decided
sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from assistant.audio import samples


@dataclass(frozen=True, slots=True)
class Patience:
    """When to duck, to stop, to resume."""

    start_probability: float = 0.5
    eager_probability: float = 0.2  # ducks when the sound is clearly above noise and echo
    stop_ms: float = 480  # speech within the interruption that stops; a "mhm" has 200 to 450
    decide_ms: float = 640  # after the first frame of speech, unless they are speaking just then
    talking_ms: float = 192  # in a row: somebody who is speaking, and is waited for ...
    longest_ms: float = 768  # ... until then, and then listened to; 800 after the onset are promised
    click_ms: float = 96  # a sound no longer than this ...
    click_silence_ms: float = 192  # ... is nothing once it was silent for so long


class Playback(Enum):
    SILENT = auto()
    PLAYING = auto()
    DUCKED = auto()


class Action(Enum):
    DUCK = auto()
    STOP = auto()
    RESUME = auto()


class Meaning(Enum):
    """What the words of an interruption ask for."""

    STOP = auto()
    BACKCHANNEL = auto()  # "mhm": go on
    NOTHING = auto()  # no words: a noise


class BargeIn:
    """Fed one frame at a time while something may be playing; says what to do with the playback."""

    def __init__(self, patience: Patience = Patience()) -> None:
        self.patience = patience
        self.playback = Playback.SILENT
        self.onset = 0  # sample at which the interruption began
        self._now = 0
        self._run = 0  # samples of speech in a row
        self._speech = 0  # samples of speech since the onset
        self._silence = 0  # samples without speech in a row

    def started(self) -> None:
        """The playback began."""
        self.playback = Playback.PLAYING
        self._run = self._speech = 0

    def finished(self) -> None:
        """The playback came to its end."""
        self.playback = Playback.SILENT

    def feed(self, probability: float, n_samples: int, clearly_louder: bool = False) -> Action | None:
        """`probability` of speech that is not our own, for the next `n_samples`.

        `clearly_louder`: than the noise and the echo we expect.
        """
        self._now += n_samples
        loud = probability >= self.patience.start_probability
        self._run = self._run + n_samples if loud else 0
        self._silence = 0 if loud else self._silence + n_samples
        eager = clearly_louder and probability >= self.patience.eager_probability
        match self.playback:
            case Playback.PLAYING if loud or eager:
                self.playback = Playback.DUCKED
                self.onset = self._now - n_samples
                self._speech, self._silence = self._run, 0
                return Action.DUCK
            case Playback.DUCKED:
                self._speech += n_samples if loud else 0
                return self._decide()
        return None

    def heard(self, meaning: Meaning) -> Action | None:
        """What the recogniser made of the interruption so far; anything but these meanings is left to the clock."""
        if self.playback is not Playback.DUCKED:
            return None
        if meaning is Meaning.STOP:
            self.playback = Playback.SILENT
            return Action.STOP
        if self._run:  # still speaking: "mhm" may be the beginning of a sentence
            return None
        return self._resume()

    def _decide(self) -> Action | None:
        if self._speech >= samples(self.patience.stop_ms):
            self.playback = Playback.SILENT
            return Action.STOP
        clicked = self._speech <= samples(self.patience.click_ms)
        if clicked and self._silence >= samples(self.patience.click_silence_ms):
            return self._resume()
        lasted, talking = self._now - self.onset, self._run >= samples(self.patience.talking_ms)
        if talking and lasted >= samples(self.patience.longest_ms):
            self.playback = Playback.SILENT
            return Action.STOP
        if not talking and lasted >= samples(self.patience.decide_ms):
            return self._resume()
        return None

    def _resume(self) -> Action:
        self.playback = Playback.PLAYING
        self._run = 0
        return Action.RESUME
