"""Put another file in the database's place: a backup, or a copy under a new key. Only while nobody has it open."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from assistant.durable import sync_file, sync_folder
from assistant.errors import HistoryDamaged, HistoryError
from assistant.history import backups
from assistant.history.database import connect, explained, file_errors
from assistant.history.opening import (
    DOCUMENTS,
    AskPassphrase,
    database_file,
    finish_rekey,
    open_history,
    rekeyed,
    rekeyed_file,
    unlock,
)
from assistant.history.presence import alone
from assistant.history.wiping import refuse_if_open
from assistant.paths import private_folder
from assistant.privacy.keys import KeySlots


def restore(folder: Path, ask_passphrase: AskPassphrase | None = None, source: Path | None = None) -> Path:
    """Put a backup (the newest good one) in place and return it; what it replaces is moved to damaged-<n>/.

    Raises HistoryError, and changes nothing, if there is no good one, or while a process has the history open.
    """
    _, key = unlock(folder, ask_passphrase)
    with file_errors(folder), alone(folder):
        refuse_if_open(folder)
        chosen = source or backups.newest_good(folder, key)
        if chosen is None:
            raise HistoryError(f"there is no good backup in {backups.folder_of(folder)}; name a file to restore from")
        if problem := backups.problem_with(chosen, key):
            raise HistoryDamaged(f"{chosen} cannot be restored ({problem}); nothing was changed, choose another backup")
        path = database_file(folder)
        ready = path.with_name("history.db.restoring")
        try:
            ready.unlink(missing_ok=True)
            ready.touch(mode=0o600)
            shutil.copyfile(chosen, ready)
            sync_file(ready)
            _set_aside(path)
            ready.replace(path)
            sync_folder(folder)
        finally:
            ready.unlink(missing_ok=True)
    return chosen


def _set_aside(path: Path) -> None:
    """Keep the database that is about to be replaced, and take away what belongs to it.

    A WAL left behind would be replayed into the restored file. The database itself is linked, not moved: it is missing
    at no moment.
    """
    aside = next(f for n in range(1, 1_000_000) if not (f := path.parent / f"damaged-{n}").exists())
    private_folder(aside)
    if path.exists():
        try:
            (aside / path.name).hardlink_to(path)
        except OSError:  # a file system without hard links
            shutil.copyfile(path, aside / path.name)
    for suffix in ("-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside / (path.name + suffix))


def rekey(folder: Path, ask_passphrase: AskPassphrase | None, passphrase: str = "") -> tuple[KeySlots, str]:
    """Encrypt everything under a new key with new slots; returns them and the new recovery code ("" if there was none).

    `passphrase` protects the new key; without it the OS keyring or the key file does. A crash leaves the old state or
    the new one, which the next opening completes. Backups under the old key are deleted and one is made under the new.
    """
    history = open_history(folder, ask_passphrase)  # replays what a crash left in the WAL, checks every page
    history.close()
    old_key = history.database.key or b""
    with file_errors(folder), alone(folder):
        refuse_if_open(folder)
        old_slots = KeySlots.load(folder / "keys")
        new_slots, new_key, code = KeySlots.fresh(folder / "keys", passphrase, old_slots.has_recovery)
        _copy_under(database_file(folder), old_key, rekeyed_file(folder), new_key)
        documents = folder / DOCUMENTS
        if documents.exists():
            _copy_under(documents, old_key, rekeyed(documents), new_key)
        new_slots.write()  # from here on the new key is the history's
        finish_rekey(folder, new_key)
        old_slots.forget_keyring()
    return new_slots, code


def _copy_under(source: Path, key: bytes, target: Path, new_key: bytes) -> None:
    """Make `target` a verified copy of `source`, encrypted under `new_key`."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    with explained(source):
        connection = connect(source, key)
        try:
            connection.execute("VACUUM INTO ?", (str(target),))
        finally:
            connection.close()
        copy = connect(target, key)
        try:
            copy.execute(f"PRAGMA rekey = \"x'{new_key.hex()}'\"")
        finally:
            copy.close()
    sync_file(target)
    if problem := backups.problem_with(target, new_key):
        target.unlink()
        raise HistoryError(
            f"the re-encrypted copy does not verify ({problem}); nothing was changed, see if the disk is healthy"
        )
