"""Timers: several, named, paused, extended, asked after. "make it ten minutes" and "add five minutes" change the
newest."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from assistant.conversation import new_id
from assistant.errors import PolicyError
from assistant.home.model import key
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.timekeeping import (
    KIND,
    Clock,
    SystemClock,
    Timer,
    all_timers,
    as_data,
    in_s,
    remaining_s,
    spoken_s,
    timer_words,
)

MAX_TIMERS: Final = 500
MAX_S: Final = 366 * 86400
MAX_TOLD: Final = 6
Amount = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Words = Annotated[str, msgspec.Meta(max_length=200)]


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Tells one timer from the others: by its name, its room, or the time it was set for."""

    name: Words = ""
    area: Words = ""
    start_hours: Amount = 0
    start_minutes: Amount = 0
    start_seconds: Amount = 0

    @property
    def start_s(self) -> float:
        return self.start_hours * 3600 + self.start_minutes * 60 + self.start_seconds


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """`but`: the names of those that are left alone."""

    but: list[Words] = []


class Rename(Which, frozen=True, kw_only=True):
    new_name: Words = ""


class Length(Which, frozen=True, kw_only=True):
    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0

    @property
    def s(self) -> float:
        return self.hours * 3600 + self.minutes * 60 + self.seconds


class Start(msgspec.Struct, frozen=True, kw_only=True):
    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0
    name: Words = ""
    area: Words = ""
    conversation_command: Words = ""


def clock_of(surroundings: Surroundings) -> Clock:
    return surroundings.timer_clock or SystemClock()


def require_owner(surroundings: Surroundings, what: str = "timer") -> None:
    """Nothing is set that nobody would ring. Raises PolicyError."""
    if not surroundings.rings:
        raise PolicyError(
            f"no {what} was set: nothing is running that could ring it. Open the chat (`assistant`) or run "
            "`assistant serve`, then ask again"
        )


def keep(timer: Timer, surroundings: Surroundings) -> None:
    """Store a new or changed timer and have it watched."""
    known = all_timers(surroundings.records)
    if timer.id not in known and len(known) >= MAX_TIMERS:
        raise ToolError(f"there are {MAX_TIMERS} timers already; cancel some first")
    surroundings.records.put(KIND, timer.id, timer)
    surroundings.changed_timers()


def start(arguments: Start, surroundings: Surroundings) -> Outcome:
    length_s = arguments.hours * 3600 + arguments.minutes * 60 + arguments.seconds
    if not length_s:
        raise Missing("duration", "For how long?")
    if length_s > MAX_S:
        raise ToolError("a timer can run for a year at most; a reminder can be set for a date")
    require_owner(surroundings)
    timer = Timer(
        new_id(), "timer", bare_name(arguments.name), command=arguments.conversation_command, total_s=length_s,
        area=arguments.area,
    )  # fmt: skip
    timer = in_s(timer, length_s, clock_of(surroundings))
    keep(timer, surroundings)
    if timer.command:
        return Outcome(f"In {spoken_s(length_s)}: {timer.command}.", as_data(timer))
    named = f", named {timer.name}" if timer.name else ""
    return Outcome(f"Timer set for {spoken_s(length_s)}{named}.", as_data(timer))


def bare_name(name: str) -> str:
    """ "the laundry" -> "laundry"."""
    return re.sub(r"^(?:the|my|our|an?) (?=\w)", "", name.strip(), flags=re.IGNORECASE)


