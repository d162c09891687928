"""Small dialogs: confirm, ask for a line or a text, choose from a list. Each returns its answer, Esc returns none."""

from __future__ import annotations

import time
from typing import ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Button, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from assistant.text import safe
from assistant.tui.blocks import plain


class LineInput(Input):
    """An input whose text cannot act on the terminal, pasted or given."""

    def __init__(self, value: str = "", placeholder: str = "", id: str | None = None, hidden: bool = False) -> None:
        text = safe(value, keep_newlines=False)
        super().__init__(text, placeholder=placeholder, id=id, compact=True, password=hidden)

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(safe(event.text, keep_newlines=False)[:10_000])


_TYPING_S: Final = 1.0  # so long after another letter a `y` belongs to it
_ALONE_S: Final = 0.25  # so long before another one too: "yes" and "you" begin with it


class Confirm(ModalScreen[bool]):
    """A yes-or-no question. The safe answer has the focus; `y` and `n` answer at once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "no"),
        Binding("y", "answer(True)", "yes"),
        Binding("left,right", "app.focus_next", "other", show=False),
    ]

    def __init__(self, question: str, detail: str = "", yes: str = "Yes", no: str = "No") -> None:
        super().__init__()
        self._question, self._detail = question, detail
        self._yes, self._no = yes, no
        self._typed_s = -_TYPING_S
        self._yes_soon: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small"):
            yield Static(plain(self._question), classes="dialog-title", markup=False)
            if self._detail:
                yield Static(plain(self._detail), classes="dialog-detail", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(plain(f"{self._no} (n)"), id="no", compact=True)
                yield Button(plain(f"{self._yes} (y)"), id="yes", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.key not in ("y", "n"):
            self._typed_s = time.monotonic()
            if self._yes_soon is not None:
                self._yes_soon.stop()
                self._yes_soon = None

    def action_answer(self, yes: bool) -> None:
        """A `y` within a text, or at its beginning, is none: whoever was still writing when the question came has not
        read it."""
        if not yes:
            self.dismiss(False)
        elif time.monotonic() - self._typed_s >= _TYPING_S and self._yes_soon is None:
            self._yes_soon = self.set_timer(_ALONE_S, self._confirm)

    def _confirm(self) -> None:
        if self.is_current:
            self.dismiss(True)

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class AskLine(ModalScreen[str | None]):
    """Ask for one line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel")]

    def __init__(
        self, title: str, value: str = "", hint: str = "Enter accepts, Esc cancels", hidden: bool = False
    ) -> None:
        super().__init__()
        self._title, self._value, self._hint, self._hidden = title, value, hint, hidden

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog small"):
            yield Static(plain(self._title), classes="dialog-title", markup=False)
            yield LineInput(self._value, hidden=self._hidden)
            yield Static(plain(self._hint), classes="dialog-hint", markup=False)

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip() or None)


class TextField(TextArea):
    """A text area whose pastes cannot act on the terminal."""

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(safe(event.text), *self.selection, maintain_selection_offset=False)


class AskText(ModalScreen[str | None]):
    """Edit a text of several lines; Ctrl+S accepts. An empty text is an answer too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("ctrl+s,f2", "accept", "accept", priority=True),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(plain(self._title), classes="dialog-title", markup=False)
            yield TextField(safe(self._text), compact=True)
            yield Static("Ctrl+S or F2 accepts, Esc cancels", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)

    def action_accept(self) -> None:
        self.dismiss(self.query_one(TextArea).text.strip())


class Choose(ModalScreen[str | None]):
    """Choose one of a list by arrows and Enter, or by mouse."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel")]

    def __init__(self, title: str, options: list[tuple[str, str]], current: str = "") -> None:
        """`options` are (value, what is shown)."""
        super().__init__()
        self._title, self._options, self._current = title, options, current

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(plain(self._title), classes="dialog-title", markup=False)
            marked = [("● " if value == self._current else "  ") + shown for value, shown in self._options]
            yield OptionList(*[Option(plain(text)) for text in marked], markup=False, compact=True)
            yield Static("Enter chooses, Esc cancels", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        values = [value for value, _ in self._options]
        self.query_one(OptionList).highlighted = values.index(self._current) if self._current in values else 0

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._options[event.option_index][0])
