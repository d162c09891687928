"""The documents as they are kept: one SQLCipher file beside the history, under its key.

documents   what was read, from which bytes        chunk_text   full-text index over the chunks
chunks      passages with page and heading         vectors      their embeddings, half precision
roots       files and folders that are watched     facts        counts up with every change

Never copied into the history's backups: what is forgotten is gone when forget() returns (secure_delete, and a full-text
index that keeps no deleted words). Everything in it can be made again from the files, so a damaged one is deleted.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assistant.documents.chunks import Chunk
from assistant.documents.reading import Document
from assistant.errors import HistoryDamaged, HistoryTooNew
from assistant.history import History
from assistant.history.database import Connection, Database, file_errors
from assistant.history.opening import DOCUMENTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERSION: Final = 1
_TABLES: Final = (
    """CREATE TABLE documents (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,                  -- safe to show
        kind TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        added_at_s REAL NOT NULL,
        warning TEXT NOT NULL
    )""",
    """CREATE TABLE chunks (
        row INTEGER PRIMARY KEY AUTOINCREMENT,
        document INTEGER NOT NULL REFERENCES documents(row) ON DELETE CASCADE,
        text TEXT NOT NULL,
        heading TEXT NOT NULL,
        name TEXT NOT NULL,                  -- of the document: its words find its chunks too
        page INTEGER NOT NULL,
        line INTEGER NOT NULL
    )""",
    "CREATE INDEX chunks_by_document ON chunks(document)",
    """CREATE TABLE vectors (
        chunk INTEGER PRIMARY KEY REFERENCES chunks(row) ON DELETE CASCADE,
        model TEXT NOT NULL,                 -- sha256 of the embedding model's file
        vector BLOB NOT NULL                 -- float16, little endian
    )""",
    "CREATE TABLE roots (path BLOB PRIMARY KEY, added_at_s REAL NOT NULL)",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "INSERT INTO facts VALUES ('changes', 0)",
    """CREATE VIRTUAL TABLE chunk_text USING fts5(
        text, heading, name, content='chunks', content_rowid='row', tokenize='porter unicode61 remove_diacritics 2'
    )""",
    "INSERT INTO chunk_text(chunk_text, rank) VALUES ('secure-delete', 1)",
    """CREATE TRIGGER chunks_insert AFTER INSERT ON chunks BEGIN
        INSERT INTO chunk_text(rowid, text, heading, name) VALUES (new.row, new.text, new.heading, new.name);
    END""",
    """CREATE TRIGGER chunks_delete AFTER DELETE ON chunks BEGIN
        INSERT INTO chunk_text(chunk_text, rowid, text, heading, name)
            VALUES ('delete', old.row, old.text, old.heading, old.name);
    END""",
    f"PRAGMA user_version = {_VERSION}",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A document of the index."""

    row: int
    path: Path
    name: str
    kind: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    added_at_s: float
    warning: str
    n_chunks: int


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk with the document it is of."""

    row: int
    name: str
    path: Path
    text: str
    heading: str
    page: int
    line: int

    @property
    def place(self) -> str:
        """Where it stands, in words: "manual.pdf, page 12, Heating"."""
        parts = [self.name]
        parts += [f"page {self.page}"] if self.page else [f"line {self.line}"] if self.line > 1 else []
        parts += [self.heading] if self.heading else []
        return ", ".join(parts)


class DocumentStore:
    """Thread-safe. Every method raises HistoryError."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._matrix: tuple[int, str, Any, Any] | None = None  # changes, model, rows, vectors

    # -- writing -----------------------------------------------------------------------------------------------------

    def put(self, document: Document, name: str, chunks: Sequence[Chunk]) -> list[int]:
        """Store a document with its chunks in place of an earlier reading of it; returns the rows of the chunks."""
        with self.database.write() as connection:
            path = os.fsencode(document.path)
            connection.execute("DELETE FROM documents WHERE path = ?", (path,))
            row = connection.execute(
                "INSERT INTO documents(path, name, kind, sha256, size_bytes, mtime_ns, added_at_s, warning) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (path, name, document.kind, document.sha256, document.size_bytes, document.mtime_ns, time.time(),
                 document.warning),
            ).lastrowid  # fmt: skip
            rows = [
                int(
                    connection.execute(
                        "INSERT INTO chunks(document, text, heading, name, page, line) VALUES (?, ?, ?, ?, ?, ?)",
                        (row, c.text, c.heading, name, c.page, c.line),
                    ).lastrowid
                )
                for c in chunks
            ]
            _count_up(connection)
        return rows

    def put_vectors(self, rows: Sequence[int], vectors: NDArray[np.float32], model: str) -> None:
        """Vectors (len(rows), dimensions) of chunks, replacing those of another model. Chunks that are gone stay so."""
        packed = vectors.astype("<f2")
        with self.database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO vectors SELECT row, ?, ? FROM chunks WHERE row = ?",
                [(model, packed[at].tobytes(), row) for at, row in enumerate(rows)],
            )
            _count_up(connection)

    def touch(self, row: int, mtime_ns: int) -> None:
        """Note that a document has another time but the same content."""
        with self.database.write() as connection:
            connection.execute("UPDATE documents SET mtime_ns = ? WHERE row = ?", (mtime_ns, row))

    def forget(self, rows: Sequence[int]) -> None:
        """Delete documents with their chunks, words and vectors, for good."""
        with self.database.write() as connection:
            connection.executemany("DELETE FROM documents WHERE row = ?", [(row,) for row in rows])
            _count_up(connection)
        if self.database.path is not None:
            with self.database.outside_transaction() as connection:
                connection.execute("PRAGMA incremental_vacuum").fetchall()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def watch(self, path: Path) -> None:
        with self.database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO roots VALUES (?, ?)", (os.fsencode(path), time.time()))

    def unwatch(self, path: Path) -> bool:
        with self.database.write() as connection:
            return bool(connection.execute("DELETE FROM roots WHERE path = ?", (os.fsencode(path),)).rowcount)

    # -- reading -----------------------------------------------------------------------------------------------------

    def roots(self) -> list[Path]:
        """What is watched."""
        with self.database.read() as connection:
            return [Path(os.fsdecode(p)) for (p,) in connection.execute("SELECT path FROM roots ORDER BY added_at_s")]

    def documents(self) -> list[Kept]:
        """In the order in which they were added."""
        with self.database.read() as connection:
            found = connection.execute(
                "SELECT row, path, name, kind, sha256, size_bytes, mtime_ns, added_at_s, warning, "
                "(SELECT count(*) FROM chunks WHERE document = documents.row) FROM documents ORDER BY row"
            ).fetchall()
        return [Kept(row, Path(os.fsdecode(path)), *rest) for row, path, *rest in found]

    def is_empty(self) -> bool:
        with self.database.read() as connection:
            return connection.execute("SELECT 1 FROM chunks LIMIT 1").fetchone() is None

    def without_vector(self, model: str) -> list[tuple[int, str]]:
        """Row and text to embed of the chunks that this model has not seen."""
        with self.database.read() as connection:
            found = connection.execute(
                "SELECT c.row, c.name, c.heading, c.text FROM chunks c LEFT JOIN vectors v ON v.chunk = c.row "
                "WHERE v.model IS NULL OR v.model <> ? ORDER BY c.row",
                (model,),
            ).fetchall()
        return [(row, embedded_text(name, heading, text)) for row, name, heading, text in found]

    def by_words(self, expression: str, limit: int) -> list[tuple[int, float]]:
        """(row, BM25 score) of the chunks that an FTS5 expression finds, best first; higher is better."""
        with self.database.read() as connection:
            found = connection.execute(
                "SELECT rowid, -bm25(chunk_text, 1.0, 0.7, 0.5) FROM chunk_text WHERE chunk_text MATCH ? "
                "ORDER BY 2 DESC LIMIT ?",
                (expression, limit),
            ).fetchall()
        return [(int(row), float(score)) for row, score in found]

    def frequencies(self, words: Sequence[str]) -> tuple[list[int], int]:
        """In how many chunks each word (or its stem) stands, and how many chunks there are."""
        with self.database.read() as connection:
            counts = [
                int(
                    connection.execute(
                        "SELECT count(*) FROM chunk_text WHERE chunk_text MATCH ?", (quoted(word),)
                    ).fetchone()[0]
                )
                for word in words
            ]
            total = int(connection.execute("SELECT count(*) FROM chunks").fetchone()[0])
        return counts, total

    def vectors(self, model: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (n,) and vectors (n, dimensions) of a model, kept in memory until something changes."""
        import numpy as np

        with self._lock, self.database.read() as connection:
            changes = int(connection.execute("SELECT value FROM facts WHERE name = 'changes'").fetchone()[0])
            if self._matrix is None or self._matrix[:2] != (changes, model):
                found = connection.execute(
                    "SELECT chunk, vector FROM vectors WHERE model = ? ORDER BY chunk", (model,)
                ).fetchall()
                rows = np.array([row for row, _ in found], np.int64)
                flat = np.frombuffer(b"".join(vector for _, vector in found), "<f2").astype(np.float32)
                self._matrix = (changes, model, rows, flat.reshape(len(rows), -1) if len(rows) else flat)
            return self._matrix[2], self._matrix[3]

    def located(self, rows: Sequence[int]) -> list[Located]:
        """The chunks of these rows, in this order, without those that are gone."""
        with self.database.read() as connection:
            found = {}
            for row in rows:
                one = connection.execute(
                    "SELECT c.row, d.name, d.path, c.text, c.heading, c.page, c.line FROM chunks c "
                    "JOIN documents d ON d.row = c.document WHERE c.row = ?",
                    (row,),
                ).fetchone()
                if one:
                    found[row] = Located(one[0], one[1], Path(os.fsdecode(one[2])), *one[3:])
        return [found[row] for row in rows if row in found]

    def close(self) -> None:
        """The second call does nothing."""
        self.database.close()


def open_documents(history: History) -> DocumentStore:
    """The documents of this history, in memory for an ephemeral one. A damaged file is deleted, and HistoryDamaged says
    so once."""
    if history.files is None:
        return DocumentStore(tables(Database(None, None)))
    path = history.files.folder / DOCUMENTS
    with file_errors(path.parent):
        if not path.exists():
            path.touch(mode=0o600)
    try:
        return DocumentStore(tables(Database(path, history.database.key)))
    except HistoryDamaged as error:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        raise HistoryDamaged(f"{path} was damaged and had to be deleted; add your documents again") from error


def tables(database: Database) -> Database:
    """Make the tables the first time. Raises HistoryTooNew."""
    with database.read() as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _VERSION:
        database.close()
        raise HistoryTooNew(
            f"{database.path} was written by a newer version; it is left as it is, update the assistant"
        )
    if version == 0:
        with database.outside_transaction() as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with database.write() as connection:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                for statement in _TABLES:
                    connection.execute(statement)
    return database


def embedded_text(name: str, heading: str, text: str) -> str:
    """What the embedding model reads of a chunk: its place says what it is about."""
    stem = Path(name).stem.replace("_", " ").replace("-", " ")
    return f"{stem}. {heading}. {text}" if heading else f"{stem}. {text}"


def quoted(word: str) -> str:
    """A word as an FTS5 string: none of its characters is an operator."""
    return '"' + word.replace('"', '""') + '"'


def _count_up(connection: Connection) -> None:
    connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'changes'")
