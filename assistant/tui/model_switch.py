"""Load a model in a thread and put it in place of the one that answers, or wait until a dead one answers again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Static

from assistant.tui import border
from assistant.tui.blocks import plain

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen


def load(screen: ChatScreen, name: str) -> None:
    """Load a model; the one in use stays until the new one answers."""
    screen.model_request = object()
    if screen.model is None:
        screen.show_status(state="loading…", model=name)
    border.start_loading(screen, screen.model_request, screen.services.open_model, name)


def wait_for_restart(screen: ChatScreen) -> None:
    """The model's process died: it is usable again once it has answered."""
    if screen.model is not None:
        screen.model_request = object()
        screen.show_status(state="restarting…")
        border.start_probing(screen, screen.model_request, screen.model)


async def use(screen: ChatScreen, event: border.ModelReady) -> None:
    """Let the model answer from now on, and free the one before it. No turn is running."""
    if event.model is not screen.model:
        if screen.model is not None:
            border.start_closing(screen.model)
            screen.app.notify(f"Now answering: {plain(event.model.name)}", markup=False)
        screen.model = event.model
        screen.query_one("#file", Static).update(plain(event.model.file_name))
    screen.show_status(
        state="ready",
        model=event.model.name,
        file_name=event.model.file_name,
        context_total=event.model.n_context,
    )


async def tell_failure(screen: ChatScreen, event: border.ModelFailed) -> None:
    """Say why the model cannot be used; the one before it, if there is one, stays."""
    if screen.status.state in ("loading…", "restarting…"):
        screen.show_status(state="no model")
    await screen.transcript.tell(f"The model {event.name} cannot be used", border.told(event.error))
