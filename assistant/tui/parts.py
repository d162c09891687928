"""Parts of a message: what can be folded (reasoning) and the app's own words between messages."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message as Event
from textual.widget import Widget
from textual.widgets import Static

from assistant.text import safe
from assistant.tui.blocks import plain
from assistant.tui.body import Body


class Collapsible(Vertical):
    """A title that shows or hides what is below it, by click or by Enter on the message."""

    class Title(Static):
        def on_click(self) -> None:
            self.post_message(Collapsible.Toggled())

    class Toggled(Event):
        """The title was clicked."""

    def __init__(self, title: str, text: str, markdown: bool, classes: str) -> None:
        super().__init__(classes=f"collapsible {classes}")
        self.title = title
        self.body = Body(text, markdown=markdown)
        self.body.display = False

    def compose(self) -> ComposeResult:
        yield self.Title(self._shown_title(), classes="collapsible-title", markup=False)
        yield self.body

    @property
    def expanded(self) -> bool:
        return bool(self.body.display)

    def unfold(self, expanded: bool) -> None:
        self.body.display = expanded
        self.set_title(self.title)

    def set_title(self, title: str) -> None:
        self.title = title
        for line in self.query(self.Title):
            line.update(plain(self._shown_title()))

    def _shown_title(self) -> str:
        return f"{'▾' if self.expanded else '▸'} {safe(self.title, keep_newlines=False)}"

    @on(Toggled)
    def toggle(self, event: Collapsible.Toggled) -> None:
        event.stop()
        self.unfold(not self.expanded)


class Reasoning(Collapsible):
    """What a model thought before it answered: open while it thinks, folded once the answer begins."""

    def __init__(self, text: str = "") -> None:
        super().__init__("Reasoning", text, markdown=True, classes="reasoning")
        self.describe()

    def describe(self, thinking: bool = False) -> None:
        n_words = len(self.body.source.split())
        self.set_title("Thinking…" if thinking else f"Reasoning, {n_words} word{'s' * (n_words != 1)}")


class Notice(Widget):
    """Words of the app between the messages: an error and what to do about it."""

    def __init__(self, title: str, text: str, error: bool = True) -> None:
        super().__init__(classes="notice error" if error else "notice")
        self.title, self.text = title, text

    def compose(self) -> ComposeResult:
        yield Static(plain(self.title), classes="notice-title", markup=False)
        yield Static(plain(self.text), markup=False)
