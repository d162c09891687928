"""What a measurement is: a name, what it needs, and run(). One file a measurement, listed in tasks()."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from assistant.errors import UsageError
from evals.results import Failure, Metric, Series

DEFAULT_SEED = 20261


class Effort(StrEnum):
    """How long a run may take on two cores: SMOKE all tasks together in 10 minutes, QUICK a task in 10, DEFAULT in 40,
    FULL as long as it needs."""

    SMOKE = "smoke"
    QUICK = "quick"
    DEFAULT = "default"
    FULL = "full"


class NoSuchPart(UsageError):
    """`--only` names no part of this task; raised before anything is measured."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    model: str
    effort: Effort = Effort.DEFAULT
    data: Path | None = None
    seed: int = DEFAULT_SEED
    only: tuple[str, ...] = ()  # parts of a task's work, by regular expressions found in their names; all when empty
    adapter: str = "on"  # of the model, for choosing tools: on, off, or the path of another
    rows: int = 0  # of each sample that is drawn, instead of what goes with the effort
    keep: Path | None = None  # file of the rows that are measured, by parts that can go on where they stopped

    def choose(self, quick: int, default: int, full: int) -> int:
        """The number (of repetitions, tokens, ...) that goes with the effort; a smoke run takes that of a quick one."""
        return {Effort.DEFAULT: default, Effort.FULL: full}.get(self.effort, quick)

    def sample(self, quick: int, default: int, full: int) -> int:
        """The number of rows that are drawn: `rows` if it was given, else the one that goes with the effort."""
        return self.rows or self.choose(quick, default, full)

    def wants(self, name: str) -> bool:
        """Whether a part of this name is to be measured."""
        return not self.only or any(re.search(pattern, name) for pattern in self.only)


@dataclass(slots=True)
class Outcome:
    """What a task found out. A metric that could not be measured is a failure, never a made-up number."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)  # name, file, sha256, size_bytes
    settings: dict[str, Any] = field(default_factory=dict)
    contended: bool = False

    def not_measurable(self, what: str, message: str) -> None:
        self.failures.append(Failure(what, "not measurable here", message))


class Progress:
    """People's lines, on stderr. Time left is what the remaining parts were expected to take, scaled by experience."""

    def __init__(self, expected_s: dict[str, float]) -> None:
        self._expected_s = dict(expected_s)
        self._spent_s = 0.0
        self._done_s = 0.0  # what the finished parts were expected to take
        self._started_s = time.monotonic()
        self._n_parts = len(expected_s)

    def start(self, part: str) -> None:
        self._started_s = time.monotonic()
        number = self._n_parts - len(self._expected_s) + 1
        self.say(f"[{number}/{self._n_parts}] {part} (about {_spell(self.left_s)} left)")

    def finish(self, part: str) -> None:
        self._spent_s += time.monotonic() - self._started_s
        self._done_s += self._expected_s.pop(part)

    @property
    def left_s(self) -> float:
        scale = min(4.0, self._spent_s / self._done_s) if self._done_s else 1.0
        return sum(self._expected_s.values()) * scale

    def say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Task(Protocol):
    """A measurement."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str:
        """One line for `evals list`."""
        ...

    @property
    def needs(self) -> str:
        """What must be there before it can run, such as "a pulled model"."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """What of a --data folder it reads; a folder with none of these is not the one that was meant."""
        ...

    def run(self, options: Options) -> Outcome:
        """Measure. Raises AssistantError when nothing at all could be measured."""
        ...


def tasks() -> dict[str, Task]:
    """All measurements by name, in the order in which `run all` takes them."""
    from evals.accuracy import Accuracy
    from evals.privacy import Privacy
    from evals.quantize import Quantize
    from evals.speed import Speed
    from evals.tools import Tools
    from evals.voice import Voice

    known: tuple[Task, ...] = (Speed(), Privacy(), Tools(), Quantize(), Accuracy(), Voice())
    return {task.name: task for task in known}


def _spell(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
