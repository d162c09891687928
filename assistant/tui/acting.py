"""Tools on screen: which conversation has a router, the confirmation with a key, and what rings."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from assistant.conversation import Conversation
from assistant.router import Confirm as Confirmer
from assistant.router import Confirmation
from assistant.session import Chat
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


def show_rings(screen: ChatScreen) -> None:
    """Show and sound what rings until it is stopped or the note is closed."""
    if screen.services.listen is None:
        return

    def ring(text: str) -> None:
        def show() -> None:
            screen.app.bell()
            screen.app.notify(safe(f"{text}. Say stop.", keep_newlines=False), title="Ringing", timeout=RING_SHOWN_S,
                              markup=False)  # fmt: skip

        screen.app.call_later(show)

    screen.services.listen(ring)
