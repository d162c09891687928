"""What the app and the audio process say to each other: PCM and bare commands there, frames and events back; no text.

The process owns microphone, speaker, echo canceller, speech detector, wake word and the immediate duck. Its clock is
`now`: input samples at RATE_HZ since the start. Positions in an answer are output samples of that answer. The order is
kept: a command sent before the next event is asked for acts before the next frame, at every pace.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from assistant.audio.ladder import Rung

Pcm = NDArray[np.int16]  # mono


# -- to the process ---------------------------------------------------------------------------------------------------


class Open(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The first message: what to open. Names are (parts of) device names, "" is the system's choice.

    File devices are descriptors that the process was started with; -1 is none. `lockstep` waits for a Next before each
    frame instead of for the clock. `room` is an impulse response, at RATE_HZ and float32, through which a file
    microphone hears the speaker. `wake_words` are names of models. `now` is where the clock starts.
    """

    rate_out_hz: int
    microphone: str = ""
    speaker: str = ""
    file_in: int = -1
    file_out: int = -1
    lockstep: bool = False
    room: bytes = b""
    cancel_echo: bool = True
    suppress_noise: bool = False
    gain: bool = False
    half_duplex: bool = False
    wake_words: list[str] = []
    now: int = 0


class List(msgspec.Struct, frozen=True, tag=True):
    """Instead of Open: name the devices and end."""


class Begin(msgspec.Struct, frozen=True, tag=True):
    """A new answer begins; what was left of the one before is dropped. Its PCM starts at its sample `at`."""

    answer: int
    at: int = 0


class Play(msgspec.Struct, frozen=True, tag=True):
    """More PCM of the answer. `word_ends`: where in it, in samples from its start, playback may go on after a duck."""

    answer: int
    pcm: bytes
    word_ends: list[int] = []


class Whole(msgspec.Struct, frozen=True, tag=True):
    """The answer has no more PCM."""

    answer: int


class Duck(msgspec.Struct, frozen=True, tag=True):
    """Be silent and keep the place, as the process does by itself when it hears the user."""


class Resume(msgspec.Struct, frozen=True, tag=True):
    """Go on from the last word boundary: it was a false alarm."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End the answer."""


class Mute(msgspec.Struct, frozen=True, tag=True):
    """The microphone counts as silent from now on, or no longer."""

    on: bool


class Next(msgspec.Struct, frozen=True, tag=True):
    """In lockstep: make the next frame."""


# -- from the process -------------------------------------------------------------------------------------------------


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The devices run. `backend` is "PulseAudio", "ALSA", ... or "file"."""

    microphone: str
    speaker: str
    backend: str


class Devices(msgspec.Struct, frozen=True, tag=True):
    """What can be opened."""

    microphones: list[str]
    speakers: list[str]
    backend: str


class Frame(msgspec.Struct, frozen=True, tag=True):
    """FRAME samples heard, echo removed; `now` is the sample after them.

    `probability` that the user speaks: 0 where it can only be our own voice (ladder.py) or the microphone is muted.
    Levels in decibels below full scale. `played` is the furthest output sample of answer number `answer` that was
    played.
    """

    now: int
    pcm: bytes
    probability: float
    level_db: float
    reference_db: float
    answer: int
    played: int

    @property
    def samples(self) -> Pcm:
        return np.frombuffer(self.pcm, np.int16)


class Change(StrEnum):
    """What happened to the playback of an answer."""

    BEGUN = "begun"  # its first audible sample is played
    DUCKED = "ducked"  # the user speaks: silent, the place kept
    RESUMED = "resumed"  # it was a false alarm: goes on at a word boundary
    STOPPED = "stopped"  # the user goes on speaking, or the app said so: over
    FINISHED = "finished"  # played to its end


class Playback(msgspec.Struct, frozen=True, tag=True):
    """`now` is when it happened, `at` the output sample reached, `onset` where the user's speech began (ducked)."""

    change: Change
    answer: int
    now: int
    at: int
    onset: int = 0


class Woken(msgspec.Struct, frozen=True, tag=True):
    """A wake word ended at `now`."""

    word: str
    now: int


class Badge(msgspec.Struct, frozen=True, tag=True):
    """How well the user is heard while we speak has changed."""

    rung: Rung


class InputEnded(msgspec.Struct, frozen=True, tag=True):
    """The file microphone is at its end; silence follows for as long as somebody asks for it."""

    now: int


class DeviceLost(msgspec.Struct, frozen=True, tag=True):
    """A device is gone: `words` say which, and what is done about it. The answer in progress is kept."""

    words: str


class DeviceBack(msgspec.Struct, frozen=True, tag=True):
    """Sound works again, perhaps with other devices than before."""

    microphone: str
    speaker: str


Command = Open | List | Begin | Play | Whole | Duck | Resume | Stop | Mute | Next
Event = Frame | Playback | Woken | Badge | InputEnded | DeviceLost | DeviceBack
