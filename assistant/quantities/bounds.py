"""Amounts that are limits: "more than 5 km", "at most six pounds", "between 3 and 4 litres", "5-6 mm"."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from assistant.quantities.amounts import Amount, amount_at
from assistant.quantities.durations import duration_at
from assistant.quantities.numbers import number_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at


@dataclass(frozen=True, slots=True)
class Bounds:
    """From `low` to `high` of a unit; None is no limit on that side. `kind` as in Amount."""

    kind: str
    low: Fraction | None
    high: Fraction | None
    unit: str


_LEAST: Final = (("more", "than"), ("over",), ("above",), ("exceeding",), ("at", "least"), ("no", "less", "than"),
                 ("not", "less", "than"), ("greater", "than"), ("minimum", "of"))  # fmt: skip
_MOST: Final = (("less", "than"), ("under",), ("below",), ("at", "most"), ("no", "more", "than"), ("up", "to"),
                ("fewer", "than"), ("not", "more", "than"), ("maximum", "of"))  # fmt: skip
_ABOUT: Final = ("about", "around", "approximately", "exactly", "roughly", "near")


def bounds_at(tokens: list[Token], at: int) -> tuple[Bounds, int] | None:
    """The limits that stand there and where they end."""
    for limits, low in ((_LEAST, True), (_MOST, False)):
        for words in limits:
            then = phrase_at(tokens, at, *words)
            found = amount_at(tokens, skip(tokens, then, *_ABOUT)) if then else None
            if found:
                amount, end = found
                value = amount.value
                return Bounds(amount.kind, value if low else None, None if low else value, amount.unit), end
    return _between(tokens, at)


def _between(tokens: list[Token], at: int) -> tuple[Bounds, int] | None:
    opened = word_at(tokens, at) in ("between", "from")
    start = skip(tokens, at + opened, *_ABOUT)
    first = amount_at(tokens, start)
    number = number_at(tokens, start, suffixes=False)
    readings = [(first[0].value, first[0].unit, first[1])] if first else []
    readings += [(number[0], "", number[1])] if number else []
    for low, unit, end in readings:
        joined = word_at(tokens, end)
        if not (joined in ("-", "–") or (opened and joined in ("and", "to"))):
            continue
        second = amount_at(tokens, skip(tokens, end + 1, *_ABOUT))
        length = duration_at(tokens, skip(tokens, end + 1, *_ABOUT)) if not unit else None
        if length and len(length[0].parts) == 1 and low < length[0].parts[0][1]:  # 3-5 days
            of, high = length[0].parts[0]
            return Bounds("duration", low, high, of), length[1]
        if second and (not unit or unit == second[0].unit) and low < second[0].value:
            return _pair(low, second[0]), second[1]
    return None


def _pair(low: Fraction, high: Amount) -> Bounds:
    return Bounds(high.kind, low, high.value, high.unit)
