"""Conversations and messages as rows of the database, and back."""

from __future__ import annotations

import time
from typing import Any, Final

from assistant.conversation import Conversation, Message, Role, State
from assistant.errors import HistoryError
from assistant.history.database import Connection

PREVIEW_CHARS: Final = 120

COLUMNS: Final = (
    "id, parent_id, role, content, state, created_at_s, model, handled_by, "
    "prompt_tokens, reply_tokens, ttft_ms, tokens_per_s, finish_reason"
)
INSERT: Final = f"INSERT INTO messages({COLUMNS}, conversation, writer) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - constants
UPSERT: Final = (
    INSERT + " ON CONFLICT(id) DO UPDATE SET content=excluded.content, state=excluded.state, model=excluded.model, "
    "handled_by=excluded.handled_by, prompt_tokens=excluded.prompt_tokens, reply_tokens=excluded.reply_tokens, "
    "ttft_ms=excluded.ttft_ms, tokens_per_s=excluded.tokens_per_s, finish_reason=excluded.finish_reason, "
    "writer=excluded.writer WHERE conversation = excluded.conversation"
)


def values(message: Message, conversation_row: int, writer: str) -> tuple[Any, ...]:
    """What INSERT and UPSERT take."""
    return (
        message.id,
        message.parent_id or None,
        str(message.role),
        storable(message.content),
        str(message.state),
        message.created_at_s,
        storable(message.model),
        message.handled_by,
        message.prompt_tokens,
        message.reply_tokens,
        message.ttft_ms,
        message.tokens_per_s,
        message.finish_reason,
        conversation_row,
        writer,
    )


def storable(text: str) -> str:
    """`text` as it can be stored: lone surrogates and NUL become the replacement character."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def put_conversation(connection: Connection, conversation: Conversation) -> int:
    connection.execute(
        """INSERT INTO conversations(id, title, system, head_id, first_kept_id, updated_at_s, touched)
           VALUES (?, ?, ?, ?, ?, ?, 0)
           ON CONFLICT(id) DO UPDATE SET title = excluded.title, system = excluded.system,
               head_id = excluded.head_id, first_kept_id = excluded.first_kept_id""",
        (
            conversation.id,
            storable(conversation.title),
            storable(conversation.system),
            conversation.head_id,
            conversation.first_kept_id,
            time.time(),
        ),
    )
    row = find(connection, conversation.id)
    touch(connection, row)
    return row


def touch(connection: Connection, row: int) -> None:
    """Move a conversation to the top of the list."""
    connection.execute(
        """UPDATE conversations SET updated_at_s = ?2, touched = max(touched, 1 + coalesce(
               (SELECT max(touched) FROM conversations WHERE row <> ?1), 0)) WHERE row = ?1""",
        (row, time.time()),
    )


def find(connection: Connection, conversation_id: str) -> int:
    found = connection.execute("SELECT row FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    if found is None:
        raise HistoryError("this conversation is not in the history; it may have been deleted meanwhile")
    return int(found[0])


def count(connection: Connection, row: int) -> int:
    return int(connection.execute("SELECT count(*) FROM messages WHERE conversation = ?", (row,)).fetchone()[0])


def message(message_id: str, parent_id: str | None, role: str, content: str, state: str, *rest: Any) -> Message:
    return Message(Role(role), content, message_id, parent_id or "", State(state), *rest)


def preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW_CHARS else line[: PREVIEW_CHARS - 1] + "…"
