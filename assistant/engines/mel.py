"""Log-mel spectrogram as Whisper defines it (80 bands, 25 ms windows, 10 ms steps), in numpy.

Formula: Radford et al. 2022, openai/whisper `audio.py`; mel scale of Slaney as in librosa.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
STEP = 160  # samples from frame to frame
WINDOW = 400
BANDS = 80

Floats = NDArray[np.float32]


def log_mel(samples: Floats) -> Floats:
    """Samples in -1..1, at least 201 of them -> [BANDS, len // STEP] in Whisper's scaling."""
    padded = np.pad(samples, WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP][:-1]
    spectrum = np.fft.rfft(frames * _window(), axis=-1)
    power = (np.abs(spectrum) ** 2).astype(np.float32)
    bands = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    bands = np.maximum(bands, bands.max() - 8.0)
    scaled: Floats = ((bands + 4.0) / 4.0).astype(np.float32)
    return scaled


@cache
def _window() -> Floats:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@cache
def _filters() -> Floats:
    """[BANDS, WINDOW // 2 + 1]: triangles on the mel scale, each of area one."""
    bins_hz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    mels = np.linspace(0.0, _mel(RATE_HZ / 2), BANDS + 2)
    edges_hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    widths = np.diff(edges_hz)
    distance = edges_hz[:, None] - bins_hz[None, :]
    rising, falling = -distance[:-2] / widths[:-1, None], distance[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    filters: Floats = (triangles * area[:, None]).astype(np.float32)
    return filters


def _mel(hz: float) -> float:
    return float(15 + np.log(hz / 1000) * 27 / np.log(6.4))
