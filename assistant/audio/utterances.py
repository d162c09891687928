"""From speech probabilities to utterances: a state machine in samples.

    QUIET -> RISING -> SPEAKING -> PAUSING -> QUIET      one utterance
                          ^-----------'                  speech resumed: what was begun at the soft end is thrown away

The soft end comes with the first silent frame: there recognition and the judgement of the turn begin, on speculation.
The hard end comes when the silence has lasted as long as that judgement says (`hold`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from assistant.audio import FRAME, samples
from assistant.engines.hearing import Pcm


@dataclass(frozen=True, slots=True)
class Timing:
    """What counts as speech and as a pause."""

    start_probability: float = 0.5  # at and above: speech begins
    stop_probability: float = 0.35  # below: silence; between the two nothing changes
    confirm_ms: float = 64  # shorter sounds are clicks
    resume_ms: float = 64  # speech this long inside a pause continues the utterance
    soft_end_ms: float = 32  # silence after which recognition starts
    hold_ms: float = 1200  # silence that ends the utterance when nobody has judged it
    preroll_ms: float = 960  # kept from before the first speech: from afar it is noticed a word late
    longest_ms: float = 28_000  # Whisper hears 30 s


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """`at` is the sample at which the speech began, before it was confirmed."""

    at: int


@dataclass(frozen=True, slots=True)
class SoftEnd:
    """The speaker paused. `pcm` is the utterance so far; `end` the sample after its last speech."""

    number: int
    pcm: Pcm
    end: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech went on: what was done for soft end `number` is void."""

    number: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over, as it was at soft end `number`. `held` counts the samples of silence waited for."""

    number: int
    pcm: Pcm
    end: int
    held: int


Event = SpeechStarted | SoftEnd | Resumed | Ended


class State(Enum):
    QUIET = auto()
    RISING = auto()
    SPEAKING = auto()
    PAUSING = auto()


class Utterances:
    """Feed it frames with their speech probability; it returns events. Keeps at most one utterance in memory."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self.timing = timing
        self.state = State.QUIET
        self.now = 0  # samples received
        self._preroll: deque[Pcm] = deque(maxlen=max(1, samples(timing.preroll_ms) // FRAME))
        self._frames: list[Pcm] = []
        self._onset = 0
        self._last_speech = 0  # sample after the last frame with speech
        self._run = 0  # samples of speech in a row, while rising or resuming
        self._number = 0
        self._hold = samples(timing.hold_ms)

    def feed(self, pcm: Pcm, probability: float) -> list[Event]:
        """One frame of FRAME samples."""
        start = self.now
        self.now += len(pcm)
        loud = probability >= self.timing.start_probability
        if self.state is State.QUIET or self.state is State.RISING:
            self._preroll.append(pcm)
        else:
            self._frames.append(pcm)
        match self.state:
            case State.QUIET if loud:
                self.state, self._onset, self._run = State.RISING, start, len(pcm)
                return self._confirm()
            case State.RISING:
                if probability < self.timing.stop_probability:
                    self.state = State.QUIET
                    return []
                self._run += len(pcm)
                return self._confirm()
            case State.SPEAKING:
                return self._while_speaking(probability)
            case State.PAUSING:
                return self._while_pausing(loud, len(pcm))
        return []

    def judge(self, number: int, hold_ms: float) -> None:
        """Set how long the pause of soft end `number` must last; a judgement that comes too late is ignored."""
        if self.state is State.PAUSING and number == self._number:
            self._hold = samples(hold_ms)

    def so_far(self) -> Pcm:
        """The utterance in progress, with what came before it; while somebody speaks or pauses."""
        return np.concatenate(self._frames)

    def reset(self) -> None:
        """Forget the utterance in progress; time goes on."""
        self.state = State.QUIET
        self._frames = []
        self._preroll.clear()

    # -- states -------------------------------------------------------------------------------------------------------

    def _confirm(self) -> list[Event]:
        if self._run < samples(self.timing.confirm_ms):
            return []
        self.state = State.SPEAKING
        self._frames = list(self._preroll)
        self._preroll.clear()
        self._last_speech = self.now
        return [SpeechStarted(self._onset)]

    def _while_speaking(self, probability: float) -> list[Event]:
        if probability >= self.timing.stop_probability:
            self._last_speech = self.now
            if self.now - self._onset >= samples(self.timing.longest_ms):
                return [self._soft_end(), *self._end()]
            return []
        if self.now - self._last_speech < samples(self.timing.soft_end_ms):
            return []
        return [self._soft_end()]

    def _while_pausing(self, loud: bool, n_samples: int) -> list[Event]:
        self._run = self._run + n_samples if loud else 0
        if self._run >= samples(self.timing.resume_ms):
            self.state = State.SPEAKING
            self._last_speech = self.now
            return [Resumed(self._number)]
        if self._run == 0 and self.now - self._last_speech >= self._hold:
            return self._end()
        return []

    def _soft_end(self) -> SoftEnd:
        self.state = State.PAUSING
        self._number += 1
        self._run = 0
        self._hold = samples(self.timing.hold_ms)
        return SoftEnd(self._number, self.so_far(), self._last_speech)

    def _end(self) -> list[Event]:
        held = self.now - self._last_speech
        pcm = self.so_far()
        self.reset()
        return [Ended(self._number, pcm[: len(pcm) - max(0, held - FRAME * 3)], self._last_speech, held)]
