"""WAV files as microphone and speaker, in step: ten milliseconds in, ten milliseconds out.

By the clock a frame takes its own length, as with devices. In lockstep it takes as long as the work, so that the same
events come at the same samples and no latency can be measured. A `room` makes the microphone hear the speaker.
"""

from __future__ import annotations

import os
import struct
import time
import wave
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from assistant.audio import RATE_HZ
from assistant.audio.echo import BLOCK, Resampler
from assistant.audio.messages import Pcm
from assistant.errors import UsageError

_LONGEST_S = 4 * 3600
_MAX_BYTES = 2 << 30


def read_wav(file: BinaryIO, name: str) -> Pcm:
    """Samples at 16 kHz, mono, of a 16-bit WAV file. Raises UsageError that says what is wrong with it.

    Parsed by the standard library: no name is ever given to a decoder that knows URLs.
    """
    if (n_bytes := os.fstat(file.fileno()).st_size) == 0:
        raise UsageError(f"{name} is empty and no WAV file; record it again")
    if n_bytes > _MAX_BYTES:
        raise UsageError(f"{name} is larger than {_MAX_BYTES >> 30} GiB; cut it")
    try:
        with wave.open(file) as reader:
            rate_hz, n_channels, width = reader.getframerate(), reader.getnchannels(), reader.getsampwidth()
            raw = reader.readframes(min(reader.getnframes(), _LONGEST_S * max(1, rate_hz)))
    except (wave.Error, EOFError, struct.error) as error:
        raise UsageError(f"{name} is no WAV file ({error}); convert it to 16-bit WAV first") from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error
    if width != 2 or not 8000 <= rate_hz <= 192_000 or not 1 <= n_channels <= 8:
        raise UsageError(f"{name} has {8 * width} bits, {rate_hz} Hz, {n_channels} channels; 16-bit audio is needed")
    samples = np.frombuffer(raw[: len(raw) - len(raw) % (2 * n_channels)], np.int16).reshape(-1, n_channels)
    mono = samples[:, 0] if n_channels == 1 else samples.mean(axis=1).astype(np.int16)
    return Resampler(rate_hz, RATE_HZ).feed(mono)


class Room:
    """What comes back of what is played: convolution with an impulse response, block by block."""

    def __init__(self, response: NDArray[np.float32]) -> None:
        self._response = response
        self._past: NDArray[np.float32] = np.zeros(len(response) - 1 + BLOCK, np.float32)

    def hear(self, played: Pcm) -> NDArray[np.float32]:
        self._past = np.concatenate([self._past[BLOCK:], played.astype(np.float32)])
        if not self._past.any():
            return np.zeros(BLOCK, np.float32)
        return np.convolve(self._past, self._response, mode="valid").astype(np.float32)


class FileDevices:
    """BLOCK samples of input and the output that belongs to them, again and again.

    Raises UsageError for a file that cannot be used. The output file is whole at any moment.
    """

    def __init__(self, source: Pcm, sink: BinaryIO | None, rate_out_hz: int, room: NDArray[np.float32] | None) -> None:
        self._source = source
        self.rate_out_hz = rate_out_hz
        self._room = Room(room) if room is not None and len(room) else None
        self._resampler = Resampler(rate_out_hz, RATE_HZ)
        self._reference: Pcm = np.zeros(BLOCK // 2, np.int16)
        self._at = self._written = 0
        self._started_s = time.monotonic()
        self._writer: wave.Wave_write | None = None
        if sink is not None:
            self._writer = wave.open(sink, "wb")  # noqa: SIM115 - closed in close()
            self._writer.setnchannels(1)
            self._writer.setsampwidth(2)
            self._writer.setframerate(rate_out_hz)

    @property
    def ended(self) -> bool:
        """Whether all of the input was heard; silence follows."""
        return self._at >= len(self._source)

    @property
    def n_out(self) -> int:
        """Output samples that belong to the next BLOCK of input."""
        return (self._at + BLOCK) * self.rate_out_hz // RATE_HZ - self._written

    def exchange(self, out: Pcm) -> tuple[Pcm, Pcm]:
        """Play `out`, n_out samples; returns what was heard meanwhile and the reference, BLOCK samples each."""
        self._written += len(out)
        if self._writer is not None:
            self._writer.writeframes(out.tobytes())
        self._reference = np.concatenate([self._reference, self._resampler.feed(out)])
        reference, self._reference = self._reference[:BLOCK], self._reference[BLOCK:]
        heard = self._source[self._at : self._at + BLOCK]
        self._at += BLOCK
        if len(heard) < BLOCK:
            heard = np.concatenate([heard, np.zeros(BLOCK - len(heard), np.int16)])
        if self._room is not None:
            heard = np.clip(heard + self._room.hear(reference), -32768, 32767).astype(np.int16)
        return heard, reference

    def wait(self) -> None:
        """Until the clock has reached the input."""
        time.sleep(max(0.0, self._started_s + self._at / RATE_HZ - time.monotonic()))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
