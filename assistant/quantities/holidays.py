"""Holidays: fixed days, the nth weekday of a month, and what counts from Easter. Those of North America and Europe."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from assistant.quantities.days import day_at, nth_weekday
from assistant.quantities.month_days import year_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

_HOLIDAYS: Final = {
    ("christmas", "eve"): (12, 24), ("xmas", "eve"): (12, 24), ("christmas", "day"): (12, 25), ("christmas",): (12, 25),
    ("xmas", "day"): (12, 25), ("xmas",): (12, 25), ("boxing", "day"): (12, 26), ("new", "year's", "eve"): (12, 31),
    ("new", "years", "eve"): (12, 31), ("new", "year's", "day"): (1, 1), ("new", "years", "day"): (1, 1),
    ("new", "year's"): (1, 1), ("new", "years"): (1, 1), ("new", "year", "eve"): (12, 31), ("halloween",): (10, 31),
    ("halloween", "day"): (10, 31), ("valentine's", "day"): (2, 14), ("valentine", "day"): (2, 14),
    ("valentines", "day"): (2, 14), ("independence", "day"): (7, 4), ("april", "fools"): (4, 1), ("may", "day"): (5, 1),
    ("st", "patrick's", "day"): (3, 17), ("earth", "day"): (4, 22), ("women's", "day"): (3, 8), ("labour", "day"): (5,
    1),
    ("veterans", "day"): (11, 11), ("epiphany",): (1, 6), ("groundhog", "day"): (2, 2), ("all", "saints", "day"): (11,
    1),
    ("all", "saints'", "day"): (11, 1), ("new", "year", "day"): (1, 1),
    ("boss's", "day"): (10, 16), ("bosses", "day"): (10, 16), ("st", "patrick's"): (3, 17),
    ("king's", "day"): (4, 27), ("koningsdag",): (4, 27), ("world", "vegan", "day"): (11, 1), ("canada", "day"): (7, 1),
    ("bastille", "day"): (7, 14), ("guy", "fawkes", "day"): (11, 5), ("bonfire", "night"): (11, 5),
    ("anzac", "day"): (4, 25), ("australia", "day"): (1, 26), ("juneteenth",): (6, 19), ("flag", "day"): (6, 14),
    ("remembrance", "day"): (11, 11), ("armistice", "day"): (11, 11), ("cinco", "de", "mayo"): (5, 5),
    ("all", "souls", "day"): (11, 2), ("st", "nicholas", "day"): (12, 6), ("candlemas",): (2, 2),
    ("vaisakhi",): (4, 14),
}  # fmt: skip
_SYNONYMS: Final = {  # another word for the first of a name
    "great": "good", "holy": "good", "covenant": "maundy", "branch": "palm", "sheer": "maundy", "fat": "shrove",
    "saint": "st", "paddy's": "patrick's", "patrick": "patrick's",
}  # fmt: skip
_FLOATING: Final = {  # month, weekday, which
    ("thanksgiving",): (11, 3, 4), ("thanksgiving", "day"): (11, 3, 4), ("labor", "day"): (9, 0, 1),
    ("black", "friday"): (11, 3, 4), ("cyber", "monday"): (11, 3, 4),
    ("memorial", "day"): (5, 0, -1), ("mother's", "day"): (5, 6, 2), ("mothers", "day"): (5, 6, 2),
    ("father's", "day"): (6, 6, 3), ("fathers", "day"): (6, 6, 3), ("martin", "luther", "king", "day"): (1, 0, 3),
    ("mlk", "day"): (1, 0, 3), ("president's", "day"): (2, 0, 3), ("presidents", "day"): (2, 0, 3),
    ("columbus", "day"): (10, 0, 2), ("grandparents", "day"): (9, 6, 1), ("indigenous", "peoples", "day"): (10, 0, 2),
}  # fmt: skip
_AFTER: Final[dict[tuple[str, ...], int]] = {
    ("black", "friday"): 1,
    ("cyber", "monday"): 4,
}  # days behind the weekday they count from
_ON_WEEKENDS: Final[dict[tuple[str, ...], dict[int, int]]] = {  # moved off a Saturday (5) or a Sunday (6)
    ("king's", "day"): {6: -1}, ("koningsdag",): {6: -1}, ("boss's", "day"): {5: -1, 6: 1},
    ("bosses", "day"): {5: -1, 6: 1},
}  # fmt: skip
_EASTER: Final[dict[tuple[str, ...], int]] = {
    ("easter", "monday"): 1, ("easter", "mon"): 1, ("easter", "sunday"): 0, ("easter",): 0, ("good", "friday"): -2,
    ("ash", "wednesday"): -46, ("palm", "sunday"): -7, ("maundy", "thursday"): -3, ("ascension", "day"): 39,
    ("pentecost",): 49, ("whit", "sunday"): 49, ("whit", "monday"): 50, ("corpus", "christi"): 60,
    ("shrove", "tuesday"): -47, ("mardi", "gras"): -47, ("pancake", "day"): -47, ("trinity", "sunday"): 56,
}  # fmt: skip


def holiday_at(tokens: list[Token], at: int, today: date) -> tuple[date, int, bool] | None:
    """The holiday that stands there; of the current year, or the next if it has passed."""
    shift = {"next": 0, "last": -1, "this": 0, "previous": -1}.get(word_at(tokens, at))
    start = at + 1 if shift is not None else at
    orthodox = word_at(tokens, start) in ("orthodox", "greek")
    start += orthodox
    named = _named(tokens, start)
    if named is None or (orthodox and named[0] not in _EASTER):
        return None
    words, then = named

    def day(year: int) -> date:
        return _holiday_in(words, year, orthodox)

    if year := year_at(tokens, skip(tokens, then, ",", "of", "in")):
        return day(year[0]), year[1], True
    for later, by in ((("next", "year"), 1), (("last", "year"), -1), (("this", "year"), 0)):
        if past := phrase_at(tokens, then, *later):
            return day(today.year + by), past, True
    found = day(today.year)
    if shift == -1:
        found = found if found < today else day(today.year - 1)
    elif found < today:
        found = day(today.year + 1)
    return found, then, False


def _named(tokens: list[Token], at: int) -> tuple[tuple[str, ...], int] | None:
    """The longest name that stands there, also by the synonyms of its words and short weekdays."""
    if word_at(tokens, at) not in _BEGINNINGS:
        return None
    for words in _BY_LENGTH:
        said = (word_at(tokens, at + i) for i in range(len(words)))
        if all(
            s == w or _SYNONYMS.get(s) == w or (w in _SHORT and s == _SHORT[w])
            for s, w in zip(said, words, strict=True)
        ):
            end = at + len(words)
            return words, end
    return None


_SHORT: Final = {"friday": "fri", "thursday": "thu", "sunday": "sun", "monday": "mon", "wednesday": "wed",
                 "tuesday": "tue"}  # fmt: skip
_BY_LENGTH: Final = sorted((*_HOLIDAYS, *_FLOATING, *_EASTER), key=len, reverse=True)
_BEGINNINGS: Final = {*(words[0] for words in _BY_LENGTH), *_SYNONYMS, *_SHORT.values()}  # no other word begins a name


def _holiday_in(words: tuple[str, ...], year: int, orthodox: bool = False) -> date:
    if words in _HOLIDAYS:
        day = date(year, *_HOLIDAYS[words])
        return day + timedelta(days=_ON_WEEKENDS.get(words, {}).get(day.weekday(), 0))
    if words in _FLOATING:
        month, weekday, which = _FLOATING[words]
        day = nth_weekday(year, month, weekday, which) or date(year, month, 1)
        return day + timedelta(days=_AFTER.get(words, 0))
    return (orthodox_easter(year) if orthodox else easter(year)) + timedelta(days=_EASTER[words])


def easter(year: int) -> date:
    """Gregorian Easter Sunday (Meeus/Jones/Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def orthodox_easter(year: int) -> date:
    """Easter Sunday of the churches of the Julian calendar, as a Gregorian date (Meeus)."""
    d = (19 * (year % 19) + 15) % 30
    e = (2 * (year % 4) + 4 * (year % 7) - d + 34) % 7
    month, day = divmod(d + e + 114, 31)
    return date(year, month, day + 1) + timedelta(days=year // 100 - year // 400 - 2)


def any_day(tokens: list[Token], at: int, now: datetime) -> tuple[date, int, bool] | None:
    """The holiday or other day that stands there, where it ends, and whether nothing about it was left open."""
    return holiday_at(tokens, at, now.date()) or day_at(tokens, at, now)
