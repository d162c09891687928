"""Full-text search over all conversations; choosing a hit opens the conversation at that message."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from assistant.errors import AssistantError
from assistant.history import MATCH_END, MATCH_START, History, Hit
from assistant.tui.blocks import plain
from assistant.tui.dialogs import LineInput
from assistant.tui.history_picker import ago
from assistant.tui.thinking import CLOSE, OPEN

PAUSE_S = 0.12  # between the last key and the search


class Search(ModalScreen[Hit | None]):
    """Esc clears the search, then closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear_or_close", "close"),
        Binding("down,ctrl+n", "move(1)", "next", show=False),
        Binding("up,ctrl+p", "move(-1)", "previous", show=False),
    ]

    def __init__(self, history: History, text: str = "") -> None:
        super().__init__()
        self._history, self._text = history, text
        self._hits: list[Hit] = []
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Static("Search all conversations", classes="dialog-title", markup=False)
            yield LineInput(self._text, placeholder="words to look for", id="words")
            yield OptionList(id="hits", markup=False)
            yield Static("↑ ↓ choose · Enter opens · Esc clears, then closes", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        self.query_one("#hits").can_focus = False
        self.query_one("#words").focus()

    @on(Input.Changed, "#words")
    def typed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PAUSE_S, self._search)

    async def _search(self) -> None:
        line = next(iter(self.query("#words").results(Input)), None)
        words = line.value.strip() if line is not None else ""
        try:
            self._hits = await asyncio.to_thread(self._history.search, words, 50) if words else []
        except AssistantError as error:
            self._hits = []
            self.app.notify(str(plain(str(error))), severity="error", markup=False)
        listed = next(iter(self.query("#hits").results(OptionList)), None)
        if listed is None:  # closed while the history was searched
            return
        listed.clear_options()
        now_s = time.time()
        listed.add_options([Option(described(hit, now_s)) for hit in self._hits])
        if self._hits:
            listed.highlighted = 0
        elif words:
            listed.add_option(Option(plain("No message contains that"), disabled=True))

    def action_clear_or_close(self) -> None:
        line = self.query_one("#words", Input)
        if line.value:
            line.value = ""
        else:
            self.dismiss(None)

    def action_move(self, step: int) -> None:
        listed = self.query_one("#hits", OptionList)
        if step > 0:
            listed.action_cursor_down()
        else:
            listed.action_cursor_up()

    @on(Input.Submitted, "#words")
    @on(OptionList.OptionSelected)
    def open_hit(self, event: Input.Submitted | OptionList.OptionSelected) -> None:
        event.stop()
        at = event.option_index if isinstance(event, OptionList.OptionSelected) else None
        at = self.query_one("#hits", OptionList).highlighted if at is None else at
        if at is not None and at < len(self._hits):
            self.dismiss(self._hits[at])


def described(hit: Hit, now_s: float) -> Content:
    who = "you" if hit.role == "user" else str(hit.role)
    head = plain(hit.title.replace("\n", " ") or "(no title)").stylize("bold")
    when = plain(f"  {who}, {ago(now_s - hit.created_at_s)}").stylize("dim")
    return Content("").join([head, when, Content("\n"), snippet(hit.snippet)])


def snippet(text: str) -> Content:
    """The snippet in one line, its matches highlighted instead of their marks."""
    parts: list[Content] = []
    text = text.replace(OPEN, "").replace(CLOSE, "")
    for at, outer in enumerate(" ".join(text.split()).split(MATCH_START)):
        found, mark, rest = outer.partition(MATCH_END)
        if at and mark:
            parts += [plain(found).stylize("bold reverse"), plain(rest)]
        else:
            parts.append(plain(outer))
    return Content("").join(parts)
