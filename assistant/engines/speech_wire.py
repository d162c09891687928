"""What the app and a speech worker say to each other: frames as in wire.py, one request at a time, PCM in 16 bits."""

from __future__ import annotations

import msgspec

from assistant.engines.wire import Failed


class Load(msgspec.Struct, frozen=True, tag=True):
    """`kind` is "asr", "tts" or "judge"; `path` a file or folder."""

    kind: str
    path: bytes
    n_threads: int


class Transcribe(msgspec.Struct, frozen=True, tag=True):
    id: int
    pcm: bytes
    language: str
    hot_words: list[str]
    draft: bool


class Say(msgspec.Struct, frozen=True, tag=True):
    id: int
    written: str
    spoken: str


class Judge(msgspec.Struct, frozen=True, tag=True):
    """An utterance for the turn judge."""

    id: int
    pcm: bytes


class Cancel(msgspec.Struct, frozen=True, tag=True):
    id: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Loaded and warm. `rate_hz` is a voice's."""

    rate_hz: int


class Transcribed(msgspec.Struct, frozen=True, tag=True):
    id: int
    text: str
    language: str
    log_probability: float
    no_speech_probability: float
    redone: bool


class SoundPiece(msgspec.Struct, frozen=True, tag=True):
    id: int
    pcm: bytes
    written: str
    n_samples: int
    word_ends: list[int]


class Said(msgspec.Struct, frozen=True, tag=True):
    id: int


class Probability(msgspec.Struct, frozen=True, tag=True):
    id: int
    value: float


ToWorker = Load | Transcribe | Say | Judge | Cancel
ToApp = Ready | Transcribed | SoundPiece | Said | Probability | Failed
