"""Periods of the calendar: "next week", "Q3 2019", "the last week of this month", "the nineties", "tomorrow evening".

A period reaches from its start up to, not including, its end. Weeks begin on Monday, weekends are Saturday and Sunday,
parts of a day have the hours of clock.PARTS_OF_DAY. What has no agreed borders ("early", "late", "the beginning of",
seasons) is recognised as VAGUE: it gets no value, and what is inside it gets none either.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final

from assistant.quantities import clock
from assistant.quantities.calendar_periods import (
    NEXT,
    PAST,
    THIS,
    decade_at,
    month_period_at,
    quarter_at,
    quarter_of,
    week,
    week_of,
    year_alone,
    years,
)
from assistant.quantities.day_names import MONTHS
from assistant.quantities.durations import UNITS, Duration
from assistant.quantities.holidays import any_day, holiday_at
from assistant.quantities.month_days import year_at
from assistant.quantities.numbers import number_at
from assistant.quantities.shifting import add
from assistant.quantities.spans import VAGUE, Parsed, Span, at_midnight, span
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

_CALENDAR: Final = {"week": "week", "weeks": "week", "month": "month", "months": "month", "year": "year",
                    "years": "year", "quarter": "quarter", "quarters": "quarter", "weekend": "weekend",
                    "decade": "decade", "century": "century", "wk": "week", "yr": "year"}  # fmt: skip
_EDGES: Final = frozenset({"beginning", "start", "end", "middle", "mid", "early", "late", "earlier", "later"})
_SEASONS: Final = frozenset({"spring", "summer", "autumn", "fall", "winter"})
_SHORT: Final = frozenset({"eom", "eoy", "bom", "boy", "eod", "bod"})


def period_at(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """The period that stands there and where it ends; VAGUE for one without agreed borders."""
    return (
        _vague(tokens, at, now)
        or _part_of_a_day(tokens, at, now)
        or _counted(tokens, at, now)
        or week_of(tokens, at, now)
        or quarter_at(tokens, at, now)
        or _to_date(tokens, at, now)
        or _relative(tokens, at, now)
        or month_period_at(tokens, at, now)
        or decade_at(tokens, at, now)
        or year_alone(tokens, at, now)
    )


# -- without borders -------------------------------------------------------------------------------------------------


def _vague(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """early next week, the end of the month, mid-May, later this year, summer."""
    start = skip(tokens, at, "the", "at", "in", "very", "by")
    word = word_at(tokens, start)
    if impossible := _impossible_day(tokens, start):
        return VAGUE, impossible
    if phrase_at(tokens, start, "weekend", "of") and (day := any_day(tokens, skip(tokens, start + 2, "the"), now)):
        return VAGUE, day[1]
    if word in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"):
        return None
    if counted := _part_of_a_period(tokens, start, now):
        return VAGUE, counted
    if word in _SHORT or (word in _SEASONS and word_at(tokens, start - 1) not in ("to", "will", "i", "a")):
        end = start + 1
        year = year_at(tokens, skip(tokens, end, "of", ",", "in"))
        return VAGUE, year[1] if year else end
    if word not in _EDGES:
        return None
    then = skip(tokens, start + 1, "of", "in", "-", "around", "about", "on", "part")
    then = then if then > start + 1 else skip(tokens, then, "the")
    if phrase_at(tokens, start, "end", "of", "day") or phrase_at(tokens, start, "end", "of", "the", "day"):
        return None
    if past := period_at(tokens, then, now) or period_at(tokens, skip(tokens, then, "the"), now):
        return VAGUE, past[1]
    part, end = clock.part_of_day(tokens, then)
    return (VAGUE, end) if part else None


def _part_of_a_period(tokens: list[Token], at: int, now: datetime) -> int:
    """Where "the rest of the week", "first 2 weeks of June" or "Memorial Day weekend" ends, else 0."""
    then = phrase_at(tokens, at, "rest", "of") or phrase_at(tokens, at, "remainder", "of")
    if not then and word_at(tokens, at) in ("first", "last"):
        number = number_at(tokens, at + 1, suffixes=False)
        if number and word_at(tokens, number[1]) in UNITS and word_at(tokens, number[1] + 1) == "of":
            then = number[1] + 2
    if then:
        past = period_at(tokens, skip(tokens, then, "the"), now) or period_at(tokens, then, now)
        return past[1] if past else 0
    holiday = holiday_at(tokens, at, now.date())
    return holiday[1] + 1 if holiday and word_at(tokens, holiday[1]) in ("weekend", "week") else 0


_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _impossible_day(tokens: list[Token], at: int) -> int:
    """Where "feb 30 2019 17:20" ends, 0 for a day that exists."""
    month, day = MONTHS.get(word_at(tokens, at)), word_at(tokens, at + 1)
    if month is None or not day.isdecimal() or len(day) > 2 or int(day) <= _LONGEST[month - 1]:
        return 0
    if not 28 < int(day) <= 31:
        return 0
    year = year_at(tokens, skip(tokens, at + 2, ","))
    end = year[1] if year else at + 2
    time_of_day = clock.time_at(tokens, end)
    return time_of_day[1] if time_of_day else end


# -- parts of a day --------------------------------------------------------------------------------------------------


def _part_of_a_day(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """in the morning, this afternoon, tomorrow evening, Monday night, last night, the morning of the 15th."""
    start = skip(tokens, at, "around", "about")
    part, end = clock.part_of_day(tokens, start)
    if part:
        if word_at(tokens, end) in ("of", "on") and (day := any_day(tokens, skip(tokens, end + 1, "the"), now)):
            return _hours(day[0], part, now), day[1]
        if day := any_day(tokens, skip(tokens, end, ","), now):
            return _hours(day[0], part, now), day[1]
        if end == start + 1 and part != "tonight":  # a bare "night" is no period
            return None
        return replace(_hours(now.date(), part, now), fixed=False), end
    if phrase_at(tokens, start, "last", "night"):
        return _hours(now.date() - timedelta(days=1), "night", now), start + 2
    first = any_day(tokens, skip(tokens, start, "on"), now) or any_day(tokens, start, now)
    if first is None:
        return None
    part, end = clock.part_of_day(tokens, skip(tokens, first[1], ",", "in", "at", "the"))
    return (_hours(first[0], part, now), end) if part else None


def _hours(day: date, part: str, now: datetime) -> Span:
    first, last = clock.PARTS_OF_DAY[part]
    begin = at_midnight(day, now)
    return span(begin + timedelta(hours=first), begin + timedelta(hours=last), "hour")


# -- counted ---------------------------------------------------------------------------------------------------------


def _counted(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """the last 3 days, next two quarters, 5 past minutes, coming few weeks."""
    start = skip(tokens, at, "the", "in", "for", "over", "within", "during")
    ahead, then = _direction(tokens, start)
    number = _how_many(tokens, then if ahead else start)
    if number is None:
        return None
    end = number[1]
    if not ahead:
        ahead, end = _direction(tokens, end)
    unit = UNITS.get(word_at(tokens, end)) if len(word_at(tokens, end)) > 2 else None
    if not ahead or unit is None or word_at(tokens, end + 1) in ("ago", "from"):
        return None
    return _counted_span(unit, ahead * number[0], now), end + 1


def _direction(tokens: list[Token], at: int) -> tuple[int, int]:
    word = word_at(tokens, at)
    return (1, at + 1) if word in NEXT else (-1, at + 1) if word in PAST else (0, at)


def _how_many(tokens: list[Token], at: int) -> tuple[int, int] | None:
    for words in (("a", "few"), ("few",), ("several",)):
        if then := phrase_at(tokens, at, *words):
            return 3, then
    number = number_at(tokens, at, suffixes=False)
    whole = number is not None and number[0] == int(number[0]) and 0 < number[0] < 10_000
    return (int(number[0]), number[1]) if number and whole else None


def _counted_span(unit: str, n: int, now: datetime) -> Span:
    """Whole days beside today, whole quarters beside this one; anything else counts from this moment."""
    today = at_midnight(now.date(), now)
    if unit == "quarter":
        here = quarter_of(now.year, (now.month - 1) // 3, now)
        base = here.end if n > 0 else here.start
        assert base is not None  # noqa: S101 - quarters have both
    elif unit in ("month", "year"):
        here = _unit_span(unit, 0, now)
        base = here.end if n > 0 else here.start
        assert base is not None  # noqa: S101 - months and years have both
    elif unit in ("day", "week"):
        base = today + timedelta(days=1) if n > 0 else today
    else:
        base = now
    other = add(base, Duration(((unit, Fraction(abs(n))),)), 1 if n > 0 else -1)
    return span(min(base, other), max(base, other), unit)


# -- relative --------------------------------------------------------------------------------------------------------


def _relative(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """next week, this month, the past year, the week, this past weekend, week after next."""
    start = skip(tokens, at, "in", "for", "during", "all", "over")
    start = skip(tokens, start, "the") if word_at(tokens, skip(tokens, start, "the")) in NEXT | PAST else start
    word = word_at(tokens, start)
    step = 1 if word in NEXT else -1 if word in PAST else 0 if word in THIS else None
    then = start + 1
    if step == 0 and word_at(tokens, then) in PAST | NEXT:
        step, then = (-1 if word_at(tokens, then) in PAST else 1), then + 1
    unit = _CALENDAR.get(word_at(tokens, then if step is not None else start))
    if unit is None:
        return None
    if step is None:
        past = phrase_at(tokens, start + 1, "after", "next")
        return (_unit_span(unit, 2, now), past) if past else None
    end = then + 1
    if word == "the" and word_at(tokens, end) in ("of", "from", "after", "before", "in"):
        return None
    return _unit_span(unit, step, now), end


def _to_date(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """year to date, the month to date: from its beginning up to today."""
    start = skip(tokens, at, "in", "for", "the")
    unit = word_at(tokens, start)
    then = phrase_at(tokens, start + 1, "to", "date")
    if not then or unit not in ("year", "quarter", "month", "week"):
        return None
    here = _unit_span(unit, 0, now)
    assert here.start is not None  # noqa: S101 - a unit of the calendar has both ends
    return span(here.start, at_midnight(now.date(), now), "day"), then


def _unit_span(unit: str, step: int, now: datetime) -> Span:
    today = now.date()
    monday = today - timedelta(days=today.weekday())
    if unit == "week":
        return week(monday + timedelta(days=7 * step), now)
    if unit == "weekend":
        saturday = at_midnight(monday + timedelta(days=5 + 7 * step), now)
        return span(saturday, saturday + timedelta(days=2), "day")
    if unit == "month":
        begin = add(at_midnight(today.replace(day=1), now), Duration((("month", Fraction(abs(step))),)), _sign(step))
        return span(begin, add(begin, Duration((("month", Fraction(1)),))), "month")
    if unit == "quarter":
        index = now.year * 4 + (now.month - 1) // 3 + step
        return quarter_of(index // 4, index % 4, now)
    n = {"year": 1, "decade": 10, "century": 100}[unit]
    return years((now.year // n + step) * n, n, now)


def _sign(step: int) -> int:
    return -1 if step < 0 else 1
