"""What the user is asked before something with consequences: a sentence of ours, made of typed fields.

Nothing a model writes is ever part of it but arguments, shown as they are. `sentence` is the question on one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assistant.tools import Level, Surroundings, Tool, ToolError
from assistant.tools.records import HOME_STATE, REAL_DEVICE

MAX_SHOWN_CHARS: Final = 80
_ALWAYS: Final = "Locks, garages, gates, valves and alarms always need your key press."
_FOREIGN: Final = "It comes from another package, so it always needs your consent."


@dataclass(frozen=True, slots=True)
class Confirmation:
    """`question` names the action and what it acts on; `detail` says what else there is to know, or nothing."""

    tool: str
    arguments: dict[str, Any]
    level: Level
    question: str
    detail: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.question} {self.detail}".strip()


Confirm = Callable[[Confirmation], bool]


def refuse(confirmation: Confirmation) -> bool:
    """Where nobody can be asked, the answer is no."""
    return False


def confirmation(
    tool: Tool, given: Mapping[str, Any], arguments: Any, level: Level, surroundings: Surroundings
) -> Confirmation:
    """`given` are the arguments as proposed, `arguments` the same checked. A package's tool does not word its own."""
    if tool.asks is not None and tool.trusted:
        question, detail = tool.asks(arguments, surroundings)
    else:
        fields = ", ".join(f"{name} {_short(value)}" for name, value in given.items())
        question = f"{tool.summary[:1].upper()}{tool.summary[1:]}{f': {fields}' if fields else ''}?"
        detail = ""
    if not tool.trusted:
        question, detail = f"Run {tool.name}{f' with {fields}' if fields else ''}?", _FOREIGN
    if level == Level.GUARD:
        detail = f"{detail} {_ALWAYS}".strip()
    return Confirmation(tool.name, dict(given), level, question, detail)


def undoing(surroundings: Surroundings) -> Confirmation | None:
    """The question before undo, where it would move a lock, a garage or the like; None where it moves none."""
    step = surroundings.records.last_step()
    home = surroundings.home()
    moved = {b.id: b.value for b in step.before if b.kind in (HOME_STATE, REAL_DEVICE)} if step else {}
    guarded = [e for e in home.entities if e.id in moved and e.guards]
    if not guarded:
        return None
    names = ", ".join(e.name for e in guarded)
    now = "; ".join(f"{e.name} is {e.state} now" for e in guarded)
    return Confirmation("undo", {}, Level.GUARD, f"Take back what was done to the {names}?", f"{now}. {_ALWAYS}")


def take_back(surroundings: Surroundings, confirm: Confirm, require_pace: Callable[[], None], undone: list[str]) -> str:
    """Undo the last step and say what it was; its request is put to `undone`. Raises NotConfirmed: taking back "lock
    the door" unlocks it, which needs what unlocking needs."""
    if (asked := undoing(surroundings)) is not None:
        require_pace()
        if not confirm(asked):
            raise NotConfirmed(f"Not done: {asked.question} It needs your confirmation with a key press.")
    step = surroundings.records.last_step()
    devices = [b.value for b in step.before if b.kind == REAL_DEVICE and b.value] if step else []
    left = surroundings.take_back(devices) if devices else ""
    taken = surroundings.records.undo_last()
    surroundings.changed_timers()
    if taken and taken.startswith("“"):
        undone.append(taken.strip("“”"))
    return f"Undone: {taken}. {left}".rstrip() if taken else "There is nothing to undo."


class NotConfirmed(ToolError):
    """A call that needs a confirmation and did not get it."""

    exit_code = 3


def _short(value: object) -> str:
    text = f"“{value}”" if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
