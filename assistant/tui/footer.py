"""The line at the bottom: whether the model answers, what it is, how fast, how full, and what protects the user."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from assistant.text import safe

GLYPHS = {"ready": "●", "reading…": "◇", "answering": "◆", "speaking": "◆", "loading…": "◌", "restarting…": "◌"}


@dataclass(frozen=True, slots=True)
class Status:
    """What the footer shows; zero or "" means unknown and is left out."""

    state: str = "loading…"  # loading… | ready | reading… | answering | speaking | stopping… | restarting… | no model
    model: str = ""
    file_name: str = ""
    tokens_per_s: float = 0.0
    ttft_ms: float = 0.0
    context_used: int = 0
    context_total: int = 0
    lock: str = ""
    protection: str = ""


def short_time(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 995 else f"{ms / 1000:.1f} s"


def fit(status: Status, width: int) -> tuple[list[str], list[str]]:
    """The parts on the left and on the right that fit: the least important are dropped first."""
    context = f"{status.context_used:,}/{status.context_total:,}" if status.context_total else ""
    parts = [  # (how soon it is dropped, on the left?, text)
        (0, True, f"{GLYPHS.get(status.state, '○')} {status.state}"),
        (2, True, status.model),
        (8, True, f"({status.file_name})" if status.file_name and status.file_name != status.model else ""),
        (5, False, f"{status.tokens_per_s:.0f} tok/s" if status.tokens_per_s else ""),
        (7, False, f"first {short_time(status.ttft_ms)}" if status.ttft_ms else ""),
        (6, False, f"context {context}" if context else ""),
        (3, False, f"network {status.lock}" if status.lock else ""),
        (4, False, status.protection),
    ]
    shown = [(rank, left, safe(text, keep_newlines=False)) for rank, left, text in parts if text]
    while len(shown) > 1 and _cells(shown) > width:
        shown.remove(max(shown))
    return [t for _, left, t in shown if left], [t for _, left, t in shown if not left]


def _cells(shown: list[tuple[int, bool, str]]) -> int:
    left = "  ".join(t for _, on_left, t in shown if on_left)
    right = " · ".join(t for _, on_left, t in shown if not on_left)
    return cell_len(f"{left} {right}" if right else left)


class StatusBar(Widget):
    """Draws a `Status`."""

    status: reactive[Status] = reactive(Status)

    def __init__(self) -> None:
        super().__init__(id="status")

    def render(self) -> Content:
        width = max(1, self.size.width)
        left, right = fit(self.status, width)
        left_text, right_text = "  ".join(left), " · ".join(right)
        gap = max(1, width - cell_len(left_text) - cell_len(right_text)) if right_text else 0
        text = Content(left_text + " " * gap + right_text)
        colour = {
            "ready": "$text-success",
            "reading…": "$text-accent",
            "answering": "$text-accent",
            "speaking": "$text-accent",
            "no model": "$text-error",
        }
        return text.stylize(colour.get(self.status.state, "$text-warning"), 0, len(left[0])).truncate(width)
