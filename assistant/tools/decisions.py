"""What the router decided about a request, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from assistant.errors import AssistantError
from assistant.tools.calls import Call

RULE: Final = "rule"
MODEL_TOOL: Final = "model tool"
MODEL: Final = "model"
MAX_NAMED_CHARS: Final = 120


@dataclass(frozen=True, slots=True)
class Decision:
    """What would be done. `calls` is empty when the model answers. `ms` is how long deciding took."""

    handled_by: str
    calls: tuple[Call, ...] = ()
    alternatives: tuple[Call, ...] = ()
    ms: float = 0.0
    text: str = ""

    @property
    def tool(self) -> str:
        return " + ".join(c.tool for c in self.calls)

    @property
    def confidence(self) -> float:
        return min((c.confidence for c in self.calls), default=0.0)

    @property
    def label(self) -> str:
        """As on screen: "rule timer.start, 4 ms"."""
        return f"{self.handled_by} {self.tool}, {self.ms:.0f} ms" if self.calls else self.handled_by

    @property
    def named(self) -> str:
        """What to call it when it is undone: the request, or the tools where it is long."""
        text = self.text.strip()
        return f"“{text}”" if 0 < len(text) <= MAX_NAMED_CHARS else self.tool

    def document(self) -> dict[str, Any]:
        """The document of `assistant explain --json`."""
        first = self.calls[0] if self.calls else Call("")
        return {
            "handled_by": self.handled_by,
            "tool": first.tool or None,
            "arguments": first.arguments,
            "confidence": round(self.confidence, 3),
            "ms": round(self.ms, 2),
            "calls": [{"tool": c.tool, "arguments": c.arguments} for c in self.calls],
            "alternatives": [{"tool": c.tool, "arguments": c.arguments, "confidence": round(c.confidence, 3)}
                             for c in self.alternatives],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """What was done. `error` is the first refusal or failure, for the exit code."""

    text: str
    decision: Decision
    data: tuple[dict[str, Any], ...] = ()
    error: AssistantError | None = None
    writes: tuple[tuple[str, str], ...] = ()  # what the model shall write one after the other, see tools.Outcome
