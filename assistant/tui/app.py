"""The chat application: opens the screen at once, leaves cleanly on every way out, never prints what was said."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.driver import Driver
from textual.worker import WorkerFailed

from assistant.errors import UsageError
from assistant.tui import terminal, turns
from assistant.tui.chat_screen import ChatScreen
from assistant.tui.commands import PaletteCommands
from assistant.tui.dialogs import Confirm
from assistant.tui.services import Services


class ChatApp(App[int]):
    """One chat screen over `services`."""

    CSS_PATH = "app.tcss"
    TITLE = "assistant"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {PaletteCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "quit", show=False, priority=True),
        Binding("ctrl+c", "confirm_quit", "quit", show=False),
    ]

    def __init__(self, services: Services, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self.services = services
        self.chat_screen = ChatScreen(services)

    def on_mount(self) -> None:
        if self.services.settings.theme in self.available_themes:
            self.theme = self.services.settings.theme
        self.push_screen(self.chat_screen)
        if self.services.settings.theme not in self.available_themes:
            self.notify("The theme in settings.toml is unknown; /theme lists the themes", markup=False)

    async def action_quit(self) -> None:
        """Leave; a reply in progress is committed as stopped."""
        async with self.chat_screen.changing:
            await turns.halt(self.chat_screen)
        self.exit(0)

    async def action_confirm_quit(self) -> None:
        if isinstance(self.screen, Confirm):
            return

        async def decided(quit_now: bool | None) -> None:
            if quit_now:
                await self.action_quit()

        await self.push_screen(Confirm("Quit?", "Everything said so far is saved.", yes="Quit", no="Stay"), decided)

    # -- leaving from other threads -----------------------------------------------------------------------------------

    def leave_from_thread(self, exit_code: int) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.exit, exit_code)

    def fail_from_thread(self, error: BaseException) -> None:
        if self._loop is not None and not self._loop.is_closed() and isinstance(error, Exception):
            self._loop.call_soon_threadsafe(self._handle_exception, error)

    # -- a crash prints one line: Textual would print the message texts and keys among the local variables ------------

    def _handle_exception(self, error: Exception) -> None:
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.panic()

    def _fatal_error(self) -> None:
        self.panic()

    def panic(self, *renderables: RenderableType) -> None:
        """End the app; what would be printed is replaced by one line that says what kind of error it was and where."""
        self._exit_renderables[:] = [Text(crash_line(self._exception))]
        self._close_messages_no_wait()


def crash_line(error: BaseException | None) -> str:
    """What a crash prints: the kind of the error and where it happened, never its message or its variables."""
    while isinstance(error, WorkerFailed):
        error = error.error
    where = ""
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    kind = type(error).__name__ if error is not None else "unknown error"
    return f"assistant: the screen failed ({kind}{where}). Nothing was lost: every message is saved; start again."


def run_chat(services: Services) -> int:
    """Open the chat and stay until the user leaves; return the exit code. Raises UsageError without a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise UsageError("the chat needs a terminal; use `assistant ask` in pipes and scripts")
    if os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError("this terminal (TERM=dumb) cannot show the chat; use `assistant ask`, or another terminal")
    app = ChatApp(services, terminal.driver_class())
    restore = terminal.leave_on_signals(app)
    try:
        result = app.run()
    finally:
        restore()
    return (app.return_code or 0) if result is None else result
