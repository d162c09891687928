"""A call of a tool, and what may propose one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from assistant.home.model import Home

if TYPE_CHECKING:
    from assistant.tools.registry import Registry


@dataclass(frozen=True, slots=True)
class Call:
    """One action. `source` names what proposed it: the sentence's intent or "rules"; `language` is that of the request
    where it is not English."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    confidence: float = 1.0
    source: str = ""
    language: str = field(default="", compare=False)


def may_refer(call: Call, to: Call) -> bool:
    """Whether what a call does may depend on one that is not done yet: "set a timer and call it pasta"."""
    return call.tool.partition(".")[0] == to.tool.partition(".")[0] and not call.arguments.get("name")


class Chooser(Protocol):
    """The model's way to a tool."""

    def choose(self, text: str, home: Home, tools: Registry) -> Sequence[Call]:
        """The calls proposed for a request, best first; none if it asks for no tool."""
        ...


@dataclass(frozen=True, slots=True)
class Unless:
    """A chooser of tools that chooses none where `answered`: looked at only when no rule has taken the request."""

    answered: Callable[[], bool]
    chooser: Chooser

    def choose(self, text: str, home: Home, tools: Registry) -> Sequence[Call]:
        return [] if self.answered() else self.chooser.choose(text, home, tools)
