"""Silero VAD v6: speech or not, every 32 ms, with the state carried from frame to frame (0.1 ms a frame).

After a second of quiet the state is forgotten. Carried on for minutes it makes the detector deaf: of 38 commands in one
recording, seconds apart, 4 were not noticed and the others late (docs/experiments.md).

The model is an asset of the faster-whisper wheel, MIT licence; its hash is checked because it is not in our store.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.engines.hearing import FRAME, Pcm
from assistant.engines.onnx_session import open_session
from assistant.errors import ModelMissingError, ModelRefusedError

_QUIET_PROBABILITY, _QUIET_FRAMES = 0.1, 32
_CONTEXT = 64  # samples of the previous frame that the network sees again
_SHA256 = "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"


def model_file() -> Path:
    """Where the model is. Raises ModelMissingError."""
    found = importlib.util.find_spec("faster_whisper")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise ModelMissingError("the speech detector is not installed; install the extra: pip install 'homebody[voice]'")


class SileroDetector:
    """A SpeechDetector. Raises ModelMissingError, ModelRefusedError."""

    def __init__(self) -> None:
        content = model_file().read_bytes()
        if hashlib.sha256(content).hexdigest() != _SHA256:
            raise ModelRefusedError("the speech detector's file is not the one that was tested; install it again")
        self._session = open_session(content)
        self.reset()

    def reset(self) -> None:
        self._hidden: NDArray[np.float32] = np.zeros((1, 1, 128), np.float32)
        self._cell: NDArray[np.float32] = np.zeros((1, 1, 128), np.float32)
        self._input: NDArray[np.float32] = np.zeros((1, _CONTEXT + FRAME), np.float32)
        self._n_quiet = 0

    def probability(self, frame: Pcm) -> float:
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = frame.astype(np.float32) / 32768
        speech, self._hidden, self._cell = self._session.run(
            None, {"input": self._input, "h": self._hidden, "c": self._cell}
        )
        probability = float(speech.reshape(-1)[0])
        self._n_quiet = self._n_quiet + 1 if probability < _QUIET_PROBABILITY else 0
        if self._n_quiet == _QUIET_FRAMES:
            self.reset()
        return probability
