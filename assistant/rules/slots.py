"""Arguments read from a request by code: devices, rooms, numbers, durations, states, colours. What a model may not
invent.

For an action that is known, each of its arguments is looked for in the words themselves: a name only if the home has
it, a number only if it stands there. Text of the user's own (an item, a message) is what the model is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from assistant.home.kinds import CLASSES, DOMAINS
from assistant.home.model import Home, key
from assistant.quantities import find
from assistant.quantities.asked import length

COLOURS: Final = ("white", "black", "red", "orange", "yellow", "green", "blue", "purple", "brown", "pink", "turquoise",
                  "cyan", "magenta", "violet", "teal", "gold")  # fmt: skip
_STATES: Final = {"unlocked": "unlocked", "locked": "locked", "open": "open", "opened": "open", "closed": "closed",
"shut": "closed",
                  "on": "on", "off": "off", "home": "home", "away": "not_home", "wet": "on", "dry": "off", "low": "on",
                  "occupied": "on", "detected": "on", "running": "on", "plugged in": "on",
                  "charging": "on"}  # fmt: skip
_COVERS: Final = frozenset({"curtain", "blind", "shade", "garage", "shutter", "awning", "gate"})
PERCENT: Final = frozenset({"brightness", "percentage", "position", "volume_level"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a home has names for, by kind."""

    name: tuple[str, ...]
    area: tuple[str, ...]
    floor: tuple[str, ...]

    @classmethod
    def of(cls, home: Home) -> Vocabulary:
        return cls(
            tuple(n for e in home.entities for n in (e.name, *e.aliases)),
            tuple(n for a in home.areas for n in (a.name, *a.aliases)),
            tuple(n for f in home.floors for n in (f.name, *f.aliases)),
        )

    def mapping(self) -> dict[str, tuple[str, ...]]:
        return {"name": self.name, "area": self.area, "floor": self.floor}


def read_slots(text: str, fields: Iterable[str], home: Home, now: datetime) -> dict[str, Any]:
    """The arguments among `fields` that the words of `text` give."""
    wanted = set(fields)
    words = f" {key(text)} "
    slots: dict[str, Any] = {}
    vocabulary = Vocabulary.of(home)
    for kind in ("name", "floor", "area"):
        found = _longest(words, getattr(vocabulary, kind))
        if kind in wanted and found:
            slots[kind] = found
            words = words.replace(f" {key(found)} ", " ", 1) if kind == "name" else words
    if "area" in slots and "floor" in slots and key(slots["area"]) in key(slots["floor"]):
        del slots["area"]
    _kind(words, wanted, slots)
    _numbers(text, wanted, slots, now)
    if "at" in wanted and (moments := find(text, now, ("time", "datetime"))):
        slots["at"] = moments[0].value.at.replace(tzinfo=None, microsecond=0).isoformat()
    if "state" in wanted and (state := _first(words, _STATES)):
        slots["state"] = _STATES[state]
    if "color" in wanted and (colour := _first(words, dict.fromkeys(COLOURS))):
        slots["color"] = colour
    if "volume_step" in wanted:
        _volume_step(words, slots, text, now)
    return slots


def _longest(words: str, names: Iterable[str]) -> str:
    return max((n for n in names if key(n) and f" {key(n)} " in words), key=len, default="")


def _first(words: str, known: Mapping[str, Any]) -> str:
    return next((word for word in known if f" {word} " in words), "")


def _kind(words: str, wanted: set[str], slots: dict[str, Any]) -> None:
    """The kind of device, where no single one is named."""
    if "name" in slots:
        return
    device_class = next((c for c, names in CLASSES.items() if any(f" {n} " in words for n in names.split())), "")
    domain = next((d for d, names in DOMAINS.items() if any(f" {n} " in words for n in names.split())), "")
    if "device_class" in wanted and device_class:
        slots["device_class"] = device_class
        domain = "cover" if device_class in _COVERS and not domain else domain
    if "domain" in wanted and domain:
        slots["domain"] = domain


def _numbers(text: str, wanted: set[str], slots: dict[str, Any], now: datetime) -> None:
    if wanted & {"hours", "minutes", "seconds"}:
        durations = [f for f in find(text, now, ("duration",)) if f.kind == "duration"]
        if durations:
            slots.update(length(durations[0].value))
        if len(durations) > 1:
            slots.update({f"start_{k}": v for k, v in length(durations[1].value).items()})
    elif wanted & {"start_hours", "start_minutes", "start_seconds"} and (durations := find(text, now, ("duration",))):
        slots.update({f"start_{k}": v for k, v in length(durations[0].value).items()})
    percent = sorted(wanted & PERCENT)
    numbers = find(text, now, ("percent", "number", "temperature"))
    value = next((float(getattr(f.value, "value", f.value)) for f in numbers), None)
    if (
        value is None
        and percent
        and (extreme := re.search(r"\b(max(?:imum)?|full|min(?:imum)?|half(?:way)?)\b", text, re.I))
    ):
        value = {"ma": 100.0, "fu": 100.0, "mi": 1.0, "ha": 50.0}[extreme.group(1)[:2].casefold()]
    if value is None:
        return
    if "temperature" in wanted and not (percent and re.search(r"%|percent|bright", text, re.I)):
        slots["temperature"] = value
    elif percent and 0 <= value <= 100:
        slots[percent[0]] = value


def _volume_step(words: str, slots: dict[str, Any], text: str, now: datetime) -> None:
    down = re.search(r" (?:down|decrease|lower|quieter|reduce|softer) ", words)
    numbers = find(text, now, ("percent", "number"))
    value = next((float(getattr(f.value, "value", f.value)) for f in numbers), None)
    slots["volume_step"] = ("down" if down else "up") if value is None else (-value if down else value)
