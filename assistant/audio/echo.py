"""Our own voice taken out of the microphone: WebRTC's echo canceller (AEC3), with its noise suppression and gain.

The canceller is the one of the `livekit` wheel, used without anything that could reach a network: creating it starts
idle threads of that library's runtime and no socket beyond a pair within the process. It wants the reference (what the
speaker plays) before its echo arrives, ten milliseconds at a time, and finds the delay between them by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import RATE_HZ
from assistant.audio.messages import Pcm
from assistant.errors import ModelMissingError

BLOCK = RATE_HZ // 100  # samples the canceller works on
_SILENT_DB = -96.0


def level_db(pcm: Pcm) -> float:
    """Decibels below full scale, root mean square; -96 for silence."""
    if not len(pcm):
        return _SILENT_DB
    power = float(np.mean(np.square(pcm.astype(np.float32) / 32768)))
    return max(_SILENT_DB, 10 * float(np.log10(power))) if power > 0 else _SILENT_DB


class EchoCanceller:
    """Raises ModelMissingError when the package is not installed."""

    def __init__(self, cancel_echo: bool = True, suppress_noise: bool = False, gain: bool = False) -> None:
        try:
            from livekit.rtc.apm import AudioProcessingModule
            from livekit.rtc.audio_frame import AudioFrame
        except ImportError as error:
            raise ModelMissingError("echo cancelling needs the extra: pip install 'homebody[voice]'") from error
        self._frame: Any = AudioFrame
        self._module: Any = AudioProcessingModule(
            echo_cancellation=cancel_echo, noise_suppression=suppress_noise, auto_gain_control=gain
        )

    def process(self, heard: Pcm, reference: Pcm) -> Pcm:
        """BLOCK samples heard while the BLOCK samples of `reference` are on their way to the speaker."""
        far = self._frame(bytearray(reference.tobytes()), RATE_HZ, 1, BLOCK)
        near = self._frame(bytearray(heard.tobytes()), RATE_HZ, 1, BLOCK)
        self._module.process_reverse_stream(far)
        self._module.process_stream(near)
        cleaned: Pcm = np.frombuffer(near.data, np.int16)
        return cleaned


class Resampler:
    """A stream at another rate: windowed sinc, a table of fractions; the delay is half its taps."""

    _TAPS = 32

    def __init__(self, from_hz: int, to_hz: int) -> None:
        shared = int(np.gcd(from_hz, to_hz))
        self._up, self._down = to_hz // shared, from_hz // shared
        band = min(1.0, to_hz / from_hz) * 0.95
        at = np.arange(self._TAPS)[None, :] - self._TAPS / 2 - np.arange(self._up)[:, None] / self._up
        table = np.sinc(at * band) * np.hanning(self._TAPS + 2)[None, 1:-1]
        self._table: NDArray[np.float32] = (table / table.sum(axis=1, keepdims=True)).astype(np.float32)
        self._kept: NDArray[np.float32] = np.zeros(self._TAPS, np.float32)
        self._next = 0  # position of the next output sample in the kept samples, in 1/up of a sample

    def feed(self, pcm: Pcm) -> Pcm:
        """All output samples that these input samples complete."""
        if self._up == self._down:
            return pcm
        samples = np.concatenate([self._kept, pcm.astype(np.float32)])
        last = (len(samples) - self._TAPS) * self._up
        at = np.arange(self._next, last, self._down)
        whole, fraction = at // self._up, at % self._up
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._TAPS)[whole]
        out: NDArray[np.float32] = np.einsum("ij,ij->i", windows, self._table[fraction])
        done = len(samples) - self._TAPS
        self._next = (int(at[-1]) + self._down if len(at) else self._next) - done * self._up
        self._kept = samples[done:]
        resampled: Pcm = np.clip(np.round(out), -32768, 32767).astype(np.int16)
        return resampled
