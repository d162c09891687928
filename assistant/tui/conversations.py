"""Conversations on screen: open, start, list, search, rename, delete, export, import. Functions on the screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from assistant.conversation import Conversation, Role
from assistant.errors import UsageError
from assistant.history import ephemeral_history
from assistant.text import safe
from assistant.tui import acting, turns
from assistant.tui.dialogs import AskLine, Confirm
from assistant.tui.files import export, import_conversation
from assistant.tui.history_picker import HistoryPicker
from assistant.tui.search import Search

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen


async def open_stored(screen: ChatScreen, conversation_id: str, message_id: str = "") -> None:
    """Show a stored conversation, at a message if one is given. Raises HistoryError; then nothing changes."""
    if screen.chat.conversation.id == conversation_id:
        conversation = screen.chat.conversation
    else:
        conversation = await asyncio.to_thread(screen.services.history.load, conversation_id)
        async with screen.changing:
            await _leave(screen)
            screen.history = screen.services.history
            await _enter(screen, conversation)
    if message_id in conversation.messages:
        async with screen.changing:
            if message_id not in [m.id for m in conversation.branch()]:
                await turns.halt(screen)
                conversation.switch(message_id)
            await screen.show_branch(around_id=message_id)
        if (view := screen.transcript.view(message_id)) is not None:
            screen.call_after_refresh(screen.transcript.choose, view)


async def start_new(screen: ChatScreen, ephemeral: bool = False) -> None:
    """Start an empty conversation; an ephemeral one in a history that lives in memory only."""
    async with screen.changing:
        await _leave(screen)
        screen.history = ephemeral_history() if ephemeral else screen.services.history
        await _enter(screen, Conversation(system=screen.services.settings.system))


async def _leave(screen: ChatScreen) -> None:
    await turns.halt(screen)
    await turns.forget_waiting(screen)
    screen.drafts[screen.chat.conversation.id] = screen.prompt.area.text
    if screen.ephemeral:
        screen.drafts.pop(screen.chat.conversation.id)
        screen.history.close()


async def _enter(screen: ChatScreen, conversation: Conversation) -> None:
    screen.chat = acting.chat_of(screen, conversation)
    area = screen.prompt.area
    area.put(screen.drafts.get(conversation.id, ""))
    area.recalled = [safe(m.content) for m in conversation.branch() if m.role is Role.USER]
    last = next((m for m in reversed(conversation.branch()) if m.prompt_tokens), None)
    screen.show_status(
        context_used=last.prompt_tokens + last.reply_tokens if last else 0, tokens_per_s=0.0, ttft_ms=0.0
    )
    await screen.show_branch()
    screen.transcript.to_end()
    area.focus()


async def halt(screen: ChatScreen) -> None:
    """Stop the turn; what it wrote is committed."""
    async with screen.changing:
        await turns.halt(screen)


async def new(screen: ChatScreen, argument: str) -> None:
    await start_new(screen)


async def ephemeral(screen: ChatScreen, argument: str) -> None:
    await start_new(screen, ephemeral=True)


async def resume(screen: ChatScreen, argument: str) -> None:
    picked = await screen.app.push_screen_wait(
        HistoryPicker(screen.services.history, screen.chat.conversation.id, lambda: halt(screen))
    )
    current = screen.chat.conversation
    if current.id in picked.renamed:
        current.title = picked.renamed[current.id]
        await screen.show_branch()
    if current.id in picked.deleted:
        await start_new(screen)
    if picked.open_id:
        await open_stored(screen, picked.open_id)


async def search(screen: ChatScreen, argument: str) -> None:
    hit = await screen.app.push_screen_wait(Search(screen.services.history, argument))
    if hit is not None:
        await open_stored(screen, hit.conversation_id, hit.message_id)


async def rename(screen: ChatScreen, argument: str) -> None:
    conversation = screen.chat.conversation
    title: str | None = argument
    if not title:
        title = await screen.app.push_screen_wait(AskLine("New title", conversation.title))
    if title:
        conversation.title = title
        if conversation.messages:
            await asyncio.to_thread(screen.history.rename, conversation.id, title)
        await screen.show_branch()


async def delete(screen: ChatScreen, argument: str) -> None:
    conversation = screen.chat.conversation
    detail = f"{conversation.title}\nThis cannot be undone."
    if await screen.app.push_screen_wait(Confirm("Delete this conversation?", detail, yes="Delete", no="Keep")):
        await halt(screen)
        if conversation.messages:
            await asyncio.to_thread(screen.history.delete, conversation.id)
        await start_new(screen)


async def export_file(screen: ChatScreen, argument: str) -> None:
    conversation = screen.chat.conversation
    if not conversation.messages:
        raise UsageError("there is nothing to export yet")
    if told := await export(screen.app, screen.history, conversation.id, conversation.title, argument):
        screen.app.notify(safe(told), markup=False)


async def import_file(screen: ChatScreen, argument: str) -> None:
    imported = await import_conversation(screen.app, screen.services.history, argument)
    if imported is not None:
        await open_stored(screen, imported.id)
