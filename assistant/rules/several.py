"""Several actions in one request: those that are joined by words, and those that one verb holds together.

"turn on the lamp and set a timer"         two requests, each understood alone
"turn on the lamp and the heater"          the second borrows the verb of the first
"set two timers for 5 and 10 minutes"      one sentence, two calls
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from assistant.quantities import Found, find
from assistant.quantities.asked import length
from assistant.rules.german_beyond import is_german_command
from assistant.rules.table import plain, ruled
from assistant.tools.calls import Call
from assistant.tools.unattended import FOR_A_WHILE

MAX_ACTIONS: Final = 6
KNOWN: Final = 0.9  # the confidence of a sentence whose names this home has
AND: Final = re.compile(
    r"\s*(?:;|,? and then |,? then |,? and also |, and |,? and |,? und (?:dann )?|, )\s*", re.IGNORECASE
)

_NUMBER: Final = (
    r"(?:\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|twenty[- ]five|"
    r"thirty|forty|forty[- ]five|fifty|sixty|ninety)"
)
_SHARED_UNIT: Final = re.compile(
    rf"\b({_NUMBER}(?:(?:,? and |, ){_NUMBER})+)[ -](hours?|minutes?|mins?|seconds?|secs?)\b", re.IGNORECASE
)
_HOW_MANY: Final = re.compile(
    r"\b(two|three|four|five|six|[2-6]|a couple of)(?! (?:hour|min|sec))(?: [\w-]+){0,3} timers\b", re.IGNORECASE
)
_COUNTS: Final = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "a couple of": 2}
_STARTS: Final = re.compile(r"(?:set|start|create|make|give me|put on|begin|run|i need)\b", re.IGNORECASE)
_SHARED_NOUN: Final = re.compile(r"\ban? (?:[\w-]+ ){1,3}and an? (?:[\w-]+ ){1,3}timer$", re.IGNORECASE)
_MORE_TIMERS: Final = re.compile(r"\btimers\b|\btimer\b.*(?:\band|,) (?:another|one|another one)\b", re.IGNORECASE)
_NAME: Final = r"(?:the |my )?([a-z][\w' -]{0,30}?)"
_NAMED_BEHIND: Final = re.compile(rf"\s*(?:timers? )?(?:for|called|named) {_NAME}\s*(?:[,;]|\band\b|$)", re.IGNORECASE)
_NAMED_BEFORE: Final = re.compile(
    rf"\b(?:called|named) (?!.* and ){_NAME} for $|\bone for {_NAME} (?:for|at) $", re.IGNORECASE
)
_ALARMS: Final = re.compile(
    r"(?P<head>wake me(?: up)?|(?:set|create|make|add|i need)\b.*?\balarms?)(?P<one>,? one)? (?:for|at) (?P<times>.+)",
    re.IGNORECASE,
)
_NEXT_TIME: Final = re.compile(
    r"\s*(?:,? and |, )(?:another |then )?(?:one |alarm )?(?:for |at )?(?:another |one )?", re.IGNORECASE
)


def unfolded(text: str, now: datetime) -> list[Call]:
    """The calls of a sentence in which one verb starts several timers or alarms; none if it is no such sentence."""
    words = plain(text)
    return _timers(words, now) or _alarms(words, now) or _reminders(words, now) or _on_days(words, now)


_DAY_NAMES: Final = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_SEVERAL_DAYS: Final = re.compile(
    rf"(?P<head>(?:wake me|alarm|remind me|set (?:an alarm|a reminder)|(?:create|add) an alarm)\b.*?)"
    rf"(?P<days>\b{_DAY_NAMES}(?:(?:, and | and |, ){_DAY_NAMES})+)\b(?P<tail>.*)",
    re.IGNORECASE,
)


def _on_days(words: str, now: datetime) -> list[Call]:
    """set an alarm for saturday and sunday at 9: one on each day. "Every Saturday" is one that comes again."""
    match = _SEVERAL_DAYS.fullmatch(words)
    if match is None or re.search(r"\b(?:every|each|all|except|but|not)\b", match["head"], re.IGNORECASE):
        return []
    days = re.findall(_DAY_NAMES, match["days"], re.IGNORECASE)
    read = [next(iter(ruled(f"{match['head']}{day}{match['tail']}", now)), None) for day in days]
    calls = [Call(r.tool, r.arguments, source="rules") for r in read if r and r.arguments.get("at")]
    alike = {call.tool for call in calls} in ({"alarm.set"}, {"reminder.set"})
    return calls if len(calls) == len(days) <= MAX_ACTIONS and alike else []


def joined(
    text: str,
    one: Callable[[str], list[Call]],
    after: Callable[[Call | None, str], list[Call]] = lambda last, part: [],
    stands: Callable[[Call], bool] = lambda call: True,
) -> list[Call] | None:
    """Several requests in one, if every part of it is one; `one` finds the meanings of a part, `after` those it has
    behind the call before it ("set a timer and call it pasta").

    A part may borrow the verb of the first, and its room too, if what it names `stands` there ("the kitchen light and
    the fan" of the living room); "a new one" is of the kind of the call before it. What is no request alone is tried
    with the part behind it ("add milk", "eggs to the list").
    """
    parts = [p for p in AND.split(text) if p.strip()]
    if not 1 < len(parts) <= MAX_ACTIONS:
        return None
    calls: list[Call] = []
    opening: list[str] = []
    held = ""
    for number, part in enumerate(parts):
        whole = f"{held} and {part}" if held else part
        last = calls[-1] if calls else None
        whole = named_kind(whole, last)
        found, command = one(whole), is_german_command(whole)  # which has a verb of its own
        if found and opening and found[0].tool == "home.turn_on" and not _SWITCHES.search(whole) and not command:
            # "the lamp" alone turns it on; behind "turn off the heater and" it does not
            found = _borrowing(whole, opening, one, stands)
        elif found:
            opening = plain(whole).split()
        else:
            found = after(last, whole) or _borrowing(whole, opening, one, stands)
            opening = opening or plain(whole).split()
        if not found:
            if number == len(parts) - 1:
                return _one_end(parts, one)
            held = whole
            continue
        held = ""
        calls.append(found[0])
    return calls if len(calls) > 1 else None


def _one_end(parts: list[str], one: Callable[[str], list[Call]]) -> list[Call] | None:
    """ "turn the desk lamp and the floor lamp off", "set the kitchen and the bedroom to 20 degrees": what stands at the
    end is meant for each, and the verb at the beginning too."""
    opening, last = _VERB.match(parts[0]), parts[-1].split()
    if opening is None:
        return None
    for n in range(1, min(4, len(last) - 1) + 1):
        end = " ".join(last[-n:])
        read = [one(f"{parts[0]} {end}"), *(one(f"{opening[0]}{part} {end}") for part in parts[1:-1])]
        read.append(one(f"{opening[0]}{parts[-1]}"))
        calls = [found[0] for found in read if found and found[0].confidence >= KNOWN]
        if len(calls) == len(parts) and len({call.tool for call in calls}) == 1:
            return calls
    return None


_VERB: Final = re.compile(r"(?:turn|switch|set|dim|put|make|brighten|open|close) ", re.IGNORECASE)
_SWITCHES: Final = re.compile(
    r"\b(?:on|open|lock|start|activate|enable|raise|run|power|up|close)\b|\b(?:an|ein|auf|hoch)$", re.IGNORECASE
)
_TIMER: Final = re.compile(r"\btimer\b", re.IGNORECASE)
REFERS: Final = re.compile(r"\b(?:it|them|that)\b", re.IGNORECASE)
_ONE: Final = re.compile(
    r"\b(?:(?:a |an )?(?:new |another |different )?one\b(?! (?:hour|minute|second|degree|percent))"
    r"|another(?= for| at))",
    re.I,
)
_INSTEAD: Final = re.compile(r"\s+instead$", re.IGNORECASE)


def named_kind(part: str, last: Call | None) -> str:
    """ "set a new one for 10 minutes" behind something about a timer: "set a timer for 10 minutes"."""
    kind = last.tool.partition(".")[0] if last else ""
    if kind not in ("timer", "alarm", "reminder"):
        return part
    part = re.sub(r"(?<=minute |second ) ?one\b", kind, _INSTEAD.sub("", plain(part)), count=1, flags=re.IGNORECASE)
    return _ONE.sub(f"{'an' if kind == 'alarm' else 'a'} {kind}", part, count=1)


def _borrowing(
    part: str, opening: list[str], one: Callable[[str], list[Call]], stands: Callable[[Call], bool]
) -> list[Call]:
    """The meanings of a part behind the first words of the request."""
    found: list[Call] = []
    if _VERB.match(part):  # its own: "play some jazz and dim the lights" is no song of that name
        return []
    reminds = opening[:2] == ["remind", "me"]
    guessed: list[Call] = []  # the verb and its object together may look like the name of a device
    least = 2 if opening[:1] in (["turn"], ["switch"]) else 1  # "turn" alone is "turn on"
    lengths = (2,) if reminds else (1,) if _TIMER.search(part) else range(min(6, len(opening)), least - 1, -1)
    for n in lengths:
        if found:
            break
        found = [call for call in one(" ".join([*opening[:n], part])) if stands(call)]
        if found and (found[0].confidence < KNOWN or (guessed and guessed[0].tool != found[0].tool)):
            guessed, found = guessed or found, []
    return found or guessed


def deferred(text: str, now: datetime, several: Callable[[str], list[Call]]) -> list[Call]:
    """ "turn on the lamp at 7 pm": later; "turn on the lamp for 10 minutes": now, and the opposite later.

    `several` finds the calls of the text without its time.
    """
    words = plain(text)
    if first := _TIME_FIRST.match(words):  # "at 7 pm turn on the lamp"
        times = find(first["time"], now, ("time", "datetime"))
        words = f"{words[first.end() :]} {first['time']}" if times and not times[0].start else words
    found = find(words, now, ("time", "datetime", "duration"))
    if not found or found[-1].end < len(words):
        return []
    when = found[-1]
    before = re.fullmatch(r"(.+?),? (at|for|until|till)(?: the next)? ?", words[: when.start], re.IGNORECASE)
    before = before or re.fullmatch(r"(.+?)(),? ?", words[: when.start]) if when.kind != "duration" else before
    calls = several(before[1]) if before else []
    if before is None or not calls or not all(call.tool.startswith(_DEVICES) for call in calls):
        return []
    if when.kind != "duration":
        left_s = round((when.value.at.replace(tzinfo=now.tzinfo) - now).total_seconds())
        hours, rest = divmod(left_s, 3600)
        lasting = {k: v for k, v in (("hours", hours), ("minutes", rest // 60), ("seconds", rest % 60)) if v}
        if left_s <= 0:
            return []
        if not before[2].casefold().startswith(("until", "till")):
            return [Call("timer.start", {**lasting, "conversation_command": before[1]}, source="rules")]
    else:
        lasting = length(when.value)
    opposite = _OPPOSITE.sub(lambda m: _OPPOSITES[m[0].casefold()], before[1], count=1)
    if opposite == before[1] or not several(opposite):
        return []
    return [*calls, Call("timer.start", {**lasting, "conversation_command": opposite}, source=FOR_A_WHILE)]


_CLOCK: Final = r"at \d{1,2}(?::\d\d)?(?: ?[ap]\.?m\.?)?"
_TIME_FIRST: Final = re.compile(rf"(?P<time>{_CLOCK}|(?:tomorrow|tonight)(?: {_CLOCK})?),? (?=[a-z])", re.IGNORECASE)
_DEVICES: Final = (
    "home.turn",
    "home.light",
    "home.position",
    "home.temperature",
    "home.fan",
    "media.",
    "vacuum.",
    "mower.",
)
_OPPOSITES: Final = {"on": "off", "off": "on", "open": "close", "close": "open", "mute": "unmute", "unmute": "mute",
                     "lock": "unlock", "unlock": "lock"}  # fmt: skip
_OPPOSITE: Final = re.compile(rf"\b(?:{'|'.join(_OPPOSITES)})\b", re.IGNORECASE)


def _timers(words: str, now: datetime) -> list[Call]:
    """set two timers for 5 and 10 minutes; set a 5 minute and a 10 minute timer; set three 2 minute timers."""
    if not _STARTS.match(words) or not re.search(r"\btimers?\b", words, re.IGNORECASE):
        return []
    counted = _HOW_MANY.search(words)
    if not counted and not _MORE_TIMERS.search(words) and not _SHARED_NOUN.search(words):
        return []
    spread = _SHARED_UNIT.sub(_each_with_unit, words)
    found = find(spread, now, ("duration",))
    n = _COUNTS.get(counted[1].casefold(), 0) or int(counted[1]) if counted else len(found)
    if n > len(found) == 1:
        return [Call("timer.start", length(found[0].value), source="rules")] * n
    if len(found) != n or n < 2 or n > MAX_ACTIONS:
        return []
    return [Call("timer.start", _timer_of(spread, found, at), source="rules") for at in range(n)]


def _each_with_unit(match: re.Match[str]) -> str:
    numbers = re.findall(_NUMBER, match[1], re.IGNORECASE)
    return " and ".join(f"{number} {match[2]}" for number in numbers)


def _timer_of(text: str, found: list[Found], at: int) -> dict[str, Any]:
    """The length, and the name that stands behind or before it."""
    before = text[found[at - 1].end if at else 0 : found[at].start]
    behind = text[found[at].end : found[at + 1].start if at + 1 < len(found) else len(text)]
    named = _NAMED_BEFORE.search(before) or _NAMED_BEHIND.match(behind)
    name = next((g for g in named.groups() if g), "") if named else ""
    return {**length(found[at].value), **({"name": name.strip()} if name else {})}


def _reminders(words: str, now: datetime) -> list[Call]:
    """remind me to take my pills every day at 8 am and 8 pm: the same twice."""
    match = re.fullmatch(r"(remind me .+ at )(.+?) and (?:at )?(.+)", words, re.IGNORECASE)
    if match is None:
        return []
    for part in match.groups()[1:]:
        at = find(f"at {part}", now, ("time",))
        if not at or at[0].start != 0 or at[0].end != len(part) + 3:
            return []
    read = [ruled(match[1] + part, now) for part in match.groups()[1:]]
    both = [r[0] for r in read if r and r[0].tool == "reminder.set" and r[0].arguments.get("message")]
    return [Call(r.tool, r.arguments, source="rules") for r in both] if len(both) == 2 else []


def _alarms(words: str, now: datetime) -> list[Call]:
    """set an alarm for 8 and another for 9; wake me at 7 and 7:30 tomorrow: what is said once counts for each."""
    match = _ALARMS.fullmatch(words)
    if match is None:
        return []
    times = match["times"]
    once = re.search(r"\s+(?:tomorrow|today|tonight|(?:on|every) [\w ,]+?)$", times, re.IGNORECASE)
    shared = once[0] if once else ""
    parts = _NEXT_TIME.split(times.removesuffix(shared))
    half = re.search(r"\s?(?:am|pm|a\.m\.|p\.m\.)$", parts[-1], re.IGNORECASE)
    calls = []
    for part in parts:
        with_half = part + half[0] if half and re.fullmatch(r"\d{1,2}(?::\d\d)?", part) else part
        at = find(f"at {with_half}", now, ("time", "datetime"))
        if not at or at[0].start != 0 or at[0].end != len(with_half) + 3:
            return []
        read = ruled(f"set an alarm at {with_half}{shared}", now)
        if not read or read[0].tool != "alarm.set" or not read[0].arguments.get("at"):
            return []
        calls.append(Call("alarm.set", read[0].arguments, source="rules"))
    return calls if 1 < len(calls) <= MAX_ACTIONS else []
