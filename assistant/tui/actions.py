"""What the commands and the keys on a message do. Functions on the screen, so that the screen stays readable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from assistant.conversation import Message, Role
from assistant.errors import AssistantError, UsageError
from assistant.text import safe
from assistant.tui import choices, connect, conversations, home_panel, turns, voice_mode
from assistant.tui.help import Help
from assistant.tui.reply import Action, MessageView, ReplyView

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen


async def run_command(screen: ChatScreen, name: str, argument: str) -> None:
    """Run one command of the table; what goes wrong is said, not raised."""
    try:
        await _RUN[name](screen, argument)
    except AssistantError as error:
        screen.app.notify(safe(str(error)), severity="error", markup=False, timeout=10)


async def act_on_message(screen: ChatScreen, view: MessageView, action: Action) -> None:
    """A key on a selected message."""
    message = view.message
    match action:
        case "stop":
            await screen.action_stop()
        case "leave":
            screen.prompt.area.focus()
        case "edit":
            edit(screen, message)
        case "regenerate":
            await regenerate(screen, message)
        case "copy":
            copy(screen, view.text(), "The message")
        case "code":
            copy_code(screen, view)
        case "help":
            screen.action_give("help")
        case "previous" | "next":
            await show_version(screen, message, 1 if action == "next" else -1)


# -- messages -------------------------------------------------------------------------------------------------------


def edit(screen: ChatScreen, message: Message) -> None:
    """Put a message into the prompt; sending it makes another version."""
    screen.editing = message
    screen.prompt.area.put(message.content)
    question = message.role is Role.USER
    screen.prompt.note(
        "Editing your question: Enter asks it as a new version, Esc leaves it"
        if question
        else "Editing the reply: Enter continues it from here as a new version, Esc leaves it"
    )
    screen.prompt.area.focus()


async def regenerate(screen: ChatScreen, message: Message) -> None:
    """Answer again. For a question: its newest answer."""
    async with screen.changing:
        await turns.halt(screen)
    chat, conversation = screen.chat, screen.chat.conversation
    if message.role is Role.USER:
        answers = [m for m in conversation.messages.values() if m.parent_id == message.id]
        if not answers:
            screen.ask("", lambda: chat.edit(message.id, message.content))
            return
        message = answers[-1]
    screen.ask("", lambda: chat.regenerate(message.id))


async def show_version(screen: ChatScreen, message: Message, step: int) -> None:
    """Show another version of a message and what followed it."""
    async with screen.changing:
        await turns.halt(screen)
        chosen = screen.chat.conversation.step_sibling(message.id, step)
        await asyncio.to_thread(screen.history.save_conversation, screen.chat.conversation)
        await screen.show_branch(around_id=chosen.id)
    if (view := screen.transcript.view(chosen.id)) is not None:
        screen.transcript.choose(view)


def copy(screen: ChatScreen, text: str, what: str) -> None:
    """Copy by the terminal (OSC 52). Only ever called for a key of the user."""
    screen.app.copy_to_clipboard(safe(text))
    n_lines = len(text.splitlines())
    screen.app.notify(f"{what} is copied, {n_lines} line{'s' * (n_lines != 1)}", markup=False, timeout=3)


def copy_code(screen: ChatScreen, view: MessageView | None) -> None:
    """Copy the next code block of a message."""
    code = view.next_code() if view is not None else None
    if code is None:
        screen.app.notify("There is no code block to copy", severity="warning", markup=False)
        return
    copy(screen, code[0], f"Code block {code[1]} of {code[2]}")


def _last_reply(screen: ChatScreen) -> ReplyView | None:
    return next((v for v in reversed(screen.transcript.views) if isinstance(v, ReplyView)), None)


async def _regenerate_last(screen: ChatScreen, argument: str) -> None:
    if (view := _last_reply(screen)) is None:
        raise UsageError("there is no reply yet")
    await regenerate(screen, view.message)


async def _copy_last(screen: ChatScreen, argument: str) -> None:
    if (view := _last_reply(screen)) is None:
        raise UsageError("there is no reply yet")
    copy(screen, view.text(), "The reply")


async def _copy_code(screen: ChatScreen, argument: str) -> None:
    copy_code(screen, _last_reply(screen))


async def _help(screen: ChatScreen, argument: str) -> None:
    await screen.app.push_screen_wait(Help(screen.prompt.area.insert))


async def _quit(screen: ChatScreen, argument: str) -> None:
    await screen.app.action_quit()


_RUN: dict[str, Callable[[ChatScreen, str], Awaitable[None]]] = {
    "new": conversations.new,
    "resume": conversations.resume,
    "search": conversations.search,
    "talk": voice_mode.toggle,
    "mute": voice_mode.mute,
    "home": home_panel.show,
    "connect": connect.run,
    "model": choices.model,
    "system": choices.system,
    "persona": choices.persona,
    "regenerate": _regenerate_last,
    "copy": _copy_last,
    "code": _copy_code,
    "rename": conversations.rename,
    "delete": conversations.delete,
    "export": conversations.export_file,
    "import": conversations.import_file,
    "ephemeral": conversations.ephemeral,
    "theme": choices.theme,
    "help": _help,
    "quit": _quit,
}
