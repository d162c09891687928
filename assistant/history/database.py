"""One SQLCipher file: how it is opened, read, written, checked, and what its errors mean to a user.

Two connections: a reader is never kept waiting by a commit's fsync, so that the screen can search while a reply is
being saved. Writers of other processes are waited for. A memory database has one connection and touches no disk.

Covered: an acknowledged commit survives the death of the process (WAL, synchronous FULL); a damaged page is detected
(HMAC) before anything is returned from it. A torn WAL opens as its last whole commit. Not covered: a file, or one page
of it, replaced by an older copy of itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import sqlcipher3.dbapi2 as sqlcipher

from assistant.errors import HistoryDamaged, HistoryError

Connection = Any  # sqlcipher3 has no type information

BUSY_MS: Final = 10_000  # how long another process may hold the write lock

# SQLite's result codes
_BUSY, _LOCKED, _NOMEM, _READONLY, _IOERR, CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 7, 8, 10, 11, 13, 14, 26
PASSING: Final = frozenset({_BUSY, _LOCKED, _NOMEM, _READONLY, _FULL, _CANTOPEN})  # not the file's fault


class DiskFull(HistoryError):
    """Nothing was stored because the disk is full."""


def connect(path: Path | None, key: bytes | None, read_only: bool = False) -> Connection:
    """Open one connection. The key is 32 raw bytes; `path` None is a database in memory, which needs none."""
    if path is None:
        connection = sqlcipher.connect(":memory:", isolation_level=None, check_same_thread=False)
    else:
        mode = "ro" if read_only else "rw"  # never "rwc": a missing file is a finding, not an empty history
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlcipher.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
    connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to the terminal; must come before the key
    if key is not None:
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


@contextlib.contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Committed when the block ends, rolled back when it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class Database:
    """Thread-safe access to one file or to memory."""

    def __init__(self, path: Path | None, key: bytes | None, advice: Callable[[], str] = str) -> None:
        """`advice()` ends the message of a damaged file: which backup is good. Raises HistoryError."""
        self.path = path
        self.key = key
        self.uses_wal = False
        self._advice = advice
        self._write_lock = threading.RLock()
        with self.explained():
            self._writer = connect(path, key)
            if path is not None:
                self.uses_wal = _set_journal(self._writer, path)
        if self.uses_wal:
            self._read_lock = threading.RLock()
            self._reader = connect(path, key)
            self._reader.execute("PRAGMA query_only = ON")
        else:  # in memory, or on a file system where readers and writers cannot work side by side
            self._read_lock = self._write_lock
            self._reader = self._writer

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the last commit. Raises HistoryError."""
        with self._read_lock, self.explained():
            if self._reader.in_transaction:  # called by a writer's own thread on a shared connection
                yield self._reader
                return
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("ROLLBACK")

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: on disk when the block ends, undone when it raises. Raises HistoryError."""
        with self._write_lock, self.explained(), transaction(self._writer):
            yield self._writer

    @contextlib.contextmanager
    def outside_transaction(self) -> Iterator[Connection]:
        """For VACUUM, checkpoints and the like. Raises HistoryError."""
        with self._write_lock, self.explained():
            yield self._writer

    @contextlib.contextmanager
    def separate(self) -> Iterator[Connection]:
        """A connection of its own, for long reading that keeps nobody waiting. Raises HistoryError."""
        with self.explained():
            connection = connect(self.path, self.key)
            try:
                yield connection
            finally:
                connection.close()

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Turn SQLite's errors into ours."""
        return explained(self.path, self._advice)

    def close(self) -> None:
        """Fold the WAL into the file. The second call does nothing."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


@contextlib.contextmanager
def explained(path: Path | None, advice: Callable[[], str] = str) -> Iterator[None]:
    """Turn SQLite's errors into HistoryError and its kinds, each saying what to do."""
    try:
        yield
    except sqlcipher.Error as error:
        raise _explain(error, path or Path("the ephemeral history"), advice) from error


def _explain(error: Exception, path: Path, advice: Callable[[], str]) -> HistoryError:
    code = error_code(error)
    if code in (CORRUPT, _NOTADB):
        return damaged(path, str(error), advice)
    if code == _FULL or (code == _IOERR and _disk_is_full(path)):
        return DiskFull(f"the disk that holds {path.parent} is full: nothing was changed; free space and try again")
    if code == _BUSY:
        return HistoryError(f"{path} is in use by another process; close the other assistant and try again")
    if code in (_READONLY, _CANTOPEN):
        return HistoryError(f"{path} cannot be opened for writing ({error}); check that the folder is yours to write")
    return HistoryError(f"{path} cannot be used ({error}); see if its disk is there and healthy, then try again")


def error_code(error: Exception) -> int:
    """SQLite's primary result code of an error, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def damaged(path: Path, detail: str, advice: Callable[[], str]) -> HistoryDamaged:
    return HistoryDamaged(f"{path} is damaged ({detail}); it is left as it is. {advice()}".rstrip())


def _disk_is_full(path: Path) -> bool:
    try:
        space = os.statvfs(path.parent)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < 1024 * 1024


def _set_journal(connection: Connection, path: Path) -> bool:
    """Choose the journal; True for WAL. WAL needs memory shared between processes, which network file systems lack."""
    wanted = "DELETE" if on_network(path) else "WAL"
    mode = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    return bool(mode == "wal")


_NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "ceph"})


def on_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether `path` lies on a network file system; False where the system does not say."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    target = path.resolve()
    best = ("", "")
    for line in lines:
        _, mounted_at, kind, *_ = line.split(" ")
        folder = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mounted_at)
        if target.is_relative_to(folder) and len(folder) >= len(best[0]):
            best = (folder, kind)
    return best[1] in _NETWORK_FILE_SYSTEMS


def check_whole(connection: Connection, has_wal: bool = False) -> str:
    """Verify every page's HMAC and the structure of every table; "" when all is well, else what is wrong.

    With pages in a WAL, only those in use are verified: the file's own may be stale, or half written by a checkpoint
    that a power cut ended. The full-text indexes' contents are left out: those are rebuilt, not lost (searching.py).
    """
    pages = [] if has_wal else [row[0] for row in connection.execute("PRAGMA cipher_integrity_check")]
    if pages:
        return f"{pages[0]}, {len(pages)} in all" if len(pages) > 1 else str(pages[0])
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0").fetchall()
    for (table,) in tables:
        found = connection.execute(f"PRAGMA integrity_check({table})").fetchone()[0]
        if found != "ok":
            return f"table {table}: {found}"
    return ""


@contextlib.contextmanager
def file_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into HistoryError."""
    try:
        yield
    except OSError as error:
        raise _explain_os(error, folder) from error


def _explain_os(error: OSError, folder: Path) -> HistoryError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"the disk that holds {folder} is full: nothing was changed; free space and try again")
    return HistoryError(f"{error.filename or folder}: {error.strerror}; check that the folder is yours to write")
