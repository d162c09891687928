"""What happens again and again: "every two weeks", "daily", "6am everyday", "mornings", "each Monday at 9"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from assistant.quantities.clock import PARTS_OF_DAY, TimeOfDay, time_at
from assistant.quantities.day_names import WEEKDAYS
from assistant.quantities.durations import UNITS, Duration
from assistant.quantities.numbers import number_at
from assistant.quantities.ordinals import ordinal_at
from assistant.quantities.tokens import Token, skip, word_at


@dataclass(frozen=True, slots=True)
class Recurring:
    """`every` is the distance; `weekdays` (0 is Monday) and `time` narrow it."""

    every: Duration
    weekdays: tuple[int, ...] = ()
    time: TimeOfDay | None = None


_ADVERBS: Final = {
    "daily": ("day", 1), "everyday": ("day", 1), "nightly": ("day", 1), "weekly": ("week", 1), "monthly": ("month", 1),
    "yearly": ("year", 1), "annually": ("year", 1), "annual": ("year", 1), "hourly": ("hour", 1),
    "quarterly": ("quarter", 1), "biweekly": ("week", 2), "fortnightly": ("week", 2), "bimonthly": ("month", 2),
    "semiannual": ("month", 6), "semiannually": ("month", 6), "biannual": ("month", 6), "biannually": ("month", 6),
    "weekdays": ("day", 1), "weekends": ("week", 1), "triweekly": ("week", 3),
}  # fmt: skip
_DAYS: Final = {"weekday": (0, 1, 2, 3, 4), "workday": (0, 1, 2, 3, 4), "weekend": (5, 6)}


def recurring_at(tokens: list[Token], at: int, now: datetime) -> tuple[Recurring, int] | None:
    """The repetition that stands there and where it ends."""
    first = _repetition(tokens, at)
    if first:
        value, end = first
        time = time_at(tokens, skip(tokens, end, ",")) or time_at(tokens, end, bare=word_at(tokens, end) == "at")
        return (Recurring(value.every, value.weekdays, time[0]), time[1]) if time else (value, end)
    time = time_at(tokens, at)
    then = skip(tokens, time[1], ",") if time else 0
    if time and (following := _repetition(tokens, then)):
        return Recurring(following[0].every, following[0].weekdays, time[0]), following[1]
    return None


def _repetition(tokens: list[Token], at: int) -> tuple[Recurring, int] | None:
    word = word_at(tokens, at)
    if word in ("every", "each", "any") or (word == "on" and word_at(tokens, at + 1) in _PLURALS):
        return _each(tokens, at + 1, word)
    if word in ("semi", "bi") and (found := _ADVERBS.get(word + word_at(tokens, skip(tokens, at + 1, "-")))):
        return _plain(*found), skip(tokens, at + 1, "-") + 1
    counted = number_at(tokens, at - 1, suffixes=False) is not None  # three weekends are a length
    if word in _ADVERBS and not counted:
        return _plain(*_ADVERBS[word]), at + 1
    if word in _PLURALS and word_at(tokens, at - 1) != "the" and word_at(tokens, at + 1) not in ("ago", "from"):
        return Recurring(_plain("week", 1).every, _PLURALS[word]), at + 1
    if often := _so_often(tokens, at):
        return often
    if (nth := ordinal_at(tokens, skip(tokens, at, "the"))) and word_at(
        tokens, nth[1]
    ) == "of":  # the 19th of each month
        each = _each(tokens, nth[1] + 2, "every") if word_at(tokens, nth[1] + 1) in ("every", "each") else None
        if each and each[0].every.parts[0][0] in ("month", "year", "week"):
            return each
    parted = word.removesuffix("s")
    if word.endswith("s") and not counted and parted in PARTS_OF_DAY and word_at(tokens, at - 1) not in ("the", "of"):
        return _plain("day", 1), at + 1
    return None


def _so_often(tokens: list[Token], at: int) -> tuple[Recurring, int] | None:
    """once a day, twice per week, three times a month, one a day."""
    word = word_at(tokens, at)
    number = number_at(tokens, at, suffixes=False)
    if word in ("once", "twice"):
        n, then = (2 if word == "twice" else 1), at + 1
    elif number and number[0] == int(number[0]) and 0 < number[0] < 100:
        n, then = int(number[0]), number[1]
        then += word_at(tokens, then) in ("times", "time")
    else:
        return None
    unit = (
        UNITS.get(word_at(tokens, then + 1)) if word_at(tokens, then) in ("a", "per", "an", "each", "every") else None
    )
    plain = unit in ("hour", "day", "week", "month", "year") and len(word_at(tokens, then + 1)) > 2
    return (Recurring(Duration(((str(unit), Fraction(1, n)),))), then + 2) if plain else None


_PLURALS: Final = {f"{name}s": (n,) for name, n in WEEKDAYS.items() if len(name) > 5}


def _plain(unit: str, n: int) -> Recurring:
    return Recurring(Duration(((unit, Fraction(n)),)))


def _each(tokens: list[Token], at: int, opening: str) -> tuple[Recurring, int] | None:
    """What follows "every"."""
    n, start = 1, at
    if word_at(tokens, start) in ("other", "second") and opening != "any":
        n, start = 2, start + 1
    elif number := number_at(tokens, start, suffixes=False):
        n, start = int(number[0]), number[1]
    elif nth := ordinal_at(tokens, start):
        n, start = nth[0], nth[1]
    start = skip(tokens, start, "single", "-")
    word = word_at(tokens, start)
    if (unit := UNITS.get(word)) and len(word) > 2:
        return _plain(unit, max(1, n)), start + 1
    singular = word.removesuffix("s")
    if singular in _DAYS:
        return Recurring(_plain("week", n).every, _DAYS[singular]), start + 1
    if word in PARTS_OF_DAY or singular in PARTS_OF_DAY:
        return _plain("day", n), start + 1
    days = []
    end = start
    while word_at(tokens, end) in WEEKDAYS:
        days.append(WEEKDAYS[word_at(tokens, end)])
        past = skip(tokens, end + 1, ",", "and")
        end = past if word_at(tokens, past) in WEEKDAYS else end + 1
    return (Recurring(_plain("week", n).every, tuple(days)), end) if days else None
