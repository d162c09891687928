"""The stopwatch counts time that passes, whatever is done to the clock, and goes on from where it was stopped."""

from __future__ import annotations

from tool_bench import Bench


def test_it_is_started_read_stopped_and_goes_on() -> None:
    bench = Bench()
    assert bench.say("start a stopwatch") == "The stopwatch runs."
    bench.clock.pass_s(95)
    assert bench.say("how long has it been") == "1 minute 35 seconds on the stopwatch."
    assert bench.say("stop the stopwatch") == "Stopped after 1 minute 35 seconds."
    bench.clock.pass_s(600)
    assert bench.say("how much time is on the stopwatch") == "1 minute 35 seconds on the stopwatch. It is stopped."
    assert bench.say("start the stopwatch") == "The stopwatch runs on from 1 minute 35 seconds."
    bench.clock.pass_s(5)
    assert bench.say("stop it") == "Stopped after 1 minute 40 seconds."
    assert bench.say("reset the stopwatch") == "The stopwatch is back at zero; it stood at 1 minute 40 seconds."
    assert bench.say("stop the stopwatch") == "No stopwatch runs. Say “start the stopwatch”."


def test_setting_the_clock_does_not_move_it_and_a_restart_does_not_lose_it() -> None:
    bench = Bench()
    bench.say("start the stopwatch")
    bench.clock.pass_s(10)
    bench.clock.set_wall(3600)
    assert bench.say("read the stopwatch") == "10 seconds on the stopwatch."
    bench.say("restart the stopwatch")
    bench.clock.restart(60)
    assert bench.say("read the stopwatch") == "1 minute on the stopwatch."


def test_a_start_is_taken_back_by_undo() -> None:
    bench = Bench()
    bench.say("start the stopwatch")
    assert "stopwatch" in bench.say("undo")
    assert bench.say("read the stopwatch") == "No stopwatch runs. Say “start the stopwatch”."


def test_without_a_stopwatch_the_words_are_not_taken() -> None:
    assert Bench().act("how long has it been").decision.handled_by == "model"
