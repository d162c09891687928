"""The way to a tool of a model with an adapter: one look at the request decides, "no tool" among the choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from assistant.choosing.arguments import arguments_of, moved_instead
from assistant.choosing.codes import CODES, END, NO_TOOL, SEPARATOR, Code, fingerprint, normal
from assistant.engines import Menu, Picked, Picking
from assistant.home.model import Home, key
from assistant.tools.calls import Call, Chooser
from assistant.tools.registry import Registry

NEEDS_A_PLACE: Final = frozenset(  # without one they would mean every device, or any boiler of the world
    {"home.turn_on", "home.turn_off", "home.state", "home.light", "home.position", "home.fan_speed"}
)
PLACES: Final = ("name", "area", "floor", "domain", "device_class")
SURE: Final = 0.8  # the probability that the codes of one tool need together: a false action is worse than a missed one
MENU: Final = Menu({code.word: len(code.copied) for code in CODES.values()}, SEPARATOR, END, fingerprint())


class SecondOpinion(Protocol):
    """What is asked in doubt: the shortlist of choice.py."""

    def pick(self, text: str, home: Home, now: datetime) -> Any:
        """Something with `name`, `slots` and `probability`, or None."""


@dataclass(slots=True)
class AdaptedChooser:
    """Chooses with `model`'s adapter. Where it knows neither a tool nor that there is none, `in_doubt` is asked."""

    model: Picking
    sure: float = SURE
    in_doubt: SecondOpinion | None = None
    otherwise: Chooser | None = None  # asked where the adapter knows no tool: for tools of other packages

    def choose(self, text: str, home: Home, tools: Registry) -> Sequence[Call]:
        """See calls.Chooser. One call or none."""
        call = self.pick(text, home, datetime.now().astimezone())
        if call is None or call.tool not in tools:
            return self.otherwise.choose(text, home, tools) if self.otherwise else []
        if call.tool in NEEDS_A_PLACE and not any(call.arguments.get(k) for k in PLACES):
            return []
        return [call]

    def pick(self, text: str, home: Home, now: datetime) -> Call | None:
        """The call for a request, None where no tool is likely enough. Raises what the model's process raises."""
        picked = self.model.pick(normal(text), MENU)
        if not picked.codes:
            return None
        code, same = likeliest(picked)
        if code.word == NO_TOOL:
            return None
        if same < self.sure:
            second = self.in_doubt.pick(text, home, now) if self.in_doubt else None
            return Call(second.name, second.slots, second.probability, "likeness") if second else None
        copied = {field: as_written(piece, text) for field, piece in zip(code.copied, picked.pieces, strict=True)}
        tool, arguments = moved_instead(code.tool, text, now)
        return Call(tool, arguments or arguments_of(code, copied, text, home, now), same, "adapter")


def likeliest(picked: Picked) -> tuple[Code, float]:
    """The code in front and the probability that the codes of its tool have together; there must be one."""
    code = CODES[picked.codes[0][0]]
    return code, sum(chance for word, chance in picked.codes if CODES[word].tool == code.tool)


def as_written(piece: str, text: str) -> str:
    """A copied piece with the capitals of the request; "" if it does not stand there."""
    piece = piece.strip(" ,.:!?'")
    at = text.lower().find(piece)
    if at >= 0 and len(text.lower()) == len(text):
        return text[at : at + len(piece)]
    return piece if piece and key(piece) in key(text) else ""
