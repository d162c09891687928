"""What to do about a timer, an alarm or a reminder that rings: stop it, or have it ring again a little later."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

import msgspec

from assistant.conversation import new_id
from assistant.tools import Nothing, Outcome, Surroundings, Tool
from assistant.tools.timekeeping import KIND, Timer, all_timers, as_data, in_s, next_time, spoken_s, timer_words
from assistant.tools.timers import clock_of, keep, require_owner

SNOOZE_S: Final = 600.0
MAX_SNOOZE_S: Final = 86400.0
Amount = Annotated[float, msgspec.Meta(ge=0, le=100_000)]


class Snooze(msgspec.Struct, frozen=True, kw_only=True):
    """For how long; ten minutes if nothing is said."""

    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0

    @property
    def s(self) -> float:
        return min(self.hours * 3600 + self.minutes * 60 + self.seconds or SNOOZE_S, MAX_SNOOZE_S)


def stop(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    """Stop what rings."""
    ringing = _ringing(surroundings)
    for timer in ringing:
        _end(timer, surroundings)
    surroundings.changed_timers()
    return Outcome("Stopped." if ringing else "Nothing is ringing.")


def snooze(arguments: Snooze, surroundings: Surroundings) -> Outcome:
    """Everything that rings is quiet and rings again later. An alarm that comes again on its days keeps them."""
    ringing = _ringing(surroundings)
    if not ringing:
        return Outcome("Nothing is ringing.")
    require_owner(surroundings)
    clock = clock_of(surroundings)
    again = clock.local(clock.wall_s()).replace(tzinfo=None) + timedelta(seconds=arguments.s)
    snoozed = []
    for timer in ringing:
        later = in_s(timer, arguments.s, clock)  # counts time that passes, whatever the clock is set to meanwhile
        if timer.due_local:
            later = msgspec.structs.replace(later, due_local=again.isoformat(timespec="seconds"))
        if timer.weekdays:
            _end(timer, surroundings)
            later = msgspec.structs.replace(later, id=new_id(), weekdays=())
        keep(later, surroundings)
        snoozed.append(later)
    what = ", ".join(timer_words(t) for t in snoozed)
    return Outcome(f"Quiet for {spoken_s(arguments.s)}: {what}.", {"timers": [as_data(t) for t in snoozed]})


def _ringing(surroundings: Surroundings) -> list[Timer]:
    return [t for t in all_timers(surroundings.records).values() if t.ringing]


def _end(timer: Timer, surroundings: Surroundings) -> None:
    """It is over, or waits for its next day."""
    following = next_time(timer, clock_of(surroundings))
    if following is None:
        surroundings.records.delete(KIND, timer.id)
    else:
        surroundings.records.put(KIND, timer.id, following)


TOOLS: Final = (
    Tool("timer.stop", "stop what is ringing", Nothing, stop, examples=("stop",)),
    Tool("timer.snooze", "have what rings ring again later", Snooze, snooze,
         examples=("snooze", "snooze for ten minutes")),
)  # fmt: skip
