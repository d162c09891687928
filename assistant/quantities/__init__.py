"""Numbers, durations, times, dates, amounts with units in English text, by bounded parsers of our own.

    find("remind me in an hour and a half", now)  ->  [Found("duration", 13, 31, Duration(...)), ...]

numbers.py    "two and a half", "1,234.5", "3 million"     ordinals.py  "twenty-first", "three trillionth"
amounts.py    "$5", "20 km", "-3 °C", "15 %"               bounds.py    "more than 5 km", "5-6 mm"
durations.py  "an hour and ten minutes"                    clock.py     "half past seven in the evening"
days.py, month_days.py, holidays.py, dates.py              "the first Monday of next month", "3 May at 5"
periods.py, calendar_periods.py                            "next week", "Q3 2019", "the last week of May"
ranges.py, range_ends.py                                   "from 9:30 to 11 on Thursday", "before 2010"
recurring.py  "every other week", "6am everyday"           finding.py   all of them in a text, longest first
tokens.py, day_names.py, spans.py, shifting.py             words with their places; names; calendar arithmetic

Every parser looks at a token list at one place and returns a value and where it ends, or None: no backtracking beyond
that, so the time is linear in the text. Text above MAX_CHARS is refused by returning nothing.
"""

from assistant.quantities.amounts import Amount
from assistant.quantities.bounds import Bounds
from assistant.quantities.dates import Moment
from assistant.quantities.durations import Duration
from assistant.quantities.finding import Found, find
from assistant.quantities.recurring import Recurring
from assistant.quantities.spans import Span

__all__ = ["Amount", "Bounds", "Duration", "Found", "Moment", "Recurring", "Span", "find"]
