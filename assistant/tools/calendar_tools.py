"""The clock and the calendar: what time or date it is, how long until a day, what day a date is, time zones."""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime
from typing import Annotated, Final

import msgspec

from assistant.home.model import key
from assistant.quantities import dates, find
from assistant.tools import Nothing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.timekeeping import spoken_s

Words = Annotated[str, msgspec.Meta(max_length=120)]


class Place(msgspec.Struct, frozen=True):
    """A city that names a time zone; nothing means here."""

    place: Words = ""


class Day(msgspec.Struct, frozen=True):
    """A day in words."""

    day: Words = ""


class Later(msgspec.Struct, frozen=True):
    """A moment in words, such as "in 90 minutes", "2 hours ago" or "3 pm"; told for a place where one is given."""

    when: Words = ""
    place: Words = ""


class Between(msgspec.Struct, frozen=True):
    """Two days in words; the first is today where it is missing. `since`: the last such day, not the next."""

    start: Words = ""
    end: Words = ""
    unit: Words = ""
    since: bool = False


def tell_time(arguments: Place, surroundings: Surroundings) -> Outcome:
    now = surroundings.clock()
    if not arguments.place:
        return Outcome(f"It is {now:%H:%M}.", {"time": now.isoformat()})
    zone = _zone(arguments.place)
    there = now.astimezone(zone)
    return Outcome(f"It is {there:%H:%M} on {there:%A} in {arguments.place.title()}.", {"time": there.isoformat()})


def tell_date(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    now = surroundings.clock()
    return Outcome(f"Today is {_long(now)}.", {"date": now.date().isoformat()})


def tell_day(arguments: Day, surroundings: Surroundings) -> Outcome:
    """What day of the week a date is, or which date a day is."""
    now = surroundings.clock()
    day = _day(arguments.day, now)
    verb = "was" if day.date() < now.date() else "is"
    return Outcome(f"{arguments.day.strip().capitalize()} {verb} {_long(day)}.", {"date": day.date().isoformat()})


def tell_later(arguments: Later, surroundings: Surroundings) -> Outcome:
    """What time it will be, or was."""
    now = surroundings.clock()
    found = [f for f in find(arguments.when, now) if f.kind in ("time", "datetime")]
    if not found:
        raise ToolError(f"I do not understand the time {arguments.when!r}")
    at: datetime = found[0].value.at.replace(tzinfo=now.tzinfo)
    there = at.astimezone(_zone(arguments.place)) if arguments.place else at
    verb = "was" if at < now else "will be" if found[0].value.fixed else "is"
    day = "" if there.date() == now.date() else f" on {there:%A}"
    where = f" in {arguments.place.title()}" if arguments.place else ""
    when = arguments.when[:1].upper() + arguments.when[1:]
    opening = f"{when} it" if found[0].value.fixed else f"At {at:%H:%M} here it"
    return Outcome(f"{opening} {verb} {there:%H:%M}{day}{where}.", {"time": there.isoformat()})


def tell_week(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    year, week, _ = surroundings.clock().isocalendar()
    return Outcome(f"It is week {week} of {year}.", {"week": week})


def distance(arguments: Between, surroundings: Surroundings) -> Outcome:
    now = surroundings.clock()
    start = _day(arguments.start, now) if arguments.start else now.replace(hour=0, minute=0, second=0, microsecond=0)
    end = _day(arguments.end, now)
    if arguments.since and end.date() > now.date() and not re.search(r"\d{4}", arguments.end):
        end = end.replace(year=end.year - 1, day=min(end.day, 28) if end.month == 2 else end.day)
    days = (end.date() - start.date()).days
    text = _days(abs(days))
    if arguments.unit.startswith("week") and abs(days) >= 7:
        weeks, rest = divmod(abs(days), 7)
        text = f"{weeks} week{'s' if weeks != 1 else ''}{f' and {_days(rest)}' if rest else ''}"
    since = f" from {arguments.start}" if arguments.start else ""
    word = "until" if days >= 0 and not arguments.start else "since" if not arguments.start else "to"
    return Outcome(f"{text}{since} {word} {arguments.end} ({_long(end)}).", {"days": days})


def _days(n: int) -> str:
    return f"{n} day{'s' if n != 1 else ''}"


def until_time(arguments: Day, surroundings: Surroundings) -> Outcome:
    """How long until a time of day."""
    now = surroundings.clock()
    found = [f for f in find(arguments.day, now) if f.kind in ("time", "datetime")]
    if not found:
        raise ToolError(f"I do not understand the time {arguments.day!r}")
    left_s = (found[0].value.at - now).total_seconds()
    return Outcome(f"{spoken_s(round(left_s / 60) * 60)} until {found[0].value.at:%H:%M}.", {"seconds": round(left_s)})


def _day(words: str, now: datetime) -> datetime:
    found = [f for f in find(words, now) if f.kind in ("date", "datetime", "time")]
    if not found:
        raise ToolError(f"I do not understand the date {words!r}")
    at: datetime = found[0].value.at
    return at


def _long(day: datetime) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"


def _zone(place: str) -> zoneinfo.ZoneInfo:
    """The zone that is named after a city. Raises ToolError."""
    wanted = key(place).replace(" ", "_")
    for name in sorted(zoneinfo.available_timezones()):
        if name.rpartition("/")[2].casefold() == wanted:
            return zoneinfo.ZoneInfo(name)
    raise ToolError(f"I know no time zone named {place!r}; name a large city of it, such as Berlin, New York or Tokyo")


def knows_place(place: str) -> bool:
    wanted = key(place).replace(" ", "_")
    return any(name.rpartition("/")[2].casefold() == wanted for name in zoneinfo.available_timezones())


TOOLS: Final = (
    Tool("clock.time", "tell the time, here or in another city", Place, tell_time, read_only, ("what time is it",)),
    Tool("clock.date", "tell today's date", Nothing, tell_date, read_only, ("what day is it today",)),
    Tool("clock.day", "tell which date or weekday a day is", Day, tell_day, read_only, ("what date is next Friday",)),
    Tool("clock.later", "tell what time it will be or was", Later, tell_later, read_only,
         ("what time will it be in 90 minutes",)),
    Tool("clock.week", "tell the number of the week", Nothing, tell_week, read_only, ("what week is it",)),
    Tool("clock.between", "count the days until a day or between two", Between, distance, read_only,
         ("how many days until Christmas",)),
    Tool("clock.until", "tell how long until a time of day", Day, until_time, read_only, ("how long until 5 pm",)),
)  # fmt: skip

__all__ = ["TOOLS", "dates", "knows_place"]
