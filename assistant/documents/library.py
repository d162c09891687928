"""The documents of a history as the rest of the program uses them: searched, answered from, kept up to date.

library = Library(history, open_embedder)
found = library.consult("What pressure should the boiler have?")     # None: the documents have nothing to do with it
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assistant.conversation import Message
from assistant.documents import answering, indexing
from assistant.documents.indexing import Changes, Report
from assistant.documents.search import Result, search
from assistant.documents.store import DocumentStore, Located, open_documents
from assistant.engines.embedder import Embedder
from assistant.errors import AssistantError
from assistant.history import History
from assistant.history.opening import DOCUMENTS

TOOL: Final = "documents"
LOOK_EVERY_S: Final = 20.0
ADVICE: Final = (
    "documents are searched by words only; `assistant models pull minilm` (92 MB) finds them by meaning as well"
)


@dataclass(frozen=True, slots=True)
class Consultation:
    """What the documents hold about a question. `ms` is how long looking took; `contains` whether to ask the model,
    `about` how likely the question is meant for them (1 if it names them)."""

    question: str
    result: Result
    contains: bool
    about: float
    ms: float
    earlier: answering.Exchange | None = None  # what a follow-up goes on from

    @property
    def asked(self) -> str:
        """The whole question: that of a follow-up is in the words before as well."""
        return f"{self.earlier.question} {self.question}" if self.earlier else self.question

    @property
    def tentative(self) -> bool:
        """Whether the model gives its own answer where they hold none after all."""
        return self.about < answering.SURE

    @property
    def passages(self) -> list[Located]:
        return [hit.chunk for hit in self.result.hits[: answering.N_PASSAGES]]

    @property
    def label(self) -> str:
        """As on screen."""
        return f"{'model' if self.contains else 'rule'} {TOOL}, {self.ms:.0f} ms"


def from_documents(message: Message) -> bool:
    """Whether a reply was given from documents."""
    return re.match(rf"(?:model|rule) {TOOL}, ", message.handled_by) is not None


def answered_before(said: Sequence[Message]) -> answering.Exchange | None:
    """The question that the documents answered last of all that was said; a follow-up with those that it went on from.

    After "and by whom?" alone nothing tells what "and when does it end?" is about.
    """
    asked: list[str] = []
    at = len(said)
    while at >= 2 and from_documents(said[at - 1]):
        asked.insert(0, said[at - 2].content)
        if not answering.goes_on(asked[0]):
            break
        at -= 2
    return answering.Exchange(" ".join(asked), said[-1].content.partition("\n\n")[0]) if asked else None


class Library:
    """Thread-safe. The database is opened when it is first needed, the embedding model as well; both once."""

    def __init__(self, history: History, open_embedder: Callable[[], Embedder | None] = lambda: None) -> None:
        self._history = history
        self._open_embedder = open_embedder
        self._lock = threading.RLock()
        self._store: DocumentStore | None = None
        self._embedder: Embedder | None = None
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    @property
    def store(self) -> DocumentStore:
        """Raises HistoryError."""
        with self._lock:
            if self._store is None:
                self._store = open_documents(self._history)
            return self._store

    @property
    def embedder(self) -> Embedder | None:
        """None where the embedding model is not installed. Raises AssistantError where it does not work."""
        with self._lock:
            if self._embedder is None:
                self._embedder = self._open_embedder()
            return self._embedder

    def is_empty(self) -> bool:
        files = self._history.files
        with self._lock:
            if self._store is None and (files is None or not (files.folder / DOCUMENTS).exists()):
                return True
        return self.store.is_empty()

    def search(self, question: str, limit: int = 5) -> Result:
        """The best passages. Raises HistoryError; a failing embedding model only leaves words."""
        try:
            return search(self.store, question, limit, self.embedder)
        except AssistantError:
            return search(self.store, question, limit)

    def consult(
        self, question: str, explicit: bool | None = None, earlier: answering.Exchange | None = None
    ) -> Consultation | None:
        """Look a question up. None if it does not name the documents and is not about them either.

        `explicit`: as if it named the documents; `earlier`: what they answered just before. Raises HistoryError.
        """
        if not question.strip() or self.is_empty():
            return None
        started_s = time.perf_counter()
        if earlier is not None:
            result = self.search(f"{earlier.question} {question}")
            if answering.follows(question, earlier, result):
                ms = (time.perf_counter() - started_s) * 1000
                return Consultation(question, result, True, answering.ENOUGH, ms, earlier)
        named = answering.names_documents(question) if explicit is None else explicit
        result = self.search(question)
        about = 1.0 if named else answering.is_about(question, result)
        if about < answering.ENOUGH:
            return None
        contains = not named or answering.relevance(result) >= answering.ENOUGH
        return Consultation(question, result, contains, about, (time.perf_counter() - started_s) * 1000)

    # -- keeping it up to date ---------------------------------------------------------------------------------------

    def add(self, paths: Iterable[Path], report: Report = lambda words: None) -> Changes:
        """Read and embed. Raises HistoryError, EngineError; what was read before stays."""
        changes = indexing.add(self.store, paths, report)
        self.embed(report)
        return changes

    def refresh(self, report: Report = lambda words: None) -> Changes:
        """See indexing.refresh()."""
        changes = indexing.refresh(self.store, report)
        self.embed(report)
        return changes

    def embed(self, report: Report = lambda words: None) -> None:
        if not self.store.is_empty() and (embedder := self.embedder) is not None:
            indexing.embed(self.store, embedder, report)

    def watch(self) -> Library:
        """Refresh now and then, in a thread, until close(). Problems wait for the next look: nobody is there."""
        self._watch = threading.Thread(target=self._look, name="documents watch", daemon=True)
        self._watch.start()
        return self

    def _look(self) -> None:
        while not self._closed.wait(LOOK_EVERY_S):
            try:
                if not self.is_empty() or self.store.roots():
                    self.refresh()
            except AssistantError:
                continue

    def close(self) -> None:
        """The second call does nothing."""
        self._closed.set()
        with self._lock:
            if self._embedder is not None:
                self._embedder.close()
        if self._watch is not None:
            self._watch.join(timeout=10)
        with self._lock:
            if self._store is not None:
                self._store.close()