def find(which: Which, surroundings: Surroundings, kind: str = "timer") -> Timer:
    """The one timer meant: by what was said, else the one that rings, else the only or the newest one."""
    timers = [t for t in all_timers(surroundings.records).values() if t.kind == kind]
    if which.name:
        name = key(bare_name(which.name))
        if name in _PLACES and not any(name == key(t.name) for t in timers):
            return _placed(name, timers, clock_of(surroundings), kind)
        timers = [t for t in timers if name in (key(t.name), key(t.message))] or [
            t for t in timers if name and name in key(t.name).split()
        ]
    if which.area:
        timers = [t for t in timers if key(t.area) == key(which.area)] or [
            t for t in timers if key(t.name) == key(which.area)
        ]
    if which.start_s:
        timers = [t for t in timers if round(t.total_s) == round(which.start_s)]
    if not timers:
        others = [timer_words(t) for t in all_timers(surroundings.records).values() if t.kind == kind]
        wanted = which.name or which.area or (spoken_s(which.start_s) if which.start_s else "")
        there = "There is" if len(others) == 1 else "There are"
        running = f" {there} the {', the '.join(others[:MAX_TOLD])}." if others and wanted else ""
        raise ToolError(f"There is no {wanted + ' ' if wanted else ''}{kind}.{running}")
    return next((t for t in timers if t.ringing), timers[-1])


_PLACES: Final = {"first": 0, "oldest": 0, "second": 1, "third": 2, "fourth": 3, "last": -1, "latest": -1, "newest": -1,
                  "shortest": 0, "longest": -1}  # fmt: skip


def _placed(place: str, timers: list[Timer], clock: Clock, kind: str) -> Timer:
    """The second that was set, or the one with least time left."""
    if place in ("shortest", "longest"):
        timers = sorted(timers, key=lambda t: remaining_s(t, clock))
    at = _PLACES[place]
    if not -len(timers) <= at < len(timers):
        raise ToolError(f"There is no {place} {kind}." if timers else f"There is no {kind}.")
    return timers[at]


def cancel(which: Which, surroundings: Surroundings) -> Outcome:
    timer = find(which, surroundings)
    surroundings.records.delete(KIND, timer.id)
    surroundings.changed_timers()
    return Outcome(f"Cancelled the {timer_words(timer)}.", as_data(timer))


def cancel_all(arguments: Others, surroundings: Surroundings) -> Outcome:
    """Raises ToolError where there is none of a name that is to be left alone."""
    left = {find(Which(name=name), surroundings).id for name in arguments.but}
    timers = [t for t in all_timers(surroundings.records).values() if t.kind == "timer" and t.id not in left]
    for timer in timers:
        surroundings.records.delete(KIND, timer.id)
    surroundings.changed_timers()
    n = len(timers)
    return Outcome(f"Cancelled {n} timer{'s' if n != 1 else ''}." if n else "There are no timers.")


def _changed(which: Length, surroundings: Surroundings, sign: int) -> Outcome:
    if not which.s:
        raise Missing("duration", "By how much?")
    timer = find(which, surroundings)
    clock = clock_of(surroundings)
    left_s = max(0.0, remaining_s(timer, clock) if not timer.ringing else 0.0) + sign * which.s
    if left_s <= 0:
        surroundings.records.delete(KIND, timer.id)
        surroundings.changed_timers()
        return Outcome(f"That ends the {timer_words(timer)}; it is cancelled.")
    changed = msgspec.structs.replace(timer, total_s=timer.total_s + sign * which.s)
    _keep_left(changed, left_s, surroundings)
    return Outcome(f"{spoken_s(left_s)} left on the {timer_words(timer)}.", as_data(changed))


def _keep_left(timer: Timer, left_s: float, surroundings: Surroundings) -> None:
    if timer.paused:
        keep(msgspec.structs.replace(timer, left_s=left_s), surroundings)
    else:
        require_owner(surroundings)
        keep(in_s(timer, left_s, clock_of(surroundings)), surroundings)


def increase(which: Length, surroundings: Surroundings) -> Outcome:
    return _changed(which, surroundings, 1)


def decrease(which: Length, surroundings: Surroundings) -> Outcome:
    return _changed(which, surroundings, -1)


def change(which: Length, surroundings: Surroundings) -> Outcome:
    """make it ten minutes: from now."""
    if not which.s:
        raise Missing("duration", "For how long?")
    require_owner(surroundings)
    timer = msgspec.structs.replace(find(which, surroundings), total_s=which.s)
    keep(in_s(timer, which.s, clock_of(surroundings)), surroundings)
    return Outcome(f"The timer now runs for {spoken_s(which.s)}.", as_data(timer))


