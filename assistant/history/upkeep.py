"""Once a day, behind the open history: check the search index, make a backup.

In a thread of its own, so that no opening and no saving waits for it; closing the history does.
"""

from __future__ import annotations

import threading
from pathlib import Path

from assistant.errors import HistoryError
from assistant.history import backups, searching
from assistant.history.database import Database, file_errors
from assistant.history.presence import alone


class Upkeep:
    """The day's work on an open history. `notices` holds what the user should know; nothing is raised."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.notices: tuple[str, ...] = ()
        self._folder = folder
        self._database = database
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if it is due and there is anything to keep. Raises HistoryError if the history cannot be read."""
        with self._database.read() as connection:
            is_empty = connection.execute("SELECT 1 FROM conversations LIMIT 1").fetchone() is None
        if not is_empty and backups.is_due(self._folder):
            self._thread = threading.Thread(target=self._run, name="history upkeep", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Wait until it is done. The second call does nothing."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._database.write() as connection:
                in_sync = searching.in_sync(connection)
            if not in_sync:
                searching.rebuild(self._database)
            with file_errors(self._folder), alone(self._folder):
                if backups.is_due(self._folder):
                    backups.make(self._folder, self._database)
        except HistoryError as error:
            self.notices = (f"today's backup of the history failed: {error}",)
