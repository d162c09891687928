"""The help screen and what an empty conversation shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from assistant.tui.body import Body
from assistant.tui.commands import COMMANDS

_KEYS = (
    (
        "Writing",
        (
            ("Enter", "send"),
            ("Shift+Enter, Ctrl+J", "new line"),
            ("Up, Down", "earlier questions, on the first and last line"),
            ("/", "commands; Tab completes, Enter runs"),
            ("Esc", "stop the reply, take back a waiting message, close what is open"),
        ),
    ),
    (
        "Messages",
        (
            ("Ctrl+Up", "select the last message; then Up, Down or k, j"),
            ("e", "edit: a question is asked again, a reply is continued, each as a new version"),
            ("r", "answer again, as a new version"),
            ("[ and ]", "earlier and later version"),
            ("y, c", "copy the message, its next code block"),
            ("Enter", "unfold reasoning, tools and long questions"),
            ("PageUp, PageDown", "scroll; g, G first and last message"),
        ),
    ),
    (
        "Everywhere",
        (
            ("Ctrl+N, Ctrl+R, Ctrl+F", "new conversation, resume one, search all"),
            ("Ctrl+T", "talk, or type again: one conversation; Esc stops a spoken reply"),
            ("Ctrl+P", "command palette"),
            ("Ctrl+O", "copy the next code block of the last reply"),
            ("Ctrl+C", "copy the selection, else ask whether to quit"),
            ("Ctrl+Q", "quit; a reply in progress is kept"),
            ("F1, ?", "this help (? when a message is selected)"),
        ),
    ),
)

WELCOME = """\
## Ask anything

The model runs on this computer. The last line shows whether the network is locked and what protects the history.

- **Enter** sends, **Shift+Enter** or **Ctrl+J** starts a new line, **Esc** stops the reply
- **/** lists the commands, **Ctrl+P** opens the palette, **F1** shows every key
- **Ctrl+R** resumes a conversation, **Ctrl+F** searches all of them
- **Ctrl+Up** selects messages: **e** edits, **r** answers again, **y** copies
"""

EPHEMERAL = """\
## A conversation that is not kept

Nothing written here is stored. It is gone when you leave it.
"""


def help_text() -> str:
    """All keys and commands as Markdown."""
    parts = []
    for title, keys in _KEYS:
        rows = "\n".join(f"| {key} | {does} |" for key, does in keys)
        parts.append(f"## {title}\n\n| Key | What it does |\n|---|---|\n{rows}")
    rows = "\n".join(f"| /{c.name} | {c.help} |" for c in COMMANDS)
    parts.append(f"## Commands\n\n| Command | What it does |\n|---|---|\n{rows}")
    return "\n\n".join(parts)


class Help(ModalScreen[None]):
    """All keys and commands. What is typed meanwhile and no key here goes to `typed`: whoever sent `/help` and wrote on
    has not seen it open yet."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,question_mark", "dismiss(None)", "close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, typed: Callable[[str], object]) -> None:
        super().__init__()
        self._typed = typed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Static("Help", classes="dialog-title", markup=False)
            with VerticalScroll():
                yield Body(help_text())
            yield Static("Esc closes", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character and event.key not in self.active_bindings:
            event.stop()
            self._typed(event.character)

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=3 * step, animate=False)
