"""RemoteEmbedder: the embedding model in a supervised child process. A worker that died is replaced, once a call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from assistant.engines import wire
from assistant.engines.child import Child, Gone
from assistant.engines.plan import Plan
from assistant.engines.templates import clean
from assistant.errors import EngineCrashed, EngineTimeout
from assistant.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TEXTS_A_REQUEST: Final = 32
_DEADLINE_S: Final = 120.0
_MAX_CHARS: Final = 8_000  # of one text; far more than the model reads of it


class Embedder(Protocol):
    """Texts as directions: similar meaning, similar direction."""

    @property
    def sha256(self) -> str:
        """Which model: vectors of different ones cannot be compared."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dimensions), rows of length 1. Raises EngineError."""
        ...

    def close(self) -> None: ...


class RemoteEmbedder:
    """Loaded and ready when the constructor returns. Raises ModelRefusedError, EngineError."""

    def __init__(self, spec: ModelSpec, plan: Plan) -> None:
        self._spec, self._plan = spec, plan
        self._busy = threading.Lock()
        self._n_requests = 0
        self._child = self._started()

    @property
    def sha256(self) -> str:
        return self._spec.sha256

    @property
    def pid(self) -> int:
        return self._child.pid

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Embedder.embed."""
        import numpy as np

        cleaned = [clean(text[:_MAX_CHARS]) for text in texts]
        parts = [self._request(cleaned[at : at + _TEXTS_A_REQUEST]) for at in range(0, len(cleaned), _TEXTS_A_REQUEST)]
        rows = np.frombuffer(b"".join(parts), dtype="<f4")
        return rows.reshape(len(texts), -1) if texts else rows.reshape(0, 0)

    def close(self) -> None:
        """The second call does nothing."""
        self._child.kill()

    def _request(self, texts: list[str]) -> bytes:
        with self._busy:
            try:
                return self._ask(texts)
            except Gone:
                self._child = self._started()
            try:
                return self._ask(texts)
            except Gone:
                raise EngineCrashed(
                    f"the process of {self._spec.file_name} died twice ({self._child.obituary()}); pull it again with "
                    f"`assistant models pull {self._spec.name}`"
                ) from None

    def _ask(self, texts: list[str]) -> bytes:
        self._n_requests += 1
        self._child.send(wire.Embed(self._n_requests, texts))
        try:
            answer: Any = self._child.receive(_DEADLINE_S)
        except TimeoutError:
            self._child.kill()
            raise EngineTimeout(f"{self._spec.file_name} did not answer in time; try again") from None
        if isinstance(answer, wire.Failed):
            raise wire.to_error(answer)
        if not isinstance(answer, wire.Embedded) or answer.id != self._n_requests:
            self._child.kill()
            raise Gone
        return answer.vectors

    def _started(self) -> Child:
        return Child(self._spec, self._plan, on_death=lambda child: None)
