"""The pipeline that tutorials build, from the same model files: one stage after the other, each library as it comes.

    0.7 s of silence -> faster-whisper (30 s, beam 5) -> llama-cpp-python, the whole prompt -> a sentence -> piper

Nothing is begun before the silence has lasted, nothing overlaps. With `reuse` the model keeps the prompt of the turn
before, as llama-cpp-python does when one conversation is all it serves.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assistant.audio import FRAME, RATE_HZ
from assistant.audio.utterances import Ended, Timing, Utterances
from assistant.config import DEFAULT_SYSTEM
from assistant.engines import amx
from assistant.engines.silero import SileroDetector
from assistant.models.spec import ModelSpec
from assistant.voice.report import acoustic_end
from evals.voice_sounds import Floats, as_pcm, with_noise

HOLD_MS = 700.0
_HISTORY = (
    ("user", "What is the largest ocean on Earth?"),
    ("assistant", "The largest ocean is the Pacific. It covers about a third of the surface of the Earth."),
    ("user", "And how deep is it at its deepest point?"),
    ("assistant", "The deepest point is the Challenger Deep in the Mariana Trench, almost eleven kilometres down."),
)
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_MAX_TOKENS = 160


@dataclass(frozen=True, slots=True)
class NaiveTurn:
    """Milliseconds of each stage, one after the other."""

    hold: float
    asr: float
    first_token: float
    first_sentence: float
    tts: float

    @property
    def total(self) -> float:
        return self.hold + self.asr + self.first_token + self.first_sentence + self.tts


class NaivePipeline:
    """Loaded and warm when the constructor returns."""

    def __init__(self, llm: ModelSpec, whisper: Path, voice: Path) -> None:
        import faster_whisper
        import llama_cpp
        import piper

        amx.switch_off()
        self._llm: Any = llama_cpp.Llama(str(llm.path), n_ctx=4096, verbose=False)
        self._whisper: Any = faster_whisper.WhisperModel(str(whisper), device="cpu", compute_type="int8")
        self._voice: Any = piper.PiperVoice.load(next(voice.glob("*.onnx")))
        self.turn(np.zeros(RATE_HZ, np.float32), reuse=False)

    def turn(self, pcm: Floats, reuse: bool) -> NaiveTurn:
        """Answer one question at RATE_HZ, in 16-bit units."""
        hold, heard = _wait_for_silence(pcm)
        started_s = time.perf_counter()
        segments, _ = self._whisper.transcribe(heard / 32768, language="en")
        question = " ".join(segment.text.strip() for segment in segments) or "Hello?"
        heard_s = time.perf_counter()
        if not reuse:
            self._llm.reset()
        sentence, first_s = self._first_sentence(question)
        sentence_s = time.perf_counter()
        next(iter(self._voice.synthesize(sentence)))
        said_s = time.perf_counter()
        steps = np.diff([started_s, heard_s, first_s, sentence_s, said_s]) * 1000
        return NaiveTurn(hold, *(float(ms) for ms in steps))

    def _first_sentence(self, question: str) -> tuple[str, float]:
        """The reply up to the end of its first sentence, and when its first token came."""
        messages = [{"role": "system", "content": DEFAULT_SYSTEM}]
        messages += [{"role": role, "content": text} for role, text in _HISTORY]
        messages.append({"role": "user", "content": question})
        text, first_s = "", 0.0
        for chunk in self._llm.create_chat_completion(messages, stream=True, temperature=0.3, max_tokens=_MAX_TOKENS):
            piece = chunk["choices"][0]["delta"].get("content", "")
            first_s = first_s or (time.perf_counter() if piece else 0.0)
            text += piece
            if found := _SENTENCE_END.search(text):
                return text[: found.end()], first_s
        return text or "Yes.", first_s or time.perf_counter()


def _wait_for_silence(pcm: Floats) -> tuple[float, Floats]:
    """How long after the end of the speech a silence of HOLD_MS is over, and what was heard until then."""
    silence = int(3 * RATE_HZ)
    everything = as_pcm(np.concatenate([pcm, np.zeros(silence, np.float32)]) + with_noise(len(pcm) + silence, seed=3))
    utterances, detector = Utterances(Timing(hold_ms=HOLD_MS)), SileroDetector()
    for at in range(0, len(everything) - FRAME, FRAME):
        frame = everything[at : at + FRAME]
        for event in utterances.feed(frame, detector.probability(frame)):
            if isinstance(event, Ended) and at > len(pcm) - RATE_HZ // 2:
                hold = (utterances.now - acoustic_end(event)) / RATE_HZ * 1000
                return hold, event.pcm.astype(np.float32)
    return HOLD_MS, pcm
