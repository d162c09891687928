"""The question that waits for the model, kept in the history: it is there again if the app ends before it was sent."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from assistant.errors import HistoryError
from assistant.tools.records import Records

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen

_KIND: Final = "unsent"
_ID: Final = "question"


async def keep(screen: ChatScreen, text: str) -> None:
    """Keep it, unless the conversation is one that is never stored. A full disk loses no more than this copy."""
    if not screen.ephemeral:
        with contextlib.suppress(HistoryError):
            await asyncio.to_thread(Records(screen.history).put, _KIND, _ID, text)
        screen.unsent = True


async def forget(screen: ChatScreen) -> None:
    """It was sent, or taken back into the prompt, or replaced by another that was sent."""
    if not screen.unsent:
        return
    screen.unsent = False
    with contextlib.suppress(HistoryError):
        await asyncio.to_thread(Records(screen.services.history).delete, _KIND, _ID)


async def restore(screen: ChatScreen) -> None:
    """Put what an earlier run of the app could not send into the prompt."""
    text = await asyncio.to_thread(Records(screen.services.history).get, _KIND, _ID, str)
    if text is not None and not screen.ephemeral:
        screen.prompt.area.put(text)
        screen.prompt.note("This question was not sent before the app ended. Enter sends it.")
        screen.unsent = True
