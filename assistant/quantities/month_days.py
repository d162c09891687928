"""Days of a month: "march 3", "3rd of March 2015", 10/31, 2024-05-01, "the 3rd", "the last day of May"."""

from __future__ import annotations

import calendar
from datetime import date

from assistant.quantities.day_names import MONTHS, WEEKDAYS
from assistant.quantities.number_words import ONES, TENS
from assistant.quantities.numbers import number_at
from assistant.quantities.ordinals import ordinal_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

Day = tuple[date, int, bool]  # the day, where it ends, whether its year was given or follows


def month_at(tokens: list[Token], at: int, today: date) -> tuple[tuple[int, int], int, bool] | None:
    """A month: October, October 2025, next month, this month; ((year, month), end, whether the year is certain)."""
    for words, months in ((("this", "month"), 0), (("the", "month"), 0), (("current", "month"), 0), (("month",), 0),
                          (("next", "month"), 1), (("last", "month"), -1), (("previous", "month"), -1)):  # fmt: skip
        if then := phrase_at(tokens, at, *words):
            total = today.year * 12 + today.month - 1 + months
            return (total // 12, total % 12 + 1), then, True
    number = MONTHS.get(word_at(tokens, at))
    if number is None:
        return None
    end = at + 1 + (word_at(tokens, at + 1) == "." and word_at(tokens, at + 2)[:1].isdecimal())
    then = skip(tokens, end, ",", "of", "/", "-")
    if year := year_at(tokens, then):
        return (year[0], number), year[1], True
    return (today.year, number), end, False


def year_at(tokens: list[Token], at: int) -> tuple[int, int] | None:
    """2024, '24, nineteen eighty six, two thousand and five."""
    word = word_at(tokens, at)
    if word.isdecimal() and len(word) == 4 and 1200 <= int(word) <= 2999 and word_at(tokens, at + 1) != ":":
        return int(word), at + 1
    if word == "'" and word_at(tokens, at + 1).isdecimal() and len(word_at(tokens, at + 1)) == 2:
        short = int(word_at(tokens, at + 1))
        return short + (2000 if short < 50 else 1900), at + 2
    if word in ("nineteen", "eighteen", "twenty") and (word_at(tokens, at + 1) in TENS or _teen(tokens, at + 1)):
        century = {"eighteen": 1800, "nineteen": 1900, "twenty": 2000}[word]
        if _teen(tokens, at + 1):
            return century + ONES[word_at(tokens, at + 1)], at + 2
        year, end = century + TENS[word_at(tokens, at + 1)], at + 2
        if 0 < ONES.get(word_at(tokens, end), 0) < 10:
            year, end = year + ONES[word_at(tokens, end)], end + 1
        return year, end
    if word == "two" and word_at(tokens, at + 1) == "thousand":
        number = number_at(tokens, at)
        return (int(number[0]), number[1]) if number and number[0] < 2100 else None
    return None


def _teen(tokens: list[Token], at: int) -> bool:
    return 10 <= ONES.get(word_at(tokens, at), 0) < 20


def iso(tokens: list[Token], at: int) -> Day | None:
    """2024-05-01, 2024/5/1, 2024.05.01 as three tokens."""
    word, sign = word_at(tokens, at), word_at(tokens, at + 1)
    if len(word) != 4 or not word.isdecimal() or sign not in ("-", "/") or word_at(tokens, at + 3) != sign:
        return None
    month, day = word_at(tokens, at + 2), word_at(tokens, at + 4)
    found = _date(int(word), month, day)
    return (found, at + 5 + (word_at(tokens, at + 5) == "t"), True) if found else None


def dotted(tokens: list[Token], at: int) -> Day | None:
    """23.04.2022: the day first, as wherever dates have dots."""
    day, _, month = word_at(tokens, at).partition(".")
    year = word_at(tokens, at + 1)
    if not (day.isdecimal() and month.isdecimal() and year[:1] == "." and len(year) == 5 and tokens[at + 1].glued):
        return None
    found = _date(int(year[1:]), month, day)
    return (found, at + 2, True) if found else None


def slashed(tokens: list[Token], at: int, today: date) -> Day | None:
    """10/31/1974, 31/10/74 (where the first cannot be a month), 10/31, 5-12-2015."""
    first, sign, second = word_at(tokens, at), word_at(tokens, at + 1), word_at(tokens, at + 2)
    if not (first.isdecimal() and second.isdecimal() and sign in ("/", "-") and len(first) < 3 and len(second) < 3):
        return None
    if not tokens[at + 1].glued:
        return None
    month, day = (second, first) if int(first) > 12 else (first, second)
    year = word_at(tokens, at + 4) if word_at(tokens, at + 3) == sign else ""
    if year.isdecimal() and len(year) in (2, 4):
        number = int(year) + (0 if len(year) == 4 else _century(int(year), today))
        found = _date(number, month, day)
        return (found, at + 5, True) if found else None
    if sign == "-":
        return None
    found = _date(today.year, month, day)
    if found and found < today:
        found = _date(today.year + 1, month, day)
    return (found, at + 3, False) if found else None


def _century(short: int, today: date) -> int:
    """Of a year in two digits: at most twenty years ahead, else the past."""
    this = today.year // 100 * 100
    return this if this + short <= today.year + 20 else this - 100


def _date(year: int, month: str, day: str) -> date | None:
    try:
        return date(year, int(month), int(day))
    except ValueError:
        return None


def month_day(tokens: list[Token], at: int, today: date) -> Day | None:
    """march 3, 3rd of march 2015, the ninth of october, 12-mar-2015, march the 3rd."""
    start = skip(tokens, at, "the")
    number = MONTHS.get(word_at(tokens, start))
    first = start if number is not None else -1
    if number is not None:
        then = skip(tokens, start + 1, ".", "the", "-", "/", ",")
        day = day_number(tokens, then)
        if day is None or word_at(tokens, day[1]) == ":":
            return None
        number_of_day, end = day
    else:
        day = day_number(tokens, start)
        if day is None or word_at(tokens, start - 1) in ("$", "€", "£"):
            return None
        then = skip(tokens, day[1], "of", "the", "-", "/", "day")
        months = {**MONTHS}
        number_of_day = day[0]
        if word_at(tokens, then) in ("this", "next", "last", "current"):
            month = month_at(tokens, then, today)
            if month is None:
                return None
            return _whole(month[0][0], month[0][1], number_of_day, month[1])
        number = months.get(word_at(tokens, then))
        if number is None:
            return None
        end = then + 1 + (word_at(tokens, then + 1) == "." and word_at(tokens, then + 2)[:1].isdecimal())
    then = skip(tokens, end, ",", "of", "-", "/", "in")
    if year := year_at(tokens, then):
        return _whole(year[0], number, number_of_day, year[1])
    if (
        word_at(tokens, end) in ("-", "/")
        and word_at(tokens, end + 1).isdecimal()
        and len(word_at(tokens, end + 1)) == 2
        and not (start == first and number_of_day < int(word_at(tokens, end + 1)) <= 31)  # July 13-15 are days
    ):
        short = int(word_at(tokens, end + 1))
        return _whole(short + _century(short, today), number, number_of_day, end + 2)
    weekday = WEEKDAYS.get(word_at(tokens, skip(tokens, end, ",", "a", "on")))
    if weekday is not None and word_at(tokens, end) == ",":  # Jul 18, Fri
        years = (d for y in range(8) if (d := _date(today.year + y, str(number), str(number_of_day))))
        if said := next((d for d in years if d >= today and d.weekday() == weekday), None):
            return said, skip(tokens, end, ",", "a", "on") + 1, True
    found = _date(today.year, str(number), str(number_of_day))
    if found and found < today:
        found = _date(today.year + 1, str(number), str(number_of_day))
    return (found, end, False) if found else None


def _whole(year: int, month: int, day: int, end: int) -> Day | None:
    found = _date(year, str(month), str(day))
    return (found, end, True) if found else None


def day_number(tokens: list[Token], at: int) -> tuple[int, int] | None:
    if nth := ordinal_at(tokens, at):
        return nth if 1 <= nth[0] <= 31 else None
    word = word_at(tokens, at)
    if word.isdecimal() and len(word) <= 2 and 1 <= int(word) <= 31:
        return int(word), at + 1
    if word in ONES or word in TENS:
        number = number_at(tokens, at, suffixes=False)
        if number and 1 <= number[0] <= 31 and number[0] == int(number[0]):
            return int(number[0]), number[1]
        if word in TENS and TENS[word] < 40:
            return TENS[word], at + 1
    return None


def ordinal_day(tokens: list[Token], at: int, today: date) -> Day | None:
    """the 3rd: the next one."""
    if word_at(tokens, at) != "the" and word_at(tokens, at - 1) not in ("the", "on"):
        return None
    start = skip(tokens, at, "the")
    nth = ordinal_at(tokens, start)
    if nth is None or not 1 <= nth[0] <= 31 or not word_at(tokens, start)[:1].isdecimal():
        return None
    if word_at(tokens, nth[1]) in ("week", "month", "quarter", "year", "time", "day", "floor", "of", "hour"):
        return None
    found = _next_numbered(nth[0], today)
    return (found, nth[1], False) if found else None


def bare_day(tokens: list[Token], at: int, today: date) -> Day | None:
    """the 17: a day only where what follows makes it one, as in "the 17 from 2 to 4pm"."""
    start = skip(tokens, at, "on")
    word = word_at(tokens, start + 1)
    if word_at(tokens, start) != "the" or not word.isdecimal() or len(word) > 2 or not 1 <= int(word) <= 31:
        return None
    found = _next_numbered(int(word), today)
    return (found, start + 2, False) if found else None


def _next_numbered(day: int, today: date) -> date | None:
    year, month = today.year, today.month
    for _ in range(13):
        found = _date(year, str(month), str(day))
        if found and found >= today:
            return found
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return None


def edge(tokens: list[Token], at: int, today: date) -> Day | None:
    """the end of the month, end of year: its last day."""
    start = skip(tokens, at, "the")
    if (nth := ordinal_at(tokens, start)) and (then := phrase_at(tokens, nth[1], "last", "day", "of")):
        month = month_at(tokens, skip(tokens, then, "the"), today)
        if month and 1 <= nth[0] <= 28:
            (year, number), end, _ = month
            return date(year, number, calendar.monthrange(year, number)[1] - nth[0] + 1), end, True
    if nth and word_at(tokens, nth[1]) == "day" and word_at(tokens, nth[1] + 1) in ("of", "in"):
        month = month_at(tokens, skip(tokens, nth[1] + 2, "the"), today)
        return _whole(month[0][0], month[0][1], nth[0], month[1]) if month else None
    for words in (("end", "of"), ("last", "day", "of"), ("last", "day", "in")):
        if not (then := phrase_at(tokens, start, *words)):
            continue
        if words[0] == "last" and (month := month_at(tokens, skip(tokens, then, "the"), today)):
            (year, number), end, _ = month
            return date(year, number, calendar.monthrange(year, number)[1]), end, True
        for of, day in ((("day",), today), (("the", "day"), today)):
            if past := phrase_at(tokens, then, *of):
                return day, past, True
    return None
