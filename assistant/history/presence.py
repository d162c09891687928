"""Who has the history open. A process that dies, however it dies, is noticed: the kernel drops its file locks.

    lock          held for the moment in which the files are made, migrated, checked or replaced
    open/<id>     one for each open history, locked for as long as it is open

A reply that was being streamed by a process that is gone is marked interrupted; one that is being streamed by a living
process is left alone, whoever else opens the history meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from assistant.errors import HistoryError
from assistant.paths import private_folder

WAIT_S: Final = 30.0
_POLL_S: Final = 0.02


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder`'s lock: one process at a time. Raises HistoryError after WAIT_S seconds."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline_s = time.monotonic() + WAIT_S
        while not _try_lock(descriptor):
            if time.monotonic() > deadline_s:
                raise HistoryError(f"{folder} is held by another process; close the other assistant and try again")
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


class Presence:
    """This process's mark as one that has the history open; made while `alone()` is held."""

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(8)
        self._path = private_folder(folder / "open") / self.id
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        _try_lock(self._descriptor)

    def end(self) -> None:
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def alive(folder: Path) -> set[str]:
    """The ids of all open histories; clears the marks of the dead. Call while `alone()` is held."""
    living = set()
    for mark in (folder / "open").glob("*"):
        try:
            descriptor = os.open(mark, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # closed just now
            continue
        try:
            if _try_lock(descriptor):
                mark.unlink(missing_ok=True)
            else:
                living.add(mark.name)
        finally:
            os.close(descriptor)
    return living


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
