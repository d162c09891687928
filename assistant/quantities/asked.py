"""A request as the rules see it, and what several of them make of its quantities."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from assistant.quantities import Duration, Found, Moment, Span, find
from assistant.quantities.clock import PARTS_OF_DAY

Arguments = dict[str, Any]

# Hours whose entries somebody means who asks what is due: an alarm at half past six rings in the morning, and a night
# reaches into the next day. A time that is to be chosen lies in the narrower hours of PARTS_OF_DAY.
_WHOLE_PARTS: Final = {"morning": (0, 12), "afternoon": (12, 18), "evening": (16, 24), "night": (18, 28),
                       "tonight": (18, 28)}  # fmt: skip
_PART: Final = re.compile(rf"\b({'|'.join(_WHOLE_PARTS)})\b", re.IGNORECASE)


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
            return _whole_part(when, value.start or now, value.end or datetime.max)
        if isinstance(value, Moment):
            midnight = value.at.replace(hour=0, minute=0, second=0)
            return midnight, midnight + timedelta(days=1)
    return now.replace(hour=0, minute=0), datetime.max


def _whole_part(when: str, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The stretch as it is, but for a part of a day as such ("tomorrow morning") all hours that belong to it."""
    part = match[0].casefold() if (match := _PART.search(when)) else ""
    midnight = start.replace(hour=0, minute=0)
    if not part or (start, end) != tuple(midnight + timedelta(hours=hour) for hour in PARTS_OF_DAY[part]):
        return start, end
    first, last = _WHOLE_PARTS[part]
    return midnight + timedelta(hours=first), midnight + timedelta(hours=last)
