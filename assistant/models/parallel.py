"""in_order(): do the same to many things on a few threads, and get the results in the order of the things."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Raised inside the work when its result is no longer wanted."""


def in_order(
    work: Callable[[T, threading.Event], R], items: Sequence[T], n_threads: int, most_ahead: int | None = None
) -> Iterator[R]:
    """Yield `work(item, stop)` for each item in order, computed on `n_threads` daemon threads.

    At most `most_ahead` results wait to be taken. The first exception is raised here, whichever item it comes from;
    then, and when the caller stops early or is interrupted, `stop` is set, and work that looks at it ends soon.
    """
    stop = threading.Event()
    permits = threading.Semaphore(max(n_threads, most_ahead or len(items)))
    results: queue.SimpleQueue[tuple[int, R | None, BaseException | None]] = queue.SimpleQueue()
    indices = iter(range(len(items)))
    turn = threading.Lock()

    def run() -> None:
        while True:
            permits.acquire()
            with turn:
                index = next(indices, None)
            if index is None or stop.is_set():
                permits.release()
                return
            try:
                results.put((index, work(items[index], stop), None))
            except BaseException as error:  # noqa: BLE001 - handed over to the caller, who raises it
                results.put((index, None, error))
                return

    for _ in range(min(n_threads, len(items))):
        threading.Thread(target=run, daemon=True).start()
    waiting: dict[int, R] = {}
    try:
        for wanted in range(len(items)):
            while wanted not in waiting:
                index, result, error = results.get()
                if error is not None:
                    raise error
                waiting[index] = result  # type: ignore[assignment]  # a result, since there was no error
            yield waiting.pop(wanted)
            permits.release()
    finally:
        stop.set()
        for _ in range(n_threads):
            permits.release()
