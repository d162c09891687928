"""The home on screen: rooms, their devices and what state they are in; Enter switches one, by the same way as words do.

Opened with /home. What is shown is read anew every second while it is open, so that a timer's command or another
window shows too. A lock or a garage asks before it moves, as everywhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from assistant.errors import UsageError
from assistant.home.answers import reading
from assistant.home.model import Entity, Home
from assistant.router import Decision, Router
from assistant.text import safe
from assistant.tools.calls import Call
from assistant.tui.blocks import plain

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen

REFRESH_S: Final = 1.0
NAME_CELLS: Final = 28
_SWITCHED: Final = frozenset({"light", "switch", "fan", "cover", "lock", "valve", "media_player", "climate",
                              "input_boolean", "siren", "humidifier", "vacuum", "lawn_mower", "scene",
                              "script"})  # fmt: skip
_ON: Final = frozenset({"on", "open", "locked", "playing", "heat", "cool", "auto", "heat_cool", "cleaning", "mowing",
                        "active"})  # fmt: skip


class HomePanel(ModalScreen[None]):
    """Arrows move, Enter switches, Esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss(None)", "close")]

    def __init__(self, chat: ChatScreen, router: Router) -> None:
        super().__init__()
        self._chat, self._router = chat, router
        self._shown: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Static("Home", classes="dialog-title", markup=False)
            yield OptionList(markup=False, compact=True)
            yield Static("Enter switches, Esc closes; words do the same: “turn off the kitchen light”",
                         classes="dialog-hint", markup=False)  # fmt: skip

    async def on_mount(self) -> None:
        await self.refresh_home()
        self.query_one(OptionList).focus()
        self.set_interval(REFRESH_S, self.refresh_home)

    async def refresh_home(self) -> None:
        """Show the home as it is; where the eye is stays where it is."""
        home = await asyncio.to_thread(self._router.surroundings.home)
        rows = lines(home)
        if rows == self._shown or not self.is_mounted:
            return
        options = self.query_one(OptionList)
        same = [i for i, _ in rows] == [i for i, _ in self._shown]
        highlighted = options.highlighted
        self._shown = rows
        if same:
            for index, (_, text) in enumerate(rows):
                options.replace_option_prompt_at_index(index, plain(text))
            return
        options.clear_options()
        options.add_options([Option(plain(text), disabled=not entity_id) for entity_id, text in rows])
        first = next((i for i, (entity_id, _) in enumerate(rows) if entity_id), None)
        options.highlighted = highlighted if highlighted is not None else first

    @on(OptionList.OptionSelected)
    async def switch(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        entity_id = self._shown[event.option_index][0]
        home = await asyncio.to_thread(self._router.surroundings.home)
        entity = home.entity(entity_id)
        if entity is None or entity.domain not in _SWITCHED:
            self.app.notify("That shows a state; there is nothing to switch.", markup=False, timeout=3)
            return
        self.run_worker(self._act(entity), exclusive=True)

    async def _act(self, entity: Entity) -> None:
        tool = "home.turn_off" if entity.state in _ON else "home.turn_on"
        decision = Decision("rule", (Call(tool, {"name": entity.name, "domain": entity.domain}, source="panel"),))
        reply = await asyncio.to_thread(self._router.act, decision, self._chat.chat.confirm)
        self.app.notify(safe(reply.text, keep_newlines=False), markup=False, timeout=4,
                        severity="warning" if reply.error else "information")  # fmt: skip
        await self.refresh_home()


def lines(home: Home) -> list[tuple[str, str]]:
    """(entity id, text): each room with its devices; a room's own line has no id. Devices without a room come last."""
    rows: list[tuple[str, str]] = []
    rooms = [(a.id, a.name) for a in home.areas] + [("", "Elsewhere")]
    known = {area_id for area_id, _ in rooms}
    for area_id, name in rooms:
        inside = [e for e in home.entities if (e.area_id if e.area_id in known else "") == area_id]
        if not inside:
            continue
        rows.append(("", safe(name, keep_newlines=False)))
        rows += [(e.id, f"  {_cut(safe(e.name, keep_newlines=False))} {safe(reading(e), False)}") for e in inside]
    return rows


def _cut(name: str) -> str:
    return (name if len(name) <= NAME_CELLS else name[: NAME_CELLS - 1] + "…").ljust(NAME_CELLS)


async def show(screen: ChatScreen, argument: str) -> None:
    """The command /home. Raises UsageError where this chat has no tools."""
    if screen.chat.router is None:
        raise UsageError("this chat has no home: tools are off here")
    await screen.app.push_screen_wait(HomePanel(screen, screen.chat.router))
