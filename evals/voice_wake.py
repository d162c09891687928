"""Wake words: misses on recordings of the word, false alarms on hours of everything else.

"alexa" is measured on recordings of people. The other bundled words have no recordings here: they are spoken by our
own synthetic voice, at several speeds and pitches, and called so. False alarms are counted on speech and noise without
the word; with few hours the count says little, so its Poisson upper bound stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.audio import RATE_HZ
from assistant.audio.echo import Resampler
from assistant.engines.hearing import Voice
from assistant.engines.wake_word import WakeWord, WakeWordDetectors
from evals.voice_sounds import Floats, as_pcm, load, own_voice, rows, with_noise

LEAD_S = 1.0  # of quiet before and after each word: the detector averages over a window
SPELLINGS = {WakeWord.OKAY_NABU: "Okay Nabu", WakeWord.HEY_JARVIS: "Hey Jarvis", WakeWord.HEY_MYCROFT: "Hey Mycroft"}
FRAMES = ("{}.", "{}!", "{}?", "{}, what time is it?", "{}, turn on the light.")
PITCHES = (0.88, 0.94, 1.0, 1.06, 1.12)  # by playing faster or slower
WITHOUT = ("not_wake_words_en", "read_en", "coffee_commands_en", "home_commands_en", "multilingual", "noise_and_rooms")


@dataclass(frozen=True, slots=True)
class Misses:
    """How many utterances of a word were not noticed. `synthetic`: spoken by our own voice."""

    word: WakeWord
    n_missed: int
    n: int
    synthetic: bool


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Detections of any of the words in speech and noise without them."""

    n: int
    hours: float
    by_word: dict[str, int]

    @property
    def per_hour(self) -> float:
        return self.n / self.hours

    @property
    def upper_per_hour(self) -> float:
        """The 95 % Poisson upper bound (one-sided): the rate at which so few alarms would have a chance of 5 %."""
        return poisson_upper(self.n) / self.hours


def poisson_upper(n: int, level: float = 0.95) -> float:
    """The mean of a Poisson distribution that gives `n` or fewer with probability 1 - level; 3.0 for n = 0."""
    low, high = 0.0, 10.0 + 3 * n
    for _ in range(60):
        middle = (low + high) / 2
        term = total = np.exp(-middle)
        for k in range(1, n + 1):
            term *= middle / k
            total += term
        low, high = (middle, high) if total > 1 - level else (low, middle)
    return (low + high) / 2


def real_misses(data: Path, word: WakeWord, limit: int | None = None) -> Misses:
    """Recordings of people saying the word."""
    said = [row for row in rows(data, "wake_words_en") if row["keyword"] == word.value.replace("_", " ")][:limit]
    missed = sum(not _notices(word, load(data / row["audio"]), seed) for seed, row in enumerate(said))
    return Misses(word, missed, len(said), synthetic=False)


def synthetic_misses(voice: Voice, word: WakeWord) -> Misses:
    """The word as our own voice says it, alone and at the beginning of a sentence, at several pitches."""
    missed = n = 0
    for frame in FRAMES:
        (spoken,) = own_voice(voice, [frame.format(SPELLINGS[word])], seconds=0.01)
        for pitch in PITCHES:
            pcm = Resampler(round(voice.rate_hz * pitch), RATE_HZ).feed(spoken.pcm).astype(np.float32)
            missed += not _notices(word, pcm, n)
            n += 1
    return Misses(word, missed, n, synthetic=True)


def false_alarms(data: Path, words: Sequence[WakeWord], names: Sequence[str] = WITHOUT) -> FalseAlarms:
    """Everything recorded that holds none of the words, one after another, as a microphone would hear it.

    Recordings of wake words that are none of ours count too: they are the hardest.
    """
    detectors = WakeWordDetectors(words)
    by_word = {word.value: 0 for word in words}
    n_samples = 0
    for pcm in _without(data, words, names):
        n_samples += len(pcm)
        for word in detectors.feed(as_pcm(pcm + with_noise(len(pcm), seed=n_samples))):
            by_word[word.value] += 1
    return FalseAlarms(sum(by_word.values()), n_samples / RATE_HZ / 3600, by_word)


def _without(data: Path, words: Sequence[WakeWord], names: Sequence[str]) -> Iterable[Floats]:
    for name in names:
        for row in rows(data, name):
            if row.get("kind") != "rir":
                yield load(data / row["audio"])
    ours = {word.value.split("_")[-1] for word in words}
    for row in rows(data, "wake_words_en"):
        if not ours & set(row["keyword"].split()):
            yield load(data / row["audio"])


def _notices(word: WakeWord, pcm: Floats, seed: int) -> bool:
    quiet = int(LEAD_S * RATE_HZ)
    heard = with_noise(len(pcm) + 2 * quiet, seed)
    heard[quiet : quiet + len(pcm)] += pcm
    return bool(WakeWordDetectors([word]).feed(as_pcm(heard)))
