"""A stretch of time between two moments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to, not including, `end`; None is open. `last` is where the last thing named begins: of "9 to
    11 May" the 11th, of a single period its end. `fixed`: nothing about it was left to guess."""

    start: datetime | None
    end: datetime | None
    grain: str
    last: datetime | None = None
    fixed: bool = True

    @property
    def is_vague(self) -> bool:
        return self.start is None and self.end is None


VAGUE: Final = Span(None, None, "vague")


Parsed = tuple[Span, int]


def span(start: datetime, end: datetime, grain: str) -> Span:
    return Span(start, end, grain, end)


def at_midnight(day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(0), tzinfo=now.tzinfo)
