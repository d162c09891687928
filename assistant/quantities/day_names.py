"""Names of months and weekdays, and the words that point to the next, the last and this one."""

from __future__ import annotations

from typing import Final

_MONTH_NAMES: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]


MONTHS: Final = {n: i for i, n in enumerate(_MONTH_NAMES, 1)} | {n[:3]: i for i, n in enumerate(_MONTH_NAMES, 1)} | {
    "sept": 9
}  # fmt: skip


_DAY_NAMES: Final = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


WEEKDAYS: Final = {n: i for i, n in enumerate(_DAY_NAMES)} | {n[:3]: i for i, n in enumerate(_DAY_NAMES)} | {
    "tues": 1, "weds": 2, "thur": 3, "thurs": 3, "mondays": 0, "tuesdays": 1, "wednesdays": 2, "thursdays": 3,
    "fridays": 4, "saturdays": 5, "sundays": 6,
}  # fmt: skip


NEXT: Final = ("next", "coming", "upcoming", "following")


LAST: Final = ("last", "past", "previous")


THIS: Final = ("this", "current")
