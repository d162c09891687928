"""What refers back to the last action, or answers a question that was asked back."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.tools.asked import length
from assistant.tools.calls import Call
from assistant.tools.quantities import find
from assistant.tools.rules import plain, ruled

WHERE: Final = ("name", "area", "floor", "domain", "device_class")


def answer_to_question(asked: tuple[Call, str] | None, text: str, now: datetime) -> Call | None:
    """The answer to "For how long?": the missing argument of the call that was asked about."""
    if asked is None:
        return None
    call, argument = asked
    if plain(text).casefold() in ("nothing", "never mind", "nevermind", "cancel", "forget it", "no", "stop"):
        return Call("nevermind", source="rules")
    if is_question(text) or (argument in ("duration", "at") and _says_more(text, now)):
        return None
    if argument == "duration":
        found = ruled(f"time {plain(text).removeprefix('for ')}", now)
        if found and found[0].tool == "timer.start":
            return replace(call, arguments={**call.arguments, **found[0].arguments})
        return None
    if argument == "at":
        opening = "alarm for" if call.tool == "alarm.set" else "remind me"
        found = ruled(f"{opening} {plain(text)}", now)
        given = found[0].arguments.get("at") if found else None
        return replace(call, arguments={**call.arguments, "at": given}) if given else None
    if argument in _MEASURED:
        numbers = find(plain(text), now, ("percent", "number", "temperature"))
        value = float(getattr(numbers[0].value, "value", numbers[0].value)) if numbers else None
        return None if value is None else replace(call, arguments={**call.arguments, argument: value})
    if argument == "text" and any(r.tool.startswith("text.") for r in ruled(text, now)):
        return None  # "read that aloud" is no text to copy
    return replace(call, arguments={**call.arguments, argument: plain(text)})


_MEASURED: Final = frozenset({"position", "percentage", "temperature", "brightness", "volume_level"})
_QUESTION: Final = re.compile(
    r"(?:who|what|when|where|which|whose|how|why|is|are|was|were|do|does|did|can|could|will|would|should|tell|show)\b",
    re.IGNORECASE,
)


def is_question(text: str) -> bool:
    """Whether it asks something, and so answers nothing."""
    return bool(_QUESTION.match(plain(text))) or text.rstrip().endswith("?")


def _says_more(text: str, now: datetime) -> bool:
    """Whether it is more than a time or a length: a request of its own in which one stands."""
    words = plain(text)
    for found in reversed(find(words, now, ("duration", "time", "date", "datetime"))):
        words = words[: found.start] + words[found.end :]
    return len(words.split()) > 2


def follow_up(last: Call | None, text: str, now: datetime) -> Call | None:
    """What refers back: "make it ten minutes", "add five more", "turn it off", "cancel it"."""
    words = plain(text)
    if last is None:
        return None
    family = last.tool.partition(".")[0]
    if family == "timer" and (
        m := re.match(r"(make it|change it to|set it to|no,? make it|i meant)\s+(.+)", words, re.I)
    ):
        return _timer_call("timer.change", m.group(2), now)
    if family == "timer" and (
        m := re.match(
            r"(?:add|another|give me|plus|(?:extend|increase|prolong) it by)\s+(.+?)(?:\s+more)?$", words, re.I
        )
    ):
        return _timer_call("timer.increase", m.group(1), now)
    if family == "timer" and (m := re.fullmatch(_PAUSING, words, re.I)):
        named = {"name": last.arguments["name"]} if last.arguments.get("name") else {}
        return Call("timer.pause" if m.group(1).casefold() == "pause" else "timer.resume", named, source="follow-up")
    if family in ("alarm", "reminder") and (m := re.match(_MOVING, words, re.I)):
        return _moved(last, family, m.group(1), now)
    if re.fullmatch(r"(?:cancel|stop|delete|remove) (?:it|that)", words, re.I):
        undoing = {"timer": "timer.cancel", "alarm": "alarm.cancel", "reminder": "reminder.cancel"}.get(family)
        return Call(undoing, source="follow-up") if undoing else Call("undo", source="follow-up")
    if family in ("home",
    "media") and (m := re.match(r"(?:turn|switch) (?:it |them |that )?(on|off)(?: it| them| that)?$",
                                                      words, re.I)):  # fmt: skip
        on = m.group(1).casefold() == "on"
        where = {k: v for k, v in last.arguments.items() if k in ("name", "area", "floor", "domain", "device_class")}
        return Call("home.turn_on" if on else "home.turn_off", where, source="follow-up")
    if family in ("home", "media") and (
        m := re.match(r"(?:make|set|dim) (?:it|them|that)(?: to)? (\d{1,3}) ?(?:%|percent)$", words, re.I)
    ):
        return _again_with(last, float(m.group(1)))
    if family == "list" and (
        m := re.fullmatch(r"(?:remove|delete|take off|drop) (?:the )?((?!.*\blist\b).+?)(?: again)?", words, re.I)
    ):
        named = {"name": last.arguments["name"]} if last.arguments.get("name") else {}
        return Call("list.remove", {**named, "item": m.group(1)}, source="follow-up")
    if (
        last.tool == "list.add"
        and (m := re.match(r"(?:and|also|add) (?:also )?(.+?)(?: too| as well)?$", words, re.I))
        and not re.search(r"\b(?:timer|list|alarm|remind)\b", m.group(1), re.I)
    ):
        return replace(last, arguments={**last.arguments, "item": m.group(1)}, source="follow-up")
    return None


def _timer_call(tool: str, words: str, now: datetime) -> Call | None:
    found = find(words, now, ("duration",))
    whole = found and found[0].start == 0 and found[0].end == len(words.rstrip(" .!"))
    return Call(tool, length(found[0].value), source="follow-up") if whole else None


_PAUSING: Final = r"(pause|resume|continue|unpause|restart)(?: (?:it|that|the timer))?"
_MOVING: Final = r"(?:make|move|change|set|push|put|shift) (?:it|that) (?:back )?(?:to |for |at |by )?(.+)"


def _moved(last: Call, family: str, words: str, now: datetime) -> Call | None:
    """The alarm or reminder of the last action, at another time."""
    found = ruled(f"{'alarm at' if family == 'alarm' else 'remind me at'} {words}", now)
    at = found[0].arguments.get("at") if found else None
    before = str(last.arguments.get("at") or "")
    which = {"words": before[11:16]} if before else {}
    return Call(f"{family}.change", {"at": at, **which}, source="follow-up") if at else None


def _again_with(last: Call, percent: float) -> Call | None:
    argument = {"home.light": "brightness", "home.position": "position", "home.fan_speed": "percentage",
                "media.volume": "volume_level", "media.volume_step": "volume_level"}  # fmt: skip
    where = {k: v for k, v in last.arguments.items() if k in ("name", "area", "floor", "domain", "device_class")}
    tool = "media.volume" if last.tool.startswith("media.") else last.tool
    if tool not in argument:
        tool = "home.light"
    return Call(tool, {**where, argument[tool]: percent}, source="follow-up")
