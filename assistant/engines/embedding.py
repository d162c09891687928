"""Sentence embeddings with llama.cpp, in this process: several texts a batch, mean over tokens, length 1.

Native code can abort this process: the product runs this class in a supervised child (worker.py, embedder.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from assistant.engines.native import Vocabulary, library, load_model
from assistant.engines.plan import Plan
from assistant.errors import EngineError, ModelRefusedError
from assistant.models.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ARCHITECTURE: Final = "bert"
MAX_TOKENS: Final = 256  # of one text; what the model was trained with (its sentence_bert_config.json)
_BATCH_TOKENS: Final = 512
_BATCH_TEXTS: Final = 16
_MEAN: Final = 1  # enum llama_pooling_type


class EmbeddingModel:
    """Raises ModelRefusedError if the file does not load, EngineError without memory for the context."""

    def __init__(self, spec: ModelSpec, plan: Plan) -> None:
        self._lib = library()
        try:
            self._model = load_model(str(spec.path), plan)
        except EngineError as error:
            raise ModelRefusedError(f"{spec.file_name} does not load: {error}; pull it again") from error
        parameters = self._lib.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS
        parameters.n_seq_max = _BATCH_TEXTS
        parameters.n_threads = parameters.n_threads_batch = plan.n_threads_batch
        parameters.embeddings = True
        parameters.pooling_type = _MEAN
        parameters.no_perf = True
        parameters.kv_unified = True
        self._context: Any = self._lib.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise EngineError(f"{spec.file_name}: no memory for its context; close other programs")
        self._vocabulary = Vocabulary(self._model)
        self._begin = int(self._lib.llama_vocab_bos(self._vocabulary.handle))
        self._end = int(self._lib.llama_vocab_sep(self._vocabulary.handle))
        self.n_dimensions = int(self._lib.llama_model_n_embd(self._model))
        self.n_context = min(MAX_TOKENS, int(self._lib.llama_model_n_ctx_train(self._model)))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), n_dimensions), rows of length 1. What exceeds `n_context` tokens of a text is left out."""
        import numpy as np

        rows = np.zeros((len(texts), self.n_dimensions), np.float32)
        tokens = [self._tokens(text) for text in texts]
        for group in _groups([len(t) for t in tokens]):
            self._compute([tokens[i] for i in group])
            for sequence, i in enumerate(group):
                pointer = self._lib.llama_get_embeddings_seq(self._context, sequence)
                row = np.ctypeslib.as_array(pointer, (self.n_dimensions,))
                length = float(np.linalg.norm(row))
                if not np.isfinite(length) or length == 0:
                    raise EngineError("the embedding model is damaged: it computes no usable numbers; pull it again")
                rows[i] = row / length
        return rows

    def _tokens(self, text: str) -> list[int]:
        words = self._vocabulary.tokenise(text)[: self.n_context - 2]
        return [self._begin, *words, self._end]

    def _compute(self, texts: Sequence[Sequence[int]]) -> None:
        batch = self._lib.llama_batch_init(sum(map(len, texts)), 0, 1)
        try:
            at = 0
            for sequence, tokens in enumerate(texts):
                for position, token in enumerate(tokens):
                    batch.token[at], batch.pos[at] = token, position
                    batch.n_seq_id[at], batch.seq_id[at][0], batch.logits[at] = 1, sequence, 1
                    at += 1
            batch.n_tokens = at
            code = int(self._lib.llama_encode(self._context, batch))
        finally:
            self._lib.llama_batch_free(batch)
        if code:
            raise EngineError(f"the embedding model could not compute (code {code}); try again")


def _groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts that are computed together: similar lengths, no more tokens than a batch holds."""
    group: list[int] = []
    total = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if group and (total + lengths[i] > _BATCH_TOKENS or len(group) == _BATCH_TEXTS):
            yield group
            group, total = [], 0
        group.append(i)
        total += lengths[i]
    if group:
        yield group
