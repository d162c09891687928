"""Open the history, making its files the first time. Nothing damaged or newer is ever written to.

keys/         the key, wrapped (privacy/keys.py)
history.db    the conversations, SQLCipher; with -wal and -shm beside it while open
documents.db  passages of the user's documents, under the same key, never in a backup (documents/store.py)
cache.db      what engines keep, under the same key (cache.py)
backups/      see backups.py
damaged-<n>/  what a restore has replaced
lock, open/   see presence.py
ballast       see ballast.py
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlcipher

from assistant.conversation import State
from assistant.durable import sync_folder
from assistant.errors import HistoryDamaged, HistoryError, HistoryTooNew
from assistant.history import backups, ballast
from assistant.history.cache import DiskStateStore
from assistant.history.database import (
    Connection,
    Database,
    DiskFull,
    check_whole,
    connect,
    damaged,
    explained,
    file_errors,
    transaction,
)
from assistant.history.presence import Presence, alive, alone
from assistant.history.schema import MIGRATIONS
from assistant.history.store import Files, History
from assistant.history.upkeep import Upkeep
from assistant.paths import private_folder
from assistant.privacy.keys import KeySlots

CHECK_WHOLE_BYTES: Final = 64 * 1024 * 1024  # a file up to this size is verified page by page at every opening

DOCUMENTS: Final = "documents.db"
AskPassphrase = Callable[[str], str]


def ephemeral_history() -> History:
    """A history in memory; touches no disk."""
    database = Database(None, None)
    with database.write() as connection:
        _migrate(connection, 0, MIGRATIONS)
    return History(database)


def open_history(folder: Path, ask_passphrase: AskPassphrase | None = None) -> History:
    """Open the history in `folder`, making it the first time.

    Raises HistoryLocked without the right passphrase, HistoryDamaged, HistoryTooNew, HistoryError.
    """
    keys, key = unlock(folder, ask_passphrase)
    with file_errors(folder), alone(folder):
        try:
            return _open(folder, keys, key)
        except DiskFull:
            if not ballast.release(folder):  # even opening needs a little space
                raise
            return _open(folder, keys, key)


def unlock(folder: Path, ask_passphrase: AskPassphrase | None) -> tuple[KeySlots, bytes]:
    """The key slots of the history in `folder`, made the first time, and the key."""
    keys_folder = folder / "keys"
    with file_errors(folder):
        private_folder(folder)
        with alone(folder):
            if not KeySlots.exist(keys_folder):
                if database_file(folder).exists() or backups.newest_first(folder):
                    raise HistoryDamaged(
                        f"{keys_folder} is missing and without it the history cannot be decrypted; put it back from a "
                        "backup of yours, or start afresh with `assistant history wipe`"
                    )
                made, _, _ = KeySlots.fresh(keys_folder)
                made.write()
            keys = KeySlots.load(keys_folder)
    key = keys.unlock(ask_passphrase)  # may ask, so nobody else is kept out meanwhile
    with file_errors(folder), alone(folder):
        current = KeySlots.load(keys_folder)
        if not current.fit(key):
            raise HistoryError("the key was replaced by another process meanwhile; try again")
        with contextlib.suppress(OSError):
            current.mend()
    return current, key


def database_file(folder: Path) -> Path:
    return folder / "history.db"


def _open(folder: Path, keys: KeySlots, key: bytes) -> History:
    path = database_file(folder)
    finish_rekey(folder, key)
    if not path.exists():
        _create(folder, key)
    version = _inspect(folder, key)
    database = Database(path, key, lambda: backups.advice(folder, key))
    presence = Presence(folder)
    try:
        if version < len(MIGRATIONS):
            backups.make(folder, database)
            with database.write() as connection:
                _migrate(connection, version, MIGRATIONS)
        _mark_interrupted(database, alive(folder))
        upkeep = Upkeep(folder, database)
        upkeep.start()
    except BaseException:
        database.close()
        presence.end()
        raise
    ballast.ensure(folder)
    files = Files(folder, keys, presence, upkeep)
    return History(database, files, DiskStateStore(folder / "cache.db", key))


def _create(folder: Path, key: bytes) -> None:
    """Make an empty history beside its place and move it there whole: an empty file is then always a damaged one."""
    path = database_file(folder)
    if backups.newest_first(folder):
        raise damaged(path, "the file is missing", lambda: backups.advice(folder, key))
    _remove(path.with_name("history.db-wal"), path.with_name("history.db-shm"))
    made = path.with_name("history.db.new")
    made.unlink(missing_ok=True)
    made.touch(mode=0o600)
    with explained(path):
        connection = connect(made, key)
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # deleting gives space back to a full disk
            connection.execute("PRAGMA synchronous = FULL")
            with transaction(connection):
                _migrate(connection, 0, MIGRATIONS)
        finally:
            connection.close()
    made.rename(path)
    sync_folder(folder)


def _inspect(folder: Path, key: bytes) -> int:
    """Look at the file without writing: its schema version. Raises HistoryDamaged, HistoryTooNew.

    Every page is verified unless another process has the file open: that one has done it, and writes to it now.
    """
    path = database_file(folder)
    if path.stat().st_size == 0:
        raise damaged(path, "the file is empty", lambda: backups.advice(folder, key))
    with explained(path, lambda: backups.advice(folder, key)):
        connection = connect(path, key, read_only=True)
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > len(MIGRATIONS):
                raise HistoryTooNew(f"{path} was written by a newer version; it is left as it is, update the assistant")
            small = path.stat().st_size <= CHECK_WHOLE_BYTES
            wal = path.with_name("history.db-wal")
            has_wal = wal.exists() and wal.stat().st_size > 0
            problem = check_whole(connection, has_wal) if small and not alive(folder) else ""
            if problem or version == 0:
                raise damaged(path, problem or "it has no tables", lambda: backups.advice(folder, key))
        finally:
            connection.close()
    return version


def _migrate(connection: Connection, version: int, migrations: tuple[str, ...]) -> None:
    """Run what the file has not seen yet; the caller's transaction makes it all or nothing."""
    for number in range(version, len(migrations)):
        for statement in _statements(migrations[number]):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _statements(script: str) -> list[str]:
    """Split a script; executescript() would commit the caller's transaction first."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlcipher.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def _mark_interrupted(database: Database, living: set[str]) -> None:
    """Replies whose writer is gone will not be written on."""
    with database.read() as connection:
        writers = {w for (w,) in connection.execute("SELECT writer FROM messages WHERE state = 'streaming'")}
    if gone := writers - living:
        with database.write() as connection:
            connection.executemany(
                f"UPDATE messages SET state = '{State.INTERRUPTED}', writer = '' "  # noqa: S608 - constants
                "WHERE state = 'streaming' AND writer = ?",
                [(writer,) for writer in gone],
            )


def rekeyed_file(folder: Path) -> Path:
    return rekeyed(database_file(folder))


def rekeyed(path: Path) -> Path:
    """Where the copy of a database under the new key waits."""
    return path.with_name(path.name + ".rekeyed")


def finish_rekey(folder: Path, key: bytes) -> None:
    """Put a re-encrypted copy in place if its key has become the history's; else it was given up, delete it."""
    copy = rekeyed_file(folder)
    _finish_rekey_of_documents(folder / DOCUMENTS, key)
    if not copy.exists():
        return
    path = database_file(folder)
    if problem := backups.problem_with(copy, key):
        if backups.problem_with(path, key):
            raise damaged(copy, problem, lambda: backups.advice(folder, key))
        _remove(copy)
        return
    shutil.rmtree(backups.folder_of(folder), ignore_errors=True)  # under the old key; the next opening makes one
    _remove(folder / "cache.db", *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")))
    copy.replace(path)
    sync_folder(folder)


def _finish_rekey_of_documents(path: Path, key: bytes) -> None:
    """The same for the documents, which have no backups: the copy is taken if its key is the history's."""
    copy = rekeyed(path)
    if not copy.exists():
        return
    if backups.problem_with(copy, key):
        _remove(copy)
        return
    _remove(path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
    copy.replace(path)


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
