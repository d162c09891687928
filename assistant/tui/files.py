"""Export and import: the only places where the screen reads or writes a file of the user's choice."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from textual.app import App

from assistant import durable
from assistant.conversation import Conversation
from assistant.errors import AssistantError
from assistant.history import History
from assistant.text import safe
from assistant.tui.dialogs import AskLine, Confirm

MAX_IMPORT_BYTES = 100 * 2**20


async def export(app: App[object], history: History, conversation_id: str, title: str, path_text: str = "") -> str:
    """Ask for a path unless one is given, write the conversation there and return what to tell the user.

    `.json` writes JSON, anything else Markdown. Runs in a worker, because it asks. Raises AssistantError.
    """
    if not path_text:
        suggested = f"~/{re.sub(r'[^a-z0-9]+', '-', safe(title).lower()).strip('-')[:50] or 'conversation'}.md"
        asked = await app.push_screen_wait(
            AskLine("Export to which file?", suggested, "A name ending in .json writes JSON, any other Markdown")
        )
        if asked is None:
            return ""
        path_text = asked
    path = Path(path_text).expanduser().absolute()
    if os.path.lexists(path):
        detail = safe(str(path), keep_newlines=False)
        if not await app.push_screen_wait(Confirm("Replace the existing file?", detail, yes="Replace", no="Keep")):
            return ""
    text = await asyncio.to_thread(history.export, conversation_id, "json" if path.suffix == ".json" else "markdown")
    await asyncio.to_thread(write_private, path, text)
    return f"Written to {path}. The file is not encrypted."


def write_private(path: Path, text: str) -> None:
    """Write a file that only the user can read, whole or not at all. Raises AssistantError."""
    try:
        durable.write_private(path, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise AssistantError(f"{path} cannot be written: {error.strerror}; choose another place") from error


async def import_conversation(app: App[object], history: History, path_text: str = "") -> Conversation | None:
    """Ask for a file unless one is given and add its conversation to the history. Raises AssistantError."""
    if not path_text:
        asked = await app.push_screen_wait(AskLine("Import which file?", "~/", "A JSON file that was exported before"))
        if asked is None:
            return None
        path_text = asked
    text = await asyncio.to_thread(read_bounded, Path(path_text).expanduser())
    return await asyncio.to_thread(history.import_json, text)


def read_bounded(path: Path) -> str:
    """Read a regular file of bounded size as UTF-8. Raises AssistantError."""
    try:
        if not path.is_file():
            raise AssistantError(f"{path} is not a regular file; choose a JSON file that was exported before")
        if path.stat().st_size > MAX_IMPORT_BYTES:
            raise AssistantError(f"{path} is larger than {MAX_IMPORT_BYTES >> 20} MB and was not read")
        return path.read_bytes().decode()
    except OSError as error:
        raise AssistantError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AssistantError(f"{path} is not UTF-8 text; choose a JSON file that was exported before") from error
