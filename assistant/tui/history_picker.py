"""The conversations so far: resume, rename, delete, export and import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from assistant.errors import AssistantError
from assistant.history import History, Summary
from assistant.tui.blocks import plain
from assistant.tui.dialogs import AskLine, Confirm, LineInput
from assistant.tui.files import export, import_conversation
from assistant.tui.thinking import split_thinking

LISTED = 500  # conversations; older ones are found by search


@dataclass(slots=True)
class Picked:
    """What happened in the picker: which conversation to open, and which changed."""

    open_id: str = ""
    deleted: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)


class HistoryPicker(ModalScreen[Picked]):
    """Newest first; typing `/` filters by title and preview."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("slash", "filter", "filter"),
        Binding("r,f2", "rename", "rename"),
        Binding("d,delete", "delete", "delete"),
        Binding("e", "export", "export"),
        Binding("i", "import", "import"),
    ]

    def __init__(self, history: History, current_id: str, halt: Callable[[], Awaitable[None]]) -> None:
        """`halt` stops a reply that is being written to the conversation `current_id`."""
        super().__init__()
        self._history, self._current_id = history, current_id
        self._halt = halt
        self._result = Picked()
        self._all: list[Summary] = []
        self._shown: list[Summary] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Static("Conversations", classes="dialog-title", markup=False)
            yield LineInput(placeholder="filter", id="filter")
            yield OptionList(id="conversations", markup=False)
            hint = "Enter opens · / filters · r renames · d deletes · e exports · i imports · Esc closes"
            yield Static(hint, classes="dialog-hint", markup=False)

    async def on_mount(self) -> None:
        await self._reload()
        self.query_one("#conversations").focus()

    async def _reload(self, keep: int | None = None) -> None:
        self._all = await asyncio.to_thread(self._history.list, LISTED, 0)
        self._show(keep)

    def _show(self, keep: int | None = None) -> None:
        wanted = self.query_one("#filter", Input).value.lower().split()
        self._shown = [s for s in self._all if all(w in f"{s.title} {s.preview}".lower() for w in wanted)]
        listed = self.query_one("#conversations", OptionList)
        listed.clear_options()
        now_s = time.time()
        listed.add_options([Option(described(s, now_s, s.id == self._current_id)) for s in self._shown])
        if not self._shown:
            listed.add_option(Option(plain("Nothing here yet" if not self._all else "No match"), disabled=True))
        elif keep is not None:
            listed.highlighted = min(keep, len(self._shown) - 1)
        else:
            listed.highlighted = 0

    @property
    def chosen(self) -> Summary | None:
        at = self.query_one("#conversations", OptionList).highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    # -- what the keys do -----------------------------------------------------------------------------------------

    def action_close(self) -> None:
        line = self.query_one("#filter", Input)
        if line.has_focus or line.value:
            line.value = ""
            self.query_one("#conversations").focus()
        else:
            self.dismiss(self._result)

    def action_filter(self) -> None:
        self.query_one("#filter").focus()

    @on(Input.Changed, "#filter")
    def filter_changed(self) -> None:
        self._show()

    @on(Input.Submitted, "#filter")
    def filter_done(self) -> None:
        self.query_one("#conversations").focus()

    @on(OptionList.OptionSelected)
    def open_chosen(self) -> None:
        if self.chosen is not None:
            self._result.open_id = self.chosen.id
            self.dismiss(self._result)

    @work
    async def action_rename(self) -> None:
        if (chosen := self.chosen) is None:
            return
        title = await self.app.push_screen_wait(AskLine("New title", chosen.title))
        if title:
            await self._do(self._history.rename, chosen.id, title)
            self._result.renamed[chosen.id] = title

    @work
    async def action_delete(self) -> None:
        if (chosen := self.chosen) is None:
            return
        detail = f"{chosen.title}\n{chosen.n_messages} messages. This cannot be undone."
        if await self.app.push_screen_wait(Confirm("Delete this conversation?", detail, yes="Delete", no="Keep")):
            if chosen.id == self._current_id:
                await self._halt()
            await self._do(self._history.delete, chosen.id)
            self._result.deleted.add(chosen.id)

    @work
    async def action_export(self) -> None:
        if (chosen := self.chosen) is None:
            return
        try:
            told = await export(self.app, self._history, chosen.id, chosen.title)
        except AssistantError as error:
            self.app.notify(str(plain(str(error))), severity="error", markup=False)
        else:
            if told:
                self.app.notify(str(plain(told)), markup=False)

    @work
    async def action_import(self) -> None:
        try:
            imported = await import_conversation(self.app, self._history)
        except AssistantError as error:
            self.app.notify(str(plain(str(error))), severity="error", markup=False)
        else:
            if imported is not None:
                await self._reload()

    async def _do(self, change: Callable[..., None], *arguments: str) -> None:
        try:
            await asyncio.to_thread(change, *arguments)
        except AssistantError as error:
            self.app.notify(str(plain(str(error))), severity="error", markup=False)
        await self._reload(self.query_one("#conversations", OptionList).highlighted)


def described(summary: Summary, now_s: float, current: bool) -> Content:
    """Two lines: the title with when it was used, and how it ended."""
    title = plain(summary.title.replace("\n", " ") or "(no title)").stylize("bold")
    messages = f"{summary.n_messages} message{'s' * (summary.n_messages != 1)}"
    when = plain(f"  {ago(now_s - summary.updated_at_s)}, {messages}").stylize("dim")
    preview = plain("  " + " ".join(split_thinking(summary.preview)[1].split()))
    return Content("").join([Content("● " if current else "  "), title, when, Content("\n"), preview])


def ago(seconds: float) -> str:
    """How long ago, in words short enough for a list. A clock that was set back shows as `just now`."""
    for size_s, unit in (
        (86_400 * 365, "year"),
        (86_400 * 30, "month"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ):
        if seconds >= size_s:
            n = int(seconds // size_s)
            return f"{n} {unit}{'s' * (n != 1)} ago"
    return "just now"
