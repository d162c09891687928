"""The thread governor: fewer threads while a neighbour keeps a core busy, and back when it is calm.

llama.cpp's threads meet at a barrier hundreds of times a token. If another program takes a core for a time slice, all
threads wait for the one that was put aside: two threads then are not a little slower than one but three to twenty times
(docs/experiments.md). The governor sees only what that does, milliseconds per token, and compares what it has seen:

    steady   decoding with one number of threads; a run of tokens well above the calm ones starts a scan of fewer
    scan     a few tokens with each other number, then the fastest is kept

While on fewer threads it scans upwards from time to time. A scan that found nothing better delays the next one, so that
scans take at most 4 % of the time. Pure state: no clock, no threads, no system calls.
"""

from __future__ import annotations

import statistics
from collections import deque

_WINDOW = 3  # tokens whose median is judged: one slow token is chance, two of three are not
_SPIKE = 1.7  # times the calm token; attention at a depth of 4,000 tokens makes at most 1.5 of it
_TRIAL = 4  # tokens with each number of threads in a scan; the first is not judged, it starts the threads
_HOPELESS = 1.5  # a trial token this much slower than the best so far ends its trial,
_FIRST_HOPELESS = 4.0  # the first, which also starts the threads, only if it is this much slower
_CLEARLY = 0.97  # what a smaller number must reach to be preferred
_DRIFT = 1.0005  # per token: the calm speed follows a growing context
_COST = 0.04  # share of the time that scans may take
_MIN_PAUSE = 32  # tokens between two scans
_SHORTEST_MS, _LONGEST_MS = 0.01, 1e6  # a clock that jumped, or a laptop that slept, must not make nonsense


class Governor:
    """Proposes the number of decoding threads from one token to the next, 1..n_threads_max.

    `calm_ms` is what a token takes with all threads on a quiet machine, if a probe has found that; without it the first
    tokens are compared with fewer threads once. Keep one governor for as long as the model is loaded.
    """

    def __init__(self, n_threads_max: int, calm_ms: float | None = None) -> None:
        n = max(1, n_threads_max)
        self.n_threads_max = n
        self.n_threads = n
        self._levels = sorted({n, n - 1, n // 2, 1} - {0}, reverse=True)
        self._calm_ms = calm_ms
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._pause = 0  # tokens until the next scan may start
        self._scan: _Scan | None = None

    def observe(self, token_ms: float) -> int:
        """Take note of the token just decoded; returns the number of threads for the next one."""
        token_ms = min(max(token_ms, _SHORTEST_MS), _LONGEST_MS)
        if len(self._levels) > 1:
            if self._scan is None:
                self._steady(token_ms)
            elif not self._scan.observe(token_ms):
                self._finish(self._scan)
            self.n_threads = self._scan.n_threads if self._scan else self.n_threads
        return self.n_threads

    def _steady(self, token_ms: float) -> None:
        self._recent.append(token_ms)
        self._pause = max(0, self._pause - 1)
        if len(self._recent) < _WINDOW:
            return
        now_ms = statistics.median(self._recent)
        slow = self._calm_ms is None or now_ms > _SPIKE * self._calm_ms
        self._calm_ms = now_ms if self._calm_ms is None else min(now_ms, self._calm_ms * _DRIFT)
        if self._pause:
            return
        fewer = [n for n in self._levels if n < self.n_threads]
        more = [n for n in self._levels if n > self.n_threads]
        if slow and fewer:
            self._scan = _Scan(self.n_threads, now_ms, fewer)
        elif more:
            self._scan = _Scan(self.n_threads, now_ms, more)

    def _finish(self, scan: _Scan) -> None:
        self.n_threads, self._calm_ms = scan.best()
        self._scan = None
        self._recent.clear()
        lost_ms = scan.spent_ms - scan.n_tokens * self._calm_ms
        self._pause = max(_MIN_PAUSE, int(lost_ms / _COST / self._calm_ms))


class _Scan:
    """A few tokens with each of several numbers of threads, beginning from what is known of the present one."""

    def __init__(self, n_threads: int, now_ms: float, others: list[int]) -> None:
        self.spent_ms = 0.0
        self.n_tokens = 0
        self._results = {n_threads: now_ms}
        self._waiting = others
        self._trial: list[float] = []

    @property
    def n_threads(self) -> int:
        return self._waiting[0]

    def observe(self, token_ms: float) -> bool:
        """False when there is nothing left to try."""
        self.spent_ms += token_ms
        self.n_tokens += 1
        self._trial.append(token_ms)
        best_ms = min(self._results.values())
        hopeless = token_ms > best_ms * (_FIRST_HOPELESS if len(self._trial) == 1 else _HOPELESS)
        if hopeless or len(self._trial) == _TRIAL:
            self._results[self._waiting.pop(0)] = statistics.median(self._trial[1:] or self._trial)
            self._trial = []
        return bool(self._waiting)

    def best(self) -> tuple[int, float]:
        """The largest number of threads that no other clearly beats, and its milliseconds per token."""
        fastest_ms = min(self._results.values())
        n_threads = max(n for n, ms in self._results.items() if _CLEARLY * ms <= fastest_ms)
        return n_threads, self._results[n_threads]
