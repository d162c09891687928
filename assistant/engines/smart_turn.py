"""Smart Turn v3.2: has the speaker finished? Judged from the sound of the last 8 seconds (47 ms on one core).

Input as in pipecat's local analyser: padded with silence at the front, scaled to zero mean and unit variance, then
Whisper's log-mel.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assistant.engines.hearing import Pcm
from assistant.engines.mel import RATE_HZ, log_mel
from assistant.engines.onnx_session import open_session

_N_SAMPLES = 8 * RATE_HZ


class SmartTurn:
    """A TurnJudge. Raises ModelRefusedError when the file does not load."""

    def __init__(self, path: Path, n_threads: int = 1) -> None:
        self._session = open_session(path, n_threads)

    def complete_probability(self, pcm: Pcm) -> float:
        heard = pcm[-_N_SAMPLES:].astype(np.float32) / 32768
        samples = np.concatenate([np.zeros(_N_SAMPLES - len(heard), np.float32), heard])
        samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        (complete,) = self._session.run(None, {"input_features": log_mel(samples)[None]})
        return float(complete.reshape(-1)[0])
