"""When timers ring: records that survive restarts, suspension, clock and DST changes, and the thread that watches them.

A timer counts time that passes: on the clock that runs on while the machine sleeps and that nobody can set, for as long
as the machine is not restarted; after a restart on the wall clock. An alarm or a reminder is a local time of day: it
follows the wall clock and its zone. What is due is first stored as ringing, then rung, and rings until it is stopped:
a crash between the two loses nothing, and nothing starts to ring twice.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from assistant.tools.records import Records
from assistant.tools.unattended import to_you

KIND: Final = "timer"
LONGEST_WAIT_S: Final = 20.0  # how long a change of the clock may go unnoticed
SHOWN_LATE_S: Final = 5.0


class Clock(Protocol):
    """Time, so that a test can move it."""

    def wall_s(self) -> float:
        """Seconds since 1970."""
        ...

    def running_s(self) -> float:
        """Seconds since the machine started, sleep included."""
        ...

    def boot(self) -> str:
        """Names this start of the machine."""
        ...

    def local(self, wall_s: float) -> datetime:
        """That moment in the user's zone."""
        ...

    def wait(self, wake: threading.Event, timeout_s: float) -> None: ...


class SystemClock:
    """The machine's own."""

    def wall_s(self) -> float:
        return time.time()

    def running_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def boot(self) -> str:
        return _boot_id()

    def local(self, wall_s: float) -> datetime:
        return datetime.fromtimestamp(wall_s).astimezone()

    def wait(self, wake: threading.Event, timeout_s: float) -> None:
        wake.wait(timeout_s)


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: what is left is the time at which it started, to the minute
        return str(round((time.time() - time.monotonic()) / 60))


class Timer(msgspec.Struct, frozen=True):
    """A timer, an alarm or a reminder.

    `due_running_s` counts on the clock of `boot`. `due_local` is the local time of an alarm, without a zone: "07:00 on
    that day, wherever I am". `left_s` is set while paused. `weekdays` (0 is Monday) repeats an alarm.
    """

    id: str
    kind: Literal["timer", "alarm", "reminder"]
    name: str = ""
    message: str = ""
    command: str = ""  # what to do instead of ringing: "turn off the lights"
    area: str = ""
    total_s: float = 0.0
    due_wall_s: float = 0.0
    due_running_s: float = 0.0
    boot: str = ""
    due_local: str = ""
    weekdays: tuple[int, ...] = ()
    left_s: float | None = None
    ringing_since_s: float | None = None

    @property
    def ringing(self) -> bool:
        return self.ringing_since_s is not None

    @property
    def paused(self) -> bool:
        return self.left_s is not None


def remaining_s(timer: Timer, clock: Clock) -> float:
    """Seconds until it rings; negative: it is late."""
    if timer.left_s is not None:
        return timer.left_s
    if timer.due_local and not timer.boot:  # a snoozed alarm counts like a timer
        return local_to_wall(timer.due_local, clock) - clock.wall_s()
    if timer.boot == clock.boot():
        return timer.due_running_s - clock.running_s()
    return timer.due_wall_s - clock.wall_s()


def local_to_wall(local: str, clock: Clock) -> float:
    """The moment of a local time. In the hour that a DST change skips, the time after it; in a doubled one, the
    first."""
    naive = datetime.fromisoformat(local)
    guess = clock.wall_s() + (naive - clock.local(clock.wall_s()).replace(tzinfo=None)).total_seconds()
    for _ in range(3):  # the offset there may differ from the one here
        error = (naive - clock.local(guess).replace(tzinfo=None)).total_seconds()
        if not error:
            break
        guess += error
    earlier = guess - 3600
    return earlier if clock.local(earlier).replace(tzinfo=None) == naive else guess


def in_s(timer: Timer, seconds: float, clock: Clock) -> Timer:
    """The timer set to ring in that many seconds."""
    return msgspec.structs.replace(
        timer,
        due_wall_s=clock.wall_s() + seconds,
        due_running_s=clock.running_s() + seconds,
        boot=clock.boot(),
        left_s=None,
        ringing_since_s=None,
    )


