"""Speech made of vowels: pulses of a voice through three resonances each. A speech detector takes it for speech."""

from __future__ import annotations

import numpy as np

_VOWELS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410), (300, 870, 2240))
_BANDWIDTHS_HZ = (80, 100, 120)
_SYLLABLE_S = 0.18


def vowels(seconds: float, rate_hz: int = 16_000, pitch_hz: float = 120) -> np.ndarray:
    """16-bit samples, loud."""
    n_samples = int(seconds * rate_hz)
    time_s = np.arange(n_samples) / rate_hz
    melody_hz = pitch_hz * (1 + 0.17 * np.sin(2 * np.pi * 0.7 * time_s) + 0.05 * np.sin(2 * np.pi * 5 * time_s))
    pulses = np.diff(np.floor(np.cumsum(melody_hz) / rate_hz), prepend=0)
    pulses = pulses + np.random.default_rng(1).normal(0, 0.01, n_samples)
    out = np.zeros(n_samples)
    n_syllable, n_ring = int(_SYLLABLE_S * rate_hz), 400
    for number, start in enumerate(range(0, n_samples, n_syllable)):
        sound = pulses[max(0, start - n_ring) : start + n_syllable]
        for formant_hz, bandwidth_hz in zip(_VOWELS_HZ[number % len(_VOWELS_HZ)], _BANDWIDTHS_HZ, strict=True):
            sound = _resonance(sound, formant_hz / rate_hz, bandwidth_hz / rate_hz)
        target = out[start : start + n_syllable]
        at = np.arange(len(target))
        target[:] = sound[-len(target) :] * np.clip(np.minimum(at, len(target) - at) / (0.03 * rate_hz), 0.05, 1)
    return (out / np.abs(out).max() * 12_000).astype(np.int16)


def _resonance(sound: np.ndarray, frequency: float, bandwidth: float) -> np.ndarray:
    radius = np.exp(-np.pi * bandwidth)
    first, second = 2 * radius * np.cos(2 * np.pi * frequency), -radius * radius
    out, before, earlier = np.zeros(len(sound)), 0.0, 0.0
    for at, value in enumerate(sound):
        before, earlier = value + first * before + second * earlier, before
        out[at] = before
    return out
