"""A stopwatch: started, read, stopped, started again. It counts time that passes, like a timer: setting the clock does
not move it; over a restart of the machine it counts by the wall clock."""

from __future__ import annotations

from typing import Final

import msgspec

from assistant.tools import Nothing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.timekeeping import Clock, spoken_s
from assistant.tools.timers import clock_of

KIND: Final = "stopwatch"
_ID: Final = "stopwatch"


class Stopwatch(msgspec.Struct, frozen=True):
    """`counted_s` is what was counted before the last start; `boot` "" while it stands still."""

    counted_s: float = 0.0
    since_wall_s: float = 0.0
    since_running_s: float = 0.0
    boot: str = ""

    @property
    def runs(self) -> bool:
        return bool(self.boot)

    def s(self, clock: Clock) -> float:
        """Seconds counted until now."""
        if not self.runs:
            return self.counted_s
        same = self.boot == clock.boot()
        now, since = (clock.running_s(), self.since_running_s) if same else (clock.wall_s(), self.since_wall_s)
        return self.counted_s + max(0.0, now - since)


def start(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    """From zero, or on from where it was stopped."""
    kept, clock = _kept(surroundings), clock_of(surroundings)
    if kept and kept.runs:
        return Outcome(f"The stopwatch runs already: {spoken_s(kept.s(clock))}.", {"seconds": kept.s(clock)})
    counted_s = kept.counted_s if kept else 0.0
    _start(counted_s, surroundings)
    return Outcome(f"The stopwatch runs on from {spoken_s(counted_s)}." if counted_s else "The stopwatch runs.")


def restart(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    _start(0.0, surroundings)
    return Outcome("The stopwatch runs from zero.")


def read(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    """Raises ToolError where there is none."""
    kept, clock = _required(surroundings), clock_of(surroundings)
    stands = "" if kept.runs else " It is stopped."
    return Outcome(f"{spoken_s(kept.s(clock))} on the stopwatch.{stands}", {"seconds": kept.s(clock)})


def stop(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    """Raises ToolError where there is none."""
    kept, clock = _required(surroundings), clock_of(surroundings)
    counted_s = kept.s(clock)
    if kept.runs:
        surroundings.records.put(KIND, _ID, Stopwatch(counted_s))
    return Outcome(f"Stopped after {spoken_s(counted_s)}.", {"seconds": counted_s})


def reset(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    """Raises ToolError where there is none."""
    counted_s = _required(surroundings).s(clock_of(surroundings))
    surroundings.records.delete(KIND, _ID)
    return Outcome(f"The stopwatch is back at zero; it stood at {spoken_s(counted_s)}.", {"seconds": counted_s})


def _kept(surroundings: Surroundings) -> Stopwatch | None:
    return surroundings.records.get(KIND, _ID, Stopwatch)


def _required(surroundings: Surroundings) -> Stopwatch:
    kept = _kept(surroundings)
    if kept is None:
        raise ToolError("No stopwatch runs. Say “start the stopwatch”.")
    return kept


def _start(counted_s: float, surroundings: Surroundings) -> None:
    clock = clock_of(surroundings)
    surroundings.records.put(KIND, _ID, Stopwatch(counted_s, clock.wall_s(), clock.running_s(), clock.boot()))


TOOLS: Final = (
    Tool("stopwatch.start", "start the stopwatch", Nothing, start, examples=("start a stopwatch",), by_model=False),
    Tool("stopwatch.restart", "start it from zero", Nothing, restart, examples=("restart the stopwatch",),
         by_model=False),
    Tool("stopwatch.read", "tell what the stopwatch shows", Nothing, read, read_only, ("read the stopwatch",),
         by_model=False),
    Tool("stopwatch.stop", "stop the stopwatch", Nothing, stop, examples=("stop the stopwatch",), by_model=False),
    Tool("stopwatch.reset", "set it back to zero", Nothing, reset, examples=("reset the stopwatch",),
         by_model=False),
)  # fmt: skip
