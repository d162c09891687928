"""A model that is opened when its first reply is asked for: a request that a rule handles never loads one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assistant.engines import LanguageModel, Prompt, Scorer
from assistant.turn import Turn


class LateModel:
    """A LanguageModel. `file_name` is "" and `n_context` 0 until it is open; `stream` raises what opening raises."""

    def __init__(self, open_model: Callable[[], LanguageModel]) -> None:
        self._open = open_model
        self._model: LanguageModel | None = None

    @property
    def name(self) -> str:
        return self._model.name if self._model else ""

    @property
    def file_name(self) -> str:
        return self._model.file_name if self._model else ""

    @property
    def n_context(self) -> int:
        return self._model.n_context if self._model else 0

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        yield from self.opened().stream(prompt, turn)

    def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """See LlamaModel.score; all alike where the model cannot tell."""
        model = self.opened()
        return model.score(prompt, candidates) if isinstance(model, Scorer) else [0.0] * len(candidates)

    def opened(self) -> LanguageModel:
        """The model itself. Raises what opening raises."""
        if self._model is None:
            self._model = self._open()
        return self._model

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
