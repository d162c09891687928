"""Weeks, quarters, months, years and decades as they stand in a calendar."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final

from assistant.quantities.day_names import MONTHS
from assistant.quantities.durations import Duration
from assistant.quantities.holidays import any_day
from assistant.quantities.month_days import year_at
from assistant.quantities.ordinals import ordinal_at
from assistant.quantities.shifting import add
from assistant.quantities.spans import Parsed, Span, at_midnight, span
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

NEXT: Final = frozenset({"next", "coming", "upcoming", "following"})


PAST: Final = frozenset({"last", "past", "previous", "preceding"})


THIS: Final = frozenset({"this", "current", "the", "present", "same"})


_DECADES: Final = {"twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70,
                   "eighties": 80, "nineties": 90}  # fmt: skip


def week_of(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """week 31, the first week of May, the last week of this month."""
    start = skip(tokens, at, "the", "in", "for")
    if word_at(tokens, start) == "week" and word_at(tokens, start + 1).isdecimal():
        number = int(word_at(tokens, start + 1))
        year = year_at(tokens, skip(tokens, start + 2, "of", ",", "in"))
        if not 1 <= number <= 53:
            return None
        monday = date.fromisocalendar(year[0] if year else now.year, min(number, 52), 1)
        return week(monday + timedelta(days=7 * (number > 52)), now), year[1] if year else start + 2
    if phrase_at(tokens, start, "week", "of") and (day := any_day(tokens, skip(tokens, start + 2, "the"), now)):
        return week(day[0] - timedelta(days=day[0].weekday()), now), day[1]
    for words in (("week", "starting", "on"), ("week", "starting"), ("week", "beginning"), ("week", "beginning", "on")):
        if (then := phrase_at(tokens, start, *words)) and (day := any_day(tokens, skip(tokens, then, "the"), now)):
            return week(day[0], now), day[1]
    last = word_at(tokens, start) == "last"
    if weekend := _last_weekend(tokens, start, now):
        return weekend
    nth = (-1, start + 1) if last else ordinal_at(tokens, start)
    if nth is None or word_at(tokens, nth[1]) != "week" or word_at(tokens, nth[1] + 1) not in ("of", "in"):
        return None
    month = month_named(tokens, nth[1] + 2, now)
    year = year_at(tokens, nth[1] + 2) if month is None and not last else None
    if year and 1 <= nth[0] <= 52:
        return week(date.fromisocalendar(year[0], nth[0], 1), now), year[1]
    if month is None:
        return None
    year_number, month_number, end, _ = month
    first = date(year_number, month_number, 1)
    if last:  # the last one whose Thursday is in the month
        final = date(year_number, month_number, calendar.monthrange(year_number, month_number)[1])
        thursday = final - timedelta(days=(final.weekday() - 3) % 7)
        return week(thursday - timedelta(days=3), now), end
    thursday = first + timedelta(days=(3 - first.weekday()) % 7 + 7 * (nth[0] - 1))
    return week(thursday - timedelta(days=3), now), end


def _last_weekend(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    then = phrase_at(tokens, at, "last", "weekend", "of") or phrase_at(tokens, at, "last", "weekend", "in")
    month = month_named(tokens, then, now) if then else None
    if month is None:
        return None
    final = date(month[0], month[1], calendar.monthrange(month[0], month[1])[1])
    saturday = at_midnight(final - timedelta(days=(final.weekday() - 5) % 7), now)
    return span(saturday, saturday + timedelta(days=2), "day"), month[2]


def week(monday: date, now: datetime) -> Span:
    begin = at_midnight(monday, now)
    return span(begin, begin + timedelta(days=7), "week")


def quarter_at(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """q3 2019, 2019 q3, the third quarter of 2019."""
    start = skip(tokens, at, "the", "in", "during", "for", "of")
    first_year = year_at(tokens, start)
    here = skip(tokens, first_year[1], "-", "'s", ",") if first_year else start
    word = word_at(tokens, here)
    if word == "h" and word_at(tokens, here + 1) in ("1", "2") and tokens[here + 1].glued:
        half = int(word_at(tokens, here + 1)) - 1
        year = first_year or _year_named(tokens, skip(tokens, here + 2, "of", ",", "-", "/"), now)
        if year is None:
            return None
        begin = at_midnight(date(year[0], 6 * half + 1, 1), now)
        return span(begin, add(begin, Duration((("month", Fraction(6)),))), "half"), max(here + 2, year[1])
    if word == "q" and word_at(tokens, here + 1) in ("1", "2", "3", "4") and tokens[here + 1].glued:
        number, end = int(word_at(tokens, here + 1)), here + 2
    else:
        nth = (4, here + 1) if word == "last" and word_at(tokens, here + 2) == "of" else ordinal_at(tokens, here)
        if nth is None or not 1 <= nth[0] <= 4 or word_at(tokens, nth[1]) not in ("quarter", "qtr"):
            return None
        number, end = nth[0], nth[1] + 1
    if first_year:
        return quarter_of(first_year[0], number - 1, now), end
    then = skip(tokens, end, "of", ",", "in", "the", "-")
    year = _year_named(tokens, then, now) or _short_year(tokens, then, now)
    if year:
        return quarter_of(year[0], number - 1, now), year[1]
    return replace(quarter_of(now.year, number - 1, now), fixed=False), end


def _short_year(tokens: list[Token], at: int, now: datetime) -> tuple[int, int] | None:
    word = word_at(tokens, at)
    plain = word.isdecimal() and len(word) == 2 and not word_at(tokens, at + 1).isalnum()
    return (now.year // 100 * 100 + int(word), at + 1) if plain else None


def quarter_of(year: int, index: int, now: datetime) -> Span:
    begin = at_midnight(date(year, 3 * index + 1, 1), now)
    return span(begin, add(begin, Duration((("month", Fraction(3)),))), "quarter")


def month_period_at(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """March, Dec-2018, march after next, 2/2013; "may" and "march" alone only behind a preposition."""
    start = skip(tokens, at, "in", "for", "during", "this", "the", "month")
    slashed = _slashed_month(tokens, at, now)
    if slashed:
        return slashed
    word = word_at(tokens, start)
    modifier = 0
    if word in ("next", "last") and word_at(tokens, start + 1) in MONTHS:
        modifier, start = (1 if word == "next" else -1), start + 1
    if word_at(tokens, start) not in MONTHS:
        return None
    found = month_named(tokens, start, now)
    if found is None:
        return None
    year, month, end, given = found
    if (
        not given
        and word_at(tokens, start) in ("may", "march", "mar")
        and word_at(tokens, start - 1) not in _BEFORE_MAY
    ):
        return None
    following = word_at(tokens, skip(tokens, end, ",", "the"))
    if not given and following[:1].isdecimal() and len(following) <= 2:
        return None
    if then := phrase_at(tokens, end, "after", "next"):
        return _month_of(now.year + (month > now.month) + (month <= now.month), month, now), then
    if modifier:
        year += (month <= now.month) if modifier > 0 else -(month >= now.month)
    found_month = _month_of(year, month, now)
    return replace(found_month, fixed=given or bool(modifier)), end


_BEFORE_MAY: Final = frozenset({"in", "of", "during", "next", "last", "since", "until", "till", "by", "before", "after",
                               "from", "to", "through", "between", "early", "late", "mid", "-"})  # fmt: skip


def _slashed_month(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    first, sign, second = (word_at(tokens, at + i) for i in range(3))
    if not (first.isdecimal() and second.isdecimal() and len(first) <= 2 and sign == "/" and len(second) == 4):
        return None
    if not (1 <= int(first) <= 12 and 1200 <= int(second) <= 2999) or word_at(tokens, at + 3) == "/":
        return None
    return _month_of(int(second), int(first), now), at + 3


def month_named(tokens: list[Token], at: int, now: datetime) -> tuple[int, int, int, bool] | None:
    """(year, month, where it ends, whether the year was given)."""
    start = skip(tokens, at, "the")
    word = word_at(tokens, start)
    if word in (*NEXT, *PAST, *THIS) and word_at(tokens, start + 1) == "month":
        total = now.year * 12 + now.month - 1 + (word in NEXT) - (word in PAST)
        return total // 12, total % 12 + 1, start + 2, True
    month = MONTHS.get(word)
    if word == "month" and start > at:
        return now.year, now.month, start + 1, True
    if month is None:
        return None
    end = start + 1 + (word_at(tokens, start + 1) == "." and word_at(tokens, start + 2)[:1].isdecimal())
    year = _year_named(tokens, skip(tokens, end, "of", ",", "-", "/", "in"), now)
    if year:
        return year[0], month, year[1], True
    return now.year, month, end, False


def _month_of(year: int, month: int, now: datetime) -> Span:
    begin = at_midnight(date(year, month, 1), now)
    return span(begin, add(begin, Duration((("month", Fraction(1)),))), "month")


def _year_named(tokens: list[Token], at: int, now: datetime) -> tuple[int, int] | None:
    """2019, this year, next year."""
    start = skip(tokens, at, "the")
    if word_at(tokens, start + 1) == "year":
        word = word_at(tokens, start)
        step = 1 if word in NEXT else -1 if word in PAST else 0 if word in THIS else None
        if step is not None:
            return now.year + step, start + 2
    start = skip(tokens, start, "year")
    return year_at(tokens, start)


def year_alone(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """in 2014, the year 2014, 2014 AD; digits alone are a year only where nothing speaks against it."""
    start = skip(tokens, at, "in", "the", "year", "of", "during", "for", "calendar", "fiscal")
    year = year_at(tokens, start)
    if year is None:
        return None
    word, end = word_at(tokens, start), year[1]
    before = word_at(tokens, start - 1)
    if (before.isalpha() and before not in _BEFORE_A_YEAR) or word_at(tokens, at - 1) == "new":
        return None
    if word_at(tokens, end) in ("bc", "bce"):
        return None
    end += word_at(tokens, end) in ("ad", "ce")
    if word.isdecimal() and (word_at(tokens, start - 1) in ("$", "#", "/", "-", ".", ":") and start == at):
        return None
    if word.isdecimal() and word_at(tokens, end) in ("/", ":", "%", "s", "-") and tokens[end].glued:
        return None
    return years(year[0], 1, now), end


_BEFORE_A_YEAR: Final = frozenset(
    ("in", "of", "during", "since", "by", "before", "after", "from", "to", "and", "or", "until", "till", "through",
     "year", "years", "for", "fiscal", "calendar", "than", "is", "was", "as", "around", "about", "between", "the")
)  # fmt: skip


def decade_at(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """the nineties, the 1990s, the 90s."""
    start = skip(tokens, at, "the", "in", "during")
    start = skip(tokens, start, "the")
    word = word_at(tokens, start)
    if word in _DECADES:
        return replace(years(1900 + _DECADES[word], 10, now), fixed=False), start + 1
    plural = start + 1 < len(tokens) and word_at(tokens, start + 1) == "s" and tokens[start + 1].glued
    if plural and word.isdecimal() and word.endswith("0") and len(word) in (2, 4):
        return years(int(word) + (1900 if len(word) == 2 else 0), 10, now), start + 2
    return None


def years(first: int, n: int, now: datetime) -> Span:
    grain = {1: "year", 10: "decade", 100: "century"}[n]
    return span(at_midnight(date(first, 1, 1), now), at_midnight(date(first + n, 1, 1), now), grain)
