"""Calendar arithmetic: a month later is the same day of the next month, or its last."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from fractions import Fraction

from assistant.quantities.durations import Duration


def add(moment: datetime, duration: Duration, sign: int = 1) -> datetime:
    """`moment` moved by a duration. Days are days of the wall clock, whatever its changes. Raises OverflowError."""
    months = sum((a * {"month": 1, "quarter": 3, "year": 12}[u] for u, a in duration.parts
                  if u in ("month", "quarter", "year")), Fraction(0))  # fmt: skip
    whole = int(months)
    rest = Duration(tuple(p for p in duration.parts if p[0] not in ("month", "quarter", "year")))
    seconds = float(rest.seconds + (months - whole) * 30 * 86400)
    moment = _add_months(moment, sign * whole)
    if all(unit in ("day", "week") for unit, _ in rest.parts) and seconds == int(seconds):
        return moment + timedelta(days=sign * seconds / 86400)  # wall-clock: tomorrow at the same time, DST or not
    return moment + timedelta(seconds=sign * seconds)


def _add_months(moment: datetime, months: int) -> datetime:
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    if not 1 <= year <= 9998:
        raise OverflowError("outside the years 1 to 9998")
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))
