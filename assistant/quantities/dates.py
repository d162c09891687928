"""Dates, and dates with times, relative to a moment: "next Tuesday at 5", "the first Monday of October", "in 3 weeks".

What has no year is the next such day from now on; what has no day is the next such time. `before` and `after` in
the alternatives keep the other readings, for who wants them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from assistant.quantities import clock
from assistant.quantities.clock import TimeOfDay, time_at
from assistant.quantities.day_names import WEEKDAYS
from assistant.quantities.durations import Duration, duration_at
from assistant.quantities.holidays import any_day
from assistant.quantities.numbers import number_at
from assistant.quantities.shifting import add
from assistant.quantities.tokens import Token, phrase_at, skip, word_at


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time known to `grain` (second, minute, hour, day). `others`: what it may mean instead."""

    at: datetime
    grain: str
    others: tuple[datetime, ...] = ()
    has_time: bool = False
    time: TimeOfDay | None = None
    fixed: bool = True  # the date was given in full


def moment_at(tokens: list[Token], at: int, now: datetime) -> tuple[Moment, int] | None:
    """A date, a time, or both in either order."""
    now = now.replace(microsecond=0)
    if found := _shift(tokens, at, now):
        return found
    if found := _weekdays_away(tokens, at, now) or _hour_then_day(tokens, at, now):
        return found
    start = skip(tokens, at, "on", "the") if word_at(tokens, at) in ("on", "the") else at
    day = any_day(tokens, start, now) or any_day(tokens, at, now)
    if day is not None:
        return _with_time(tokens, *day, now)
    time = time_at(tokens, at)
    if time is None:
        return None
    then = skip(tokens, time[1], ",", "on", "of", "the")
    day = any_day(tokens, then, now)
    written = any(t.word == ":" for t in tokens[at : time[1]])
    if day is not None and (day[2] or then > time[1] or written or not time[0].ambiguous):
        return _at_time(day[0], time[0], now), day[1]
    return _next_time(time[0], now), time[1]


def _with_time(tokens: list[Token], day: date, end: int, fixed: bool, now: datetime) -> tuple[Moment, int]:
    if (then := phrase_at(tokens, end, "around") or phrase_at(tokens, end, "about")) and (
        near := time_at(tokens, then, bare=True)
    ):
        return _at_time(day, near[0], now), near[1]
    then = skip(tokens, end, ",")
    if word_at(tokens, end - 1) == "tonight" and (late := time_at(tokens, end, bare=word_at(tokens, end) == "at")):
        return _at_time(day, clock.in_part(late[0], "night"), now), late[1]
    part, after = clock.part_of_day(tokens, then)
    time = time_at(tokens, then) or time_at(tokens, after if part else then, bare=word_at(tokens, then) == "at")
    if time is None and part:
        hour = clock.PARTS_OF_DAY[part][0]
        return Moment(combine(day, TimeOfDay(hour), now), "hour", has_time=True, time=TimeOfDay(hour)), after
    if time is None:
        return Moment(combine(day, TimeOfDay(0), now), "day", fixed=fixed), end
    named = clock.in_part(time[0], part) if part and time[0].ambiguous else time[0]
    return _at_time(day, named, now), time[1]


def _weekdays_away(tokens: list[Token], at: int, now: datetime) -> tuple[Moment, int] | None:
    """2 Thursdays ago, three Mondays from now."""
    number = number_at(tokens, at, suffixes=False)
    if number is None or not 0 < number[0] < 100 or number[0] != int(number[0]):
        return None
    weekday = WEEKDAYS.get(word_at(tokens, number[1]))
    then = number[1] + 1
    sign = -1 if word_at(tokens, then) == "ago" else 1 if phrase_at(tokens, then, "from", "now") else 0
    if weekday is None or not sign:
        return None
    ahead = ((weekday - now.weekday()) * sign) % 7 or 7
    day = now.date() + timedelta(days=sign * (ahead + 7 * (int(number[0]) - 1)))
    return Moment(combine(day, TimeOfDay(0), now), "day"), then + (1 if sign < 0 else 2)


