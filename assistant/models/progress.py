"""How far a download is: bytes, speed, time left; as one moving line on a terminal, as a few lines anywhere else."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

_SPEED_WINDOW_S = 5.0
_LINE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a download: `what` is being fetched `source`; `resumed_bytes` were there from an earlier run."""

    what: str
    source: str
    done_bytes: int
    total_bytes: int
    resumed_bytes: int
    bytes_per_s: float

    @property
    def seconds_left(self) -> float | None:
        """None while nothing has arrived yet."""
        return (self.total_bytes - self.done_bytes) / self.bytes_per_s if self.bytes_per_s > 0 else None


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report that goes nowhere."""


class Meter:
    """Counts the bytes of several download threads and reports at most every `interval_s`."""

    def __init__(self, what: str, source: str, report: Report, interval_s: float = 0.1) -> None:
        self._what, self._source, self._report, self._interval_s = what, source, report, interval_s
        self._lock = threading.Lock()
        self._total = self._done = self._resumed = 0
        self._history: deque[tuple[float, int]] = deque()
        self._reported_at = 0.0

    def expect(self, total_bytes: int, resumed_bytes: int = 0) -> None:
        """Add to what will come, and say how much of it is already there."""
        with self._lock:
            self._total += total_bytes
            self._done += resumed_bytes
            self._resumed += resumed_bytes

    def add(self, n_bytes: int) -> None:
        """Count bytes that arrived (or, negative, that turned out useless)."""
        now = time.monotonic()
        with self._lock:
            self._done += n_bytes
            self._history.append((now, self._done))
            while len(self._history) > 2 and now - self._history[0][0] > _SPEED_WINDOW_S:
                self._history.popleft()
            if now - self._reported_at < self._interval_s and self._done < self._total:
                return
            self._reported_at = now
            self._report(self._progress(now))  # under the lock: reports come one at a time and in order

    def _progress(self, now: float) -> Progress:
        since, done_then = self._history[0]
        speed = (self._done - done_then) / (now - since) if now > since else 0.0
        return Progress(self._what, self._source, self._done, self._total, self._resumed, max(0.0, speed))


class TerminalReport:
    """Shows progress on a stream: a bar that redraws itself on a terminal, else a line every ten seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._line_at = 0.0
        self._shown = False

    def __call__(self, progress: Progress) -> None:
        if self._moving:
            self._stream.write("\r\x1b[2K" + bar(progress, shutil.get_terminal_size().columns - 1))
            self._stream.flush()
            self._shown = True
            return
        now = time.monotonic()
        if progress.done_bytes >= progress.total_bytes or now - self._line_at >= _LINE_EVERY_S:
            self._line_at = now
            self._stream.write(bar(progress, 0) + "\n")
            self._stream.flush()

    def end(self) -> None:
        """Leave the bar on the screen and go to the next line."""
        if self._shown:
            self._stream.write("\n")
            self._stream.flush()
            self._shown = False


def bar(progress: Progress, columns: int) -> str:
    """One line: name, bar if there is room, percent, megabytes, speed, time left."""
    share = min(1.0, progress.done_bytes / max(1, progress.total_bytes))
    left = progress.seconds_left
    parts = [
        f"{100 * share:3.0f} %",
        f"{progress.done_bytes / 1e6:,.0f} of {progress.total_bytes / 1e6:,.0f} MB",
        f"{progress.bytes_per_s / 1e6:,.1f} MB/s",
        "" if left is None or share >= 1 else f"{_duration(left)} left",
    ]
    numbers = "  ".join(part for part in parts if part)
    head = f"{progress.what} {progress.source}"
    room = columns - len(head) - len(numbers) - 6
    if room < 8:
        line = f"{head}  {numbers}"
        return line[:columns] if columns > 0 else line
    width = min(room, 40)
    filled = round(share * width)
    return f"{head}  [{'#' * filled}{'-' * (width - filled)}]  {numbers}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f} min"
