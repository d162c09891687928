"""What an engine may keep to start faster, encrypted like the history: the KV state of a prompt's head carries readable
token ids. A cache: losing it costs seconds, so a damaged one is simply made anew and a full disk just stores nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import sqlcipher3.dbapi2 as sqlcipher

from assistant.history.database import PASSING, Connection, connect, error_code, transaction

T = TypeVar("T")

LIMIT_BYTES: Final = 64 * 1024 * 1024

# The values have a table of their own: marking one as used must not rewrite its megabytes.
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, n_bytes INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS contents (
    key TEXT PRIMARY KEY REFERENCES entries(key) ON DELETE CASCADE, value BLOB NOT NULL
);
"""


class StateStore(Protocol):
    """Bytes by key; the least recently used ones go when LIMIT_BYTES is reached. Neither method raises."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, value: bytes) -> None: ...

    def close(self) -> None: ...


class MemoryStateStore:
    """Nothing on disk; gone with the process."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._entries: dict[str, bytes] = {}  # least recently used first
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            value = self._entries.pop(key, None)
            if value is not None:
                self._entries[key] = value
            return value

    def put(self, key: str, value: bytes) -> None:
        if len(value) > self._limit_bytes:
            return
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = value
            while sum(map(len, self._entries.values())) > self._limit_bytes:
                del self._entries[next(iter(self._entries))]

    def close(self) -> None:
        self._entries.clear()


class DiskStateStore:
    """The entries in one SQLCipher file, opened when first used."""

    def __init__(self, path: Path, key: bytes, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path
        self._key = key
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def get(self, key: str) -> bytes | None:
        def work(connection: Connection) -> bytes | None:
            found = connection.execute("SELECT value FROM contents WHERE key = ?", (key,)).fetchone()
            if found is None:
                return None
            connection.execute("UPDATE entries SET used = (SELECT max(used) + 1 FROM entries) WHERE key = ?", (key,))
            return bytes(found[0])

        return self._attempt(work)

    def put(self, key: str, value: bytes) -> None:
        def work(connection: Connection) -> None:
            connection.execute("DELETE FROM entries WHERE key = ?", (key,))
            self._make_room(connection, len(value))
            connection.execute(
                "INSERT INTO entries SELECT ?, ?, coalesce(max(used), 0) + 1 FROM entries", (key, len(value))
            )
            connection.execute("INSERT INTO contents VALUES (?, ?)", (key, value))

        if len(value) <= self._limit_bytes:
            self._attempt(work)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _make_room(self, connection: Connection, n_bytes: int) -> None:
        used = connection.execute("SELECT coalesce(sum(n_bytes), 0) FROM entries").fetchone()[0]
        for key, length in connection.execute("SELECT key, n_bytes FROM entries ORDER BY used").fetchall():
            if used + n_bytes <= self._limit_bytes:
                return
            connection.execute("DELETE FROM entries WHERE key = ?", (key,))
            used -= length

    def _attempt(self, work: Callable[[Connection], T]) -> T | None:
        """Run `work` in a transaction; None if it fails, and the file is discarded where it is at fault."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                with transaction(self._connection):
                    return work(self._connection)
            except OSError:
                return None
            except sqlcipher.Error as error:
                if error_code(error) not in PASSING:
                    self._discard()
                return None

    def _open(self) -> Connection:
        self._path.touch(mode=0o600)
        connection = connect(self._path, self._key)
        try:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("PRAGMA auto_vacuum = FULL")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_TABLES)
        except sqlcipher.Error:
            connection.close()
            raise
        return connection

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()
