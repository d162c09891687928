"""Turns are cancelled once; buffered() keeps order, passes errors on, and lets go of a producer nobody reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from assistant.flow import buffered
from assistant.turn import Turn, Usage


def test_cancel_calls_back_once_and_late_callbacks_at_once() -> None:
    turn, calls = Turn(), []
    turn.on_cancel(lambda: calls.append("early"))
    assert not turn.cancelled
    turn.cancel()
    turn.cancel()
    turn.on_cancel(lambda: calls.append("late"))
    assert turn.cancelled
    assert calls == ["early", "late"]


def test_first_mark_of_a_name_stays() -> None:
    turn = Turn()
    start = turn.marks["start"]
    turn.mark("start")
    assert turn.marks["start"] == start


def test_tokens_per_second_counts_from_the_first_token() -> None:
    assert Usage(reply_tokens=11, decode_ms=1000).tokens_per_s == pytest.approx(10)
    assert Usage(reply_tokens=1, decode_ms=0).tokens_per_s == 0


def test_buffered_keeps_order() -> None:
    assert list(buffered(range(1000), Turn(), size=3)) == list(range(1000))


def test_buffered_runs_ahead_of_its_consumer() -> None:
    produced_three = threading.Event()

    def items() -> Iterator[int]:
        for n in range(4):
            if n == 3:
                produced_three.set()
            yield n

    consumer = buffered(items(), Turn(), size=8)
    assert next(consumer) == 0
    assert produced_three.wait(10)


def test_buffered_raises_the_producers_error_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("producer")

    consumer = buffered(items(), Turn())
    assert next(consumer) == 1
    with pytest.raises(ValueError, match="producer"):
        next(consumer)


def test_buffered_ends_when_the_turn_is_cancelled() -> None:
    turn = Turn()
    consumer = buffered(iter(int, 1), turn, size=2)  # endless zeros
    assert next(consumer) == 0
    turn.cancel()
    assert list(consumer) == []


def test_buffered_lets_go_of_the_producer_when_the_consumer_stops() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    producer = items()
    consumer = buffered(producer, Turn(), size=1)
    next(consumer)
    consumer.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == "buffered":
            thread.join(10)
    producer.close()  # type: ignore[attr-defined]
    assert closed.is_set()
