"""From here to there: "from 9:30 to 11 on Thursday", "13 to 15 July", "before 2010", "since Monday", "2pm for 2 hours".

An end of a range may lack what the other end has: the day of a time, the month of a day, the year of a date, the half
of the day. Of what is still open, the first range that lies ahead and is not empty is taken.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from assistant.quantities.calendar_periods import month_named
from assistant.quantities.clock import PARTS_OF_DAY, TimeOfDay, time_at
from assistant.quantities.dates import Moment, combine, moment_at
from assistant.quantities.durations import duration_at
from assistant.quantities.month_days import bare_day, day_number, year_at
from assistant.quantities.periods import period_at
from assistant.quantities.range_ends import End, completed, ends_at, on_day, with_year, years_later
from assistant.quantities.shifting import add
from assistant.quantities.spans import Parsed, Span, at_midnight
from assistant.quantities.tokens import Token, phrase_at, skip, word_at

_TO: Final = (("to",), ("till",), ("until",), ("untill",), ("til",), ("through",), ("thru",), ("-",), ("–",), ("—",),
              ("up", "to"), ("up", "until"), ("/",), ("but", "before"), ("ending",))  # fmt: skip
_BEFORE: Final = (("before",), ("prior", "to"), ("earlier", "than"), ("no", "later", "than"), ("until",), ("till",),
                  ("til",), ("by",), ("sooner", "than"), ("ending", "with"), ("less", "than"))  # fmt: skip
_AFTER: Final = (("after",), ("later", "than"), ("greater", "than"), ("more", "than"))
_SINCE: Final = (("since",), ("as", "early", "as"), ("no", "earlier", "than"),
                 ("starting", "from"), ("starting", "on"), ("starting",), ("as", "of"), ("from",),
                 ("beginning", "from"), ("beginning", "on"))  # fmt: skip


def range_at(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """The range that stands there, open or closed, and where it ends."""
    return _on_a_day(tokens, at, now) or _closed(tokens, at, now) or _lasting(tokens, at, now) or _open(tokens, at, now)


# -- both ends -------------------------------------------------------------------------------------------------------


def _on_a_day(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """Thursday from 9 to 11, 5th of May between 3 and 4pm, the 17 from 2 to 4pm, Monday 3-8: the day first."""
    for end in range(at + 1, min(at + 7, len(tokens))):
        if tokens[end].word in ("from", "between") or _bare_hours(tokens, end):
            day = _day_before(tokens, at, end, now)
            hours = _closed(tokens, end, now, day) if day else None
            if day is None or hours is None or hours[0].grain not in _GRAINS or not (hours[0].start and hours[0].end):
                return None
            by = (day.day or now.date()) - hours[0].start.date()
            last = hours[0].last or hours[0].end
            return Span(hours[0].start + by, hours[0].end + by, hours[0].grain, last + by, day.fixed), hours[1]
    return None


def _day_before(tokens: list[Token], at: int, end: int, now: datetime) -> End | None:
    """The day that the words up to `end` name, and the part of it."""
    until = end - (word_at(tokens, end - 1) == ",")
    if not _is_day(tokens[at:until]):
        return None
    moment = moment_at(tokens[:until], skip(tokens, at, "on"), now)
    if moment and moment[1] == until:
        part = next((t.word for t in tokens[at:until] if t.word in PARTS_OF_DAY), "")
        return End(moment[0].at.date(), fixed=moment[0].fixed, part=part)
    bare = bare_day(tokens[:until], at, now.date())
    return End(bare[0], fixed=False) if bare and bare[1] == until else None


def _bare_hours(tokens: list[Token], at: int) -> bool:
    """3-8, with nothing behind it that makes it a date or an amount."""
    first, sign, second = (word_at(tokens, at + i) for i in range(3))
    if not (first.isdecimal() and sign in ("-", "–") and second.isdecimal() and tokens[at + 1].glued):
        return False
    behind = word_at(tokens, at + 3)
    return (
        1 <= int(first) <= 24 and 1 <= int(second) <= 24 and (behind in ("am", "pm") or not behind or behind in ",.?!")
    )


def _is_day(tokens: list[Token]) -> bool:
    """Whether no time was said with the day; "Monday morning" has none of its own."""
    return not any(t.word in (":", "am", "pm", "at", "o'clock") for t in tokens)


def _closed(tokens: list[Token], at: int, now: datetime, of: End | None = None) -> Parsed | None:
    """`of`: the day that stands before it; two bare numbers are then its hours."""
    start = skip(tokens, at, "from", "on")
    between = word_at(tokens, start) == "between"
    later = phrase_at(tokens, start, "later", "than") or phrase_at(tokens, start, "after")
    said = between or bool(later) or word_at(tokens, at) == "from"
    start = later or start + between
    joiners = (
        (("and",), ("to",), ("-",), ("–",)) if between else (("but", "before"), ("and", "before")) if later else _TO
    )
    if days := _days_of_a_month(tokens, start, now):
        return days
    for first, end in ends_at(tokens, start, now):
        if later and first.time is None:
            continue
        then = next((past for words in joiners if (past := phrase_at(tokens, end, *words))), 0)
        if not then:
            continue
        for second, stop in ends_at(tokens, skip(tokens, then, "from"), now):
            if (first.number and second.number) and not (said or of):
                continue
            clocked = time_at(tokens, at) if first.number and not (said or of) else None
            if clocked and clocked[1] >= stop:  # ten to nine
                continue
            bounds = (on_day(first, of), on_day(second, of)) if of else (first, second)
            pair = completed(*bounds, now)
            if pair is None:
                continue
            dated = not pair[1].fixed and not pair[1].time and word_at(tokens, stop) == ","
            if dated and (year := year_at(tokens, stop + 1)):  # 5/1-5/7, 2020
                pair, stop = (with_year(pair[0], year[0]), with_year(pair[1], year[0])), year[1]
            tail = _day_behind(tokens, stop, now) if pair[0].day is None and pair[1].day is None else None
            if tail:
                pair, stop = (replace(pair[0], day=tail[0]), replace(pair[1], day=tail[0])), tail[1]
            if made := _between(*pair, now):
                return made, stop
    return None


def _days_of_a_month(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """4-23 in next month, 3rd to 5th of May 2019."""
    first = day_number(tokens, skip(tokens, at, "the"))
    then = next((past for words in _TO if first and (past := phrase_at(tokens, first[1], *words))), 0)
    second = day_number(tokens, skip(tokens, then, "the")) if then else None
    if first is None or second is None or word_at(tokens, second[1]) not in ("in", "of"):
        return None
    month = month_named(tokens, second[1] + 1, now)
    if month is None or first[0] > second[0]:
        return None
    try:
        begin, last = (at_midnight(date(month[0], month[1], n[0]), now) for n in (first, second))
    except ValueError:
        return None
    return Span(begin, last + timedelta(days=1), "day", last, month[3]), month[2]


def _day_behind(tokens: list[Token], at: int, now: datetime) -> tuple[date, int] | None:
    found = moment_at(tokens, skip(tokens, at, ",", "in"), now)
    if found and not found[0].has_time and found[0].grain == "day":
        return found[0].at.date(), found[1]
    return None


def _between(first: End, second: End, now: datetime) -> Span | None:
    """The span of two completed ends; None where it would be empty."""
    if first.time and second.time:
        return _of_times(first, second, now)
    starts, ends = _instant(first, now), _instant(second, now)
    if starts and second.time and second.day is None:
        ahead = [m for t in second.time.alternatives if (m := _at(starts[0].date(), t, now)) > starts[0]]
        ends = (ahead[0], ahead[0] + _GRAINS[second.time.grain]) if ahead else None
    if starts is None or ends is None:
        return None
    open_years = not first.fixed and not second.fixed and ends[0] >= now.replace(hour=0, minute=0)
    if open_years and starts[0] - ends[0] > timedelta(days=7):  # from a month ago to one ahead
        starts = (years_later(starts[0], -1), starts[1])
    if ends[0] < starts[0] and not second.fixed and starts[0] - ends[0] < timedelta(days=7):
        ends = (ends[0] + timedelta(days=7), ends[1] + timedelta(days=7))  # Monday to Friday
    if ends[0] < starts[0] and not second.fixed:
        ends = (years_later(ends[0], 1), years_later(ends[1], 1))
    elif ends[0] < starts[0] and not first.fixed:
        starts = (years_later(starts[0], -1), starts[1])
    return Span(starts[0], ends[1], "day", ends[0]) if starts[0] <= ends[0] else None


def _instant(end: End, now: datetime) -> tuple[datetime, datetime] | None:
    """(where it begins, where it ends)."""
    if end.span is not None:
        return (end.span.start, end.span.end) if end.span.start and end.span.end else None
    if end.day is None or end.time is not None:
        return None
    begin = at_midnight(end.day, now)
    return begin, begin + timedelta(days=1)


_GRAINS: Final = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}


def _of_times(first: End, second: End, now: datetime) -> Span | None:
    assert first.time and second.time  # noqa: S101 - the caller looked
    day = first.day or now.date()
    last_day = second.day or day
    options = []
    for a in first.time.alternatives:
        for b in second.time.alternatives:
            begin, end = _at(day, a, now), _at(last_day, b, now)
            if end <= begin and second.day is None:
                end += timedelta(days=1)
            if end > begin:
                past = first.day is None and begin < now and first.time.ambiguous
                early = first.time.ambiguous and a.hour < 7
                options.append((past, early and not second.time.hour < 9, end - begin, begin, end))
    if not options:
        return None
    *_, begin, end = min(options)
    finest = min(first.time.grain, second.time.grain, key=lambda g: _GRAINS[g])
    return Span(begin, end + _GRAINS[finest], finest, end, first.day is not None)


def _at(day: date, time: TimeOfDay, now: datetime) -> datetime:
    return combine(day, time, now)


# -- one end ---------------------------------------------------------------------------------------------------------


def _lasting(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """2pm for 2 hours, 14th Feb from 9:30am for 7 hours, for 3 days from today."""
    if word_at(tokens, at) == "within" and (length := duration_at(tokens, skip(tokens, at + 1, "the", "next"))):
        return Span(now, add(now, length[0]), "second", add(now, length[0])), length[1]
    if word_at(tokens, at) == "for" and (length := duration_at(tokens, at + 1)):
        past = skip(tokens, length[1], ",")
        if not (then := phrase_at(tokens, past, "from") or phrase_at(tokens, past, "starting")):
            return None
        moment = moment_at(tokens, then, now)
        begin = moment[0].at if moment else now
        end = moment[1] if moment else phrase_at(tokens, then, "now")
        return (Span(begin, add(begin, length[0]), "day", add(begin, length[0])), end) if end else None
    start = skip(tokens, at, "from", "on", "starting")
    moment = moment_at(tokens, start, now)
    if moment is None:
        return None
    value, end = moment
    if not value.has_time and (time := time_at(tokens, skip(tokens, end, "from", ",", "at"))):
        hours = time[0].alternatives[-1] if time[0].ambiguous and time[0].hour < 7 else time[0].alternatives[0]
        value, end = replace(value, at=_at(value.at.date(), hours, now), has_time=True), time[1]
    length = duration_at(tokens, end + 1) if word_at(tokens, end) == "for" else None
    if length is None:
        return None
    last = add(value.at, length[0])
    return Span(value.at, last, "minute", last, value.fixed), length[1]


def _open(tokens: list[Token], at: int, now: datetime) -> Parsed | None:
    """before 2010, since late Monday, after 4pm today; today before 4pm."""
    for words, kind in (*((w, "before") for w in _BEFORE), *((w, "after") for w in _AFTER),
                        *((w, "since") for w in _SINCE)):  # fmt: skip
        if then := phrase_at(tokens, at, *words):
            then = skip(tokens, then, "the")
            for end, stop in ends_at(tokens, then, now):
                if end.number:
                    continue
                if word_at(tokens, at) in ("less", "more", "greater", "by", "from", "beginning") and not _clear(end):
                    continue
                return _reaching(kind, end, now), stop
            if words[0] == "less":
                continue
            vague = period_at(tokens, then, now)
            return vague if vague and vague[0].is_vague else None
    day = moment_at(tokens, skip(tokens, at, "on"), now)
    if day and (inner := _day_only(tokens, skip(tokens, at, "on"), now)):
        day = inner
    if day and not day[0].has_time and word_at(tokens, day[1]) in ("before", "after", "until", "till", "by", "since"):
        kind = {"after": "after", "since": "since"}.get(word_at(tokens, day[1]), "before")
        time = time_at(tokens, day[1] + 1, bare=True)
        if time:
            end = End(day[0].at.date(), time[0], fixed=day[0].fixed)
            return _reaching(kind, end, now), time[1]
    return None


def _day_only(tokens: list[Token], at: int, now: datetime) -> tuple[Moment, int] | None:
    """A day in front of "by 2": the words up to it alone."""
    for end in range(at + 1, min(at + 6, len(tokens))):
        if tokens[end].word in ("by", "before"):
            found = moment_at(tokens[:end], at, now)
            return found if found and found[1] == end and not found[0].has_time else None
    return None


def _clear(end: End) -> bool:
    return (
        end.day is not None
        or end.time is not None
        or (end.span is not None and end.span.grain in ("year", "month", "day", "second"))
    )


def _reaching(kind: str, end: End, now: datetime) -> Span:
    if end.time is not None:
        choices = [_at(end.day or now.date(), t, now) for t in end.time.alternatives]
        ahead = [c for c in choices if c >= now] or choices
        begin = finish = ahead[-1] if end.time.ambiguous and ahead[0].hour < 7 else ahead[0]
    else:
        reach = _instant(end, now)
        begin, finish = reach if reach else (now, now)
        if end.span is None:  # a day is a point here: after Monday begins on Monday, as its users mean it
            finish = begin
    if kind == "before":
        return Span(None, begin, "day", begin, end.fixed)
    return Span(finish if kind == "after" else begin, None, "day", None, end.fixed)