def pause(which: Which, surroundings: Surroundings) -> Outcome:
    timer = find(which, surroundings)
    left_s = max(1.0, remaining_s(timer, clock_of(surroundings)))
    keep(msgspec.structs.replace(timer, left_s=left_s), surroundings)
    return Outcome(f"Paused the {timer_words(timer)} with {spoken_s(left_s)} left.")


def resume(which: Which, surroundings: Surroundings) -> Outcome:
    paused = [t for t in all_timers(surroundings.records).values() if t.paused]
    timer = find(which, surroundings)
    if not timer.paused and len(paused) == 1 and which == Which():
        timer = paused[0]
    if timer.left_s is None:
        return Outcome(f"The {timer_words(timer)} is running already.")
    require_owner(surroundings)
    keep(in_s(timer, timer.left_s, clock_of(surroundings)), surroundings)
    return Outcome(f"The {timer_words(timer)} runs again, {spoken_s(timer.left_s)} left.")


def status(which: Which, surroundings: Surroundings) -> Outcome:
    clock = clock_of(surroundings)
    timers = [t for t in all_timers(surroundings.records).values() if t.kind == "timer"]
    if which != Which() and timers:
        timers = [find(which, surroundings)]
    if not timers:
        return Outcome("There are no timers.")
    lines = [f"{timer_words(t)}: {_left(t, remaining_s(t, clock))}" for t in timers]
    return Outcome("\n".join(lines), {"timers": [as_data(t) for t in timers]})


def _left(timer: Timer, left_s: float) -> str:
    return "ringing" if timer.ringing else f"{spoken_s(left_s)} left{' (paused)' if timer.paused else ''}"


def rename(arguments: Rename, surroundings: Surroundings) -> Outcome:
    if not arguments.new_name.strip():
        raise Missing("new_name", "What shall I call it?")
    timer = find(arguments, surroundings)
    renamed = msgspec.structs.replace(timer, name=arguments.new_name.strip())
    surroundings.records.put(KIND, timer.id, renamed)
    return Outcome(f"The {timer_words(timer)} is now the {timer_words(renamed)}.", as_data(renamed))


def restart(which: Which, surroundings: Surroundings) -> Outcome:
    """From its full length again; a paused one runs on."""
    timer = find(which, surroundings)
    if timer.paused:
        return resume(which, surroundings)
    require_owner(surroundings)
    keep(in_s(timer, timer.total_s, clock_of(surroundings)), surroundings)
    return Outcome(f"The {timer_words(timer)} starts again: {spoken_s(timer.total_s)}.", as_data(timer))


TOOLS: Final = (
    Tool("timer.start", "start a timer for a length of time", Start, start,
         examples=("set a timer for 5 minutes", "10 minute pizza timer")),
    Tool("timer.cancel", "cancel a timer", Which, cancel, examples=("cancel the pizza timer",)),
    Tool("timer.cancel_all", "cancel all timers", Others, cancel_all, examples=("cancel all timers",)),
    Tool("timer.increase", "add time to a timer", Length, increase, examples=("add 5 minutes to the timer",)),
    Tool("timer.decrease", "take time off a timer", Length, decrease, examples=("take 2 minutes off the timer",)),
    Tool("timer.change", "give a timer another length", Length, change, examples=("make it ten minutes",)),
    Tool("timer.pause", "pause a timer", Which, pause, examples=("pause the timer",)),
    Tool("timer.resume", "let a paused timer run on", Which, resume, examples=("resume the timer",)),
    Tool("timer.status", "tell how much time is left", Which, status, read_only, ("how long is left on the timer",)),
    Tool("timer.rename", "give a timer another name", Rename, rename, examples=("rename the timer to pasta",)),
    Tool("timer.restart", "start a timer again from its full length", Which, restart,
         examples=("restart the timer",)),
)  # fmt: skip
