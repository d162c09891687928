"""The last action again, with one thing other: "and in ounces?", "and in French", "what about London", "once more"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.home.model import key
from assistant.quantities import find
from assistant.rules.table import ruled
from assistant.tools import units
from assistant.tools.calendar_tools import knows_place
from assistant.tools.calls import Call

_AND: Final = r"(?:(?:what|how) about |and )?"
_AGAIN: Final = re.compile(
    r"(?:and |do it |roll |flip |pick |throw |toss )?(?:it )?(?:again|once more|another(?: one)?)", re.I
)
_INTO: Final = re.compile(rf"{_AND}(?:in|into|to) (?P<to>[a-z][\w/ ]{{0,30}})", re.IGNORECASE)
_VALUE: Final = re.compile(rf"{_AND}(?P<value>\d[\d.,]*) ?(?P<unit>[a-z°][\w/ ]{{0,20}})?", re.IGNORECASE)
_LANGUAGE: Final = re.compile(rf"{_AND}(?:in|into|to) (?P<language>[a-z]{{4,20}})", re.IGNORECASE)
_PLACE: Final = re.compile(r"(?:(?:what|how) about |and )(?:in )?(?:the )?(?P<place>[a-z ]{2,30})", re.IGNORECASE)
_THAT_DAY: Final = re.compile(
    r"how (?:many days|long) (?:is (?:that|it)|until then|away is that)(?: away)?", re.IGNORECASE
)
_WHICH: Final = re.compile(
    r"(?P<start>(?:cancel|stop|delete|remove|pause|resume|turn off|how long (?:on|is left on)) )?(?:the )?"
    r"(?P<which>first|second|third|fourth|last|longest|shortest|longer|shorter)(?: one)?",
    re.IGNORECASE,
)
_SUPERLATIVE: Final = {"longer": "longest", "shorter": "shortest"}


def again(last: Call, words: str, now: datetime) -> Call | None:
    """The call; None where the words are nothing of the kind. `words` without "and" at their beginning."""
    family = last.tool.partition(".")[0]
    read = _OF.get(last.tool) or _OF.get(family)
    return read(last, words.rstrip(" ?"), now) if read else None


def _units(last: Call, words: str, now: datetime) -> Call | None:
    given = last.arguments
    if (m := _INTO.fullmatch(words)) and units.may_be(m["to"]) and units.known(m["to"]):
        return replace(last, arguments={**given, "to": m["to"]}, source="follow-up")
    if m := _VALUE.fullmatch(words):
        unit = (m["unit"] or str(given.get("unit", ""))).strip()
        if units.may_be(unit) and units.known(unit):
            changed = {**given, "value": m["value"].replace(",", ""), "unit": unit}
            return replace(last, arguments=changed, source="follow-up")
    return None


def _translation(last: Call, words: str, now: datetime) -> Call | None:
    m = _LANGUAGE.fullmatch(words)
    if m is None or not last.arguments.get("text"):  # without a text it is about the last reply, which is another now
        return None
    return replace(last, arguments={**last.arguments, "language": m["language"]}, source="follow-up")


def _place(last: Call, words: str, now: datetime) -> Call | None:
    m = _PLACE.fullmatch(words) or re.fullmatch(r"in (?:the )?(?P<place>[a-z ]{2,30})", words, re.IGNORECASE)
    return Call("clock.time", {"place": m["place"]}, source="follow-up") if m and knows_place(m["place"]) else None


def _day(last: Call, words: str, now: datetime) -> Call | None:
    day = str(last.arguments.get("day") or "")
    if not day or not _THAT_DAY.fullmatch(words) or not find(day, now, ("date", "datetime")):
        return None
    read = ruled(f"how many days until {day}", now)
    return Call(read[0].tool, read[0].arguments, source="follow-up") if read else None


def _chance(last: Call, words: str, now: datetime) -> Call | None:
    return replace(last, source="follow-up") if _AGAIN.fullmatch(words) else None


def _one_of_several(last: Call, words: str, now: datetime) -> Call | None:
    """ "cancel the first one", of timers, as "cancel the first timer"."""
    m = _WHICH.fullmatch(words)
    if m is None or not m["start"]:
        return None
    which = _SUPERLATIVE.get(m["which"].casefold(), m["which"])
    read = ruled(f"{m['start']}the {which} timer", now)
    return Call(read[0].tool, read[0].arguments, source="follow-up") if read else None


def _found_entry(last: Call, words: str, now: datetime) -> Call | None:
    """ "move it to 4", "cancel it", behind "when is the dentist"."""
    title = " ".join(_ASKING.sub(" ", key(str(last.arguments.get("text", "")))).split())
    if not title:
        return None
    if re.fullmatch(r"(?:cancel|delete|remove) (?:it|that)", words, re.IGNORECASE):
        return Call("event.remove", {"title": title}, source="follow-up")
    m = re.fullmatch(r"(?:move|change|shift|push|make|reschedule) (?:it|that) (?:to |for )?(.+)", words, re.IGNORECASE)
    return moved_entry(title, m[1], now) if m else None


def moved_entry(title: str, when: str, now: datetime) -> Call | None:
    """The entry at another time; "4" alone is a time of the clock."""
    read = ruled(f"reschedule {title} to {when}", now) or ruled(f"reschedule {title} to at {when}", now)
    return Call(read[0].tool, read[0].arguments, source="follow-up") if read else None


_ASKING: Final = re.compile(r"\b(?:when|is|what|time|day|my|the|an?|s|are|do|i|have|at|on|which|was)\b", re.IGNORECASE)


def _found_note(last: Call, words: str, now: datetime) -> Call | None:
    told = str(last.arguments.get("text") or "")
    wanted = re.fullmatch(r"(?:delete|remove|forget) (?:it|that|(?:that|this|the) note)", words, re.IGNORECASE)
    return Call("note.delete", {"text": told}, source="follow-up") if told and wanted else None


_OF: Final[dict[str, Callable[[Call, str, datetime], Call | None]]] = {
    "units": _units,
    "text.translate": _translation,
    "clock.time": _place,
    "clock.day": _day,
    "chance": _chance,
    "timer": _one_of_several,
    "event.find": _found_entry,
    "note.find": _found_note,
}
