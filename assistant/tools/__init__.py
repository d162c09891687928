"""What the assistant can do besides talking: tools, each a name, typed arguments, a level and a function.

A package adds tools through the entry point group `homebody.tools`: each entry is a Tool or a function that returns
several. Those of other packages run in a thread with a deadline and get their arguments and nothing else.

    Tool("dice.roll", "roll dice", Roll, roll)          class Roll(msgspec.Struct): sides: int = 6

Levels (who may start what):
    READ     reads the user's own data: always
    CHANGE   changes it reversibly: always, and `undo` takes it back
    CONFIRM  changes the world or deletes: a confirmation each time, or the user has allowed this device
    GUARD    locks, garages, alarms: always a confirmation by key press, never by a model
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import msgspec

from assistant.errors import AssistantError

if TYPE_CHECKING:
    from assistant.home.model import Home
    from assistant.tools.records import Records
    from assistant.tools.timekeeping import Clock

ENTRY_POINTS = "homebody.tools"


class Level(IntEnum):
    READ = 0
    CHANGE = 1
    CONFIRM = 2
    GUARD = 3


class ToolError(AssistantError):
    """A tool could not do what was asked; the message is the answer."""


class Missing(ToolError):
    """An argument is missing; the message asks for it."""

    def __init__(self, argument: str, question: str) -> None:
        super().__init__(question)
        self.argument = argument


@dataclass(slots=True)
class Surroundings:
    """What tools may use. `clock` gives local time with its zone; `rings` is whether timers ring in this process."""

    records: Records
    clock: Callable[[], datetime]
    home: Callable[[], Home]
    change_home: Callable[[Mapping[str, Any]], None]
    take_back: Callable[[Sequence[str]], str] = lambda noted: "The real home is not connected now."  # for undo
    rings: bool = False
    changed_timers: Callable[[], None] = lambda: None
    timer_clock: Clock | None = None  # another than the system's, in tests
    home_problem: Callable[[], str] = str  # why a real home cannot be reached, "" if it can
    facts: Mapping[str, Callable[[], str]] = field(default_factory=dict)  # about this system: model, network lock
    hooks: Mapping[str, Callable[[str], None]] = field(default_factory=dict)  # clipboard, speak: where there is one
    last_reply: str = ""  # what "this" and "that" mean


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool did: what to say, and the facts behind it. `writes` instead of a text: an instruction and a text that
    the model gets, alone, and whose reply is the answer."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    writes: tuple[str, str] | None = None


Run = Callable[[Any, Surroundings], Outcome]


def read_only(arguments: Any, surroundings: Surroundings) -> Level:
    return Level.READ


def reversible(arguments: Any, surroundings: Surroundings) -> Level:
    return Level.CHANGE


def confirmed(arguments: Any, surroundings: Surroundings) -> Level:
    return Level.CONFIRM


@dataclass(frozen=True, slots=True)
class Tool:
    """One action. `level` looks at the arguments: a lamp is not a lock. `arguments` is a msgspec.Struct class."""

    name: str
    summary: str
    arguments: type[msgspec.Struct]
    run: Run
    level: Callable[[Any, Surroundings], Level] = reversible
    examples: tuple[str, ...] = ()  # how people ask for it: shown to the model
    trusted: bool = True  # part of this program
    by_model: bool = True  # a model may choose it
    asks: Callable[[Any, Surroundings], tuple[str, str]] | None = None  # the question before it, and what to know


class Nothing(msgspec.Struct, frozen=True):
    """A tool without arguments."""
