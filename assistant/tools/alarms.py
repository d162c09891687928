"""Alarms and reminders: at a local time, once or on some weekdays."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from assistant.conversation import new_id
from assistant.home.model import key
from assistant.quantities import Moment as Meant
from assistant.quantities import find
from assistant.quantities.asked import stretch
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.timekeeping import KIND, Timer, all_timers, as_data, remaining_s, spoken_s, spoken_time
from assistant.tools.timers import Words, clock_of, keep, require_owner
from assistant.tools.unattended import to_you

Moment = Annotated[str, msgspec.Meta(max_length=32)]


class SetAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is a local time in ISO form, such as 2026-05-04T07:30:00; `weekdays` repeats it (0 is Monday). `day` is the
    date where no time of it was said, which is asked for."""

    at: Moment = ""
    day: Moment = ""
    name: Words = ""
    weekdays: tuple[Annotated[int, msgspec.Meta(ge=0, le=6)], ...] = ()


class SetReminder(msgspec.Struct, frozen=True, kw_only=True):
    message: Annotated[str, msgspec.Meta(max_length=500)] = ""
    at: Moment = ""
    every: Words = ""  # more often than daily, in words: not possible, and said so
    weekdays: tuple[Annotated[int, msgspec.Meta(ge=0, le=6)], ...] = ()
    unconfirmed: bool = False  # the message is a command that needs a confirmation, so it is not done by itself


