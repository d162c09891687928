"""`/connect`: connect a real home from the screen. It asks for address and token, then for a restart.

The restart is the user's: this process, and all it could start, is locked for good. The conversation is opened again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from assistant.tools import connecting
from assistant.tools.records import Records
from assistant.tui.dialogs import AskLine, Confirm

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen

_WHERE = "Home Assistant, your profile, Security: a long-lived access token. It is kept encrypted"


async def run(screen: ChatScreen, argument: str) -> None:
    """Raises UsageError for an address that is none of a private network."""
    services = screen.services
    asked: str | None = argument
    if not asked:
        asked = await screen.app.push_screen_wait(
            AskLine("Address of Home Assistant", hint="such as 192.168.1.20:8123")
        )
    if not asked:
        return
    place = connecting.place_of(asked)
    connecting.require_compared(place)
    token = await screen.app.push_screen_wait(AskLine("Access token", hint=_WHERE, hidden=True))
    if not token:
        return
    records = Records(services.history)
    await asyncio.to_thread(connecting.connect, records, services.settings_path, place, token)
    if screen.chat.conversation.messages and not screen.ephemeral:
        await asyncio.to_thread(connecting.remember_to_resume, records, screen.chat.conversation.id)
    detail = (
        f"{place.address}:{place.port} is kept. The process that may reach it, and nothing else, is started before the "
        "network is locked: start the assistant again, and this conversation is open again."
    )
    if await screen.app.push_screen_wait(Confirm("Quit now?", detail, yes="Quit", no="Later")):
        await screen.app.action_quit()
