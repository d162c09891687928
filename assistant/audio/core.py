"""What happens to every ten milliseconds of sound, in the audio process or, for files, in this one.

    microphone -> echo canceller -> frames of 32 ms -> speech detector -> duck, stop or resume -> Frame, Playback, ...
    playback   -> speaker, and as the reference into the canceller

Decisions about our own playback are taken here, where the samples are; what the words mean is decided elsewhere and
comes as a command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from assistant.audio import FRAME
from assistant.audio.barge_in import Action, BargeIn
from assistant.audio.barge_in import Playback as Playing
from assistant.audio.echo import BLOCK, EchoCanceller, level_db
from assistant.audio.ladder import QUIET_DB, EchoLadder, Rung
from assistant.audio.messages import (
    Badge,
    Begin,
    Command,
    Duck,
    Event,
    Frame,
    Mute,
    Pcm,
    Play,
    Resume,
    Stop,
    Whole,
    Woken,
)
from assistant.audio.playback import PlaybackBuffer, State

_ECHO_TAIL_FRAMES = 8  # how long a room keeps our voice: 256 ms
_SILENCE_PROBABILITY = 0.2
_CLEARLY_LOUDER_DB = 10.0


class Detector(Protocol):
    """Probability that a frame of FRAME samples contains speech (engines/silero.py)."""

    def probability(self, frame: Pcm) -> float: ...


class WakeWords(Protocol):
    """Names of the wake words completed within these samples (engines/wake_word.py)."""

    def feed(self, pcm: Pcm) -> Sequence[str]: ...


class Core:
    """Fed with BLOCK samples of the microphone and of the speaker at a time; commands may come from another thread."""

    def __init__(
        self,
        playback: PlaybackBuffer,
        detector: Detector,
        canceller: EchoCanceller | None,
        wake_words: WakeWords | None = None,
        half_duplex: bool = False,
    ) -> None:
        self.playback = playback
        self.now = 0  # input samples
        self._detector, self._canceller, self._wake_words = detector, canceller, wake_words
        self._barge_in = BargeIn()
        self._ladder = EchoLadder()
        self._half_duplex = half_duplex
        self._muted = False
        self._heard: list[Pcm] = []
        self._reference: list[Pcm] = []
        self._n_heard = 0
        self._reference_db: deque[float] = deque([-96.0] * _ECHO_TAIL_FRAMES, maxlen=_ECHO_TAIL_FRAMES)
        self._rung: Rung | None = None
        self._alarm_db = -96.0, -96.0  # the levels that ducked us

    @property
    def rung(self) -> Rung:
        """Without a canceller nothing is known of an echo, as with headphones."""
        if self._half_duplex:
            return Rung.HALF_DUPLEX
        return Rung.CLEAR if self._canceller is None else self._ladder.rung

    def obey(self, command: Command) -> None:
        """Everything but Open and Next."""
        playback = self.playback
        match command:
            case Begin(answer=answer, at=at):
                playback.begin(answer, at)
            case Play(answer=answer, pcm=pcm, word_ends=word_ends):
                playback.append(answer, np.frombuffer(pcm, np.int16), word_ends)
            case Whole(answer=answer):
                playback.whole(answer)
            case Duck():
                playback.duck(self.now, self.now)
            case Resume():
                playback.resume(self.now)
            case Stop():
                playback.stop(self.now)
            case Mute(on=on):
                self._muted = on

    def step(self, heard: Pcm, reference: Pcm) -> list[Event]:
        """BLOCK samples at RATE_HZ each; returns what happened, in order."""
        self.now += BLOCK
        self._reference.append(reference)
        if self._muted:
            heard = np.zeros(BLOCK, np.int16)
        if self._canceller is not None:
            heard = self._canceller.process(heard, reference)
        self._heard.append(heard)
        self._n_heard += BLOCK
        events: list[Event] = list(self.playback.changes())
        if self._wake_words is not None:
            events += [Woken(word, self.now) for word in self._wake_words.feed(heard)]
        if self._n_heard >= FRAME:
            events += self._frame()
        return events

    # -- parts --------------------------------------------------------------------------------------------------------

    def _frame(self) -> list[Event]:
        heard, reference = np.concatenate(self._heard), np.concatenate(self._reference)
        frame, self._heard = heard[:FRAME], [heard[FRAME:]]
        self._n_heard -= FRAME
        self._reference = [reference[FRAME:]]
        level, reference_level = level_db(frame), level_db(reference[:FRAME])
        self._reference_db.append(reference_level)
        probability = self._detector.probability(frame)
        echo_db = max(self._reference_db)  # what may still come back
        if not self._may_be_user(level, echo_db):
            probability = 0.0
        self._react(probability, level, echo_db)
        events: list[Event] = list(self.playback.changes())
        if (rung := self.rung) is not self._rung:
            self._rung = rung
            events.append(Badge(rung))
        answer, played = self.playback.position
        events.append(
            Frame(self.now - self._n_heard, frame.tobytes(), probability, level, reference_level, answer, played)
        )
        return events

    def _may_be_user(self, level: float, echo_db: float) -> bool:
        if self._half_duplex:
            return echo_db < QUIET_DB
        return self._canceller is None or self._ladder.may_interrupt(level, echo_db)

    def _react(self, probability: float, level: float, echo_db: float) -> None:
        """Learn from the levels, and duck, stop or resume."""
        playback = self.playback
        playing, barge_in = playback.state is State.PLAYING, self._barge_in
        if playing and barge_in.playback is Playing.SILENT:
            barge_in.started()
        elif playback.state is State.SILENT:
            barge_in.finished()
        if playing:
            self._ladder.own_speech(level, echo_db)
        elif echo_db < QUIET_DB and probability < _SILENCE_PROBABILITY:
            self._ladder.silence(level)
        louder = level >= self._ladder.expected_db(echo_db) + _CLEARLY_LOUDER_DB
        match barge_in.feed(probability, FRAME, louder):
            case Action.DUCK:
                self._alarm_db = level, echo_db
                playback.duck(self.now, self.now - self._n_heard - FRAME)
            case Action.STOP:
                playback.stop(self.now)
            case Action.RESUME:
                if self._canceller is not None:
                    self._ladder.false_alarm(*self._alarm_db)
                playback.resume(self.now)
