"""The line above the prompt while talking: what goes on, how loud you are, what was heard, how fast the answer was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from assistant.audio.ladder import Rung
from assistant.text import safe
from assistant.tui.footer import short_time
from assistant.voice.events import Phase

_GLYPHS = {
    Phase.ASLEEP: "◌",
    Phase.WAITING: "◌",
    Phase.MUTED: "⊘",
    Phase.LOST: "⊘",
    Phase.LISTENING: "○",
    Phase.HEARING: "●",
    Phase.THINKING: "◇",
    Phase.SPEAKING: "◆",
}
_COLOURS = {Phase.HEARING: "$text-success", Phase.SPEAKING: "$text-accent", Phase.THINKING: "$text-accent"}
_CELLS = 8
_QUIETEST_DB, _LOUDEST_DB = -60.0, -10.0
_BADGES = {
    Rung.CLEAR: "interrupt me any time",
    Rung.REFERENCE: "speak up to interrupt",
    Rung.HALF_DUPLEX: "I cannot hear you while I speak",
}


@dataclass(frozen=True, slots=True)
class VoiceStatus:
    """What the line shows; None and "" are left out. `first_sound_ms`: end of your speech to our first sound."""

    opening: bool = True
    phase: Phase = Phase.LISTENING
    level_db: float = -96.0
    caption: str = ""
    echo: Rung | None = None
    first_sound_ms: float | None = None


def meter(level_db: float) -> str:
    """A level as filled and empty cells."""
    share = (level_db - _QUIETEST_DB) / (_LOUDEST_DB - _QUIETEST_DB)
    n_filled = round(min(1.0, max(0.0, share)) * _CELLS)
    return "▮" * n_filled + "▯" * (_CELLS - n_filled)


def last_words(text: str, n_cells: int) -> str:
    """The end of `text` that fits into so many cells: what was said last is what is looked for."""
    if cell_len(text) <= n_cells:
        return text
    text = text[-n_cells:] if n_cells > 0 else ""
    while text and cell_len(text) >= n_cells:
        text = text[1:]
    return f"…{text}" if n_cells > 0 else ""


class VoiceBar(Widget):
    """Draws a `VoiceStatus`; hidden while typing."""

    status: reactive[VoiceStatus] = reactive(VoiceStatus)

    def __init__(self) -> None:
        super().__init__(id="voice")
        self.display = False

    def change(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)

    def render(self) -> Content:
        status, width = self.status, max(1, self.size.width)
        if status.opening:
            return Content("◌ the voice is loading…").truncate(width)
        state = f"{_GLYPHS[status.phase]} {status.phase}"
        left = f"{state}  {meter(status.level_db)}  "
        right = " · ".join(part for part in (self._latency(), self._badge()) if part)
        room = width - cell_len(left) - cell_len(right) - 1
        if right and room < 16:
            right, room = "", width - cell_len(left)
        caption = Content(last_words(safe(status.caption, keep_newlines=False), room))
        gap = " " * max(1, width - cell_len(left) - caption.cell_length - cell_len(right)) if right else ""
        text = Content(left) + caption + Content(gap + right)
        return text.stylize(_COLOURS.get(status.phase, "$text-muted"), 0, len(state)).truncate(width)

    def _latency(self) -> str:
        ms = self.status.first_sound_ms
        return f"answered in {short_time(ms)}" if ms is not None else ""

    def _badge(self) -> str:
        return _BADGES[self.status.echo] if self.status.echo is not None else ""
