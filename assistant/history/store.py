"""History: past conversations, kept encrypted. Every method may be called from any thread and raises HistoryError.

What a method has stored is on the disk when it returns. Opening, checking and restoring files: opening.py.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assistant.conversation import Conversation, Message, State
from assistant.errors import HistoryError, UsageError
from assistant.history import backups, ballast, exchange, rows, searching, wiping
from assistant.history.cache import MemoryStateStore, StateStore
from assistant.history.database import Database, DiskFull
from assistant.history.presence import Presence, alone
from assistant.history.searching import Hit
from assistant.history.upkeep import Upkeep
from assistant.privacy.keys import EPHEMERAL, KeySlots, Protection

_NO_WAL: Final = "the history's file system allows no write-ahead log (a network drive?): saving may make you wait"
_DELETE_STEP: Final = 20  # messages a transaction when the disk is full: what the ballast's space surely holds


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list of conversations. `preview` is the beginning of the newest message."""

    id: str
    title: str
    updated_at_s: float
    n_messages: int
    preview: str


Summaries = list[Summary]  # inside History, `list` is its method
Hits = list[Hit]


@dataclass(slots=True)
class Files:
    """What an open history holds besides its database; None of it for an ephemeral one."""

    folder: Path
    keys: KeySlots
    presence: Presence
    upkeep: Upkeep


