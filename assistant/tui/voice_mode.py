"""Talking in the chat: one key switches between typing and talking in the same conversation.

    Ctrl+T -> thread: open the engines and the devices, pull VoiceLoop.run() -> messages -> the bar and the transcript

While a typed turn runs, the microphone is muted; while a spoken one runs, what is typed waits. So one turn at a time
changes the conversation. Leaving the conversation, or its branch, ends the talking.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.message import Message as Event

from assistant.chat import Chat
from assistant.engines import LanguageModel
from assistant.errors import UsageError
from assistant.text import safe
from assistant.tui import border, turns
from assistant.tui.voice_bar import VoiceBar, VoiceStatus
from assistant.voice.events import (
    Answering,
    Caption,
    EchoBadge,
    Level,
    Notice,
    Phase,
    PhaseChanged,
    TurnReport,
    VoiceEvent,
)

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen
    from assistant.voice.loop import VoiceLoop

OpenVoice = Callable[[Chat, LanguageModel], "AbstractContextManager[VoiceLoop]"]
_LEAVE_S = 3.0


@dataclass(eq=False, slots=True)
class Talking:
    """One stretch of talking, compared by identity; `loop` is there once everything is open."""

    thread: threading.Thread | None = None
    loop: VoiceLoop | None = None
    left: threading.Event = field(default_factory=threading.Event)
    muted: bool = False
    reply_id: str = ""  # of the answer on screen
    n_shown: int = 0  # characters of it


class Happened(Event):
    """What the talking thread tells: the loop that listens now, what it says, or how it ended."""

    def __init__(self, talking: Talking, what: VoiceLoop | VoiceEvent | Over) -> None:
        super().__init__()
        self.talking = talking
        self.what = what


@dataclass(frozen=True, slots=True)
class Over:
    """Talking has ended, or could not begin."""

    error: Exception | None


async def toggle(screen: ChatScreen, argument: str = "") -> None:
    """The key: talk, or type again. Raises UsageError where that is not possible."""
    if screen.talking is not None:
        await stop(screen)
        return
    if screen.services.open_voice is None:
        raise UsageError("this screen was opened without a voice")
    if screen.model is None or screen.running is not None:
        raise UsageError("the model is busy; talk when it is ready")
    talking = screen.talking = Talking()
    bar = screen.query_one(VoiceBar)
    bar.status, bar.display = VoiceStatus(), True
    talking.thread = _start(screen, talking, screen.services.open_voice, screen.chat, screen.model)


async def stop(screen: ChatScreen) -> None:
    """End the talking and wait until its answer, if one was being spoken, is committed as it was heard."""
    talking = screen.talking
    if talking is None:
        return
    talking.left.set()
    if talking.loop is not None and talking.thread is not None:
        talking.loop.leave()
        await asyncio.to_thread(talking.thread.join, _LEAVE_S)
    await _close(screen)


async def show(screen: ChatScreen, message: Happened) -> None:
    """Show what happened; what comes late from an earlier stretch is dropped, but for its error."""
    talking, what = message.talking, message.what
    if isinstance(what, Over):
        if talking is screen.talking:
            await _close(screen)
        if what.error is not None:
            await screen.transcript.tell("The voice cannot be used", border.told(what.error))
    elif talking is screen.talking:
        await _show(screen, talking, what)


def hush(screen: ChatScreen) -> bool:
    """Stop the spoken answer, if one has the floor."""
    talking = screen.talking
    if talking is None or talking.loop is None or screen.status.state != "speaking":
        return False
    talking.loop.hush()
    return True


async def mute(screen: ChatScreen, argument: str = "") -> None:
    """Switch the microphone off, or on again. Raises UsageError while typing."""
    talking = screen.talking
    if talking is None or talking.loop is None:
        raise UsageError("the microphone is off already; Ctrl+T talks")
    talking.muted = not talking.muted
    talking.loop.mute(talking.muted)


def typed_turn(screen: ChatScreen, running: bool) -> None:
    """A typed turn begins or has ended: the microphone is off meanwhile."""
    talking = screen.talking
    if talking is not None and talking.loop is not None:
        talking.loop.mute(running or talking.muted)


# -- parts ------------------------------------------------------------------------------------------------------------


def _start(
    screen: ChatScreen, talking: Talking, open_voice: OpenVoice, chat: Chat, model: LanguageModel
) -> threading.Thread:
    def talk() -> None:
        error: Exception | None = None
        try:
            with open_voice(chat, model) as loop:
                if not talking.left.is_set():
                    screen.post_message(Happened(talking, loop))
                    for event in loop.run():
                        screen.post_message(Happened(talking, event))
        except Exception as caught:  # noqa: BLE001 - handed over to the screen, which tells the user
            error = caught
        screen.post_message(Happened(talking, Over(error)))

    thread = threading.Thread(target=talk, name="talking", daemon=True)
    thread.start()
    return thread


async def _close(screen: ChatScreen) -> None:
    talking, screen.talking = screen.talking, None
    screen.query_one(VoiceBar).display = False
    if screen.status.state == "speaking":
        screen.show_status(state="ready")
    if talking is not None and talking.reply_id:
        await screen.show_branch()
    turns.send_waiting(screen)


async def _show(screen: ChatScreen, talking: Talking, what: VoiceLoop | VoiceEvent) -> None:
    bar = screen.query_one(VoiceBar)
    match what:
        case PhaseChanged(phase=phase):
            bar.change(phase=phase, opening=False)
            if phase is Phase.HEARING:
                bar.change(caption="")
            screen.show_status(state="speaking" if phase in (Phase.THINKING, Phase.SPEAKING) else _idle(screen))
            turns.send_waiting(screen)
        case Level(db=db):
            bar.change(level_db=db)
        case Caption(text=text):
            bar.change(caption=text)
        case EchoBadge(rung=rung):
            bar.change(echo=rung)
        case Notice(words=words):
            screen.app.notify(safe(words), severity="warning", markup=False, timeout=10)
        case Answering():
            await _show_answer(screen, talking, what)
        case TurnReport():
            await _show_report(screen, what)
        case _:
            talking.loop = what
            screen.app.bell()  # from here on we listen: never deaf after the chime


def _idle(screen: ChatScreen) -> str:
    return "ready" if screen.status.state == "speaking" else screen.status.state


async def _show_answer(screen: ChatScreen, talking: Talking, event: Answering) -> None:
    reply_id = event.reply.id
    if talking.reply_id != reply_id:
        talking.reply_id, talking.n_shown = reply_id, 0
        await screen.show_branch(streaming_id=reply_id)
        screen.transcript.to_end()
    view = screen.transcript.reply(reply_id)
    if view is not None and len(event.written) > talking.n_shown:
        view.write(event.written[talking.n_shown :])
        talking.n_shown = len(event.written)


async def _show_report(screen: ChatScreen, report: TurnReport) -> None:
    screen.query_one(VoiceBar).change(first_sound_ms=report.end_to_first_sound_ms, caption="")
    reply = screen.chat.conversation.messages.get(report.message_id)
    view = screen.transcript.reply(report.message_id)
    if reply is not None and view is not None:
        await view.complete(reply)
    if report.error:
        await screen.transcript.tell("The spoken reply was interrupted", report.error)