def next_time(timer: Timer, clock: Clock) -> Timer | None:
    """A repeating alarm set to its next day; None for one that does not repeat."""
    if not timer.weekdays:
        return None
    now = clock.local(clock.wall_s()).replace(tzinfo=None)
    at = datetime.fromisoformat(timer.due_local)
    day = datetime.combine(max(now.date(), at.date()), at.time())
    while day <= now or day.weekday() not in timer.weekdays:
        day += timedelta(days=1)
    return msgspec.structs.replace(timer, due_local=day.isoformat(), ringing_since_s=None)


class TimerWatch:
    """Owns the timers of a home: the one process in which they ring. `ring` is called once per timer, in its thread;
    for one that was already ringing when the process ended, once more at the start."""

    def __init__(self, records: Records, ring: Callable[[Timer], None], clock: Clock | None = None) -> None:
        self._records, self._ring = records, ring
        self.clock: Clock = clock or SystemClock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="timers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def changed(self) -> None:
        """Look again: a timer was set, changed or removed."""
        self._wake.set()

    def close(self) -> None:
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def forget(self, timer: Timer) -> None:
        """It is over: nobody needs to stop it."""
        self._records.delete(KIND, timer.id)

    def resume_ringing(self) -> None:
        """Ring what was ringing when the last owner ended."""
        for timer in self._all().values():
            if timer.ringing:
                self._ring(timer)

    def ring_due(self) -> float:
        """Ring what is due; seconds until the next is, at most LONGEST_WAIT_S."""
        wait_s = LONGEST_WAIT_S
        for timer in self._all().values():
            if timer.ringing or timer.paused:
                continue
            left_s = remaining_s(timer, self.clock)
            if left_s > 0:
                wait_s = min(wait_s, left_s)
                continue
            ringing = msgspec.structs.replace(timer, ringing_since_s=self.clock.wall_s())
            self._records.put(KIND, timer.id, ringing)
            self._ring(ringing)
        return wait_s

    def _all(self) -> dict[str, Timer]:
        return self._records.all(KIND, Timer)

    def _watch(self) -> None:
        self.resume_ringing()
        while not self._closed.is_set():
            self._wake.clear()
            self.clock.wait(self._wake, self.ring_due())


def spoken_s(seconds: float) -> str:
    """90 -> "1 minute 30 seconds"; rounded to whole seconds."""
    left = max(0, round(seconds))
    parts = []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        n, left = divmod(left, size)
        if n:
            parts.append(f"{n} {unit}{'s' if n != 1 else ''}")
    return " ".join(parts) or "0 seconds"


def spoken_time(moment: datetime, now: datetime) -> str:
    """When, as said: "07:30", "tomorrow at 07:30", "Tuesday 4 May at 07:30"."""
    clock_time = f"{moment:%H:%M}"
    days = (moment.date() - now.date()).days
    if days == 0:
        return clock_time
    return f"tomorrow at {clock_time}" if days == 1 else f"{moment:%A} {moment.day} {moment:%B} at {clock_time}"


def timer_words(timer: Timer) -> str:
    """What to call it: "pizza timer", "10 minute timer", "reminder to call mum"."""
    if timer.kind == "reminder":
        return f"reminder to {to_you(timer.message)}" if timer.message else "reminder"
    if timer.command:
        return f"“{timer.command}”"
    if timer.name:
        return f"{timer.name} {timer.kind}"
    length = re.sub(r"s\b", "", spoken_s(timer.total_s))
    return f"{length} timer" if timer.kind == "timer" else timer.kind


def all_timers(records: Records) -> dict[str, Timer]:
    return records.all(KIND, Timer)


def as_data(timer: Timer) -> dict[str, Any]:
    return {k: v for k, v in msgspec.to_builtins(timer).items() if v not in ("", None, 0.0, [])}
