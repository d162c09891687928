"""Durations: "an hour and a half", "2h30m", "three quarters of an hour", "a fortnight"."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from assistant.quantities.numbers import number_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

SECONDS: Final = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 30 * 86400, "quarter": 90 * 86400,
    "year": 365 * 86400,
}  # fmt: skip
_WORDS: Final = {
    "second": "s sec secs second seconds", "minute": "m min mins minute minutes mn", "hour": "h hr hrs hour hours",
    "day": "d day days", "week": "w wk wks week weeks", "month": "mo mos mth month months",
    "quarter": "quarters", "year": "y yr yrs year years",
}  # fmt: skip
UNITS: Final = {word: unit for unit, words in _WORDS.items() for word in words.split()}
_GLUED_ONLY: Final = frozenset({"s", "m", "h", "d", "w", "y", "mo"})  # "3 m" may be metres, "3m" hardly
_LONGER: Final = {"decade": ("year", 10), "decades": ("year", 10), "century": ("year", 100), "centuries": ("year", 100),
                  "fortnight": ("day", 14), "fortnights": ("day", 14), "weekend": ("day", 2),
                  "weekends": ("day", 2), "nights": ("day", 1)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Duration:
    """Amounts by unit (second to year), kept apart because a month is no fixed number of seconds."""

    parts: tuple[tuple[str, Fraction], ...]

    @property
    def seconds(self) -> Fraction:
        """Months count 30 days and years 365."""
        return sum((SECONDS[unit] * amount for unit, amount in self.parts), Fraction(0))

    @property
    def months(self) -> Fraction | None:
        """The length in months where it is made of these alone."""
        sizes = {"month": 1, "quarter": 3, "year": 12}
        if any(unit not in sizes for unit, _ in self.parts):
            return None
        return sum((sizes[unit] * amount for unit, amount in self.parts), Fraction(0))

    @property
    def grain(self) -> str:
        """The smallest unit named."""
        return self.parts[-1][0]


def duration_at(tokens: list[Token], at: int) -> tuple[Duration, int] | None:
    """The duration that stands there and where it ends."""
    found = _half_forms(tokens, at)
    if found is None:
        found = _part(tokens, at)
    if found is None:
        return None
    parts, end = [found[0]], found[1]
    while True:
        if half := _trailing_fraction(tokens, end, parts[-1][0]):
            parts[-1], end = (parts[-1][0], parts[-1][1] + half[0]), half[1]
            continue
        then = skip(tokens, end, ",", "and")
        following = _half_forms(tokens, then) or _part(tokens, then) or _bare_minutes(tokens, then, parts[-1][0])
        if following is None or not (_is_smaller(following[0], parts[-1]) or (then == end and len(parts) == 1)):
            return Duration(tuple(parts)), end
        parts.append(following[0])
        end = following[1]


def _is_smaller(part: tuple[str, Fraction], than: tuple[str, Fraction]) -> bool:
    return SECONDS[part[0]] < SECONDS[than[0]]


_GOES_ON: Final = frozenset({"ago", "later", "from", "before", "after", "and", "or", "please", "timer", "is", "of",
                            "to", "more", "per", "earlier", "hence"})  # fmt: skip


def _part(tokens: list[Token], at: int) -> tuple[tuple[str, Fraction], int] | None:
    """One number with a unit."""
    word = word_at(tokens, at)
    if word == "all" and word_at(tokens, then := skip(tokens, at + 1, "-")) in ("day", "week", "night"):
        return (UNITS.get(word_at(tokens, then), "day"), Fraction(1)), then + 1
    if (
        phrase_at(tokens, at, "a", "second")
        and word_at(tokens, at + 2).isalpha()
        and word_at(tokens, at + 2) not in _GOES_ON
    ):
        return None  # a second round
    if word in ("a", "an", "another", "one") and (unit := _unit(tokens, at + 1, spelt=True)):
        return (unit[0], Fraction(unit[1])), unit[2]
    number = number_at(tokens, at, suffixes=False)
    if number and (half := phrase_at(tokens, number[1], "and", "an", "half")):
        number = (number[0] + Fraction(1, 2), half)
    if number is None and word in ("few", "several"):
        number = (Fraction(3), at + 1)
    if number is None and word == "a" and word_at(tokens, at + 1) == "few":
        number = (Fraction(3), at + 2)
    if number is None or number[0] < 0:
        return None
    then = skip(tokens, number[1], "-", "more", "less", "extra")
    then = skip(tokens, then, "a", "an", "of") if number[0] < 1 or word_at(tokens, then) == "of" else then
    unit = _unit(tokens, then, spelt=False)
    return ((unit[0], number[0] * unit[1]), unit[2]) if unit else None


def _unit(tokens: list[Token], at: int, spelt: bool) -> tuple[str, int, int] | None:
    word = word_at(tokens, at)
    if word == "business" and word_at(tokens, at + 1) in ("day", "days"):
        return "day", 1, at + 2
    if word in _LONGER:
        return (*_LONGER[word], at + 1)
    if word not in UNITS or (spelt and len(word) < 3):
        return None
    if word == "h" and word_at(tokens, at - 1).isdecimal() and len(word_at(tokens, at - 1)) > 3:
        return None  # a year and its half
    if word in _GLUED_ONLY and word != "h" and not tokens[at].glued:
        return None
    if word == "m" and word_at(tokens, at - 1).isdecimal() and not tokens[at].glued:
        return None
    return UNITS[word], 1, at + 1


def _half_forms(tokens: list[Token], at: int) -> tuple[tuple[str, Fraction], int] | None:
    """half an hour, a half hour, quarter of an hour, three quarters of an hour, half-hour."""
    for words, part in (
        (("three", "quarters", "of"), Fraction(3, 4)),
        (("three", "quarter", "of"), Fraction(3, 4)),
        (("a", "quarter", "of"), Fraction(1, 4)),
        (("quarter", "of"), Fraction(1, 4)),
        (("a", "quarter"), Fraction(1, 4)),
        (("half", "a"), Fraction(1, 2)),
        (("half", "an"), Fraction(1, 2)),
        (("a", "half"), Fraction(1, 2)),
        (("half",), Fraction(1, 2)),
        (("1", "/", "2"), Fraction(1, 2)),
        (("1", "/", "4"), Fraction(1, 4)),
        (("3", "/", "4"), Fraction(3, 4)),
    ):
        if then := phrase_at(tokens, at, *words):
            then = skip(tokens, then, "a", "an", "-")
            unit = _unit(tokens, then, spelt=word_at(tokens, then) != "h")
            if unit:
                return (unit[0], part * unit[1]), unit[2]
    return None


def _trailing_fraction(tokens: list[Token], at: int, unit: str) -> tuple[Fraction, int] | None:
    """hour and a half, hour and half, hour and a quarter."""
    for words, part in (
        (("and", "a", "half"), Fraction(1, 2)),
        (("and", "half"), Fraction(1, 2)),
        (("and", "a", "quarter"), Fraction(1, 4)),
        (("and", "three", "quarters"), Fraction(3, 4)),
    ):
        then = phrase_at(tokens, at, *words)
        if then and _unit(tokens, skip(tokens, then, "a", "an"), spelt=True) is None:
            return part, then
    return None


def _bare_minutes(tokens: list[Token], at: int, unit: str) -> tuple[tuple[str, Fraction], int] | None:
    """two hours ten; 1 hour and thirty."""
    smaller = {"hour": "minute", "minute": "second"}.get(unit)
    number = number_at(tokens, at, suffixes=False) if smaller else None
    if smaller is None or number is None or not 0 < number[0] < 60 or number[0] != int(number[0]):
        return None
    following = word_at(tokens, number[1])
    if following and following not in (".", ",", "!", "?", "timer", "please", "from", "ago", "later"):
        return None
    return (smaller, number[0]), number[1]
