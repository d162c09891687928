"""Wake words: microWakeWord models on TensorFlow Lite, as pymicro-wakeword ships them (Apache-2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from assistant.engines.hearing import Pcm
from assistant.errors import ModelMissingError


class WakeWord(StrEnum):
    """The words that come with a model."""

    OKAY_NABU = "okay_nabu"
    HEY_JARVIS = "hey_jarvis"
    HEY_MYCROFT = "hey_mycroft"
    ALEXA = "alexa"


_REFRACTORY = 100  # steps of 10 ms: one word is one detection


class WakeWordDetectors:
    """Listens for some of the words in a stream. Raises ModelMissingError when the package is not installed."""

    def __init__(self, words: Sequence[WakeWord]) -> None:
        try:
            import pymicro_wakeword
        except ImportError as error:
            raise ModelMissingError("wake words need the extra: pip install 'homebody[voice]'") from error
        self._models: dict[WakeWord, Any] = {
            word: pymicro_wakeword.MicroWakeWord.from_builtin(pymicro_wakeword.Model(word.value)) for word in words
        }
        self._features: Any = pymicro_wakeword.MicroWakeWordFeatures()
        self._deaf = dict.fromkeys(self._models, 0)

    def feed(self, pcm: Pcm) -> list[WakeWord]:
        """The words completed within these samples (16 kHz, any number of them)."""
        found = []
        for features in self._features.process_streaming(pcm.tobytes()):
            for word, model in self._models.items():
                detected = model.process_streaming(features)
                self._deaf[word] = max(0, self._deaf[word] - 1)
                if detected and not self._deaf[word]:
                    self._deaf[word] = _REFRACTORY
                    found.append(word)
        return found
