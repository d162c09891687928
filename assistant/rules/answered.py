"""The answer to a question that was asked back: "For how long?", "In which room?"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.quantities import find
from assistant.rules.german_beyond import is_german_command
from assistant.rules.table import is_question, plain, ruled
from assistant.tools.calls import Call


def answer_to_question(asked: tuple[Call, str] | None, text: str, now: datetime) -> Call | None:
    """The answer to "For how long?": the missing argument of the call that was asked about."""
    if asked is None:
        return None
    call, argument = asked
    if plain(text).casefold() in (
        "nothing",
        "never mind",
        "nevermind",
        "cancel",
        "cancel it",
        "forget it",
        "no",
        "stop",
    ):
        return Call("nevermind", source="rules")
    if is_question(text) or is_german_command(text) or (argument in ("duration", "at") and _says_more(text, now)):
        return None
    if argument == "duration":
        bare = re.fullmatch(r"(?:for )?(\d{1,3})", plain(text))
        found = ruled(f"time {bare[1]} minutes" if bare else f"time {plain(text).removeprefix('for ')}", now)
        if found and found[0].tool == "timer.start":
            return replace(call, arguments={**call.arguments, **found[0].arguments})
        return None
    if argument == "at":
        opening = "alarm for" if call.tool == "alarm.set" else "remind me"
        day = "" if find(plain(text), now, ("date", "datetime")) else call.arguments.get("day", "")
        found = ruled(f"{opening} {plain(text)}{day and f' on {day}'}", now)
        given = found[0].arguments.get("at") if found else None
        known = {k: v for k, v in call.arguments.items() if k != "day"}
        return replace(call, arguments={**known, "at": given}) if given else None
    if argument == "area":
        others = {k: v for k, v in call.arguments.items() if k != "one"}  # all of that room
        place = re.sub(r"^(?:in |on )?(?:the |my )?", "", plain(text), flags=re.IGNORECASE)
        if _COMMAND.match(place) or _REMARK.match(place):
            return None
        return replace(call, arguments={**others, "area": place})
    if argument in _MEASURED:
        numbers = find(plain(text), now, ("percent", "number", "temperature"))
        value = float(getattr(numbers[0].value, "value", numbers[0].value)) if numbers else None
        return None if value is None else replace(call, arguments={**call.arguments, argument: value})
    family = call.tool.partition(".")[0]
    if argument == "name":
        name = re.sub(r"^(?:the|my|that) (?:one )?", "", plain(text), flags=re.IGNORECASE)
        return (
            None
            if _COMMAND.match(name) or _REMARK.match(name)
            else replace(call, arguments={**call.arguments, "name": name})
        )
    if any(r.tool.partition(".")[0] == family for r in ruled(text, now)):
        return None  # "read that aloud" is no text to copy, "add tea to my list" no item
    told = re.sub(r"^(?:to|about|that) ", "", plain(text), flags=re.I) if argument == "message" else plain(text)
    return replace(call, arguments={**call.arguments, argument: told})


_MEASURED: Final = frozenset({"position", "percentage", "temperature", "brightness", "volume_level"})
_COMMAND: Final = re.compile(
    r"(?:turn|switch|set|open|close|play|add|put|remind|wake|start|stop|lock|unlock|make|dim|pause|cancel|delete"
    r"|remember|forget|create|move|find|take)\b",
    re.IGNORECASE,
)
_REMARK: Final = re.compile(
    r"(?:it|that|this|i|he|she|we|they)(?:'s|'m|'re| (?:is|am|are|was|have|had|do))\b", re.IGNORECASE
)


def _says_more(text: str, now: datetime) -> bool:
    """Whether it is more than a time or a length: a request of its own in which one stands."""
    words = plain(text)
    for found in reversed(find(words, now, ("duration", "time", "date", "datetime"))):
        words = words[: found.start] + words[found.end :]
    return len(words.split()) > 2