@dataclass(eq=False, slots=True)
class History:
    """Past conversations. Made by open_history() or ephemeral_history()."""

    database: Database
    files: Files | None = None
    state_store: StateStore = field(default_factory=MemoryStateStore)

    @property
    def protection(self) -> Protection:
        """What protects the history, in words."""
        return self.files.keys.protection if self.files else EPHEMERAL

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about the history's files, such as a backup that failed."""
        if self.files is None:
            return ()
        return self.files.upkeep.notices if self.database.uses_wal else (_NO_WAL, *self.files.upkeep.notices)

    # -- saving ----------------------------------------------------------------------------------------------------

    def save_conversation(self, conversation: Conversation) -> None:
        """Store the conversation's own fields and those of its messages that are not stored yet."""
        with self.database.write() as connection:
            row = rows.put_conversation(connection, conversation)
            messages = list(conversation.messages.values())
            if rows.count(connection, row) < len(messages):
                stored = {i for (i,) in connection.execute("SELECT id FROM messages WHERE conversation = ?", (row,))}
                connection.executemany(
                    rows.INSERT, [rows.values(m, row, self._writer_of(m)) for m in messages if m.id not in stored]
                )

    def save_message(self, conversation_id: str, message: Message) -> None:
        """Store what changed of a message, or a new one, which becomes the head as in Conversation.put().

        The conversation must have been saved before.
        """
        with self.database.write() as connection:
            row = rows.find(connection, conversation_id)
            is_new = connection.execute("SELECT 1 FROM messages WHERE id = ?", (message.id,)).fetchone() is None
            if connection.execute(rows.UPSERT, rows.values(message, row, self._writer_of(message))).rowcount != 1:
                raise HistoryError("a message of this id belongs to another conversation; nothing was stored")
            if is_new:
                connection.execute("UPDATE conversations SET head_id = ? WHERE row = ?", (message.id, row))
            rows.touch(connection, row)

    def _writer_of(self, message: Message) -> str:
        return self.files.presence.id if self.files and message.state == State.STREAMING else ""

    # -- reading ---------------------------------------------------------------------------------------------------

    def load(self, conversation_id: str) -> Conversation:
        """The whole conversation with all its branches."""
        with self.database.read() as connection:
            row = rows.find(connection, conversation_id)
            title, system, head_id, first_kept_id = connection.execute(
                "SELECT title, system, head_id, first_kept_id FROM conversations WHERE row = ?", (row,)
            ).fetchone()
            found = connection.execute(
                f"SELECT {rows.COLUMNS} FROM messages WHERE conversation = ? ORDER BY row",  # noqa: S608 - constants
                (row,),
            ).fetchall()
        messages = {values[0]: rows.message(*values) for values in found}
        conversation = Conversation(conversation_id, title, system, messages, head_id, first_kept_id)
        if head_id not in messages:  # the process died between naming the head and saving it
            conversation.head_id = next(reversed(messages), "")
        return conversation

    def list(self, limit: int = 50, offset: int = 0) -> Summaries:
        """Conversations, the last changed first."""
        with self.database.read() as connection:
            found = connection.execute(
                """SELECT c.id, c.title, c.updated_at_s,
                       (SELECT count(*) FROM messages m WHERE m.conversation = c.row),
                       (SELECT substr(m.content, 1, 1000) FROM messages m WHERE m.conversation = c.row
                        ORDER BY m.row DESC LIMIT 1)
                   FROM conversations c ORDER BY c.touched DESC LIMIT ? OFFSET ?""",
                (limit, offset),
            ).fetchall()
        return [Summary(i, title, at_s, n, rows.preview(text or "")) for i, title, at_s, n, text in found]

    def search(self, text: str, limit: int = 50) -> Hits:
        """Messages that have all the words of `text` (the last as a beginning), and conversations so titled.

        Words in double quotes are searched as a phrase. No text is a syntax error.
        """
        return searching.search(self.database, text, limit)

    def find_id(self, prefix: str) -> str:
        """The id of the one conversation whose id starts with `prefix`. Raises UsageError if there is not one."""
        if not re.fullmatch(r"[0-9a-f]{1,64}", prefix):
            raise UsageError(f"{prefix!r} is not a conversation id; `assistant history list` shows them")
        with self.database.read() as connection:
            found = connection.execute(
                "SELECT id FROM conversations WHERE id >= ? AND id < ? ORDER BY id LIMIT 2", (prefix, prefix + "g")
            ).fetchall()
        if len(found) != 1:
            problem = "more than one conversation has" if found else "no conversation has"
            raise UsageError(f"{problem} an id that starts with {prefix!r}; `assistant history list` shows them")
        return str(found[0][0])

    # -- changing --------------------------------------------------------------------------------------------------

    def rename(self, conversation_id: str, title: str) -> None:
        title = " ".join(rows.storable(title).split())
        if not title:
            raise UsageError("a title needs at least one character")
        with self.database.write() as connection:
            row = rows.find(connection, conversation_id)
            connection.execute("UPDATE conversations SET title = ? WHERE row = ?", (title, row))

    def delete(self, conversation_id: str, everywhere: bool = False) -> None:
        """Delete a conversation; with `everywhere` from the backups too. Works on a full disk (ballast.py)."""
        with self.database.read() as connection:
            row = rows.find(connection, conversation_id)
        try:
            with self.database.write() as connection:
                connection.execute("DELETE FROM conversations WHERE row = ?", (row,))
        except DiskFull:
            if self.files is None or not ballast.release(self.files.folder):
                raise
            self._delete_in_steps(row)
        self._give_space_back()
        if self.files:
            if everywhere:
                with alone(self.files.folder):
                    backups.delete_conversation(self.files.folder, self.database.key or b"", conversation_id)
            ballast.ensure(self.files.folder)

    def _delete_in_steps(self, row: int) -> None:
        """Newest first, each step folded into the file, so that the WAL never needs more than the ballast gave free."""
        remaining = True
        while remaining:
            with self.database.write() as connection:
                deleted = connection.execute(
                    "DELETE FROM messages WHERE row IN "
                    "(SELECT row FROM messages WHERE conversation = ? ORDER BY row DESC LIMIT ?)",
                    (row, _DELETE_STEP),
                ).rowcount
                remaining = deleted == _DELETE_STEP
                if not remaining:
                    connection.execute("DELETE FROM conversations WHERE row = ?", (row,))
            self._give_space_back()

    def _give_space_back(self) -> None:
        if self.database.path is None:
            return
        with contextlib.suppress(HistoryError), self.database.outside_transaction() as connection:
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # -- carrying --------------------------------------------------------------------------------------------------

    def export(self, conversation_id: str, format: str = "markdown") -> str:
        """The shown branch as Markdown, or all branches as JSON that import_json() reads."""
        writers = {"markdown": exchange.to_markdown, "json": exchange.to_json}
        if format not in writers:
            raise UsageError(f"unknown format {format!r}; there are {' and '.join(writers)}")
        return writers[format](self.load(conversation_id))

    def import_json(self, text: str) -> Conversation:
        """Store an exported conversation under new ids. Raises UsageError, and stores nothing, if it is malformed."""
        conversation = exchange.from_json(text)
        self.save_conversation(conversation)
        return conversation

    def backup(self) -> str:
        """Make a verified, encrypted backup now and return its file name."""
        if self.files is None:
            raise UsageError("an ephemeral history is never written to disk, so it has no backup")
        with alone(self.files.folder):
            return backups.make(self.files.folder, self.database).name

    def close(self) -> None:
        """The second call does nothing."""
        if self.files:
            self.files.upkeep.finish()
        self.state_store.close()
        self.database.close()
        if self.files:
            self.files.presence.end()

    def wipe(self) -> None:
        """Destroy the key, then all files (wiping.py); closes this history.

        Raises HistoryError if another process has it open; this one is closed then, but nothing is destroyed.
        """
        self.close()
        if self.files:
            wiping.wipe(self.files.folder)
