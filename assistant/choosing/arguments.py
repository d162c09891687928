"""The arguments of a tool that an adapter chose: pieces that the model copied, and what code reads in the request.

Devices, rooms, numbers, times and units come from the request's own words (slots.py, quantities), so that a model
cannot invent any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import msgspec

from assistant.choosing.codes import Code
from assistant.home.model import Home
from assistant.quantities import find
from assistant.rules.of_alarms import shift_s
from assistant.rules.slots import read_slots
from assistant.rules.table import plain, ruled
from assistant.tools import units
from assistant.tools.registry import registry

Arguments = dict[str, Any]


def arguments_of(code: Code, copied: Mapping[str, str], text: str, home: Home, now: datetime) -> Arguments:
    """The arguments of `code.tool`; `copied` are those the model took from the request."""
    read = _READ.get(code.tool)
    if read is not None:
        return _given(read(plain(text), now, copied))
    fields = [f for f in _fields(code.tool) if f not in copied]
    if code.tool.startswith("timer.") and "name" in fields:
        fields.remove("name")  # a timer's name is not a device's
    slots = read_slots(_without(text, copied.get("conversation_command", "")), fields, home, now)
    if code.tool.startswith(("list.", "note.", "fact.")):
        slots = {}
    if code.tool == "media.play" and (kind := _media_class(text)):
        slots["media_class"] = kind
    return _given({**slots, **_own(code, copied)})


def moved_instead(tool: str, text: str, now: datetime) -> tuple[str, Arguments]:
    """Moving an alarm or a reminder has no code of its own: where the request says so, it is that, with its arguments.

    "can my alarm go off half an hour later", "i'd rather have the alarm at 8 than at 7". Else (tool, {}).
    """
    kind = tool.partition(".")[0]
    if kind not in ("alarm", "reminder") or not re.search(rf"\b(?:my|the|that) (?:\w+ )?{kind}\b", text, re.IGNORECASE):
        return tool, {}
    told = _LATER.sub(" ", text)
    times = find(told, now, ("time", "datetime"))
    if not times and told != text and (durations := find(told, now, ("duration",))):
        seconds = shift_s(text, told[durations[0].start : durations[0].end], now)
        return f"{kind}.change", {"by_s": seconds}
    if not times or not _MOVES.search(text):
        return tool, {}
    before = told[: times[0].start].rstrip().lower()
    old = times[0] if len(times) > 1 and before.endswith("from") else times[1] if len(times) > 1 else None
    new = next(t for t in times if t is not old)
    given = _by_rule("alarm.set", f"set an alarm at {told[new.start : new.end].removeprefix('at ')}", now)
    return f"{kind}.change", _given({"at": given.get("at", ""), "words": told[old.start : old.end] if old else ""})


_MOVES: Final = re.compile(
    r"\b(?:move|change|push|shift|postpone|delay|reschedule|rather|instead|switch|adjust|update)\b", re.IGNORECASE
)
_LATER: Final = re.compile(r"\s*\b(?:later|earlier|sooner|back|forward)\b", re.IGNORECASE)


def _own(code: Code, copied: Mapping[str, str]) -> Arguments:
    own = dict(copied)
    if code.tool == "list.clear" or (code.tool.startswith("list.") and "name" in own):
        own["name"] = own.get("name", "").removesuffix(" list")
    return own


def _given(arguments: Arguments) -> Arguments:
    return {k: v for k, v in arguments.items() if v not in ("", None)}


def _without(text: str, piece: str) -> str:
    """The request without a piece of it that belongs to another action."""
    at = text.lower().find(piece.lower()) if piece else -1
    return text if at < 0 else f"{text[:at]} {text[at + len(piece) :]}"


@cache
def _fields(tool: str) -> tuple[str, ...]:
    return tuple(f.encode_name for f in msgspec.structs.fields(registry()[tool].arguments))


# -- tools whose arguments are not slots of a home -------------------------------------------------------------------


def _reminder(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    """The time is what the rule for reminders reads in the rest of the request."""
    message = copied.get("message", "")
    return {**_by_rule("reminder.set", f"remind me to {_without(text, message)}", now), "message": message}


def _event(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    title = copied.get("title", "")
    read = _by_rule("event.add", f"add entry to my calendar {_without(text, title)}", now)
    return {"title": title, "at": read.get("at", "")}


def _stretch(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    """The day or the stretch of time, in the words that stand in the request."""
    found = find(text, now, ("span", "date", "datetime", "time"))
    return {"when": text[found[0].start : found[0].end] if found else ""}


def _alarm(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    return _by_rule("alarm.set", f"wake me {text}", now)


def _by_rule(tool: str, text: str, now: datetime) -> Arguments:
    return next((r.arguments for r in ruled(text, now) if r.tool == tool), {})


def _which_alarm(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    """The time tells which alarm, in the words that stand in the request."""
    found = find(text, now, ("time", "datetime"))
    return {"words": text[found[0].start : found[0].end] if found else ""}


def _conversion(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    written, to = copied.get("value", ""), copied.get("to", "")
    numbers = find(written, now, ("number",))
    value, unit = "1", written
    if numbers:
        value, unit = str(numbers[0].value), f"{written[: numbers[0].start]} {written[numbers[0].end :]}".strip()
    for article in ("a ", "an ", "one ", "of "):
        unit = unit.removeprefix(article)
    return {"value": value, "unit": unit, "to": to} if units.may_be(unit) and units.may_be(to) else {}


def _topic(text: str, now: datetime, copied: Mapping[str, str]) -> Arguments:
    return {"topic": "that"}


_READ: Final[dict[str, Callable[[str, datetime, Mapping[str, str]], Arguments]]] = {
    "reminder.set": _reminder,
    "event.add": _event,
    "event.show": _stretch,
    "alarm.set": _alarm,
    "alarm.cancel": _which_alarm,
    "units.convert": _conversion,
    "system.needs_network": _topic,
}


def _media_class(text: str) -> str:
    words = text.lower().split()
    return next((kind for kind in ("artist", "album", "track", "playlist", "movie", "podcast") if kind in words), "")
