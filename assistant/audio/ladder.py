"""The echo ladder: how well can we hear the user while we speak ourselves, and what may interrupt us then.

    CLEAR        no echo worth the name (headphones, or cancelled): any speech interrupts
    REFERENCE    some echo is left: only what is louder than the echo we expect interrupts
    HALF_DUPLEX  the echo drowns the user: the microphone counts only while we are silent

Decided from levels while we speak, in decibels relative to full scale. What comes back is described by one number, the
coupling: how loud the rest of our voice is, relative to what was played; the upper end of the last two seconds of it.
Until so much was heard, a poor coupling is assumed. A user who speaks and is not heard at first looks like echo: what
is far above the middle of those two seconds therefore counts for no more than was assumed before anything was heard.
The badge on the screen shows the rung.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

QUIET_DB = -45.0  # a reference below this plays nothing that could echo, or the end of a word
_NO_ECHO_DB = -100.0


class Rung(StrEnum):
    CLEAR = "full duplex"
    REFERENCE = "speak up to interrupt"
    HALF_DUPLEX = "half duplex"


@dataclass(frozen=True, slots=True)
class Margins:
    """In decibels; `_frames` count frames of 32 ms."""

    clear_over_noise_db: float = 6.0  # a residual no louder than this above the noise floor is none
    user_over_echo_db: float = 6.0  # the user must exceed the expected residual by this
    drowning_db: float = -12.0  # a residual this close to the reference leaves no room above it
    assumed_coupling_db: float = -16.0  # before anything was heard: the canceller needs a second of our voice
    window_frames: int = 64
    upper_share: float = 0.9  # the coupling is this quantile of the window ...
    above_middle_db: float = 12.0  # ... unless it is so far above the median: then it may be somebody else's voice
    false_alarm_frames: int = 10  # how many frames of the window a false alarm stands for
    up_frames: int = 30  # evidence for a better rung


class EchoLadder:
    """Fed the levels of each frame: microphone after cancelling, and the loudest reference that may still echo."""

    def __init__(self, margins: Margins = Margins()) -> None:
        self.margins = margins
        self.rung = Rung.REFERENCE
        self.noise_db = -60.0
        self._window = deque([margins.assumed_coupling_db] * margins.window_frames, maxlen=margins.window_frames)
        self._better_frames = 0

    @property
    def coupling_db(self) -> float:
        heard = sorted(self._window)
        upper, middle = heard[int(self.margins.upper_share * (len(heard) - 1))], heard[len(heard) // 2]
        return min(upper, max(middle + self.margins.above_middle_db, self.margins.assumed_coupling_db))

    def silence(self, residual_db: float) -> None:
        """A frame in which neither we nor the user speak: tracks the noise floor."""
        rate = 0.05 if residual_db > self.noise_db else 0.3
        self.noise_db += rate * (residual_db - self.noise_db)

    def own_speech(self, residual_db: float, reference_db: float) -> None:
        """A frame in which we speak: learns how much of it comes back. A user who begins to speak does little harm."""
        if reference_db < QUIET_DB:
            return
        inaudible = residual_db <= self.noise_db + self.margins.clear_over_noise_db
        self._window.append(_NO_ECHO_DB if inaudible else residual_db - reference_db)
        self._climb(self._fitting(reference_db))

    def false_alarm(self, residual_db: float, reference_db: float) -> None:
        """What ducked us at these levels was nothing, and may have been our own voice: ask for more for a while.

        But for no more than before anything was known: it may have been the user's "mhm" too.
        """
        coupling = min(residual_db - reference_db, self.margins.assumed_coupling_db)
        self._window.extend([coupling] * self.margins.false_alarm_frames)
        self._climb(self._fitting(reference_db))

    def expected_db(self, reference_db: float) -> float:
        """The loudest that noise and the rest of our own voice should be."""
        return max(self.noise_db, reference_db + self.coupling_db if reference_db >= QUIET_DB else _NO_ECHO_DB)

    def may_interrupt(self, residual_db: float, reference_db: float) -> bool:
        """Whether speech at this level, while we play at that level, can be the user's."""
        match self.rung:
            case Rung.CLEAR:
                return True
            case Rung.REFERENCE:
                return residual_db >= self.expected_db(reference_db) + self.margins.user_over_echo_db
        return reference_db < QUIET_DB

    def _fitting(self, reference_db: float) -> Rung:
        coupling = self.coupling_db
        if coupling > self.margins.drowning_db:
            return Rung.HALF_DUPLEX
        if reference_db + coupling > self.noise_db + self.margins.clear_over_noise_db:
            return Rung.REFERENCE
        return Rung.CLEAR

    def _climb(self, fitting: Rung) -> None:
        order = list(Rung)
        if order.index(fitting) > order.index(self.rung):
            self.rung, self._better_frames = fitting, 0
        elif order.index(fitting) < order.index(self.rung):
            self._better_frames += 1
            if self._better_frames >= self.margins.up_frames:
                self.rung, self._better_frames = order[order.index(self.rung) - 1], 0
        else:
            self._better_frames = 0
