"""Interruptions, through the audio process's own code with files as devices and a measured room between them.

The microphone hears the user and, attenuated and delayed by the room, what the speaker plays; the canceller, the speech
detector and the duck are the product's. Time is counted in samples: the figures leave out only the buffers of a sound
card, 40 ms or less on PulseAudio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.audio import RATE_HZ
from assistant.audio.core import Core
from assistant.audio.echo import EchoCanceller, Resampler
from assistant.audio.file_devices import FileDevices
from assistant.audio.messages import Change, Event, Playback
from assistant.audio.playback import FADE_MS, PlaybackBuffer
from assistant.engines.hearing import Voice
from assistant.engines.silero import SileroDetector
from evals.voice_sounds import (
    ONSET_BELOW_DB,
    Floats,
    Remark,
    Spoken,
    as_pcm,
    levels_db,
    load,
    own_voice,
    rows,
    scaled,
    with_noise,
)

LEAD_S = 3.0  # our own speech before the user begins: a cold canceller has that long to learn the room


@dataclass(frozen=True, slots=True)
class Interruption:
    """One trial. Milliseconds after the onset of the user's speech; None: never.

    `ducked_ms` and `decided_ms` are of the first duck and the first decision, `change` is the last one: stopped or
    resumed. `at_word_boundary`: so did every resume.
    """

    name: str
    ducked_ms: float | None
    decided_ms: float | None
    change: Change | None
    at_word_boundary: bool


def simulate(heard: Floats, own: Sequence[Spoken], rate_hz: int, room: Floats | None) -> Iterator[Event]:
    """Play `own` from the start, as one answer, while `heard` reaches the microphone; everything that happens."""
    playback = PlaybackBuffer(rate_hz)
    core = Core(playback, SileroDetector(), EchoCanceller())
    devices = FileDevices(as_pcm(heard), None, rate_hz, room)
    playback.begin(1)
    for spoken in own:
        playback.append(1, spoken.pcm, list(spoken.word_ends))
    while not devices.ended:
        yield from core.step(*devices.exchange(playback.take(devices.n_out, core.now, RATE_HZ)))


def self_interruptions(own: Sequence[Spoken], rate_hz: int, room: Floats, seconds: float) -> tuple[int, int]:
    """Our own voice in the microphone and nobody else: (answers stopped, times ducked) in so many seconds."""
    stopped = ducked = 0
    for event in simulate(with_noise(int(seconds * RATE_HZ), seed=1), own, rate_hz, room):
        match event:
            case Playback(change=Change.STOPPED):
                stopped += 1
            case Playback(change=Change.DUCKED):
                ducked += 1
    return stopped, ducked


def interrupt(remark: Remark, own: Sequence[Spoken], rate_hz: int, room: Floats | None, seed: int) -> Interruption:
    """The user makes this remark while we speak."""
    generator = np.random.default_rng(seed)
    start = int(LEAD_S * RATE_HZ) + int(generator.integers(0, RATE_HZ))
    heard = with_noise(start + len(remark.pcm) + RATE_HZ, seed)
    heard[start : start + len(remark.pcm)] += remark.pcm
    onset = start + remark.onset
    ducked = decided = change = None
    boundary = True
    for event in simulate(heard, own, rate_hz, room):
        if not isinstance(event, Playback) or event.now < onset:
            continue
        if event.change is Change.DUCKED and ducked is None:
            ducked = (event.now - onset) / RATE_HZ * 1000 + FADE_MS
        elif event.change in (Change.STOPPED, Change.RESUMED):
            boundary &= event.change is Change.STOPPED or event.at in word_boundaries(own)
            decided = (event.now - onset) / RATE_HZ * 1000 if decided is None else decided
            change = event.change
    return Interruption(remark.name, ducked, decided, change, boundary)


def word_boundaries(own: Sequence[Spoken]) -> set[int]:
    """Output samples of the answer at which a word ends, and its start."""
    boundaries, start = {0}, 0
    for spoken in own:
        boundaries |= {start + end for end in spoken.word_ends}
        start += len(spoken.pcm)
    return boundaries


def from_second(own: Sequence[Spoken], rate_hz: int, second: float) -> list[Spoken]:
    """The answer from its first whole clause after `second` on, so that each trial interrupts other words."""
    start = 0
    for at, spoken in enumerate(own):
        if start >= second * rate_hz:
            return list(own[at:])
        start += len(spoken.pcm)
    return list(own)


BACKCHANNELS = (
    *("Mhm.", "Uh-huh.", "Yeah.", "Okay.", "Right.", "I see.", "Yes.", "Hm.", "Oh.", "Sure.", "Aha.", "Got it."),
    *("Wow.", "Really?", "Great.", "Yep.", "Nice.", "Mm."),
)
NOISE_S = 3.0


def backchannels(voice: Voice, loud_db: float) -> list[Remark]:
    """Signs of listening, spoken by the synthetic voice a fifth higher than our own."""
    found = []
    for text in BACKCHANNELS:
        (spoken,) = own_voice(voice, [text], seconds=0.01)
        pcm = Resampler(round(voice.rate_hz * 1.2), RATE_HZ).feed(spoken.pcm).astype(np.float32)
        found.append(_from_onset(text, scaled(pcm, loud_db)))
    return found


def noises(data: Path, loud_db: float) -> list[Remark]:
    """Recorded noises, no more than NOISE_S of each at a time: doors, tools, animals, rain."""
    found = []
    for row in rows(data, "noise_and_rooms"):
        if row["kind"] == "rir":
            continue
        pcm = scaled(load(data / row["audio"]), loud_db)
        step = int(NOISE_S * RATE_HZ)
        for start in range(0, len(pcm), step):
            if len(part := pcm[start : start + step]) >= RATE_HZ // 4:
                found.append(_from_onset(f"{row['audio']} at {start / RATE_HZ:.0f} s", part))
    return found


def _from_onset(name: str, pcm: Floats) -> Remark:
    loud = np.flatnonzero(levels_db(pcm) >= float(np.percentile(levels_db(pcm), 80)) - ONSET_BELOW_DB)
    return Remark(name, pcm, int(loud[0]) * RATE_HZ // 100 if len(loud) else 0)
