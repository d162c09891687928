"""Encrypted backups: one a day, the last KEEP of them, each opened and checked before an older one goes.

A backup is a complete copy under the same key, named by a rising number and the day: a clock set back confuses nothing.
A damaged history is never copied over a good backup: making one reads every page and fails before anything is deleted.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlcipher

from assistant.durable import sync_file, sync_folder
from assistant.errors import HistoryError
from assistant.history.database import Database, check_whole, connect, damaged, explained, file_errors
from assistant.history.schema import MIGRATIONS
from assistant.paths import private_folder

KEEP: Final = 7
_SUFFIX: Final = ".db"
_UNFINISHED: Final = "unfinished"


def folder_of(folder: Path) -> Path:
    return folder / "backups"


def newest_first(folder: Path) -> list[Path]:
    return sorted(folder_of(folder).glob(f"[0-9]*{_SUFFIX}"), reverse=True)


def is_due(folder: Path) -> bool:
    """Whether there is none of today."""
    today = _day()
    return not any(path.stem.endswith(today) for path in newest_first(folder))


def make(folder: Path, database: Database, keep: int = KEEP) -> Path:
    """Copy `database`, verify the copy, then delete what is older than the newest `keep`. Call under `alone()`.

    Raises HistoryError, and deletes nothing, when the copy cannot be made or does not verify.
    """
    with file_errors(folder):
        return _make(private_folder(folder_of(folder)), database, keep)


def _make(target_folder: Path, database: Database, keep: int) -> Path:
    folder = target_folder.parent
    unfinished = target_folder / _UNFINISHED
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        with database.separate() as connection:  # saving goes on meanwhile
            connection.execute("VACUUM INTO ?", (str(unfinished),))
        sync_file(unfinished)
        if problem := problem_with(unfinished, database.key):
            raise HistoryError(
                f"the backup does not verify ({problem}); the earlier ones are kept; is the disk healthy?"
            )
        earlier = newest_first(folder)
        number = int(earlier[0].name.split("-")[0]) + 1 if earlier else 1
        made = unfinished.rename(target_folder / f"{number:06}-{_day()}{_SUFFIX}")
        sync_folder(target_folder)
        for old in newest_first(folder)[keep:]:
            old.unlink()
        return made
    finally:
        unfinished.unlink(missing_ok=True)


def problem_with(path: Path, key: bytes | None) -> str:
    """What is wrong with a history file, every page of it checked; "" if it is good."""
    try:
        connection = connect(path, key, read_only=True)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if not 1 <= version <= len(MIGRATIONS):
                return "it was written by a newer version" if version else "it is empty"
            return check_whole(connection)
        finally:
            connection.close()
    except sqlcipher.Error as error:
        return str(error)


def newest_good(folder: Path, key: bytes) -> Path | None:
    return next((path for path in newest_first(folder) if not problem_with(path, key)), None)


def advice(folder: Path, key: bytes) -> str:
    """What to do about a damaged history, in a sentence."""
    good = newest_good(folder, key)
    if good is None:
        return "There is no good backup; `assistant history wipe` starts afresh, or put a copy of yours in its place"
    return f"Run `assistant history restore` to go back to the newest good backup, {good.name}"


def delete_conversation(folder: Path, key: bytes, conversation_id: str) -> None:
    """Delete one conversation from every backup. Call under `alone()`. Raises HistoryDamaged for one it cannot open."""
    for path in newest_first(folder):
        with explained(path):
            connection = connect(path, key)
            try:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
                connection.execute("PRAGMA incremental_vacuum").fetchall()
                if problem := check_whole(connection):
                    raise damaged(path, problem, lambda: "Delete this backup by hand")
            finally:
                connection.close()


def _day() -> str:
    return date.today().strftime("%Y%m%d")
