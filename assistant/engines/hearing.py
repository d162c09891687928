"""What the engines of speech are: small protocols and their plain data. Importing this loads no native library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.spoken.clauses import Clause
from assistant.turn import Turn

RATE_HZ = 16_000  # of everything that is listened to
FRAME = 512  # samples the speech detector looks at: 32 ms

Pcm = NDArray[np.int16]  # mono


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard. `text` is "" for noise and silence. `language` is a code such as "en".

    `log_probability` is the mean over the tokens; `redone` says that the short window failed its check and a longer one
    was used.
    """

    text: str
    language: str = "en"
    log_probability: float = 0.0
    no_speech_probability: float = 0.0
    redone: bool = False


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a clause's speech.

    The first piece of a clause carries the clause: `written` is the text of the reply it speaks, `n_samples` how long
    the whole clause is, `word_ends` at which of its samples a word ends. For later pieces they are empty.
    """

    pcm: Pcm
    written: str = ""
    n_samples: int = 0
    word_ends: tuple[int, ...] = ()


class Transcriber(Protocol):
    """Speech to text."""

    def transcribe(
        self, pcm: Pcm, language: str = "", hot_words: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        """`pcm` at 16 kHz, at most 30 s; `language` "" is detected. `hot_words` are names to expect.

        A `draft`, of speech that goes on, is cheaper and less exact; its text is "" where it is in doubt.
        Raises EngineCrashed, EngineTimeout.
        """
        ...

    def close(self) -> None: ...


class Voice(Protocol):
    """Text to speech."""

    @property
    def rate_hz(self) -> int: ...

    def say(self, words: Iterable[Clause], turn: Turn) -> Iterator[Sound]:
        """Speak clauses as they come; ends early when the turn is cancelled. Raises EngineCrashed, EngineTimeout."""
        ...

    def close(self) -> None: ...


class SpeechDetector(Protocol):
    """Tells speech from everything else, frame by frame, with memory of what came before."""

    def probability(self, frame: Pcm) -> float:
        """Probability that the next FRAME samples contain speech."""
        ...

    def reset(self) -> None: ...


class TurnJudge(Protocol):
    """Tells from the sound whether a speaker has finished."""

    def complete_probability(self, pcm: Pcm) -> float:
        """`pcm` at 16 kHz: the utterance so far; its last 8 s count."""
        ...