def _hour_then_day(tokens: list[Token], at: int, now: datetime) -> tuple[Moment, int] | None:
    """9 tomorrow evening: a bare hour in front of today, tomorrow or tonight."""
    if word_at(tokens, at + 1) not in ("tomorrow", "today", "tonight"):
        return None
    time = time_at(tokens, at, bare=True)
    if time is None or time[1] != at + 1:
        return None
    day = now.date() + timedelta(days=word_at(tokens, at + 1) == "tomorrow")
    part, end = clock.part_of_day(tokens, at + 2 if word_at(tokens, at + 1) != "tonight" else at + 1)
    return _at_time(day, clock.in_part(time[0], part) if part else time[0], now), end if part else at + 2


def _at_time(day: date, time: TimeOfDay, now: datetime) -> Moment:
    choices = [combine(day, t, now) for t in time.alternatives]
    ahead = [c for c in choices if c >= now] or choices
    likely = [c for c in ahead if c.hour >= 7] or ahead if time.ambiguous else ahead
    return Moment(likely[0], time.grain, tuple(c for c in choices if c != likely[0]), True, time)


def _next_time(time: TimeOfDay, now: datetime) -> Moment:
    """The next time of day like this; both halves of the day are others."""
    days = (now.date(), now.date() + timedelta(days=1))
    choices = [combine(day, t, now) for day in days for t in time.alternatives]
    ahead = sorted(c for c in choices if c > now)
    return Moment(ahead[0], time.grain, tuple(c for c in choices if c != ahead[0]), True, time, False)


def combine(day: date, time: TimeOfDay, now: datetime) -> datetime:
    """That time on that day, in the zone of `now`; a zone that was named is converted where `now` has one."""
    if time.utc_minutes is not None and now.tzinfo is not None:
        named = timezone(timedelta(minutes=time.utc_minutes))
        said = datetime(day.year, day.month, day.day, time.hour, time.minute, time.second, tzinfo=named)
        return said.astimezone(now.tzinfo)
    return datetime(day.year, day.month, day.day, time.hour, time.minute, time.second, tzinfo=now.tzinfo)


# -- distances -------------------------------------------------------------------------------------------------------


def _shift(tokens: list[Token], at: int, now: datetime) -> tuple[Moment, int] | None:
    """in 3 minutes, within an hour, 2 weeks ago, three days from now, a week later, 5 days from tomorrow."""
    if word_at(tokens, at) in ("in", "within", "after"):
        start = skip(tokens, at + 1, "another", "about", "around", "exactly", "the", "next")
        found = duration_at(tokens, start)
        if found:
            end = phrase_at(tokens, found[1], "from", "now") or phrase_at(tokens, found[1], "time") or found[1]
            return _timed_shift(tokens, found[0], 1, end, now)
    found = duration_at(tokens, at)
    if found is None:
        return None
    duration, end = found
    for words, sign in ((("ago",), -1), (("from", "now"), 1), (("from", "today"), 1), (("hence",), 1), (("later",), 1),
                        (("back",), -1), (("before",), -1), (("'", "time"), 1), (("time",), 1)):  # fmt: skip
        if (then := phrase_at(tokens, end, *words)) and (words != ("before",) or then == len(tokens)):
            return _timed_shift(tokens, duration, sign, then, now)
    for word, sign in (("from", 1), ("after", 1), ("before", -1)):
        if word_at(tokens, end) == word and (day := any_day(tokens, skip(tokens, end + 1, "the"), now)):
            base = combine(day[0], TimeOfDay(0), now)
            return Moment(add(base, duration, sign), _grain(duration)), day[1]
    return None


def _timed_shift(tokens: list[Token], duration: Duration, sign: int, end: int, now: datetime) -> tuple[Moment, int]:
    """A distance of whole days may have a time: in two days at noon."""
    moment = add(now, duration, sign)
    if _grain(duration) != "day":
        return Moment(moment, duration.grain if duration.grain != "hour" else "minute", has_time=True), end
    if time := time_at(tokens, end):
        return _at_time(moment.date(), time[0], now), time[1]
    return Moment(combine(moment.date(), TimeOfDay(0), now), "day"), end


def _grain(duration: Duration) -> str:
    return "day" if duration.grain in ("day", "week", "month", "quarter", "year") else "second"
