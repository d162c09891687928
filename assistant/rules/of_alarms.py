"""Arguments of alarms and reminders: when, on which weekdays, and the words that are left."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from assistant.quantities import Found, find
from assistant.quantities.asked import Arguments, Asked

_DAYS: Final = {
    name: n for n, name in enumerate(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
}
_SETS: Final = {"day": tuple(range(7)), "morning": tuple(range(7)), "evening": tuple(range(7)),
"night": tuple(range(7)),
                "afternoon": tuple(range(7)), "weekday": (0, 1, 2, 3, 4), "workday": (0, 1, 2, 3, 4), "weekend": (5,
                6)}  # fmt: skip
_EVERY: Final = re.compile(
    r"\b(?:every|each|on) ((?:" + "|".join([*_SETS,
    *_DAYS]) + r")s?(?:(?:, | and |, and )(?:" + "|".join(_DAYS) + r")s?)*)\b"
    r"|\b(daily|weekdays|weekends|everyday)\b", re.IGNORECASE)  # fmt: skip


_BUT: Final = re.compile(
    r",? (?:except|but(?: not)?|apart from|other than|not)(?: for)?(?: on)?"
    r"((?:(?:,| and| or)? (?:the )?(?:" + "|".join([*_DAYS, "weekend"]) + r")s?)+)",
    re.IGNORECASE,
)  # fmt: skip


_SHORT: Final = {name[:3]: name for name in _DAYS} | {"tues": "tuesday", "thur": "thursday", "thurs": "thursday"}
_DAY: Final = "(" + "|".join([*_DAYS, *sorted(_SHORT, key=len, reverse=True)]) + r")s?\.?"
_FROM_TO: Final = re.compile(
    rf"\b(?:from |on |every |each )?{_DAY} ?(?:to|through|thru|till|until|-|–) ?{_DAY}(?!\w)", re.IGNORECASE
)


def spread(text: str) -> str:
    """ "mon to fri" as every single day."""

    def days(match: re.Match[str]) -> str:
        first, last = (_DAYS[_SHORT.get(d.casefold(), d.casefold())] for d in match.groups())
        named = [list(_DAYS)[n % 7] for n in range(first, last + 1 + 7 * (last < first))]
        return f"every {', '.join(named)}"

    return _FROM_TO.sub(days, text)


def _weekdays(text: str) -> tuple[int, ...]:
    match = _EVERY.search(text)
    if match is None:
        return ()
    words = (match.group(1) or match.group(2)).casefold()
    if match.group(0).casefold().startswith("on ") and not match.group(1).casefold().endswith("s"):
        return ()
    if words in ("daily", "everyday"):
        return _SETS["day"]
    found: set[int] = set()
    for word in re.findall(r"[a-z]+", words):
        single = word.removesuffix("s")
        found |= set(_SETS.get(single, ())) | ({_DAYS[single]} if single in _DAYS else set())
    if but := _BUT.search(text):
        found -= {n for name, n in _DAYS.items() if name in but[1].casefold()}
        found -= set(_SETS["weekend"]) if "weekend" in but[1].casefold() else set()
    return tuple(sorted(found))


def _moment(asked: Asked) -> Found | None:
    """The time a request names, the most exact one; a duration counts from now."""
    found = asked.find("time", "date", "datetime", "duration")
    order = {"datetime": 0, "time": 1, "date": 2, "duration": 3}
    return min(found, key=lambda f: order[f.kind], default=None)


def _at(found: Found, asked: Asked) -> datetime:
    if found.kind == "duration":
        return asked.now + timedelta(seconds=float(found.value.seconds))
    at: datetime = found.value.at
    words = asked.text[found.start : found.end].casefold()
    named = next((hour for word, hour in _HOURS.items() if words.endswith(word)), None)
    if named is not None and not re.search(r"\d", words):
        return at.replace(hour=named, minute=0)
    return at if found.value.has_time else at.replace(hour=9)


_HOURS: Final = {"tonight": 20, "evening": 19, "every night": 21, "afternoon": 15}  # of a part of a day without a time


def merged(asked: Asked) -> tuple[datetime | None, list[Found]]:
    """One moment out of a separate day and time ("tomorrow I have to be up at 6"), and the words it was read from."""
    found = asked.find("time", "date", "datetime", "duration")
    day = next((f for f in found if f.kind == "date"), None)
    time = next((f for f in found if f.kind == "time"), None)
    if day and time:
        at = day.value.at.replace(hour=time.value.at.hour, minute=time.value.at.minute)
        return at, [day, time]
    best = _moment(asked)
    return (_at(best, asked), [best]) if best else (None, [])


def iso(at: datetime | None) -> str:
    return at.replace(tzinfo=None, microsecond=0).isoformat() if at else ""


def cancelled(asked: Asked, match: re.Match[str]) -> Arguments:
    """`every` where the plural or "all" is said."""
    every = bool(re.search(r"\b(?:alarms|reminders|all|every)\b", asked.text, re.IGNORECASE))
    words = (match.groupdict().get("words") or "").strip(" .\"'")
    return {"words": words, "every": every or None}


def moved(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """The groups `words` (which one) and `when`."""
    kind = match.group("kind").casefold()
    told = Asked(f"{'alarm at' if kind == 'alarm' else 'remind me at'} {match.group('when')}", asked.now)
    at, read = merged(told)
    if at is None:
        return None
    about = match.groupdict().get("about") or match.group("words") or ""
    if _is_day(told, read):
        return {"words": about.strip(), "day": at.date().isoformat()}
    at_iso = iso(_morning(at, told) if kind == "alarm" else at)
    return {"words": about.strip(), "at": without_day(at_iso, match.group("when"), asked.now)}


def without_day(at_iso: str, when: str, now: datetime) -> str:
    """The time alone ("T13:00:00") where `when` names one and no day: it is meant for the day that was set before."""
    times = find(f"at {when.removeprefix('at ')}", now, ("time", "date", "datetime", "duration"))
    return at_iso[10:] if [f.kind for f in times] == ["time"] and not _DAY_TIME.search(when) else at_iso


_DAY_TIME: Final = re.compile(r"\b(?:today|tonight|tomorrow|this)\b", re.IGNORECASE)


def shifted(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """By how much: push my alarm back 15 minutes; bring the reminder forward by an hour; ... half an hour earlier."""
    seconds = shift_s(asked.text, match.group("by"), asked.now)
    about = match.groupdict().get("about") or match.group("words") or ""
    return {"words": about.strip(), "by_s": seconds} if seconds else None


_WHICH_WAY: Final = re.compile(r"\s*\b(?:later|earlier|sooner|back|forward)\b\s*", re.IGNORECASE)


def shift_s(text: str, by: str, now: datetime) -> float:
    """Seconds, negative for earlier; 0 if `by` is anything else than a length and which way."""
    words = _WHICH_WAY.sub(" ", by).strip(" .")
    found = find(words, now, ("duration",))
    if not found or found[0].start or found[0].end < len(words):
        return 0.0
    earlier = re.search(r"\b(?:earlier|sooner)\b|\bbring\b.*\b(?:forward|up)\b", text, re.IGNORECASE)
    seconds = float(found[0].value.seconds)
    return -seconds if earlier else seconds


def alarm(asked: Asked, match: re.Match[str]) -> Arguments | None:
    asked = Asked(re.sub(r"\b(alarm )for (?=\d{1,2}\b)", r"\1at ", spread(asked.text), flags=re.I), asked.now)
    weekdays = _weekdays(asked.text)
    at, read = merged(Asked(_EVERY.sub(" ", _BUT.sub(" ", asked.text)), asked.now) if weekdays else asked)
    day = at.date().isoformat() if at is not None and not weekdays and _is_day(asked, read) else ""
    if at is None and not re.search(r"\b(?:alarm|wake me)\b", asked.text, re.IGNORECASE):
        return None
    if at is not None and weekdays:
        at = at.replace(year=asked.now.year, month=asked.now.month, day=asked.now.day)
    if at is not None:
        at = _morning(at, asked)
    named = re.search(
        r"\b(?:called|named|labell?ed) [\"']?([\w' -]{1,40}?)[\"']?(?: (?:for|at)\b|$)", asked.text, re.IGNORECASE
    )
    when = {"day": day} if day else {"at": iso(at)}
    return {**when, "weekdays": weekdays or None, "name": named[1] if named else ""}


def _is_day(asked: Asked, read: list[Found]) -> bool:
    """Whether a day was said and no time of it, nor a part of it that has one."""
    words = asked.text[read[0].start : read[0].end].casefold()
    return [f.kind for f in read] == ["date"] and not read[0].value.has_time and not words.endswith(tuple(_HOURS))


def _morning(at: datetime, asked: Asked) -> datetime:
    """Who says "wake me at 7" in the evening or without pm means the morning; "12:30" is by day."""
    times = [f for f in asked.find("time", "datetime") if f.value.time is not None and f.value.time.ambiguous]
    if times and at.hour > 12 and re.search(r"\bwake\b|\balarm\b", asked.text, re.IGNORECASE):
        morning = at - timedelta(hours=12)
        return morning if morning > asked.now.replace(tzinfo=morning.tzinfo) else morning + timedelta(days=1)
    return at


def _by_day(at: datetime, read: list[Found]) -> datetime:
    """What comes again at "9" is meant by day, whatever time it is now: from 7 to 18."""
    ambiguous = any(f.kind in ("time", "datetime") and f.value.time and f.value.time.ambiguous for f in read)
    hour = at.hour % 12
    return at.replace(hour=hour if hour >= 7 else hour + 12) if ambiguous else at


def of_others(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """ "remind my wife to call": the user is reminded of it; nobody else can be."""
    return reminder(Asked(f"remind me to {asked.text}", asked.now), re.compile("remind me").match("remind me"))  # type: ignore[arg-type]


_MONTHS: Final = {"january": 31, "february": 29, "march": 31, "april": 30, "may": 31, "june": 30, "july": 31,
                  "august": 31, "september": 30, "october": 31, "november": 30, "december": 31}  # fmt: skip


def no_such_time(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """february 30th, 25:00, 7:75: no other time is taken for one that does not exist."""
    month, day = (match["month"] or match["month2"] or "").casefold(), match["day"] or match["day2"]
    if month:
        return {"time": f"{month.capitalize()} {day}"} if not 0 < int(day) <= _MONTHS[month] else None
    hour, minute = int(match["hour"] or match["hour2"]), int(match["minute"] or 0)
    return {"time": match["clock"].strip()} if hour > 24 or minute > 59 else None


_PARTS: Final = {"morning": 9, "afternoon": 15, "evening": 19}
_PART_OF_DAY: Final = re.compile(
    r"\b(?:in the|this) (morning|afternoon|evening)(?:,|$|(?= (?:to|about|that|of)\b))", re.IGNORECASE
)
_DAY_AND_PART: Final = re.compile(
    r"\b(tomorrow|" + "|".join(_DAYS) + r") (?:in the|at) (morning|afternoon|evening|night)\b", re.IGNORECASE
)
_NEXT_MONTH: Final = re.compile(r"\b(next month) (on the \d{1,2}(?:st|nd|rd|th))\b", re.IGNORECASE)
_OFTEN: Final = re.compile(
    r"\s*\b(?:every (?:other |few |[\w-]+ (?:and a half )?)?(?:hours?|minutes?|seconds?|months?|quarters?|years?)"
    r"|every (?:other|few|second|third|two|three|four|five|six|\d+) (?:days?|weeks?|mornings?|evenings?)"
    r"|every (?:other|second) (?:" + "|".join(_DAYS) + r")|every fortnight|monthly|weekly|yearly|annually|hourly)\b",
    re.IGNORECASE,
)


def reminder(asked: Asked, match: re.Match[str]) -> Arguments | None:
    rest = asked.text[match.end() :].strip()
    if not rest:
        return {}
    if often := _OFTEN.search(rest):
        return {"message": _OFTEN.sub("", rest).strip().removeprefix("to ").strip(), "every": often[0].strip()}
    rest = _DAY_AND_PART.sub(r"\1 \2", spread(rest))
    rest = _NEXT_MONTH.sub(r"\2 of \1", rest)
    weekdays = _weekdays(rest)
    rest = _EVERY.sub(" ", _BUT.sub(" ", rest)).strip() if weekdays else rest
    told = Asked(rest, asked.now)
    at, read = merged(told)
    if at is None and weekdays:
        part = next((h for word, h in _HOURS.items() if re.search(rf"\b{word}s?\b", asked.text, re.IGNORECASE)), 9)
        at = asked.now.replace(hour=part, minute=0, second=0)
    elif at is not None and weekdays:
        at = _by_day(at, read)
    elif at is None and (then := _PART_OF_DAY.search(rest)):
        at = asked.now.replace(hour=_PARTS[then[1].casefold()], minute=0, second=0)
        at += timedelta(days=at <= asked.now)
        rest = (rest[: then.start()] + rest[then.end() :]).strip()
    if at is not None and not weekdays and at < asked.now and _is_day(told, read):
        at = None  # "today" behind the hour that a day alone means: it is asked for
    words = rest
    for found in sorted(read, key=lambda f: -f.start):
        words = words[: found.start] + words[found.end :]
    words = re.sub(r"\s+", " ", words).strip(" ,.:")
    words = re.sub(r"^(?:for|at|on|in|by) *:\s*", "", words, flags=re.IGNORECASE)  # "for friday 5pm: pick up kids"
    words = re.sub(r"^(?:to|about|that|of|i (?:have|need) to|i should|at|on|in)\s+|\s+(?:at|on|in|by|for|every)$", "",
    words,
                   flags=re.IGNORECASE)  # fmt: skip
    words = re.sub(r"^(?:to|about|that)\s+", "", words, flags=re.IGNORECASE)
    return {"message": words, "at": iso(at), "weekdays": weekdays or None}


def only_times(words: str, now: datetime) -> bool:
    """Whether words name a time and nothing else: "tomorrow at 9", "9 on weekends"."""
    left = words
    for found in reversed(find(words, now, ("duration", "time", "date", "datetime"))):
        left = left[: found.start] + left[found.end :]
    return left != words and _OF_TIMES.fullmatch(left) is not None


_OF_TIMES: Final = re.compile(
    r"(?:[\s,]|\b(?:in|at|on|by|for|every|each|the|and|day|days|morning|evening|afternoon|night|week|weekdays?|weekends?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b)*",
    re.IGNORECASE,
)
