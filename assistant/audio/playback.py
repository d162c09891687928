"""The answer being played: filled by commands, emptied by whoever owns the speaker, ten milliseconds at a time.

    SILENT -> PLAYING -> SILENT            finished, or stopped
                 ^-> DUCKED                silent with the place kept; goes on at a word boundary

A cut never clicks: what was audible fades out, what goes on fades in.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from enum import Enum, auto

import numpy as np

from assistant.audio.messages import Change, Pcm, Playback

FADE_MS = 5
AUDIBLE = 328  # 1 % of full scale


class State(Enum):
    SILENT = auto()
    PLAYING = auto()
    DUCKED = auto()


class PlaybackBuffer:
    """One answer at a time. Commands and the device come from different threads."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._lock = threading.Lock()
        self._answer = 0
        self._state = State.SILENT
        self._pieces: list[Pcm] = []
        self._starts: list[int] = []  # of the pieces
        self._boundaries: list[int] = []
        self._n_samples = self._at = self._played = 0
        self._whole = self._audible = False
        self._fade_out: Pcm = np.zeros(0, np.int16)
        self._fades_in = False
        self._changes: list[Playback] = []

    @property
    def state(self) -> State:
        return self._state

    @property
    def position(self) -> tuple[int, int]:
        """The answer's number and the furthest sample of it that was played."""
        with self._lock:
            return self._answer, self._played

    def begin(self, answer: int, at: int = 0) -> None:
        with self._lock:
            self._fade_out = self._next_fade()
            self._answer, self._state = answer, State.PLAYING
            self._pieces, self._starts, self._boundaries = [], [], [at]
            self._n_samples = self._at = self._played = at
            self._whole = self._audible = self._fades_in = False

    def append(self, answer: int, pcm: Pcm, word_ends: list[int]) -> None:
        """PCM of an answer that is over is dropped."""
        with self._lock:
            if answer != self._answer or self._state is State.SILENT:
                return
            self._boundaries += [self._n_samples + end for end in word_ends]
            if len(pcm):
                self._starts.append(self._n_samples)
                self._pieces.append(pcm)
                self._n_samples += len(pcm)

    def whole(self, answer: int) -> None:
        with self._lock:
            self._whole |= answer == self._answer

    def duck(self, now: int, onset: int) -> None:
        with self._lock:
            if self._state is State.PLAYING:
                self._fade_out = self._next_fade()
                self._state = State.DUCKED
                self._note(Change.DUCKED, now, onset)

    def resume(self, now: int) -> None:
        with self._lock:
            if self._state is State.DUCKED:
                self._state, self._fades_in = State.PLAYING, True
                self._at = self._boundaries[max(0, bisect_right(self._boundaries, self._at) - 1)]
                self._note(Change.RESUMED, now)

    def stop(self, now: int) -> None:
        with self._lock:
            if self._state is not State.SILENT:
                self._fade_out = self._next_fade()
                self._state = State.SILENT
                self._note(Change.STOPPED, now)

    def take(self, n_samples: int, now: int, rate_in_hz: int) -> Pcm:
        """The next samples for the speaker, silence where there is nothing. `now`: input samples at their start."""
        with self._lock:
            out = np.zeros(n_samples, np.int16)
            faded, self._fade_out = self._fade_out[:n_samples], self._fade_out[n_samples:]
            out[: len(faded)] = faded
            if self._state is State.PLAYING:
                pcm = self._cut(self._at, n_samples - len(faded))
                if self._fades_in and len(pcm):
                    pcm, self._fades_in = pcm.copy(), False
                    n_fade = min(len(pcm), self.rate_hz * FADE_MS // 1000)
                    pcm[:n_fade] = pcm[:n_fade] * np.linspace(0, 1, n_fade)
                out[len(faded) : len(faded) + len(pcm)] = pcm
                self._at += len(pcm)
                self._played = max(self._played, self._at)
                self._note_progress(out, now, rate_in_hz)
            return out

    def changes(self) -> list[Playback]:
        """What has happened since the last call."""
        with self._lock:
            changes, self._changes = self._changes, []
            return changes

    # -- parts, with the lock held ------------------------------------------------------------------------------------

    def _note(self, change: Change, now: int, onset: int = 0) -> None:
        self._changes.append(Playback(change, self._answer, now, self._at, onset))

    def _note_progress(self, out: Pcm, now: int, rate_in_hz: int) -> None:
        if not self._audible:
            loud = np.flatnonzero(np.abs(out.astype(np.int32)) >= AUDIBLE)
            if len(loud):
                self._audible = True
                self._note(Change.BEGUN, now + int(loud[0]) * rate_in_hz // self.rate_hz)
        if self._whole and self._at >= self._n_samples:
            self._state = State.SILENT
            self._note(Change.FINISHED, now)

    def _next_fade(self) -> Pcm:
        """What would come next, fading out."""
        if self._state is not State.PLAYING:
            return self._fade_out
        pcm = self._cut(self._at, self.rate_hz * FADE_MS // 1000)
        return (pcm * np.linspace(1, 0, len(pcm))).astype(np.int16)

    def _cut(self, start: int, n_samples: int) -> Pcm:
        """Samples `start` to `start + n_samples`, fewer where there are no more yet."""
        found: list[Pcm] = []
        piece = max(0, bisect_right(self._starts, start) - 1)
        while n_samples > 0 and piece < len(self._pieces):
            offset = start - self._starts[piece]
            part = self._pieces[piece][offset : offset + n_samples]
            found.append(part)
            start, n_samples, piece = start + len(part), n_samples - len(part), piece + 1
        return np.concatenate(found) if found else np.zeros(0, np.int16)
