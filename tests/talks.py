"""Conversations and histories on disk, as the history's tests need them."""

from __future__ import annotations

from pathlib import Path

from assistant.conversation import Conversation, Role
from assistant.history import open_history, opening

PASSPHRASE = "correct horse battery"


def talk(title: str, *texts: str) -> Conversation:
    """A conversation of these messages, question and answer in turn."""
    conversation = Conversation(title=title)
    for at, text in enumerate(texts):
        conversation.add(Role.ASSISTANT if at % 2 else Role.USER, text)
    return conversation


def save(folder: Path, *titles: str) -> None:
    """Open the history in `folder`, save a conversation of each title, close it."""
    history = open_history(folder)
    for title in titles:
        history.save_conversation(talk(title, f"question of {title}", "answer"))
    history.close()


def saved(folder: Path, passphrase: str = "") -> list[str]:
    """The titles of the history in `folder`."""
    history = open_history(folder, lambda _: passphrase)
    try:
        return sorted(summary.title for summary in history.list())
    finally:
        history.close()


def snapshot(folder: Path) -> dict[str, bytes]:
    """All files and their contents."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def save_with_backup(folder: Path) -> Path:
    """A history with "old" in it and in its newest backup, and "new" in it alone; returns the database's path."""
    save(folder, "old")
    history = open_history(folder)
    history.backup()
    history.close()
    save(folder, "new")
    return opening.database_file(folder)