class WhichOne(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the message, or the time, tells which; nothing means the next one. `every`: all of them."""

    words: Words = ""
    every: bool = False


class Day(msgspec.Struct, frozen=True):
    """When, in the user's words: "on Wednesday", "this week"; nothing is at any time."""

    when: Words = ""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Another time for the one that `words` tell, or for the next one; or another `day` at the same time, or `by_s`
    seconds later (negative: earlier). `at` without a date ("T13:00:00") is on the day that it has.
    """

    at: Moment = ""
    day: Moment = ""
    by_s: Annotated[float, msgspec.Meta(ge=-31_622_400, le=31_622_400)] = 0
    words: Words = ""


def set_alarm(arguments: SetAlarm, surroundings: Surroundings) -> Outcome:
    if not arguments.at:
        raise Missing("at", f"For what time{_on(arguments.day, surroundings.clock())}?")
    require_owner(surroundings, "alarm")
    at = _moment(arguments.at, surroundings, bool(arguments.weekdays), arguments.weekdays)
    alarm = Timer(new_id(), "alarm", arguments.name, due_local=at.isoformat(), weekdays=arguments.weekdays)
    keep(alarm, surroundings)
    return Outcome(f"Alarm{_about(alarm)} set for {_when(alarm, at, surroundings)}.", as_data(alarm))


def _on(day: str, now: datetime) -> str:
    """ " tomorrow", " on Friday 27 November"; "" without a day."""
    if not day:
        return ""
    at = datetime.fromisoformat(day)
    n_days = (at.date() - now.date()).days
    return {0: " today", 1: " tomorrow"}.get(n_days, f" on {at:%A} {at.day} {at:%B}")


def set_reminder(arguments: SetReminder, surroundings: Surroundings) -> Outcome:
    if arguments.every:
        raise ToolError(f"I can repeat a reminder daily or on weekdays, not {arguments.every}. Nothing was set.")
    if not arguments.message:
        raise Missing("message", "What shall I remind you of?")
    if not arguments.at:
        if _PLACE.search(arguments.message):
            raise Missing("at", "I cannot tell where you are. At what time shall I remind you?")
        raise Missing("at", f"When shall I remind you{_about(Timer('', 'reminder', message=arguments.message))}?")
    require_owner(surroundings, "reminder")
    at = _moment(arguments.at, surroundings, bool(arguments.weekdays), arguments.weekdays)
    reminder = Timer(
        new_id(), "reminder", message=arguments.message, due_local=at.isoformat(), weekdays=arguments.weekdays
    )
    keep(reminder, surroundings)
    when = _when(reminder, at, surroundings)
    if arguments.unconfirmed:
        why = "needs your confirmation, so it is not done by itself at that time"
        return Outcome(f"“{reminder.message}” {why}. I will remind you: {when}.", as_data(reminder))
    return Outcome(f"I will remind you{_about(reminder)}: {when}.", as_data(reminder))


def cancel_alarm(which: WhichOne, surroundings: Surroundings) -> Outcome:
    return _cancel("alarm", which, surroundings)


def cancel_reminder(which: WhichOne, surroundings: Surroundings) -> Outcome:
    return _cancel("reminder", which, surroundings)


def list_alarms(arguments: Day, surroundings: Surroundings) -> Outcome:
    return _listed("alarm", arguments.when, surroundings)


def list_reminders(arguments: Day, surroundings: Surroundings) -> Outcome:
    return _listed("reminder", arguments.when, surroundings)


def reminders_between(surroundings: Surroundings, start: datetime, end: datetime) -> list[str]:
    """A line for each reminder that is due in that time (local, without a zone), the next one first."""
    return [_line(t, surroundings) for t in _of_kind("reminder", surroundings) if _is_between(t, start, end)]


def _is_between(timer: Timer, start: datetime, end: datetime) -> bool:
    due = datetime.fromisoformat(timer.due_local)
    if not timer.weekdays:
        return start <= due < end
    first = max(start, due)
    rings = (datetime.combine(first.date() + timedelta(days=n), due.time()) for n in range(8))
    return any(first <= at < end and at.weekday() in timer.weekdays for at in rings)


_PLACE: Final = re.compile(
    r"\b(?:when|once|as soon as|next time) (?:i|we)(?:'m|'re| am| are| get| arrive| leave| come)\b", re.I
)
_NO_ACTION: Final = re.compile(
    r"(?:the|an?|my|our|his|her|their|its|this|that|it|it's|i|i'm|we|he|she|they|there|[\w']+'s"
    r"|der|die|das|den|dem|eine?n?|meine?n?)\b",
    re.IGNORECASE,
)


def _about(timer: Timer) -> str:
    """ " to call mum", or what it is about: " (the meeting)"; nothing for an alarm without a name."""
    if not timer.message:
        return f" ({timer.name})" if timer.name else ""
    told = to_you(timer.message)
    return f" ({told})" if _NO_ACTION.match(timer.message) else f" to {told}"


def _moment(text: str, surroundings: Surroundings, repeats: bool, weekdays: tuple[int, ...]) -> datetime:
    """The local time meant. Raises ToolError for one that is past or no time at all."""
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise ToolError(f"{text!r} is not a time") from None
    now = surroundings.clock().replace(tzinfo=None)
    if repeats:
        while at <= now or at.weekday() not in weekdays:
            at += timedelta(days=1)
    if at <= now:
        raise ToolError(f"{at:%A} {at.day} {at:%B %Y} at {at:%H:%M} is past")
    return at


def _when(timer: Timer, at: datetime, surroundings: Surroundings) -> str:
    now = surroundings.clock().replace(tzinfo=None)
    if timer.weekdays == tuple(range(7)):
        return f"every day at {at:%H:%M}"
    if timer.weekdays:
        days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        return f"every {', '.join(days[d] for d in timer.weekdays)} at {at:%H:%M}"
    left_s = remaining_s(timer, clock_of(surroundings))
    return f"{spoken_time(at, now)} (in {spoken_s(round(left_s / 60) * 60 or left_s)})"


def _of_kind(kind: str, surroundings: Surroundings) -> list[Timer]:
    clock = clock_of(surroundings)
    timers = [t for t in all_timers(surroundings.records).values() if t.kind == kind]
    return sorted(timers, key=lambda t: remaining_s(t, clock))


_REPEATED: Final = {"weekend": (5, 6), "weekday": (0, 1, 2, 3, 4), "daily": tuple(range(7)), "day": tuple(range(7))}


def _matching(words: str, timers: list[Timer], surroundings: Surroundings) -> list[Timer]:
    """Those that the words tell: by message, by name, or by their time or day. All of them where no words are given."""
    if not key(words):
        return timers
    found = [t for t in timers if key(words) in key(f"{t.message} {t.name} {t.due_local[11:16]}")]
    repeated = _REPEATED.get(re.sub(r"^every |s$", "", key(words)))
    if repeated and (again := [t for t in timers if tuple(t.weekdays or ()) == repeated]):
        return again
    moments = find(f"at {words}", surroundings.clock(), ("time", "date", "datetime"))
    if found or not moments:
        return found
    moment: Meant = moments[0].value
    return [t for t in timers if _is_at(datetime.fromisoformat(t.due_local), moment)]


def _is_at(due: datetime, moment: Meant) -> bool:
    if not moment.has_time:
        return due.date() == moment.at.date()
    same = (due.hour, due.minute) == (moment.at.hour, moment.at.minute)
    either = moment.time is not None and moment.time.ambiguous
    return same or (either and (due.hour % 12, due.minute) == (moment.at.hour % 12, moment.at.minute))


def _cancel(kind: str, which: WhichOne, surroundings: Surroundings) -> Outcome:
    timers = _of_kind(kind, surroundings)
    timers = _matching(which.words, timers, surroundings)
    if not timers:
        raise ToolError(f"There is no such {kind}.")
    if which.every and len(timers) > 1:
        for timer in timers:
            surroundings.records.delete(KIND, timer.id)
        surroundings.changed_timers()
        return Outcome(f"Cancelled {len(timers)} {kind}s. Say undo to bring them back.")
    surroundings.records.delete(KIND, timers[0].id)
    surroundings.changed_timers()
    at = datetime.fromisoformat(timers[0].due_local)
    named = _about(timers[0])
    now = surroundings.clock().replace(tzinfo=None)
    return Outcome(f"Cancelled the {kind}{named} for {spoken_time(at, now)}.", as_data(timers[0]))


def change_alarm(arguments: Moved, surroundings: Surroundings) -> Outcome:
    return _change("alarm", arguments, surroundings)


def change_reminder(arguments: Moved, surroundings: Surroundings) -> Outcome:
    return _change("reminder", arguments, surroundings)


def _change(kind: str, arguments: Moved, surroundings: Surroundings) -> Outcome:
    if not (arguments.at or arguments.day or arguments.by_s):
        raise Missing("at", "To what time?")
    require_owner(surroundings, kind)
    wanted = _matching(arguments.words, _of_kind(kind, surroundings), surroundings)
    if not wanted:
        raise ToolError(f"There is no such {kind}.")
    due = datetime.fromisoformat(wanted[0].due_local) + timedelta(seconds=arguments.by_s)
    if arguments.day:
        due = datetime.combine(datetime.fromisoformat(arguments.day), due.time())
    told = _on_its_day(arguments.at, due, kind, surroundings) if arguments.at.startswith("T") else arguments.at
    at = _moment(told or due.isoformat(), surroundings, bool(wanted[0].weekdays), wanted[0].weekdays)
    moved = msgspec.structs.replace(wanted[0], due_local=at.isoformat(), boot="", ringing_since_s=None)
    keep(moved, surroundings)
    return Outcome(f"The {kind}{_about(moved)} is now set for {_when(moved, at, surroundings)}.", as_data(moved))


def _on_its_day(time: str, due: datetime, kind: str, surroundings: Surroundings) -> str:
    """The moment of a time alone. A reminder for Thursday stays on Thursday; an alarm within a day rings at the next
    such time, as one that is set without a day does."""
    now = surroundings.clock().replace(tzinfo=None)
    soon = kind == "alarm" and due - now <= timedelta(days=1)
    try:
        at = datetime.fromisoformat(f"{(now if soon else due).date().isoformat()}{time}")
    except ValueError:
        raise ToolError(f"{time.removeprefix('T')!r} is not a time") from None
    while at <= now:
        at += timedelta(days=1)
    return at.isoformat()


def _listed(kind: str, when: str, surroundings: Surroundings) -> Outcome:
    timers = _of_kind(kind, surroundings)
    if when.strip():
        start, end = stretch(when, surroundings.clock().replace(tzinfo=None))
        timers = [t for t in timers if _is_between(t, start, end)]
    lines = [_line(t, surroundings) for t in timers]
    none = f"There are no {kind}s{f' for {when.strip()}' if when.strip() else ''}."
    return Outcome("\n".join(lines) or none, {f"{kind}s": [as_data(t) for t in timers]})


def _line(timer: Timer, surroundings: Surroundings) -> str:
    at = datetime.fromisoformat(timer.due_local)
    return ": ".join(filter(None, (_when(timer, at, surroundings), to_you(timer.message) or timer.name)))


TOOLS: Final = (
    Tool("alarm.set", "set an alarm for a time of day", SetAlarm, set_alarm,
         examples=("wake me at 7", "alarm for 6:30 every weekday")),
    Tool("alarm.cancel", "cancel an alarm", WhichOne, cancel_alarm, examples=("cancel my alarm",)),
    Tool("alarm.change", "move an alarm to another time", Moved, change_alarm, examples=("move my alarm to 8",)),
    Tool("alarm.list", "tell which alarms are set", Day, list_alarms, read_only, ("what alarms do I have",)),
    Tool("reminder.set", "remind of something at a time", SetReminder, set_reminder,
         examples=("remind me to call mum at 5",)),
    Tool("reminder.cancel", "cancel a reminder", WhichOne, cancel_reminder,
    examples=("delete the reminder about mum",)),
    Tool("reminder.change", "move a reminder to another time", Moved, change_reminder,
         examples=("move the reminder about mum to 6pm",)),
    Tool("reminder.list", "tell which reminders are set", Day, list_reminders, read_only,
         ("what reminders do I have",)),
)  # fmt: skip
