"""Timing two things side by side on a machine that others may be using.

The order is A B B A within a block, so that a drift of the machine hits both alike; a block gives one ratio. Blocks in
which others used more than 8 % of the CPU are dropped, as long as enough calm ones come within the time allowed; if
not, all blocks count and the run is marked contended. CPU time is kept beside wall time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from evals import machine
from evals.results import Metric, from_interval
from evals.statistics import paired_ratio

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """What one repetition took, per token where it decodes: wall time, and CPU time of all threads involved."""

    ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Block:
    """One A B B A: means of the two repetitions of each side, and how much CPU others used meanwhile (0 to 1)."""

    a: Timing
    b: Timing
    foreign_share: float


@dataclass(slots=True)
class Guard:
    """Decides which repetitions count, and remembers whether any part of the run had to share its cores."""

    calm_share: float = machine.CALM_SHARE
    contended: bool = False
    notes: list[str] = field(default_factory=list)
    _ends_at_s: float = math.inf

    def allow(self, seconds: float) -> None:
        """From now on, repetitions beyond the first few end after so many seconds."""
        self._ends_at_s = time.monotonic() + seconds

    def wait_until_calm(self, limit_s: float) -> None:
        """Give the others a chance to finish, unless time is short."""
        if not self.is_over:
            machine.wait_until_calm(limit_s)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._ends_at_s

    def watch(self, work: Callable[[], T]) -> tuple[T, float]:
        """Do `work`; return what it returns and the share of the CPU that others used meanwhile."""
        before = machine.cpu_times()
        done = work()
        return done, machine.foreign_share(before, machine.cpu_times())

    def choose(self, shares: list[float], n_wanted: int, what: str) -> list[int]:
        """Which repetitions to use: the calm ones if there are `n_wanted` of them, all otherwise."""
        calm = [i for i, share in enumerate(shares) if share <= self.calm_share]
        if len(calm) >= n_wanted:
            return calm
        self.contended = True
        self.notes.append(f"{what}: {len(calm)} of {len(shares)} repetitions were calm, all were used")
        return list(range(len(shares)))


def side_by_side(
    a: Callable[[], Timing], b: Callable[[], Timing], guard: Guard, n_blocks: int, what: str
) -> list[Block]:
    """Time `a` against `b` in blocks of A B B A until `n_blocks` are calm, at most three times as many in all.

    When the guard's time is over, at least two blocks are there.
    """
    a(), b()  # caches, thread pools and clocks warm up outside the measurement
    blocks: list[Block] = []
    calm = 0
    while calm < n_blocks and len(blocks) < 3 * n_blocks and not (guard.is_over and len(blocks) >= 2):
        guard.wait_until_calm(2.0)
        (first, second, third, fourth), share = guard.watch(lambda: (a(), b(), b(), a()))
        blocks.append(Block(_mean(first, fourth), _mean(second, third), share))
        calm += share <= guard.calm_share
    return [blocks[i] for i in guard.choose([block.foreign_share for block in blocks], n_blocks, what)]


def speed_ratio(blocks: list[Block], **judged: str) -> Metric:
    """Speed of A as a share of B's: above 1, A is the faster one."""
    ratios = [block.b.ms / block.a.ms for block in blocks]
    return _ratio(ratios, blocks, **judged)


def cost_ratio(blocks: list[Block], **judged: str) -> Metric:
    """Time of A per unit of B's: above 1, A is the slower one."""
    return _ratio([block.a.ms / block.b.ms for block in blocks], blocks, **judged)


def cpu_cost_ratio(blocks: list[Block], **judged: str) -> Metric:
    """As cost_ratio(), in CPU time."""
    return _ratio([block.a.cpu_ms / block.b.cpu_ms for block in blocks], blocks, **judged)


def _ratio(ratios: list[float], blocks: list[Block], **judged: str) -> Metric:
    interval = paired_ratio(ratios, [1.0] * len(blocks))
    return from_interval(interval, "ratio", samples=[round(r, 5) for r in ratios], **judged)


def _mean(one: Timing, other: Timing) -> Timing:
    return Timing((one.ms + other.ms) / 2, (one.cpu_ms + other.cpu_ms) / 2)
