"""Models set aside: files, by their SHA-256, whose process died of native code while it loaded them.

Such a file stays on the disk and is not loaded again until the user says so (`assistant models release NAME`): the
same bytes would do the same, and a parser that can be crashed may be open to worse. A process that was killed from
outside (out of memory, by the user) says nothing about the file.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import msgspec

from assistant import durable

# What native code does to itself: an assertion, a bad pointer, a division by zero, a mapping that ended too early.
_OWN_FAULT = ("SIGABRT", "SIGSEGV", "SIGFPE", "SIGBUS", "SIGTRAP", "SIGSYS")
FAULT_SIGNALS = frozenset(getattr(signal, name) for name in _OWN_FAULT if hasattr(signal, name))
_MOST = 1000


class SetAside(msgspec.Struct, frozen=True):
    """What happened and when, in words for the user and seconds since 1970."""

    why: str
    at_s: float

    def __str__(self) -> str:
        return f"{self.why}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.at_s))}"


class Quarantine:
    """The record, one small file. A damaged one is an empty one: the models are then tried again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reason(self, sha256: str) -> SetAside | None:
        """Why the file of this hash is set aside, or None."""
        return self._read().get(sha256)

    def put(self, sha256: str, why: str) -> None:
        """Set a file aside. On a full or read-only disk nothing is kept, and it may crash once more."""
        found = self._read()
        found[sha256] = SetAside(why, time.time())
        newest = sorted(found.items(), key=lambda item: -item[1].at_s)[:_MOST]
        try:
            durable.write_private(self._path, msgspec.json.encode(dict(newest)))
        except OSError:
            return

    def clear(self, sha256: str) -> bool:
        """Let the file be loaded again; False if it was not set aside. Raises OSError."""
        found = self._read()
        if found.pop(sha256, None) is None:
            return False
        durable.write_private(self._path, msgspec.json.encode(found))
        return True

    def _read(self) -> dict[str, SetAside]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, SetAside])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
