"""What tools keep, in the encrypted history database: small typed values by kind and id. Every change can be undone.

`recording()` notes what the records were before; `undo_last()` puts it back. All of one request is one undo.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec

from assistant.history import History

T = TypeVar("T")

MAX_UNDO: Final = 20
HOME_STATE: Final = "home"  # the kind of a record that is a device, with its state
REAL_DEVICE: Final = "real device"  # noted, never a record: what a device of a real home was
_UNDO: Final = "undo"


class Before(msgspec.Struct, frozen=True):
    """A record as it was; `value` None: there was none."""

    kind: str
    id: str
    value: str | None


class Step(msgspec.Struct, frozen=True):
    """All that one request changed."""

    what: str
    before: list[Before]


class Records:
    """Thread-safe. Raises HistoryError where the database does."""

    def __init__(self, history: History) -> None:
        self._database = history.database
        self._lock = threading.RLock()
        self._noted: dict[tuple[str, str], str | None] | None = None

    def get(self, kind: str, record_id: str, of: type[T]) -> T | None:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT value FROM records WHERE kind = ? AND id = ?", (kind, record_id)
            ).fetchone()
        return msgspec.json.decode(row[0], type=of) if row else None

    def all(self, kind: str, of: type[T]) -> dict[str, T]:
        """All records of a kind by id, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT id, value FROM records WHERE kind = ? ORDER BY row", (kind,)).fetchall()
        return {record_id: msgspec.json.decode(value, type=of) for record_id, value in rows}

    def put(self, kind: str, record_id: str, value: Any) -> None:
        """Store or replace; on disk when it returns."""
        self._write(kind, record_id, msgspec.json.encode(value).decode())

    def delete(self, kind: str, record_id: str) -> None:
        self._write(kind, record_id, None)

    def note(self, kind: str, record_id: str, was: Any) -> None:
        """Have the step being recorded remember something that is kept elsewhere, as it was; the first time counts."""
        with self._lock:
            if self._noted is not None:
                self._noted.setdefault((kind, record_id), msgspec.json.encode(was).decode())

    @contextlib.contextmanager
    def recording(self, what: str) -> Iterator[None]:
        """Everything this thread changes until the end of the block becomes one step for `undo_last`. Inside
        another one it is part of that."""
        with self._lock:
            if self._noted is not None:
                yield
                return
            self._noted = {}
            try:
                yield
            finally:
                noted, self._noted = self._noted, None
                if noted:
                    steps = self._steps()
                    steps.append(Step(what, [Before(kind, i, value) for (kind, i), value in noted.items()]))
                    self._write(_UNDO, "steps", msgspec.json.encode(steps[-MAX_UNDO:]).decode())

    def last_step(self) -> Step | None:
        """What undo_last() would take back."""
        steps = self._steps()
        return steps[-1] if steps else None

    def undo_last(self) -> str | None:
        """Take the last step back and return what it was; None if there is none."""
        with self._lock:
            steps = self._steps()
            if not steps:
                return None
            last = steps.pop()
            for before in (b for b in last.before if b.kind != REAL_DEVICE):
                self._write(before.kind, before.id, before.value)
            self._write(_UNDO, "steps", msgspec.json.encode(steps).decode())
            return last.what

    def _steps(self) -> list[Step]:
        return self.get(_UNDO, "steps", list[Step]) or []

    def _write(self, kind: str, record_id: str, value: str | None) -> None:
        with self._lock, self._database.write() as connection:
            if self._noted is not None:
                old = connection.execute("SELECT value FROM records WHERE kind = ? AND id = ?", (kind, record_id))
                row = old.fetchone()
                self._noted.setdefault((kind, record_id), row[0] if row else None)
            if value is None:
                connection.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, record_id))
            else:
                connection.execute(
                    "INSERT INTO records (kind, id, value) VALUES (?, ?, ?) "
                    "ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
                    (kind, record_id, value),
                )
