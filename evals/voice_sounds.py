"""Sounds for the voice measurements: recordings of the data folder, rooms, our own voice, mixtures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import RATE_HZ
from assistant.audio.echo import Resampler
from assistant.audio.messages import Pcm
from assistant.engines.hearing import Voice
from assistant.spoken.clauses import Clause
from assistant.turn import Turn

Floats = NDArray[np.float32]

ROOM_S = 0.25  # how much of an impulse response is used
ROOM_DELAY_MS = 40.0  # sound card and air
ONSET_BELOW_DB = 20.0  # speech has begun when it is no quieter than this below the speaker's loud parts
NOISE_DB = -62.0  # of the room, in every mixture: digital silence occurs nowhere


@dataclass(frozen=True, slots=True)
class Spoken:
    """PCM at the voice's rate, and where its words end."""

    pcm: Pcm
    word_ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a user says: PCM at RATE_HZ whose speech begins at sample `onset`."""

    name: str
    pcm: Floats
    onset: int


def rows(data: Path, name: str) -> list[dict[str, Any]]:
    """The rows of `speech/NAME.jsonl`."""
    lines = (data / "speech" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def load(path: Path) -> Floats:
    """A FLAC file as mono samples at RATE_HZ, in 16-bit units. The bytes are read here, the decoder sees no name."""
    import miniaudio

    sound = miniaudio.flac_read_s16(path.read_bytes())
    pcm = np.array(sound.samples, np.int16).reshape(-1, sound.nchannels)[:, 0]
    return Resampler(sound.sample_rate, RATE_HZ).feed(pcm).astype(np.float32)


def rooms(data: Path) -> list[Floats]:
    """Measured impulse responses from their direct sound on, with unit energy."""
    found = []
    for row in rows(data, "noise_and_rooms"):
        if row["kind"] == "rir":
            response = load(data / row["audio"])
            start = max(0, int(np.argmax(np.abs(response))) - 8)
            response = response[start : start + int(ROOM_S * RATE_HZ)]
            found.append((response / np.sqrt(np.sum(response**2))).astype(np.float32))
    return found


def echo_path(response: Floats, attenuation_db: float) -> Floats:
    """An impulse response with the delay of a sound card: what comes back is `attenuation_db` below what is played."""
    delay = np.zeros(int(ROOM_DELAY_MS * RATE_HZ / 1000), np.float32)
    return np.concatenate([delay, response * 10 ** (-attenuation_db / 20)]).astype(np.float32)


def own_voice(voice: Voice, texts: Sequence[str], seconds: float) -> list[Spoken]:
    """The product's own voice reading `texts`, again and again, until so many seconds are there."""
    spoken: list[Spoken] = []
    n_samples = 0
    while n_samples < seconds * voice.rate_hz:
        for text in texts:
            pieces = list(voice.say([Clause(text, text)], Turn()))
            pcm = np.concatenate([piece.pcm for piece in pieces])
            spoken.append(Spoken(pcm, tuple(end for piece in pieces for end in piece.word_ends)))
            n_samples += len(pcm)
            if n_samples >= seconds * voice.rate_hz:
                break
    return spoken


def levels_db(pcm: Floats) -> Floats:
    """One level for each ten milliseconds."""
    block = RATE_HZ // 100
    blocks = pcm[: len(pcm) // block * block].reshape(-1, block) / 32768
    levels: Floats = (10 * np.log10(np.mean(blocks**2, axis=1) + 1e-10)).astype(np.float32)
    return levels


def scaled(pcm: Floats, loud_db: float) -> Floats:
    """The same sound with its loud parts (80th percentile of the levels) at `loud_db`."""
    return (pcm * 10 ** ((loud_db - float(np.percentile(levels_db(pcm), 80))) / 20)).astype(np.float32)


def remarks(data: Path, names: Sequence[str], loud_db: float, seconds: float = 1.5) -> list[Remark]:
    """Beginnings of speech after a pause, in clean recordings, with the 100 ms before.

    The onset is the first ten milliseconds that are within ONSET_BELOW_DB of the recording's loud parts and stay there
    for 60 ms: breath and clicks before the first sound do not count, a soft consonant does.
    """
    block, found = RATE_HZ // 100, []
    for name in names:
        for row in rows(data, name):
            pcm = scaled(load(data / row["audio"]), loud_db)
            speech = levels_db(pcm) >= loud_db - ONSET_BELOW_DB
            quiet = levels_db(pcm) < loud_db - ONSET_BELOW_DB - 3
            at = 25
            while at < len(speech) - seconds * 100:
                if speech[at : at + 6].all() and quiet[at - 25 : at].all() and speech[at : at + 60].mean() > 0.6:
                    start = at * block - 1600
                    cut = pcm[start : start + 1600 + int(seconds * RATE_HZ)]
                    found.append(Remark(f"{row['audio']} at {at / 100:.2f} s", cut, 1600))
                    at += 400
                at += 1
    return found


def with_noise(n_samples: int, seed: int) -> Floats:
    """The quiet noise of a room."""
    generator = np.random.default_rng(seed)
    return generator.normal(0, 32768 * 10 ** (NOISE_DB / 20), n_samples).astype(np.float32)


def as_pcm(pcm: Floats) -> Pcm:
    return np.clip(np.round(pcm), -32768, 32767).astype(np.int16)
