"""Destroy a history: the key first, which makes every copy of the database unreadable at once, then the files.

Not covered: a flash disk may keep old blocks of the key slots for a while. Only an encrypted disk, or a passphrase
from the first day on, protects against somebody who reads its chips. Copies of the whole folder
made elsewhere stay readable.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from assistant.errors import HistoryDamaged, HistoryError
from assistant.history.database import file_errors
from assistant.history.presence import alive, alone
from assistant.privacy import slots
from assistant.privacy.keys import KeySlots


def wipe(folder: Path) -> None:
    """Needs no passphrase and no intact file. Raises HistoryError while a process has the history open."""
    if not folder.exists():
        return
    with file_errors(folder), alone(folder):
        refuse_if_open(folder)
        with contextlib.suppress(HistoryDamaged):
            KeySlots.load(folder / "keys").destroy()
        slots.destroy(folder / "keys")
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
    (folder / "lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def refuse_if_open(folder: Path) -> None:
    """Call while `alone()` is held. Raises HistoryError."""
    if alive(folder):
        raise HistoryError("the history is open in another process; close the chat and try again")
