"""The user's own calendar: entries with a day, perhaps a time; added, shown for a stretch of time, taken out.

Kept in the encrypted history; there is no calendar elsewhere that this would read or write.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from assistant.conversation import new_id
from assistant.home.model import key
from assistant.quantities.asked import stretch
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, confirmed, read_only
from assistant.tools.alarms import reminders_between

KIND: Final = "event"
MAX_EVENTS: Final = 5_000
MAX_SHOWN: Final = 30
Words = Annotated[str, msgspec.Meta(max_length=200)]


class Event(msgspec.Struct, frozen=True):
    """`at` is local time in ISO form; a whole day has no time."""

    title: str
    at: str
    whole_day: bool = False


class NewEvent(msgspec.Struct, frozen=True):
    """`at` in ISO form, as the rules make it; a date alone is a whole day."""

    title: Words = ""
    at: Words = ""


class When(msgspec.Struct, frozen=True):
    """A stretch of time in words; nothing means from now on."""

    when: Words = ""
    first: bool = False  # only the next one


class Which(msgspec.Struct, frozen=True):
    title: Words = ""


class About(msgspec.Struct, frozen=True):
    """A question about an entry, in the user's words."""

    text: Words = ""


class Moved(msgspec.Struct, frozen=True):
    """Another day and time in ISO form; what is not given stays."""

    title: Words = ""
    day: Words = ""
    time: Words = ""


def add(arguments: NewEvent, surroundings: Surroundings) -> Outcome:
    if not arguments.title.strip():
        raise Missing("title", "What shall I put into the calendar?")
    if not arguments.at:
        raise Missing("at", "On which day?")
    try:
        at = datetime.fromisoformat(arguments.at)
    except ValueError:
        raise ToolError(f"{arguments.at} is no date I can read.") from None
    if len(surroundings.records.all(KIND, Event)) >= MAX_EVENTS:
        raise ToolError(f"the calendar is full ({MAX_EVENTS} entries)")
    event = Event(arguments.title.strip(), at.isoformat(timespec="minutes"), "T" not in arguments.at)
    surroundings.records.put(KIND, new_id(), event)
    return Outcome(f"In the calendar: {_line(event)}.", {"title": event.title, "at": event.at})


def show(arguments: When, surroundings: Surroundings) -> Outcome:
    now = surroundings.clock().replace(tzinfo=None)
    start, end = stretch(arguments.when, now)
    events = [e for _, e in _sorted(surroundings) if start <= datetime.fromisoformat(e.at) < end]
    if arguments.first:
        events = [e for e in events if e.whole_day or datetime.fromisoformat(e.at) >= now][:1]
    when = f" {arguments.when.strip()}" if arguments.when.strip() else ""
    lines = [f"- {_line(e)}" for e in events[:MAX_SHOWN]]
    if arguments.when.strip():  # whoever asks for a day wants to know of its reminders too
        lines += [f"- Reminder: {line}" for line in reminders_between(surroundings, start, end)]
    if not lines:
        return Outcome(f"There is nothing in the calendar{when}.")
    return Outcome("\n".join(lines), {"events": [e.title for e in events]})


def find_entry(arguments: About, surroundings: Surroundings) -> Outcome:
    """The entries that have all words of the question in their title, those ahead first."""
    found = [e for _, e in _sorted(surroundings) if is_about(arguments.text, e.title)]
    ahead = [e for e in found if datetime.fromisoformat(e.at).date() >= surroundings.clock().date()]
    if not found:
        raise ToolError("There is nothing like that in the calendar.")
    return Outcome("\n".join(f"- {_line(e)}" for e in (ahead or found)[:MAX_SHOWN]))


