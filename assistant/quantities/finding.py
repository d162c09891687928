"""Everything with a value in a text: at each place the longest reading wins, and the search goes on behind it.

Where only some kinds are looked for, limits ("over 5 km"), repetitions and vague periods are still read, so that what
is inside them is not taken for a value of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from assistant.quantities.amounts import amount_at
from assistant.quantities.bounds import bounds_at
from assistant.quantities.dates import moment_at
from assistant.quantities.durations import duration_at
from assistant.quantities.numbers import number_at
from assistant.quantities.ordinals import ordinal_at
from assistant.quantities.periods import period_at
from assistant.quantities.powers import power_at
from assistant.quantities.ranges import range_at
from assistant.quantities.recurring import recurring_at
from assistant.quantities.tokens import Token, tokenise, word_at


@dataclass(frozen=True, slots=True)
class Found:
    """`kind`: number, ordinal, percent, currency, temperature, dimension, duration, time, date, datetime.
    `start` and `end` are places in the text."""

    kind: str
    start: int
    end: int
    value: Any


def find(text: str, now: datetime, kinds: Sequence[str] = ()) -> list[Found]:
    """What has a value, in the order of the text; only of these kinds if any are given."""
    nowhere = [m.span() for pattern in (_ADDRESS, _TAG) for m in pattern.finditer(text)]
    tokens = [t for t in tokenise(text) if not any(start <= t.start < end for start, end in nowhere)]
    found, at = [], 0
    while at < len(tokens):
        best = _longest(tokens, at, now, kinds)
        if best is None:
            at += 1
            continue
        kind, value, end = best
        vague = kind == "span" and value.is_vague
        if vague or (kinds and kind not in kinds):  # recognised, and not what is looked for
            at = end
            continue
        found.append(Found(kind, tokens[at].start, tokens[end - 1].end, value))
        at = max(end, at + 1)
    return found


def _longest(tokens: list[Token], at: int, now: datetime, kinds: Sequence[str]) -> tuple[str, Any, int] | None:
    readings: list[tuple[str, Any, int]] = []

    def attempt(kind: str, parser: Callable[..., Any], *extra: Any) -> None:
        result = parser(tokens, at, *extra)
        if result is not None and result[1] > at:
            value, end = result
            readings.append((_kind_of(kind, value), value, end))

    if not kinds or "span" in kinds:
        attempt("recurring", recurring_at, now)
        attempt("span", _within_the_calendar, range_at, now)
        attempt("span", _within_the_calendar, period_at, now)
    attempt("moment", _within_the_calendar, moment_at, now)
    attempt("duration", duration_at)
    attempt("amount", amount_at)
    if not _glued_to_a_unit(tokens, at, readings):
        attempt("number", power_at)
        attempt("number", _plain_number)
    attempt("ordinal", ordinal_at)
    limited = bounds_at(tokens, at)
    if limited and limited[0].kind in EXACT:
        readings = [r for r in readings if r[0] not in EXACT]
        if not kinds or "bounds" in kinds or limited[0].kind in kinds:
            readings.append(("bounds", *limited))
    return _chosen(readings, kinds)


def _chosen(readings: list[tuple[str, Any, int]], kinds: Sequence[str]) -> tuple[str, Any, int] | None:
    wanted = [r for r in readings if not kinds or r[0] in kinds or r[0] in ("recurring", "bounds")]
    return max(wanted, key=lambda r: r[2]) if wanted else None


def _glued_to_a_unit(tokens: list[Token], at: int, readings: Sequence[tuple[str, Any, int]]) -> bool:
    """180.25ml is an amount and no number."""
    unit = word_at(tokens, at + 1)
    return len(unit) > 1 and unit.isalpha() and tokens[at + 1].glued and any(r[0] == "dimension" for r in readings)


def _plain_number(tokens: list[Token], at: int) -> Any:
    """A number; "this one" and "which one" are none."""
    if word_at(tokens, at) == "one" and word_at(tokens, at - 1) in _POINTING and word_at(tokens, at + 1) != "of":
        return None
    return number_at(tokens, at)


_POINTING: Final = frozenset({"this", "that", "which", "the", "another", "any", "every", "each", "some", "no", "good"})


_ADDRESS: Final = re.compile(r"\S*(?:://|www\.)\S*")  # what looks like a number in it is none
_TAG: Final = re.compile(r"(?<![\w$])[$#@][^\W\d_]\w*")  # $DEC is no December
EXACT: Final = frozenset({"temperature", "dimension", "duration"})


def _within_the_calendar(tokens: list[Token], at: int, parser: Callable[..., Any], now: datetime) -> Any:
    try:
        return parser(tokens, at, now)
    except (OverflowError, ValueError):  # outside the calendar
        return None


def _kind_of(kind: str, value: Any) -> str:
    if kind == "amount":
        return str(value.kind)
    if kind == "moment":
        if not value.has_time:
            return "date"
        return "time" if not value.fixed and value.time is not None else "datetime"
    return kind
