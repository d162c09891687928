"""A request as the rules see it, and what several of them make of its quantities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from assistant.quantities import Duration, Found, Moment, Span, find

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its text without politeness, when it was asked, and the quantities in it."""

    text: str
    now: datetime

    def find(self, *kinds: str) -> list[Found]:
        return find(self.text, self.now, kinds)


def length(duration: Duration) -> Arguments:
    """A duration as hours, minutes and seconds."""
    total = float(duration.seconds)
    hours, rest = divmod(total, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = (("hours", hours), ("minutes", minutes), ("seconds", round(seconds, 3)))
    return {k: int(v) if v == int(v) else v for k, v in parts if v}


def stretch(when: str, now: datetime) -> tuple[datetime, datetime]:
    """From where to where; a day is a whole day, nothing is from now on."""
    found = find(when, now, ("span", "date", "datetime", "time")) if when.strip() else []
    for value in (f.value for f in found):
        if isinstance(value, Span):
            return value.start or now, value.end or datetime.max
        if isinstance(value, Moment):
            midnight = value.at.replace(hour=0, minute=0, second=0)
            return midnight, midnight + timedelta(days=1)
    return now.replace(hour=0, minute=0), datetime.max