def change(arguments: Moved, surroundings: Surroundings) -> Outcome:
    if not (arguments.day or arguments.time):
        raise Missing("time", "To what time?")
    record_id, event = _one(arguments.title, surroundings)
    old = datetime.fromisoformat(event.at)
    try:
        at = datetime.fromisoformat(f"{arguments.day or old.date().isoformat()}T{arguments.time or f'{old:%H:%M}'}")
    except ValueError:
        raise ToolError(f"{arguments.day} {arguments.time} is no time I can read.") from None
    moved = Event(event.title, at.isoformat(timespec="minutes"), event.whole_day and not arguments.time)
    surroundings.records.put(KIND, record_id, moved)
    return Outcome(f"In the calendar: {_line(moved)}.", {"title": moved.title, "at": moved.at})


def remove(arguments: Which, surroundings: Surroundings) -> Outcome:
    record_id, event = _one(arguments.title, surroundings)
    surroundings.records.delete(KIND, record_id)
    return Outcome(f"Taken out of the calendar: {_line(event)}. Say undo to bring it back.")


def asks_remove(arguments: Which, surroundings: Surroundings) -> tuple[str, str]:
    try:
        return f"Take {_line(_one(arguments.title, surroundings)[1])} out of the calendar?", "You can undo it."
    except ToolError as none:
        return f"Take {arguments.title} out of the calendar?", str(none)


def is_about(question: str, title: str) -> bool:
    """Whether all telling words of a question are in a title."""
    words = [w for w in key(question).split() if w not in _ASKING]
    words = [w for w in words if w not in _ENTRY] or words  # "my dentist appointment" is the entry "dentist"
    return bool(words) and all(w in key(title).split() for w in words)


def moved_by_title(text: str, surroundings: Surroundings) -> str | None:
    """ "move lunch with Sarah to Friday at 1" as of an appointment, where the calendar has that title."""
    match = re.fullmatch(r"(?:move|reschedule|shift|push|change) (?:the |my )?(.+?) (to .+)", text, re.IGNORECASE)
    entries = surroundings.records.all(KIND, Event).values() if match else ()
    if match is None or not any(is_about(match[1], e.title) for e in entries):
        return None
    return f"reschedule {match[1]} {match[2]}"


_ENTRY: Final = frozenset({"appointment", "meeting", "event"})
_ASKING: Final = frozenset(
    [
        "when",
        "is",
        "what",
        "time",
        "day",
        "my",
        "the",
        "a",
        "an",
        "s",
        "are",
        "do",
        "i",
        "have",
        "at",
        "on",
        "which",
        "was",
    ]
)


def _one(title: str, surroundings: Surroundings) -> tuple[str, Event]:
    if not title.strip():
        raise Missing("title", "Which entry?")
    wanted = key(title).split()
    found = [(i, e) for i, e in _sorted(surroundings) if all(w in key(e.title).split() for w in wanted)]
    now = surroundings.clock().replace(tzinfo=None)
    ahead = [p for p in found if datetime.fromisoformat(p[1].at) >= now - timedelta(days=1)]
    if not found:
        raise ToolError(f"There is no {title.strip()} in the calendar.")
    return (ahead or found)[0]


def _sorted(surroundings: Surroundings) -> list[tuple[str, Event]]:
    return sorted(surroundings.records.all(KIND, Event).items(), key=lambda pair: pair[1].at)


def _line(event: Event) -> str:
    at = datetime.fromisoformat(event.at)
    return f"{event.title}, {at:%A} {at.day} {at:%B %Y}{'' if event.whole_day else f' at {at:%H:%M}'}"


TOOLS: Final = (
    Tool("event.add", "put an entry into the calendar", NewEvent, add,
         examples=("add dentist on friday at 3 to my calendar",)),
    Tool("event.show", "tell what is in the calendar", When, show, read_only, ("what is on my calendar tomorrow",)),
    Tool("event.find", "tell when an entry of the calendar is", About, find_entry, read_only,
         ("when is the dentist",)),
    Tool("event.change", "move an entry of the calendar", Moved, change,
         examples=("move the dentist appointment to 4 pm",)),
    Tool("event.remove", "take an entry out of the calendar", Which, remove, confirmed,
         ("delete the dentist from my calendar",), asks=asks_remove),
)  # fmt: skip
