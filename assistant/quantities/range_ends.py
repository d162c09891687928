"""One end of a range as it was said, and what it takes over from the other end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from assistant.quantities.clock import TimeOfDay, in_part
from assistant.quantities.dates import Moment, moment_at
from assistant.quantities.month_days import day_number
from assistant.quantities.periods import period_at
from assistant.quantities.spans import Span
from assistant.quantities.tokens import Token, skip, word_at


@dataclass(frozen=True, slots=True)
class End:
    """One end as it was said. `day` or `time` may be missing, and a bare number may be an hour or a day."""

    day: date | None = None
    time: TimeOfDay | None = None
    span: Span | None = None  # a period, or an instant
    number: int = 0
    fixed: bool = True
    part: str = ""  # of the day: morning


def ends_at(tokens: list[Token], at: int, now: datetime) -> list[tuple[End, int]]:
    """The readings of an end, the longest first."""
    start = skip(tokens, at, "the", "around", "about", "this", "next") if _numeric(tokens, at) else at
    readings: list[tuple[End, int]] = []
    if word_at(tokens, at) in ("now", "today") and word_at(tokens, at) == "now":
        return [(End(span=Span(now, now, "second", now)), at + 1)]
    for place in dict.fromkeys((at, start, skip(tokens, at, "the"))):
        if moment := moment_at(tokens, place, now):
            readings.append((_of_moment(moment[0]), moment[1]))
        period = period_at(tokens, place, now)
        if period and not period[0].is_vague:
            readings.append((End(span=period[0], fixed=period[0].fixed), period[1]))
        if number := day_number(tokens, place):
            readings.append((End(number=number[0]), number[1]))
    return sorted(readings, key=lambda r: (-r[1], not r[0].number))


def _numeric(tokens: list[Token], at: int) -> bool:
    return word_at(tokens, skip(tokens, at, "this", "next"))[:1].isdecimal()


def _of_moment(moment: Moment) -> End:
    if moment.time is None and moment.has_time:
        return End(span=Span(moment.at, moment.at, moment.grain, moment.at))
    timed = moment.time if moment.has_time else None
    day = None if timed is not None and not moment.fixed else moment.at.date()
    return End(day, timed, fixed=moment.fixed)


def completed(first: End, second: End, now: datetime) -> tuple[End, End] | None:
    """Both ends with what one lacks taken from the other; None where they do not go together."""
    if first.number and second.number:
        return None
    if first.number or second.number:
        bare, other = (first, second) if first.number else (second, first)
        if other.time is not None:
            if not 1 <= bare.number <= 24:
                return None
            filled = replace(as_hour(bare), day=other.day if first.number else None)
        elif other.day is not None and other.span is None:
            try:
                filled = End(other.day.replace(day=bare.number), fixed=other.fixed)
                if first.number and bare.number > other.day.day:  # from the 27th to the third of April
                    month_before = other.day.replace(day=1) - timedelta(days=1)
                    filled = End(month_before.replace(day=bare.number), fixed=other.fixed)
            except ValueError:
                return None
        else:
            return None
        first, second = (filled, second) if first.number else (first, filled)
    if first.time and second.time:
        first, second = _same_half(first, second), second
    if (first.time is not None) != (second.time is not None) and first.span is None and second.span is None:
        return None
    return _same_day(first, second)


def as_hour(bare: End) -> End:
    """A bare number up to 24 read as an hour; any other stays what it is."""
    if not 1 <= bare.number <= 24:
        return bare
    return End(time=TimeOfDay(bare.number % 24, 0, 0, bare.number <= 12, "hour"))


def on_day(end: End, of: End) -> End:
    """An end that is an hour, on a day that was said before: "3" of "Monday morning 3-8"."""
    end = as_hour(end)
    if end.time is None or end.day is not None or end.span is not None:
        return end
    time = in_part(end.time, of.part) if of.part and end.time.ambiguous else end.time
    return replace(end, day=of.day, time=time)


def _same_half(first: End, second: End) -> End:
    """3 to 8am is in the morning, 8am until 6 is not: the half of the end that has one, if the range stays ahead."""
    assert first.time and second.time  # noqa: S101 - the caller looked
    if first.time.ambiguous and not second.time.ambiguous and second.time.hour % 12 > first.time.hour % 12:
        hour = first.time.hour % 12 + (12 if second.time.hour >= 12 else 0)
        return replace(first, time=replace(first.time, hour=hour, ambiguous=False))
    return first


def _same_day(first: End, second: End) -> tuple[End, End]:
    if first.time and second.time:
        if first.day is None and second.day is not None:
            first = replace(first, day=second.day, fixed=second.fixed)
        elif second.day is None and first.day is not None:
            second = replace(second, day=first.day, fixed=first.fixed)
    elif first.day and second.day and not first.fixed and second.fixed:
        first = replace(first, day=in_year(first.day, second.day.year), fixed=True)
    elif first.span and second.span and not first.fixed and second.fixed and first.span.grain == "month":
        assert first.span.start and first.span.end and second.span.start  # noqa: S101 - months have both
        by = second.span.start.year - first.span.start.year
        if (first.span.start.month, by) > (second.span.start.month, by):  # November to February 2017
            by -= 1
        moved = Span(years_later(first.span.start, by), years_later(first.span.end, by), "month")
        first = replace(first, span=moved, fixed=True)
    return first, second


def with_year(end: End, year: int) -> End:
    return replace(end, day=end.day and in_year(end.day, year), fixed=True)


def in_year(day: date, year: int) -> date:
    return date(year, day.month, min(day.day, 28) if day.month == 2 and day.day == 29 else day.day)


def years_later(moment: datetime, by: int) -> datetime:
    return moment.replace(year=moment.year + by)
