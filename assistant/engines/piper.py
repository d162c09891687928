"""Piper voices, spoken in chunks: the first sound does not wait for the clause.

A Piper (VITS) model is an encoder, which decides what is said and how long each sound lasts, and a decoder, which turns
192 numbers a frame into samples and sees only 16 frames to each side. So the model is cut where the decoder begins
(onnx_split.py), and the decoder runs over windows with that margin: the same samples to within 1e-6, but the first
ones after a fraction of the time. Phonemes come from espeak-ng as piper-tts ships it.

Source of the architecture: Kim et al. 2021 (VITS); file format: OHF-Voice/piper1-gpl.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from assistant.engines.hearing import Pcm, Sound
from assistant.engines.onnx_session import open_session
from assistant.engines.onnx_split import Model
from assistant.errors import ModelRefusedError
from assistant.spoken.clauses import Clause
from assistant.turn import Turn

MARGIN = 16  # frames to each side that the decoder sees
CHUNKS = (12, 24, 48, 96, 160)  # frames decoded at a time: short first, the last for the rest
_FIRST_DECODER_NODE = "/dec/conv_pre/Conv"
_DURATIONS_NODE = "/Ceil"
_BOS, _EOS, _PAD, _SPACE = "^", "$", "_", " "
_PAUSE_MS = {".": 140, "!": 140, "?": 140, ":": 80, ";": 80, ",": 30}
_MAX_PHONEMES = 600  # about 45 s of speech: more is no clause

Floats = NDArray[np.float32]


class _Audio(msgspec.Struct, frozen=True):
    sample_rate: int


class _Espeak(msgspec.Struct, frozen=True):
    voice: str


class _Inference(msgspec.Struct, frozen=True):
    noise_scale: float = 0.667
    length_scale: float = 1.0
    noise_w: float = 0.8


class Config(msgspec.Struct, frozen=True):
    """What we need of a voice's .onnx.json."""

    audio: _Audio
    espeak: _Espeak
    phoneme_id_map: dict[str, list[int]]
    inference: _Inference = _Inference()
    num_speakers: int = 1
    hop_length: int = 256


def read_config(content: bytes) -> Config:
    """Raises ModelRefusedError for what is no voice, or one of a kind that was not tried."""
    try:
        config = msgspec.json.decode(content, type=Config)
    except msgspec.DecodeError as error:
        raise ModelRefusedError(f"the voice's configuration cannot be read: {error}; pull the voice again") from error
    missing = [sign for sign in (_BOS, _EOS, _PAD, _SPACE) if not config.phoneme_id_map.get(sign)]
    if missing or not 8000 <= config.audio.sample_rate <= 48_000 or config.num_speakers != 1:
        raise ModelRefusedError("this voice is of a kind that is not supported; choose one of the catalogue")
    return config


