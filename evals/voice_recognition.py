"""Recognition: word error rates clean and noisy, on the short window and on 30 s; other languages; noise alone.

Words are compared after Whisper's kind of normalising (wer.py); an interval comes from resampling whole recordings.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.audio import FRAME
from assistant.audio.messages import Pcm
from assistant.audio.utterances import Ended, Utterances
from assistant.engines.hearing import Transcriber
from assistant.engines.silero import SileroDetector
from assistant.engines.whisper import FULL_WINDOW, Window
from evals.results import Metric
from evals.voice_sounds import Floats, as_pcm, load, rows
from evals.wer import errors, normalised

WINDOWS = {"short": Window(), "full": FULL_WINDOW}


@dataclass(frozen=True, slots=True)
class Clip:
    text: str
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Scored:
    """Per clip: wrong words and words; CPU time of all of them."""

    wrong: list[int]
    words: list[int]
    cpu_s: float
    audio_s: float

    @property
    def rate(self) -> float:
        return sum(self.wrong) / max(1, sum(self.words))

    def metric(self, seed: int) -> Metric:
        """Word error rate in percent, with the interval over clips."""
        drawn = np.random.default_rng(seed).integers(0, len(self.words), (2000, len(self.words)))
        wrong, words = np.array(self.wrong), np.array(self.words)
        rates = 100 * wrong[drawn].sum(1) / np.maximum(1, words[drawn].sum(1))
        low, high = np.quantile(rates, [0.025, 0.975])
        return Metric(100 * self.rate, float(low), float(high), len(self.words), "%", better="lower")


def clips(data: Path, name: str, limit: int | None = None) -> list[Clip]:
    return [Clip(row["text"], as_pcm(load(data / row["audio"]))) for row in rows(data, name)[:limit]]


def noises(data: Path) -> list[Floats]:
    """Everything that is neither speech nor a room."""
    return [load(data / row["audio"]) for row in rows(data, "noise_and_rooms") if row["kind"] != "rir"]


def mixed(found: Sequence[Clip], noise: Sequence[Floats], snr_db: float, seed: int) -> list[Clip]:
    """The clips with a random stretch of a random noise, so many decibels below the speech."""
    generator = np.random.default_rng(seed)
    out = []
    for clip in found:
        chosen = noise[int(generator.integers(len(noise)))]
        start = int(generator.integers(len(chosen)))
        under = np.resize(np.roll(chosen, -start), len(clip.pcm))
        speech = clip.pcm.astype(np.float32)
        gain = np.sqrt(np.mean(speech**2) / (np.mean(under**2) + 1e-9)) * 10 ** (-snr_db / 20)
        out.append(Clip(clip.text, as_pcm(speech + gain * under)))
    return out


def score(transcriber: Transcriber, found: Sequence[Clip], language: str = "en") -> Scored:
    """CPU time is that of this process: `transcriber` runs in it."""
    wrong, words = [], []
    started_s = time.process_time()
    for clip in found:
        reference = normalised(clip.text)
        heard = normalised(transcriber.transcribe(clip.pcm, language).text)
        wrong.append(errors(reference, heard))
        words.append(len(reference))
    return Scored(wrong, words, time.process_time() - started_s, sum(len(c.pcm) for c in found) / 16_000)


def slots_found(transcriber: Transcriber, data: Path, limit: int) -> list[float]:
    """coffee_commands_en has no transcripts: the share of each row's slot values that are in what was heard."""
    shares = []
    for row in rows(data, "coffee_commands_en")[:limit]:
        heard = " ".join(normalised(transcriber.transcribe(as_pcm(load(data / row["audio"])), "en").text))
        values = [" ".join(normalised(str(value))) for value in row["slots"].values()]
        shares.append(sum(value in heard for value in values) / max(1, len(values)))
    return shares


def languages(transcriber: Transcriber, data: Path, limit: int) -> tuple[list[float], Scored]:
    """For each row whether its language was detected; and character errors."""
    right, wrong, n_characters = [], [], []
    started_s = time.process_time()
    for row in rows(data, "multilingual")[:limit]:
        heard = transcriber.transcribe(as_pcm(load(data / row["audio"])))
        right.append(float(heard.language == row["lang"][:2]))
        reference, said = _characters(row["text"]), _characters(heard.text)
        wrong.append(min(len(reference), errors(reference, said)))
        n_characters.append(len(reference))
    return right, Scored(wrong, n_characters, time.process_time() - started_s, 0.0)


def turns_in_noise(transcriber: Transcriber, sounds: Sequence[Floats], names: Sequence[str]) -> tuple[int, int, float]:
    """Noise that the detector took for speech and recognition, which is told `names` of a home, for words:
    (utterances, texts, seconds heard)."""
    n_utterances = n_texts = n_samples = 0
    for sound in sounds:
        pcm, utterances, detector = as_pcm(sound), Utterances(), SileroDetector()
        pcm = np.concatenate([pcm, np.zeros(48_000, np.int16)])
        for at in range(0, len(pcm) - FRAME, FRAME):
            for event in utterances.feed(pcm[at : at + FRAME], detector.probability(pcm[at : at + FRAME])):
                if isinstance(event, Ended):
                    n_utterances += 1
                    n_texts += bool(transcriber.transcribe(event.pcm, "en", names).text)
        n_samples += len(sound)
    return n_utterances, n_texts, n_samples / 16_000


def _characters(text: str) -> list[str]:
    return [c for c in text.casefold() if c.isalnum()]
