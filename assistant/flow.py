"""buffered(): let the producer of a generator chain run ahead of its consumer; all the concurrency below the screen."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from assistant.turn import Turn

T = TypeVar("T")

_POLL_S = 0.05  # how soon a producer blocked on a full buffer notices that its turn was cancelled


class _End:
    """Private end mark: carries the producer's exception, if it had one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def buffered(items: Iterable[T], turn: Turn, size: int = 64) -> Iterator[T]:
    """Yield `items` in order while a thread pulls them ahead, at most `size` at a time.

    Ends early, without an error, when the turn is cancelled or the consumer stops; an exception of the producer is
    raised to the consumer at the place where it happened in the stream.
    """
    ahead: queue.Queue[T | _End] = queue.Queue(maxsize=size)
    abandoned = threading.Event()

    def put(item: T | _End) -> bool:
        while not (turn.cancelled or abandoned.is_set()):
            try:
                ahead.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def pull() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as caught:  # noqa: BLE001 - handed over to the consumer, who raises it
            error = caught
        put(_End(error))

    thread = threading.Thread(target=pull, name="buffered", daemon=True)
    thread.start()
    try:
        while not turn.cancelled:
            try:
                item = ahead.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        abandoned.set()