class PiperVoice:
    """A Voice (engines/hearing.py) in this process; `folder` holds one .onnx and its .onnx.json.

    `steady` takes the randomness out, for comparisons. Raises ModelRefusedError.
    """

    def __init__(self, folder: Path, n_threads: int = 1, steady: bool = False) -> None:
        path = next(folder.glob("*.onnx"), None)
        if path is None:
            raise ModelRefusedError(f"{folder.name} holds no voice; pull it again")
        self.config = read_config(path.with_suffix(".onnx.json").read_bytes())
        model = Model(path.read_bytes())
        self._cut = model.node(_FIRST_DECODER_NODE).inputs[0]
        durations = model.node(_DURATIONS_NODE).outputs[0]
        self._encoder = open_session(model.before([self._cut, durations]), n_threads)
        self._decoder = open_session(model.after(self._cut), n_threads)
        inference = self.config.inference
        noise, noise_w = (0.0, 0.0) if steady else (inference.noise_scale, inference.noise_w)
        self._scales = np.array([noise, inference.length_scale, noise_w], np.float32)
        self._phonemizer = _phonemizer()

    @property
    def rate_hz(self) -> int:
        return self.config.audio.sample_rate

    def say(self, words: Iterable[Clause], turn: Turn) -> Iterator[Sound]:
        """See Voice.say."""
        for clause in words:
            if turn.cancelled:
                return
            yield from self._clause(clause, turn)

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""

    def _clause(self, clause: Clause, turn: Turn) -> Iterator[Sound]:
        encoded = [self._encode(ids) for ids in self._phoneme_ids(spoken_form(clause))]
        pause = self.rate_hz * _PAUSE_MS.get(clause.spoken[-1:], 0) // 1000
        hop = self.config.hop_length
        n_samples = sum(frames.shape[2] * hop for frames, _ in encoded) + (pause if encoded else 0)
        ends, offset = [], 0
        for frames, word_ends in encoded:
            ends += [offset + end for end in word_ends]
            offset += frames.shape[2] * hop
        first: dict[str, Any] = {"written": clause.written, "n_samples": n_samples, "word_ends": tuple(ends)}
        if not encoded:
            yield Sound(np.zeros(0, np.int16), **first)
            return
        for frames, _ in encoded:
            for samples in self.decode(frames):
                if turn.cancelled:
                    return
                yield Sound(to_pcm(samples), **first)
                first = {}
        yield Sound(np.zeros(pause, np.int16))

    def _phoneme_ids(self, text: str) -> list[list[int]]:
        """One list per sentence."""
        if not text:
            return []
        table = self.config.phoneme_id_map
        sentences = []
        for phonemes in self._phonemizer.phonemize(self.config.espeak.voice, text):
            known = [p for p in phonemes if p in table][:_MAX_PHONEMES]
            ids = [*table[_BOS], *table[_PAD]]
            for phoneme in known:
                ids += [*table[phoneme], *table[_PAD]]
            sentences.append([*ids, *table[_EOS]])
        return sentences

    def _encode(self, ids: list[int]) -> tuple[Floats, list[int]]:
        """Decoder input [1, 192, frames], and at which samples words end."""
        feed = {"input": np.array([ids], np.int64), "input_lengths": np.array([len(ids)]), "scales": self._scales}
        frames, durations = self._encoder.run(None, feed)
        ends = np.cumsum(durations.reshape(-1)).astype(int) * self.config.hop_length
        space = self.config.phoneme_id_map[_SPACE][0]
        word_ends = [int(ends[at - 1]) for at, number in enumerate(ids) if number == space]
        return frames, [*word_ends, int(ends[-1])]

    def decode(self, frames: Floats, chunks: tuple[int, ...] = CHUNKS) -> Iterator[Floats]:
        """Samples of `frames`, chunk by chunk."""
        hop, n_frames = self.config.hop_length, frames.shape[2]
        start, sizes = 0, iter(chunks)
        size = chunks[-1]
        while start < n_frames:
            size = next(sizes, size)
            end = start + size
            if n_frames - end < MARGIN:  # a tail that small costs more apart
                end = n_frames
            low, high = max(0, start - MARGIN), min(n_frames, end + MARGIN)
            samples = self._decoder.run(None, {self._cut: frames[:, :, low:high]})[0].reshape(-1)
            yield samples[(start - low) * hop : (end - low) * hop]
            start = end


def spoken_form(clause: Clause) -> str:
    """A clause cut off in mid-sentence gets a comma: without it the voice would fall as at a full stop."""
    text = clause.spoken
    cut_off = text and clause.written[-1:].isspace() and text[-1] not in ".,!?:;"
    return text + "," if cut_off else text


def to_pcm(samples: Floats) -> Pcm:
    """-1..1 to 16 bits, loud peaks rounded off instead of clipped."""
    loud = np.abs(samples) > 0.8
    rounded = np.where(loud, np.sign(samples) * (0.8 + 0.2 * np.tanh((np.abs(samples) - 0.8) / 0.2)), samples)
    return (rounded * 32767).astype(np.int16)


def _phonemizer() -> Any:
    from piper.phonemize_espeak import EspeakPhonemizer

    return EspeakPhonemizer()
