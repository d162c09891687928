"""A turn on the screen: begin, end, stop. Functions on the screen, each called with `screen.changing` held.

The lock makes what changes the conversation happen one after the other: message handlers and commands take turns at
every await, and a turn must not begin in a conversation that is just being left.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assistant.chat import Chat
from assistant.conversation import Message
from assistant.errors import AssistantError, EngineCrashed, PromptTooLong
from assistant.text import safe
from assistant.tui import border, model_switch, unsent, voice_mode
from assistant.tui.reply import MessageView, ReplyView
from assistant.turn import Turn

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen

HALT_S = 5.0  # the longest wait for a turn to commit its reply after it was cancelled


@dataclass(frozen=True, slots=True)
class Request:
    """A question that waits for the model, or is about to be asked. `begin` commits it and returns the empty reply."""

    text: str
    chat: Chat
    begin: Callable[[], Message]
    sent_s: float = field(default_factory=time.monotonic)


@dataclass(eq=False, slots=True)
class Running:
    """The turn in progress: its thread, the reply it writes and the widget that shows it."""

    turn: Turn
    reply_id: str
    view: ReplyView | None
    thread: threading.Thread
    first_piece_s: float = 0.0
    n_pieces: int = 0

    def write(self, piece: str) -> None:
        """Show a piece."""
        if not self.n_pieces:
            self.first_piece_s = time.monotonic()
        self.n_pieces += 1
        if self.view is not None:
            self.view.write(piece)

    @property
    def tokens_per_s(self) -> float:
        """The speed so far; 0 until it means something."""
        elapsed_s = time.monotonic() - self.first_piece_s
        return (self.n_pieces - 1) / elapsed_s if self.n_pieces > 1 and elapsed_s > 1 else 0.0


async def begin(screen: ChatScreen, request: Request) -> None:
    """Commit the question and start the reply, or keep the question until the model is free."""
    if request.chat is not screen.chat:  # the conversation was left in the same moment
        draft = screen.drafts.get(request.chat.conversation.id, "")
        screen.drafts[request.chat.conversation.id] = _joined(request.text, draft)
        return
    if screen.model is None or screen.running is not None or screen.status.state != "ready":
        screen.waiting.append(request)
        screen.waiting.sort(key=lambda one: one.sent_s)  # it may have been about to begin when the model was taken
        await _tell_waiting(screen)
        return
    try:
        reply = await asyncio.to_thread(request.begin)
    except AssistantError as error:
        screen.waiting.insert(0, request)
        await forget_waiting(screen)  # what waits behind it would not be saved either
        await screen.transcript.tell("Not sent: it could not be saved", str(error))
        return
    await _tell_waiting(screen)
    selecting = isinstance(screen.focused, MessageView)
    await screen.show_branch(streaming_id=reply.id)
    view = screen.transcript.reply(reply.id)
    if view is not None:
        view.written_by(screen.model.file_name)
        if selecting:
            view.focus(scroll_visible=False)
    screen.transcript.to_end()
    screen.show_status(state="reading…", tokens_per_s=0.0, ttft_ms=0.0)
    turn = Turn()
    voice_mode.typed_turn(screen, running=True)
    thread = border.start_turn(screen, reply, turn, screen.chat, screen.model)
    screen.running = Running(turn, reply.id, view, thread)


async def finish(screen: ChatScreen, error: Exception | None) -> None:
    """Show the committed reply and how it ended."""
    running, screen.running = screen.running, None
    if running is None:
        return
    voice_mode.typed_turn(screen, running=False)
    usage = running.turn.usage
    screen.n_pieces = running.n_pieces
    screen.show_status(state="ready", tokens_per_s=usage.tokens_per_s, ttft_ms=usage.ttft_ms)
    if usage.n_context:
        screen.show_status(context_used=usage.prompt_tokens + usage.reply_tokens, context_total=usage.n_context)
    screen.rings.after(screen.chat.acted)
    reply = screen.chat.conversation.messages.get(running.reply_id)
    if reply is not None and running.view is not None:
        await running.view.complete(reply)
    if isinstance(error, EngineCrashed):
        model_switch.wait_for_restart(screen)
        await screen.transcript.tell("The model process died and is being restarted", border.told(error))
    elif error is not None:
        title = "Too long" if isinstance(error, PromptTooLong) else "The reply was interrupted"
        await screen.transcript.tell(title, border.told(error))
    elif "trimmed" in running.turn.marks:
        told = "The model no longer sees the older half of the conversation."
        await screen.transcript.tell("Context full", told, error=False)
    send_waiting(screen)


async def halt(screen: ChatScreen) -> None:
    """Stop the turn and wait until what it wrote is committed. Comes before everything that leaves the branch."""
    await voice_mode.stop(screen)
    if screen.running is not None:
        screen.running.turn.cancel()
        await asyncio.to_thread(screen.running.thread.join, HALT_S)
        await finish(screen, None)


def stop_for_good(screen: ChatScreen) -> None:
    """Called by a thread that leaves the app: cancel the turn and wait until its reply is committed."""
    if (running := screen.running) is not None:
        running.turn.cancel()
        running.thread.join(HALT_S)


def send_waiting(screen: ChatScreen) -> None:
    """Ask the question that waits longest if the model is free."""
    if screen.waiting and screen.running is None and screen.status.state == "ready":
        screen.post_message(screen.Begin(screen.waiting.pop(0)))


async def forget_waiting(screen: ChatScreen) -> None:
    """Take all that waits back into the prompt, before what is written there, or leave the edit."""
    if screen.waiting:
        screen.prompt.area.put(_joined(*(request.text for request in screen.waiting), screen.prompt.area.text))
    screen.waiting.clear()
    screen.editing = None
    await _tell_waiting(screen)


async def _tell_waiting(screen: ChatScreen) -> None:
    """Say what waits, and keep it: it is there again if the app ends before it was sent."""
    if not screen.waiting:
        screen.prompt.note("")
        await unsent.forget(screen)
        return
    first, *more = (safe(request.text, keep_newlines=False)[:60] for request in screen.waiting)
    others = f" (and {len(more)} more)" if more else ""
    screen.prompt.note(f"Waiting for the model, then sent (Esc takes it back): {first}{others}")
    await unsent.keep(screen, _joined(*(request.text for request in screen.waiting)))


def _joined(*texts: str) -> str:
    return "\n".join(filter(str.strip, texts))
