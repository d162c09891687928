"""Find passages: by words (BM25) and by meaning (embeddings), the two rankings made one.

Without the embedding model words alone are searched, and `Result.by_meaning` says so. How likely it is that the
passages hold the answer, answering.relevance() judges from a result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from assistant.documents.store import DocumentStore, Located, quoted
from assistant.engines.embedder import Embedder

MAX_QUESTION_CHARS: Final = 2_000
_CANDIDATES: Final = 50
_MAX_WORDS: Final = 32
_PASSAGES_TO_COUNT_IN: Final = 50
_WEIGHT_OF_MEANING: Final = 0.5
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
_POSSESSIVE: Final = re.compile(r"['’]s\b")
STOP_WORDS: Final = frozenset(
    _WORD.findall(
        "a about according all an and any are as at be been but by can could did do document documents does file "
        "files for from had has have he her him his how i if in into is it its many me mean means mine much my "
        "notes number of often on or our say says she should tell that the their them there they this to us was we "
        "were what when where which who whom whose why will with would you your"
    )
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found. `meaning` is its cosine to the question (0 without embeddings), `words` the share of
    the question's words that stand in it, rare ones counting more; `score` orders the hits."""

    chunk: Located
    score: float
    meaning: float
    words: float


@dataclass(frozen=True, slots=True)
class Result:
    """`rarity`: how much each word of the question tells, by how rare it is in the documents."""

    hits: tuple[Hit, ...]
    by_meaning: bool
    rarity: Mapping[str, float] = field(default_factory=dict)

    @property
    def meaning(self) -> float:
        return max((hit.meaning for hit in self.hits), default=0.0)

    @property
    def words(self) -> float:
        return max((hit.words for hit in self.hits), default=0.0)


def question_words(question: str) -> list[str]:
    """The words of a question that say what it is about, each once."""
    words = [w.lower() for w in _WORD.findall(_POSSESSIVE.sub("", question[:MAX_QUESTION_CHARS]))]
    telling = [w for w in words if w not in STOP_WORDS]
    return list(dict.fromkeys(telling or words))[:_MAX_WORDS]


def search(store: DocumentStore, question: str, limit: int = 5, embedder: Embedder | None = None) -> Result:
    """The best passages for a question. Raises HistoryError; EngineError if the embedder fails."""
    words = question_words(question)
    by_words = dict(store.by_words(" OR ".join(map(quoted, words)), _CANDIDATES)) if words else {}
    meaning = _by_meaning(store, question, embedder) if embedder is not None else None
    scores = _fused(by_words, dict(meaning(_CANDIDATES, ())) if meaning else {})
    best = sorted(scores, key=lambda row: -scores[row])[:limit]
    cosines = dict(meaning(0, best)) if meaning else {}
    rarity = _rarity(store, words)
    hits = [
        Hit(chunk, scores[chunk.row], cosines.get(chunk.row, 0.0),
            word_share(f"{chunk.name} {chunk.heading} {chunk.text}", rarity))
        for chunk in store.located(best)
    ]  # fmt: skip
    return Result(tuple(hits), embedder is not None, rarity)


Nearest = Callable[[int, Sequence[int]], list[tuple[int, float]]]


def _by_meaning(store: DocumentStore, question: str, embedder: Embedder) -> Nearest | None:
    """A function: the `n` nearest chunks and those of `wanted`, each with its cosine; None without any vector."""
    import numpy as np

    rows, vectors = store.vectors(embedder.sha256)
    if not len(rows):
        return None
    cosines = vectors @ embedder.embed([question[:MAX_QUESTION_CHARS]])[0]

    def nearest(n: int, wanted: Sequence[int]) -> list[tuple[int, float]]:
        top = np.argpartition(-cosines, min(n, len(rows)) - 1)[:n] if n else np.flatnonzero(np.isin(rows, wanted))
        return [(int(rows[at]), float(cosines[at])) for at in top]

    return nearest


def _fused(by_words: dict[int, float], by_meaning: dict[int, float]) -> dict[int, float]:
    """A weighted sum of both, each scaled to 0..1 by its best."""
    if not by_meaning:
        return by_words
    best_word = max(by_words.values(), default=1.0) or 1.0
    best_meaning = max(by_meaning.values()) or 1.0
    weight = _WEIGHT_OF_MEANING
    return {
        row: (1 - weight) * by_words.get(row, 0.0) / best_word + weight * by_meaning.get(row, 0.0) / best_meaning
        for row in {*by_words, *by_meaning}
    }


def _rarity(store: DocumentStore, words: Sequence[str]) -> dict[str, float]:
    """How much each word tells. Of few passages hardly anything is learnt about which words are rare: as if there were
    more of them, without any of the words. Else a word that stands in none outweighs two that do."""
    counts, total = store.frequencies(words)
    total = max(total, _PASSAGES_TO_COUNT_IN)
    return {w: math.log(1 + (total - n + 0.5) / (n + 0.5)) for w, n in zip(words, counts, strict=True)}


def word_share(text: str, rarity: Mapping[str, float]) -> float:
    """The share of the words that stand in a text, each counting by how rare it is in the documents."""
    stems = {stem(w.lower()) for w in _WORD.findall(text)}
    return sum(weight for word, weight in rarity.items() if stem(word) in stems) / (sum(rarity.values()) or 1.0)


def stem(word: str) -> str:
    """A rough stem: enough to see that "winning" and "wins" are one word."""
    for ending in ("ations", "ation", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
