"""Days relative to today: names, weekdays, dates in words and digits, the nth weekday of a month."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta

from assistant.quantities import clock
from assistant.quantities.day_names import LAST, MONTHS, NEXT, THIS, WEEKDAYS
from assistant.quantities.month_days import Day, dotted, edge, iso, month_at, month_day, ordinal_day, slashed
from assistant.quantities.ordinals import ordinal_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

# -- days ------------------------------------------------------------------------------------------------------------


def day_at(tokens: list[Token], at: int, now: datetime) -> Day | None:
    today = now.date()
    return (
        _named_day(tokens, at, today)
        or _nth_weekday(tokens, at, today)
        or _weekday(tokens, at, today)
        or iso(tokens, at)
        or dotted(tokens, at)
        or month_day(tokens, at, today)
        or slashed(tokens, at, today)
        or ordinal_day(tokens, at, today)
        or edge(tokens, at, today)
    )


def _named_day(tokens: list[Token], at: int, today: date) -> Day | None:
    for words, days in (
        (("today",), 0), (("tonight",), 0), (("tomorrow",), 1), (("tmrw",), 1), (("tmr",), 1), (("tomorrows",), 1),
        (("yesterday",), -1), (("the", "day", "after", "tomorrow"), 2), (("day", "after", "tomorrow"), 2),
        (("the", "day", "before", "yesterday"), -2), (("day", "before", "yesterday"), -2), (("the", "next", "day"), 1),
        (("next", "day"), 1), (("the", "day"), 0), (("this", "day"), 0), (("same", "day"), 0), (("last", "day"), -1),
    ):  # fmt: skip
        if (then := phrase_at(tokens, at, *words)) and word_at(tokens, then) not in ("of", "in"):
            if words == ("tonight",):
                then = at  # left for the part of the day
                return today, at + (word_at(tokens, at + 1) == "" or 1), True
            return today + timedelta(days=days), then, True
    if word_at(tokens, at) == "this" and clock.part_of_day(tokens, at)[0]:
        return today, at, True
    if word_at(tokens, at) == "last" and word_at(tokens, at + 1) == "night":
        return today - timedelta(days=1), at + 1, True
    return None


def _weekday(tokens: list[Token], at: int, today: date) -> Day | None:
    """Monday, next Friday, this Tuesday, last Sunday, Monday next week, Friday in two weeks."""
    word, start = word_at(tokens, at), at
    modifier = ""
    if word in (*NEXT, *LAST, *THIS) and word_at(tokens, at + 1) == "week" and word_at(tokens, at + 2) in WEEKDAYS:
        monday = today - timedelta(days=today.weekday() - 7 * ((word in NEXT) - (word in LAST)))
        return monday + timedelta(days=WEEKDAYS[word_at(tokens, at + 2)]), at + 3, True
    if word in (*NEXT, *LAST, *THIS):
        modifier, start = word, at + 1
    name = word_at(tokens, start)
    if name not in WEEKDAYS or (name in ("sun", "sat", "mon", "wed") and not modifier and _not_a_day(tokens, start)):
        return None
    end = start + 1 + (word_at(tokens, start + 1) == "." and start + 2 < len(tokens))
    ahead = (WEEKDAYS[name] - today.weekday()) % 7
    monday = today - timedelta(days=today.weekday())
    if modifier and (dated := slashed(tokens, end, today)):  # next Friday 5/12
        return dated
    if modifier in ("next", "following"):
        return monday + timedelta(days=7 + WEEKDAYS[name]), end, True
    if modifier in LAST:
        return monday + timedelta(days=WEEKDAYS[name] - 7), end, True
    if modifier in THIS:
        return monday + timedelta(days=WEEKDAYS[name]), end, True
    for words, weeks in (
        (("next", "week"), 1), (("of", "next", "week"), 1), (("last", "week"), -1), (("of", "last", "week"), -1),
        (("this", "week"), 0), (("of", "this", "week"), 0), (("after", "next"), 1),
    ):  # fmt: skip
        if then := phrase_at(tokens, end, *words):
            if words == ("after", "next"):
                return today + timedelta(days=(ahead or 7) + 7), then, True
            return monday + timedelta(days=7 * weeks + WEEKDAYS[name]), then, True
    then = skip(tokens, end, ",", "the")
    if dated := month_day(tokens, then, today) or slashed(tokens, then, today):
        return dated
    if (nth := ordinal_at(tokens, then) or _bare_day(tokens, then)) and 1 <= nth[0] <= 31:
        return _next_with(today, nth[0], WEEKDAYS[name]), nth[1], True
    return today + timedelta(days=ahead or 7), end, False


def _not_a_day(tokens: list[Token], at: int) -> bool:
    """ "sun" and "sat" are words too: a day only at the end, before a time, a date or a comma."""
    following = word_at(tokens, at + 1)
    return (
        bool(following)
        and following not in (",", ".", "at", "the", "from", "and", "or", "morning", "evening")
        and (not following[0].isdecimal() and following not in MONTHS)
    )


def _bare_day(tokens: list[Token], at: int) -> tuple[int, int] | None:
    """Friday 31: too late a number for an hour, and nothing behind it that makes it one."""
    word, following = word_at(tokens, at), word_at(tokens, at + 1)
    plain = word.isdecimal() and len(word) == 2 and 24 < int(word) <= 31
    return (int(word), at + 1) if plain and not (following.isalnum() or following in (":", "%", "°")) else None


def _next_with(today: date, day: int, weekday: int) -> date:
    """The next day of a month with this number on this weekday."""
    year, month = today.year, today.month
    for _ in range(120):
        if day <= calendar.monthrange(year, month)[1]:
            found = date(year, month, day)
            if found >= today and found.weekday() == weekday:
                return found
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return today


def _nth_weekday(tokens: list[Token], at: int, today: date) -> Day | None:
    """first Monday of October, last Friday of this month, third Thursday in November 2025."""
    start = skip(tokens, at, "the")
    nth = (-1, start + 1) if word_at(tokens, start) == "last" else ordinal_at(tokens, start)
    if nth is None or not -1 <= nth[0] <= 5:
        return None
    name = word_at(tokens, nth[1])
    if name not in WEEKDAYS or word_at(tokens, nth[1] + 1) not in ("of", "in"):
        return None
    month = month_at(tokens, skip(tokens, nth[1] + 2, "the"), today)
    if month is None:
        return None
    (year, number), end, given = month
    found = nth_weekday(year, number, WEEKDAYS[name], nth[0])
    if found and found < today and not given:
        found = nth_weekday(year + 1, number, WEEKDAYS[name], nth[0])
    return (found, end, True) if found else None


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> date | None:
    days = [d for d in range(1, calendar.monthrange(year, month)[1] + 1) if date(year, month, d).weekday() == weekday]
    return date(year, month, days[nth - 1 if nth > 0 else nth]) if nth <= len(days) and nth != 0 else None
