"""What is put off to a time at which nobody may be there: what needs a confirmation is reminded of instead of done."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from assistant.tools import Level, ToolError
from assistant.tools.calls import Call

FOR_A_WHILE: Final = "for a while"  # source of what takes the call before it back later: pointless where that failed
_MARK: Final = "unconfirmed"
_SIZES: Final = {"hours": 3600, "minutes": 60, "seconds": 1}
_PERSONS: Final = {
    "i am": "you are", "i was": "you were", "am i": "are you", "i'm": "you're", "i’m": "you’re", "i": "you",
    "my": "your", "mine": "yours", "myself": "yourself", "our": "your", "ours": "yours", "me": "you",
}  # fmt: skip
_FIRST_PERSON: Final = re.compile(rf"\b(?:{'|'.join(_PERSONS)})\b", re.IGNORECASE)


def attended(call: Call, meanings: Callable[[str], Sequence[Call]], level: Callable[[Call], Level]) -> Call:
    """The call, marked `unconfirmed` where its command would need somebody to confirm it when the time comes."""
    command = str(call.arguments.get("conversation_command") or "") if call.tool == "timer.start" else ""
    if not command:
        return call
    try:
        asks = any(level(meant) >= Level.CONFIRM for meant in meanings(command))
    except ToolError:  # it cannot be done now; whether it can then is seen then
        return call
    return replace(call, arguments={**call.arguments, _MARK: True}) if asks else call


def reminding(call: Call, now: datetime) -> Call:
    """A marked call as a reminder at the same time; any other as it is."""
    if not call.arguments.get(_MARK):
        return call
    seconds = sum(float(call.arguments.get(unit) or 0) * size for unit, size in _SIZES.items())
    at = now + timedelta(seconds=seconds + 0.5)  # lengths are whole seconds: to the nearest one
    told = {"message": call.arguments["conversation_command"], _MARK: True}
    told["at"] = at.replace(tzinfo=None, microsecond=0).isoformat()
    return replace(call, tool="reminder.set", arguments=told)


_EACH_TIME: Final = (
    r"(?:every|each) (?:single )?(?:other )?(?:\d+ )?(?:day|morning|afternoon|evening|night|week(?:day|end)?|hour"
    r"|minute|monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?"
)
_ON_EVENT: Final = (
    r"(?:when(?:ever)?|once|as soon as|if|unless|in case) "
    r"(?:i|we|it|it's|the|there|there's|he|she|they|my|some\w+|no\w+)\b"
)
_ROUTINES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<rest>.+?),? (?:at [\w: .]+ )?{_EACH_TIME}(?: at .+)?",
        rf"{_EACH_TIME}(?: at [\d:]+(?: ?[ap]\.?m\.?)?)?,? (?P<rest>[a-z].+)",
        rf"(?P<rest>.+?),? {_ON_EVENT}.+",
        r"(?P<rest>.+?),? (?:at|after|before|around|by) (?:sunset|sunrise|dusk|dawn|nightfall)",
        r"(?:at|after|before|around|by) (?:sunset|sunrise|dusk|dawn|nightfall),? (?P<rest>[a-z].+)",
        rf"{_ON_EVENT}.+?,? (?P<rest>(?:turn|switch|open|close|shut|lock|unlock|dim|start|play|set) .+)",
    )
)


def routine(text: str) -> str:
    """The command in a request for something that comes again or waits for an event; "" in any other."""
    found = (pattern.fullmatch(text) for pattern in _ROUTINES)
    return next((match["rest"] for match in found if match), "")


def to_you(text: str) -> str:
    """The user's own words, said to the user: "water my plants" -> "water your plants". Left as they are where
    somebody is addressed or quoted in them."""
    if re.search(r"\byou(?:r|rs|rself)?\b|[\"“”]", text, re.IGNORECASE):
        return text

    def turned(match: re.Match[str]) -> str:
        word = _PERSONS[match[0].casefold()]
        return word.capitalize() if match[0][0].isupper() and match[0][0] != "I" else word

    return _FIRST_PERSON.sub(turned, text)
