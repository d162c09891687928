"""What refers back to the last action: "make it ten minutes", "turn it off", "and bread"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.quantities import find
from assistant.rules.follow_up_again import again, moved_entry
from assistant.rules.follow_up_list import of_list
from assistant.rules.follow_up_times import MOVING, of_time, set_again
from assistant.rules.table import plain
from assistant.tools.calculator import calculates
from assistant.tools.calls import Call

IT: Final = re.compile(r"\b(?:it|that|this|them)\b", re.IGNORECASE)  # what points back at something
INSTEAD: Final = re.compile(r",? (?:instead|rather|then|after all|(?:in )?there|in here)(?=[.!?]?$)", re.IGNORECASE)
WHERE: Final = ("name", "area", "floor", "domain", "device_class")


def follow_up(last: Call | None, text: str, now: datetime) -> Call | None:
    """What refers back: "make it ten minutes", "add five more", "turn it off", "cancel it"."""
    if last is None:
        return None
    family = last.tool.partition(".")[0]
    if family == "list" and (found := of_list(last, text)):
        return found
    words = INSTEAD.sub("", plain(text))
    if last.tool in ("reminder.set", "alarm.set", "alarm.change") and (found := set_again(last, text, now)):
        return found
    if family in ("timer", "alarm", "reminder") and (found := of_time(last, family, words, now)):
        return found
    if family == "event" and (m := re.match(MOVING, words, re.I)) and last.arguments.get("title"):
        return moved_entry(str(last.arguments["title"]), m[1], now)
    if family == "calculator" and (m := re.fullmatch(_REST_OF_SUM, words, re.I)):
        expression = f"({last.arguments.get('expression', '')}) {m['sign']} {m['rest']}"
        return Call("calculator", {"expression": expression}, source="follow-up") if calculates(expression) else None
    if family == "calculator" and (m := re.fullmatch(_SHARED, words, re.I)):
        n = _WAYS.get(m["n"].casefold(), m["n"])
        expression = f"({last.arguments.get('expression', '')}) / {n}"
        return Call("calculator", {"expression": expression}, source="follow-up") if calculates(expression) else None
    if other := again(last, words, now):
        return other
    if last.tool == "note.add" and re.fullmatch(r"(?:delete|remove|forget) (?:that|this|the) note", words, re.I):
        return Call("undo", source="follow-up")
    if last.tool == "fact.remember" and re.fullmatch(r"forget (?:it|that)(?: again)?", words, re.I):
        return Call("undo", source="follow-up")
    if last.tool == "fact.recall" and re.fullmatch(r"(?:forget|delete|remove) (?:it|that)(?: again)?", words, re.I):
        return Call("fact.forget", {"text": last.arguments.get("text", "")}, source="follow-up")
    if family == "stopwatch" and (found := _of_stopwatch(words)):
        return found
    if family == "timer" and re.fullmatch(
        r"(?:cancel|stop|delete|remove) (?:them all|all(?: of them)?|both)", words, re.I
    ):
        return Call("timer.cancel_all", source="follow-up")
    if family == "alarm" and re.fullmatch(
        r"(?:turn|switch) (?:it|that) off|(?:turn|switch) off (?:it|that)", words, re.I
    ):
        return Call("alarm.cancel", source="follow-up")
    if re.fullmatch(r"(?:cancel|stop|delete|remove) (?:it|that)|cancel", words, re.I):
        undoing = {"timer": "timer.cancel", "alarm": "alarm.cancel", "reminder": "reminder.cancel"}.get(family)
        undoing = "media.pause" if family == "media" and words.casefold().startswith("stop") else undoing
        return Call(undoing, source="follow-up") if undoing else Call("undo", source="follow-up")
    if last.tool == "media.pause" and re.fullmatch(
        r"(?:continue|resume|go on|play|keep playing)(?: (?:it|playing))?", words, re.I
    ):
        return replace(last, tool="media.resume", source="follow-up")
    if family in ("home", "media") and (m := re.fullmatch(_SWITCHING, words, re.I)):
        on = m.group(1).casefold() == "on"
        where = {k: v for k, v in last.arguments.items() if k in WHERE and v}
        if not where and family == "media":
            where = {"domain": "media_player"}
        if (
            where and "name" not in where and "domain" not in where and (domain := _domain(last))
        ):  # not all that is in the room
            where["domain"] = domain
        if not where:  # "it" is nothing that was spoken of, least of all everything
            return None
        return Call("home.turn_on" if on else "home.turn_off", where, source="follow-up")
    if family in ("home", "media") and (
        m := re.match(r"(?:make|set|dim) (?:it|them|that)(?: to)? (\d{1,3}) ?(?:%|percent)$", words, re.I)
    ):
        return _again_with(last, float(m.group(1)))
    return None


_WAYS: Final = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8"}
_SHARED: Final = (
    rf"(?:split|share|divide) (?:it|that)(?: up)?(?: evenly| equally)? (?:(?:by|in|into|between|among) )?(?:the )?"
    rf"(?P<n>\d{{1,3}}|{'|'.join(_WAYS)})(?: ways| people| of us| parts)?"
)


def _domain(last: Call) -> str:
    """What kind of device an action of its kind is for: "" for one that tells nothing."""
    if last.tool == "home.step":
        return _DOMAINS.get(str(last.arguments.get("quantity")), "")
    return _DOMAINS.get("volume" if last.tool.startswith("media.") else last.tool, "")


_DOMAINS: Final = {"brightness": "light", "temperature": "climate", "volume": "media_player", "speed": "fan",
                   "position": "cover", "home.light": "light", "home.temperature": "climate",
                   "home.read_temperature": "climate", "home.fan_speed": "fan", "home.position": "cover"}  # fmt: skip


def _of_stopwatch(words: str) -> Call | None:
    """ "how long has it been", "stop it", "go on", "start over", after something was done with it."""
    for tool, pattern in _STOPWATCH:
        if re.fullmatch(pattern, words, re.IGNORECASE):
            return Call(tool, source="follow-up")
    return None


_STOPWATCH: Final = (
    ("stopwatch.read", r"how (?:long|much time)(?: has it been| is it| was it| now| so far)?|(?:and )?now|time|lap"),
    ("stopwatch.stop", r"stop(?: it| that)?|pause(?: it)?|done|finished"),
    ("stopwatch.start", r"(?:start|resume|continue)(?: it)?(?: again)?|go on"),
    ("stopwatch.restart", r"restart(?: it)?|start over"),
    ("stopwatch.reset", r"reset(?: it)?|(?:delete|clear|cancel) (?:it|that)"),
)


def named_for_later(last: Call | None, text: str, now: datetime) -> str | None:
    """ "turn it off in ten minutes" with the name of what "it" is now: when the time comes it may be another."""
    words = plain(text)
    name = last.arguments.get("name") if last and last.tool.startswith(("home.", "media.")) else None
    match = _IT_LATER.match(words)
    if not name or match is None or not find(words, now, ("duration", "time", "datetime")):
        return None
    return f"{match['verb']} the {name}{words[match.end() :]}"


_IT_LATER: Final = re.compile(
    r"(?P<verb>(?:turn|switch|set|make|dim|open|close|lock|start|stop|pause)) (?:it|them|that)\b", re.IGNORECASE
)
_SWITCHING: Final = (
    r"(?:(?:turn|switch) (?:it |them |that )?(?:all )?(?=o)|(?=o\w+ again))(on|off)(?: it| them| that)?(?: again)?"
)
_REST_OF_SUM: Final = (
    r"(?:and |then |now |that )*(?P<sign>plus|minus|times|multiplied by|divided by|to the power of|[-+*/^×÷]) ?"
    r"(?P<rest>[-\d.,()]+|[a-z -]{2,30})"
)


def _again_with(last: Call, percent: float) -> Call | None:
    argument = {"home.light": "brightness", "home.position": "position", "home.fan_speed": "percentage",
                "media.volume": "volume_level", "media.volume_step": "volume_level"}  # fmt: skip
    where = {k: v for k, v in last.arguments.items() if k in ("name", "area", "floor", "domain", "device_class")}
    tool = "media.volume" if last.tool.startswith("media.") else last.tool
    if tool not in argument:
        tool = "home.light"
    return Call(tool, {**where, argument[tool]: percent}, source="follow-up")
