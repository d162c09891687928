"""Conversations as files: Markdown to read, JSON to carry to another machine and back."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

import msgspec

from assistant.conversation import Conversation, Message, Role, State, new_id
from assistant.errors import UsageError

FORMAT: Final = "homebody-conversation"
VERSION: Final = 1
MAX_IMPORT_CHARS: Final = 64 * 1024 * 1024
MAX_MESSAGES: Final = 100_000


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """A message as exported; the fields of conversation.Message."""

    id: str
    parent_id: str
    role: Role
    content: str
    state: State = State.COMPLETE
    created_at_s: float = 0.0
    model: str = ""
    handled_by: str = ""
    prompt_tokens: int = 0
    reply_tokens: int = 0
    ttft_ms: float = 0.0
    tokens_per_s: float = 0.0
    finish_reason: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    title: str
    system: str
    head_id: str
    messages: list[_Message]
    first_kept_id: str = ""


def to_json(conversation: Conversation) -> str:
    """The conversation with all its branches."""
    messages = [_Message(**msgspec.structs.asdict(_as_struct(m))) for m in conversation.messages.values()]
    file = _File(
        FORMAT,
        VERSION,
        conversation.title,
        conversation.system,
        conversation.head_id,
        messages,
        conversation.first_kept_id,
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2).decode() + "\n"


def _as_struct(message: Message) -> _Message:
    return msgspec.convert(message, _Message, from_attributes=True)


def from_json(text: str) -> Conversation:
    """The conversation of an export, under new ids. Raises UsageError saying what is wrong with it."""
    if len(text) > MAX_IMPORT_CHARS:
        raise UsageError(f"the import is larger than {MAX_IMPORT_CHARS // 1024**2} million characters; split it")
    try:
        file = msgspec.json.decode(text.encode(), type=_File)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise UsageError(f"this is not an exported conversation: {error}") from error
    if file.format != FORMAT:
        raise UsageError(f"this is not an exported conversation: its format is {file.format[:80]!r}, not {FORMAT!r}")
    if file.version > VERSION:
        raise UsageError("this conversation was exported by a newer version; update the assistant to import it")
    if len(file.messages) > MAX_MESSAGES:
        raise UsageError(f"the import has {len(file.messages)} messages; at most {MAX_MESSAGES} can be imported")
    new_ids = {"": ""}
    messages = {}
    for at, message in enumerate(file.messages, start=1):
        imported = _imported(message, new_ids, at)
        messages[imported.id] = imported
    if file.head_id not in new_ids or file.first_kept_id not in new_ids:
        raise UsageError("this is not a whole conversation: its shown branch ends in a message that is missing")
    return Conversation(
        title=file.title,
        system=file.system,
        messages=messages,
        head_id=new_ids[file.head_id],
        first_kept_id=new_ids[file.first_kept_id],
    )


def _imported(message: _Message, new_ids: dict[str, str], at: int) -> Message:
    """`new_ids` maps the ids of all earlier messages: a parent must come before its children, so no cycle can be."""
    if message.id in new_ids:
        raise UsageError(f"message {at} of the import has the id of an earlier one")
    if message.parent_id not in new_ids:
        raise UsageError(f"message {at} of the import answers a message that does not come before it")
    numbers = (message.created_at_s, message.ttft_ms, message.tokens_per_s)
    if not all(math.isfinite(number) for number in numbers) or not abs(message.created_at_s) < 1e11:
        raise UsageError(f"message {at} of the import has a number that is out of range")
    if not all(0 <= count < 2**53 for count in (message.prompt_tokens, message.reply_tokens)):
        raise UsageError(f"message {at} of the import has a number of tokens that is out of range")
    new_ids[message.id] = new_id()
    values = msgspec.structs.asdict(message) | {"id": new_ids[message.id], "parent_id": new_ids[message.parent_id]}
    if message.state is State.STREAMING:  # exported in mid-reply; nobody will go on with this copy
        values["state"] = State.INTERRUPTED
    return Message(**values)


_NAMES: Final = {Role.SYSTEM: "System", Role.USER: "You", Role.ASSISTANT: "Assistant"}
_ENDS: Final = {State.STOPPED: "stopped", State.INTERRUPTED: "interrupted", State.STREAMING: "still being written"}


def to_markdown(conversation: Conversation) -> str:
    """The branch on screen. Contents are Markdown already and stay as they are."""
    title = " ".join(conversation.title.split()) or "Conversation"
    parts = [f"# {title}"]
    if conversation.system:
        parts += ["## System", conversation.system.strip()]
    for message in conversation.branch():
        notes = [when(message.created_at_s), message.model, _ENDS.get(message.state, "")]
        parts += [f"## {_NAMES[message.role]}", f"*{', '.join(n for n in notes if n)}*", message.content.strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def when(at_s: float) -> str:
    """A time of the wall clock in local time, to the minute; "" if it is none a calendar has."""
    try:
        return datetime.fromtimestamp(at_s).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""
