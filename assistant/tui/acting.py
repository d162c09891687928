"""Tools on screen: which conversation has a router, the confirmation with a key, and what rings."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from assistant.chat import Chat
from assistant.conversation import Conversation
from assistant.router import Confirm as Confirmer
from assistant.router import Confirmation, Reply
from assistant.text import safe
from assistant.tui.actions import copy
from assistant.tui.dialogs import Confirm

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen

CONFIRM_S = 60.0  # an unanswered question is a no
RING_SHOWN_S = 3600.0


def chat_of(screen: ChatScreen, conversation: Conversation) -> Chat:
    """The conversation with rules and tools, where the command line gave them."""
    router = screen.services.router(screen.history) if screen.services.router else None
    if router is not None:
        router.surroundings.hooks = {
            "clipboard": lambda text: screen.app.call_from_thread(copy, screen, text, "The text")
        }
    chat = Chat(conversation, screen.history, screen.sampling, router=router, confirm=confirming(screen))
    chat.library = screen.services.library
    return chat


def confirming(screen: ChatScreen) -> Confirmer:
    """Asks on the screen and waits, in the turn's thread, for the key press."""

    def confirm(confirmation: Confirmation) -> bool:
        answered, answer = threading.Event(), []

        def told(yes: bool | None) -> None:
            answer.append(bool(yes))
            answered.set()

        def ask() -> None:
            question, detail = (safe(t, keep_newlines=False) for t in (confirmation.question, confirmation.detail))
            screen.app.push_screen(Confirm(question, detail), told)

        screen.app.call_from_thread(ask)
        return answered.wait(CONFIRM_S) and answer == [True]

    return confirm


class Rings:
    """What rings, shown and sounded until words stop it, or Enter alone, or the note is closed."""

    def __init__(self, screen: ChatScreen) -> None:
        self._screen = screen
        self.shown = False

    def listen(self) -> None:
        """Be told what rings from now on, and what rang before."""

        def ring(text: str) -> None:
            self._screen.app.call_later(self._show, text)

        if self._screen.services.listen is not None:
            self._screen.services.listen(ring)

    def _show(self, text: str) -> None:
        self.shown = True
        self._screen.app.bell()
        told = f"{text}. Enter alone or “stop” ends it, “snooze” puts it off."
        self._screen.app.notify(safe(told, keep_newlines=False), title="Ringing", timeout=RING_SHOWN_S, markup=False)

    async def silence(self) -> None:
        """Enter on an empty line: stop what rings, without a turn."""
        if self.shown:
            self._clear()
            await asyncio.to_thread(self._stop)

    def after(self, acted: Reply | None) -> None:
        """A turn has ended: what it stopped is no longer shown."""
        if self.shown and acted is not None and any(call.tool in _QUIET for call in acted.decision.calls):
            self._clear()

    def _clear(self) -> None:
        self.shown = False
        self._screen.app.clear_notifications()

    def _stop(self) -> None:
        services = self._screen.services
        if services.router is not None:
            router = services.router(services.history)
            router.act(router.decide("stop"))


_QUIET = frozenset({"timer.stop", "timer.snooze", "timer.cancel", "timer.cancel_all"})
