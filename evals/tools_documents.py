"""Questions over paragraphs: is the right one found, is the answer right, is one invented when the paragraph is gone?

The paragraphs are written as files and go through the product: parser process, chunks, embeddings where the model is
installed, search, the judgement whether they hold an answer, the prompt, the check of the reply. EM and F1 are those of
SQuAD (Rajpurkar et al. 2016): lower case, without punctuation and articles, the best of the gold answers. A question
that is declined counts as a wrong answer with F1 0.
"""

from __future__ import annotations

import random
import re
import string
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import assistant.documents
import assistant.session
from assistant.build import open_embedder
from assistant.config import Settings
from assistant.documents import indexing
from assistant.documents.answering import Cited, refusal
from assistant.documents.library import Library
from assistant.engines import LanguageModel, Sampling
from assistant.history import ephemeral_history
from assistant.session import answer_from
from assistant.turn import Turn
from evals.kept import Kept, code_digest
from evals.tools_homes import rows

K = 5


@dataclass(slots=True)
class Answers:
    """By question: exact match and F1; whether anything was answered; whether answer or quoted sentence hold a gold
    answer."""

    exact: list[float] = field(default_factory=list)
    f1: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Invented:
    """By question, its paragraph taken away: whether something was given as fact; else whether a sentence was quoted
    as the nearest. `asked` counts the questions that got past the judgement of the passages, to the model."""

    false: list[float] = field(default_factory=list)
    misquoted: list[float] = field(default_factory=list)
    asked: int = 0
    wrong: list[str] = field(default_factory=list)


class Paragraphs:
    """All paragraphs of the set, indexed; each a document of its own, so that one can be taken away."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.questions = rows(data / "qa" / "documents_xquad_en.jsonl")
        self.files: dict[str, Path] = {}
        counted: Counter[str] = Counter()
        for row in self.questions:
            if row["context"] not in self.files:
                counted[row["title"]] += 1
                path = folder / f"{row['title']} {counted[row['title']]}.txt"
                path.write_text(row["context"], encoding="utf-8")
                self.files[row["context"]] = path
        self.library = Library(ephemeral_history(), lambda: open_embedder(Settings()))
        self.changes = self.library.add([folder])

    def recall(self) -> list[float]:
        """1 for each question whose paragraph is among the first K passages."""
        return [
            float(any(hit.chunk.path == self.files[row["context"]] for hit in self.library.search(_asked(row), K).hits))
            for row in self.questions
        ]

    def answers(self, model: LanguageModel, n: int, seed: int, into: Answers, kept: Kept, key: str) -> None:
        """Ask `n` questions. What is asked already is taken from `kept`; an interrupted run leaves the others."""
        for row in self._drawn(n, seed):
            said, shown, _ = kept.get(key, row["id"]) or self._keep(row, model, kept, key)
            into.told.append(float(any(normal(gold) in normal(shown) for gold in row["answers"])))
            into.exact.append(max(float(normal(said) == normal(gold)) for gold in row["answers"]))
            into.f1.append(max(f1(said, gold) for gold in row["answers"]))
            into.answered.append(float(bool(said)))
            if not into.exact[-1]:
                into.wrong.append(f"{_asked(row)!r}: {row['answers'][0]!r}, not {said!r}")

    def invented(self, model: LanguageModel, n: int, seed: int, into: Invented, kept: Kept, key: str) -> None:
        """The same, each question without its paragraph. Most of them never reach the model."""
        for row in self._drawn(n, seed):
            if (verdict := kept.get(key, row["id"])) is None:
                with self._without(self.files[row["context"]]):
                    verdict = self._keep(row, model, kept, key)
            said, shown, reached = verdict
            into.asked += reached
            into.false.append(float(bool(said)))
            into.misquoted.append(float(not said and "\n> " in shown))
            if said:
                into.wrong.append(f"{_asked(row)!r} without its paragraph: {said!r}")

    def _keep(self, row: dict[str, Any], model: LanguageModel, kept: Kept, key: str) -> tuple[str, str, bool]:
        verdict = self._ask(row, model)
        kept.put(verdict, key, row["id"])
        return verdict

    def _drawn(self, n: int, seed: int) -> list[dict[str, Any]]:
        drawn = list(self.questions)
        return random.Random(seed).sample(drawn, n) if n < len(drawn) else drawn  # noqa: S311 - a sample, not a secret

    def close(self) -> None:
        self.library.close()

    def _ask(self, row: dict[str, Any], model: LanguageModel) -> tuple[str, str, bool]:
        """The answer alone, "" if none was given; all that is shown, with what is quoted; whether a model was asked."""
        consulted = self.library.consult(_asked(row), explicit=True)
        if consulted is None:
            return "", "", False
        said = answer_from(consulted, Sampling(temperature=0.0), Turn(), model) if consulted.contains else Cited("")
        return said.answer, said.text if said.answer else refusal(consulted.result), consulted.contains

    @contextmanager
    def _without(self, path: Path) -> Iterator[None]:
        store = self.library.store
        store.forget([kept.row for kept in indexing.matching(store, str(path))])
        try:
            yield
        finally:
            self.library.add([path])


@contextmanager
def paragraphs(data: Path) -> Iterator[Paragraphs]:
    with tempfile.TemporaryDirectory() as folder:
        made = Paragraphs(data, Path(folder))
        try:
            yield made
        finally:
            made.close()


def key_of(part: str, model_sha256: str) -> str:
    """What the kept replies of a part depend on besides the question."""
    ours = Path(assistant.documents.__file__).parent
    code = code_digest([*ours.glob("*.py"), Path(assistant.session.__file__), Path(__file__)])
    return f"{part} {model_sha256[:16]} {code}"


def normal(text: str) -> str:
    """SQuAD's form of an answer."""
    plain = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())


def f1(answer: str, gold: str) -> float:
    """Of the words they share."""
    ours, theirs = normal(answer).split(), normal(gold).split()
    shared = sum((Counter(ours) & Counter(theirs)).values())
    if not shared:
        return float(ours == theirs)
    return 2 * shared / (len(ours) + len(theirs))


def _asked(row: dict[str, Any]) -> str:
    return str(row["question"]).strip()
