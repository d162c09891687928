"""A router over an ephemeral store, with a clock the test moves: what the tool tests share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from assistant.history import ephemeral_history
from assistant.home.model import Home, load, simulated
from assistant.router import Confirm, Confirmation, Decision, Reply, Router, refuse
from assistant.tools.opening import surroundings_for

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=ZoneInfo("Europe/Berlin"))  # a Tuesday
HOME_FILE = Path(__file__).with_name("home_test.yaml")


class FakeClock:
    """Wall clock, running clock and restarts, moved by hand. `wait` returns at once."""

    def __init__(self, start: datetime = NOON) -> None:
        self.zone = start.tzinfo or UTC
        self._wall_s = start.timestamp()
        self._running_s = 1000.0
        self._boot = 1

    def wall_s(self) -> float:
        return self._wall_s

    def running_s(self) -> float:
        return self._running_s

    def boot(self) -> str:
        return f"boot {self._boot}"

    def local(self, wall_s: float) -> datetime:
        return datetime.fromtimestamp(wall_s, self.zone)

    def now(self) -> datetime:
        return self.local(self._wall_s)

    def wait(self, wake: threading.Event, timeout_s: float) -> None:
        wake.wait(0.01)

    def pass_s(self, seconds: float) -> None:
        """Time passes, asleep or awake: both clocks run on."""
        self._wall_s += seconds
        self._running_s += seconds

    def set_wall(self, by_s: float) -> None:
        """Somebody sets the clock: no time has passed."""
        self._wall_s += by_s

    def restart(self, seconds: float) -> None:
        """The machine is off for that long and starts again."""
        self._wall_s += seconds
        self._running_s = 5.0
        self._boot += 1


class Bench:
    """`say` decides and acts; confirmations are answered by `yes`."""

    def __init__(self, rings: bool = True, home: Home | None = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.history = ephemeral_history()
        self.surroundings = surroundings_for(self.history, home or simulated(), rings=rings)
        self.surroundings.clock = self.clock.now
        self.surroundings.timer_clock = self.clock
        self.router = Router(self.surroundings)
        self.asked: list[Confirmation] = []
        self.yes = False

    def decide(self, text: str) -> Decision:
        return self.router.decide(text)

    def say(self, text: str) -> str:
        return self.act(text).text

    def act(self, text: str) -> Reply:
        return self.router.act(self.router.decide(text), self._confirm)

    def state(self, entity_id: str) -> str:
        entity = self.surroundings.home().entity(entity_id)
        assert entity is not None
        return entity.state

    def _confirm(self, confirmation: Confirmation) -> bool:
        self.asked.append(confirmation)
        return self.yes


def bench_with(home: Path, **fields: bool) -> Bench:
    return Bench(home=load(home), **fields)


__all__ = ["NOON", "Bench", "Callable", "Confirm", "FakeClock", "bench_with", "refuse"]
