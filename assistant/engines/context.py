"""A loaded model and its context: decode tokens, look at logits, stop when told. The only owner of native memory."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assistant.engines import Likelihood
from assistant.engines.governor import Governor
from assistant.engines.kv_cache import KvCache
from assistant.engines.native import N_OUTPUTS_MAX, AbortFlag, Handle, Vocabulary, library, load_model, new_context
from assistant.engines.picking import Picker
from assistant.engines.plan import Plan
from assistant.errors import EngineError, ModelRefusedError
from assistant.models.spec import ModelSpec
from assistant.turn import Turn

_RC_NO_ROOM, _RC_ABORTED = 1, 2  # of llama_decode()


class Aborted(Exception):
    """The turn was cancelled while native code was computing for it."""


class Late(Exception):
    """The deadline passed before the prompt was computed."""


class Context:
    """Raises ModelRefusedError if llama.cpp does not load the file, EngineError if its weights compute nonsense."""

    def __init__(self, spec: ModelSpec, plan: Plan) -> None:
        self._lib = library()
        self._file_name = spec.file_name
        self._abort = AbortFlag()
        self._turn: Turn | None = None
        self._turn_lock = threading.Lock()
        try:
            self._model = load_model(str(spec.path), plan)
        except EngineError as error:
            raise ModelRefusedError(
                f"{spec.file_name} does not load: {error}; pull it again, or choose another model"
            ) from error
        self.handle: Handle = new_context(self._model, plan, self._abort)
        self.vocabulary = Vocabulary(self._model)
        self.n_context = int(self._lib.llama_n_ctx(self.handle))
        self.cache = KvCache(self.handle)
        self._plan, self._n_threads = plan, plan.n_threads
        self._governor = Governor(plan.n_threads)
        self._tokens = (ctypes.c_int32 * plan.n_batch)()
        self._batch = self._lib.llama_batch_get_one(self._tokens, 1)
        self._warm_up()

    @contextmanager
    def cancelled_by(self, turn: Turn) -> Iterator[None]:
        """Let `turn.cancel()` stop native code within the block, and only there: a late cancel meets another turn."""
        with self._turn_lock:
            self._turn = turn
            self._abort.lower()
        turn.on_cancel(lambda: self._stop(turn))
        try:
            yield
        finally:
            with self._turn_lock:
                self._turn = None
                self._abort.lower()

    def _stop(self, turn: Turn) -> None:
        with self._turn_lock:
            if self._turn is turn:
                self._abort.raise_()

    def picker(self, adapter: Path) -> Picker:
        """A second context over the same weights, with an adapter attached. Raises EngineError if it does not fit."""
        return Picker(self._model, self.vocabulary, self._plan, self._abort, adapter)

    def prefill(self, tokens: Sequence[int], deadline_s: float = math.inf, watched: int | None = None) -> Any:
        """Append tokens to the cache; afterwards the logits of the last one can be sampled. Raises Aborted, Late.

        Returns the logits (n_tokens of the vocabulary,) float32 behind tokens[watched], None if none is watched.
        """
        n_batch, seen = self._plan.n_batch, None
        for at in range(0, len(tokens), n_batch):
            if time.monotonic() > deadline_s:
                raise Late
            chunk = list(tokens[at : at + n_batch])
            self._tokens[: len(chunk)] = chunk  # type: ignore[assignment]  # list is invariant
            self._batch.n_tokens = len(chunk)
            row = -1 if watched is None else watched - at
            with self._outputs(row, len(chunk)):
                self._check(self._lib.llama_decode(self.handle, self._batch))
            self.cache.extend(chunk)
            if 0 <= row < len(chunk):
                seen = self._logits(row).copy()
        self._batch.n_tokens = 1
        return seen

    def decode(self, token: int) -> None:
        """Append one token; the hot path of a reply. Raises Aborted."""
        self._tokens[0] = token
        started_s = time.perf_counter()
        code = self._lib.llama_decode(self.handle, self._batch)
        if code:
            self._check(code)
        self.cache.tokens.append(token)
        n_threads = self._governor.observe((time.perf_counter() - started_s) * 1000)
        if n_threads != self._n_threads:
            self._n_threads = n_threads
            calm = n_threads == self._plan.n_threads  # a neighbour that slows decoding slows the prefill as well
            self._lib.llama_set_n_threads(self.handle, n_threads, self._plan.n_threads_batch if calm else n_threads)

    def logit(self, token: int) -> float:
        """The logit of one token after the last decode."""
        return float(self._lib.llama_get_logits_ith(self.handle, -1)[token])

    def log_softmax(self, row: int) -> Any:
        """Log-probabilities of the whole vocabulary (n_tokens,) float64 after output `row` of the last decode."""
        import numpy  # only scoring needs it; a chat does not wait for its import

        logits = self._logits(row).astype(numpy.float64)
        logits -= logits.max()
        return logits - numpy.log(numpy.exp(logits).sum())

    def score(self, tokens: Sequence[int], first: Any) -> Likelihood:
        """Append tokens; how likely they are, each given those before it. `first` is the log_softmax() before them."""
        rows, total, is_greedy = [first], 0.0, True
        for at in range(0, len(tokens), N_OUTPUTS_MAX):
            chunk = list(tokens[at : at + N_OUTPUTS_MAX])
            needed = chunk if at + len(chunk) < len(tokens) else chunk[:-1]  # nothing follows the last token
            if needed:
                self._check(self._decode_all_outputs(needed))
                self.cache.extend(needed)
            rows += [self.log_softmax(row) for row in range(len(needed))]
            for token in chunk:
                row = rows.pop(0)
                total += float(row[token])
                is_greedy = is_greedy and int(row.argmax()) == token
        return Likelihood(total, len(tokens), is_greedy)

    def close(self) -> None:
        if self._model is not None:
            self._lib.llama_free(self.handle)
            self._lib.llama_model_free(self._model)
            self._model = self.handle = None

    # -- parts ----------------------------------------------------------------------------------------------------

    def _logits(self, row: int) -> Any:
        """Logits (n_tokens,) float32 of one output; gone with the next decode."""
        import numpy

        return numpy.ctypeslib.as_array(self._lib.llama_get_logits_ith(self.handle, row), (self.vocabulary.n_tokens,))

    @contextmanager
    def _outputs(self, row: int, n_tokens: int) -> Iterator[None]:
        """Have the next decode compute the logits of a token of the batch beside those of the last one."""
        if not 0 <= row < n_tokens - 1:
            yield
            return
        flags = (ctypes.c_int8 * n_tokens)()
        flags[row] = flags[n_tokens - 1] = 1
        self._batch.logits = ctypes.cast(flags, type(self._batch.logits))
        try:
            yield
        finally:
            self._batch.logits = type(self._batch.logits)()

    def _decode_all_outputs(self, tokens: list[int]) -> int:
        batch = self._lib.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for at, token in enumerate(tokens):
                batch.token[at], batch.pos[at] = token, len(self.cache.tokens) + at
                batch.n_seq_id[at], batch.seq_id[at][0], batch.logits[at] = 1, 0, 1
            return int(self._lib.llama_decode(self.handle, batch))
        finally:
            self._lib.llama_batch_free(batch)

    def _check(self, code: int) -> None:
        if code == 0:
            return
        self._batch.n_tokens = 1
        if code == _RC_ABORTED:
            raise Aborted
        self.cache.clear()  # what native code left behind is unknown
        if code == _RC_NO_ROOM:
            raise EngineError(f"no room in the context of {self.n_context} tokens; start a new conversation")
        raise EngineError(f"{self._file_name}: llama.cpp could not compute the next token (code {code}); try again")

    def _warm_up(self) -> None:
        """Decode one token, so that the first question does not pay for it, and look at what the weights make of it."""
        self.prefill([self.vocabulary.begin or 0])
        pointer = self._lib.llama_get_logits_ith(self.handle, -1)
        logits = array("f", ctypes.string_at(pointer, 4 * self.vocabulary.n_tokens))
        self.cache.clear()
        if not math.isfinite(sum(logits)) or max(logits) == min(logits):
            self.close()
            raise EngineError(
                f"{self._file_name} is damaged: its weights compute no usable probabilities; pull it again, "
                "or choose another model"
            )
