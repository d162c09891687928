"""P12: timers under restart, suspend, clock changes and DST; 200 at once; nothing lost, nothing twice."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from assistant.errors import PolicyError
from assistant.tools.records import Records
from assistant.tools.timekeeping import Timer, TimerWatch, all_timers, local_to_wall, remaining_s
from tool_bench import Bench, FakeClock


class Owner:
    """The process that rings; `restart` is a new one over the same store."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.rung: list[Timer] = []
        self.restart()

    def restart(self) -> None:
        self.watch = TimerWatch(Records(self.bench.history), self.rung.append, self.bench.clock)

    def run(self, seconds: float, step_s: float = 1.0) -> None:
        """Time passes while the owner watches."""
        for _ in range(int(seconds / step_s)):
            self.bench.clock.pass_s(step_s)
            self.watch.ring_due()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def owner(bench: Bench) -> Owner:
    return Owner(bench)


def test_a_timer_rings_once_within_a_second(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 2 minutes")
    owner.run(119)
    assert owner.rung == []
    owner.run(2)
    owner.run(300)
    assert len(owner.rung) == 1


@pytest.mark.parametrize("by_s", [3600, -3600, 365 * 86400, -365 * 86400])
def test_setting_the_clock_does_not_move_a_timer(bench: Bench, owner: Owner, by_s: float) -> None:
    bench.say("set a timer for 10 minutes")
    owner.run(60)
    bench.clock.set_wall(by_s)
    owner.run(538)
    assert owner.rung == []
    owner.run(3)
    assert len(owner.rung) == 1


def test_a_suspended_machine_rings_when_it_wakes(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 10 minutes")
    bench.clock.pass_s(8 * 3600)
    owner.watch.ring_due()
    assert len(owner.rung) == 1


def test_a_restart_of_the_machine_keeps_the_time(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 10 minutes")
    bench.clock.restart(300)
    owner.restart()
    owner.run(298)
    assert owner.rung == []
    owner.run(4)
    assert len(owner.rung) == 1


def test_what_was_due_while_nothing_ran_rings_at_the_start(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 10 minutes")
    bench.say("wake me at 1 pm")
    bench.clock.restart(2 * 3600)
    owner.restart()
    owner.watch.ring_due()
    assert sorted(t.kind for t in owner.rung) == ["alarm", "timer"]


def test_what_rang_when_the_process_died_goes_on_ringing_and_is_no_second_ring(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 1 minute")
    owner.run(61)
    owner.rung.clear()
    owner.restart()
    owner.watch.resume_ringing()
    owner.run(100)
    assert len(owner.rung) == 1
    assert bench.say("stop") == "Stopped."
    owner.restart()
    owner.watch.resume_ringing()
    assert len(owner.rung) == 1


def test_two_hundred_at_once(bench: Bench, owner: Owner) -> None:
    for n in range(200):
        assert bench.act(f"set a timer for {60 + n % 20} seconds").error is None
    owner.run(90)
    assert len(owner.rung) == 200
    assert len({t.id for t in owner.rung}) == 200
    bench.say("stop")
    assert all_timers(bench.surroundings.records) == {}


@pytest.mark.parametrize(
    ("day", "local", "offset_h"),
    [
        (datetime(2026, 3, 28, 12), "2026-03-29T07:30:00", 2),  # clocks go forward in the night
        (datetime(2026, 10, 24, 12), "2026-10-25T07:30:00", 1),  # and back
        (datetime(2028, 2, 28, 12), "2028-02-29T07:30:00", 1),  # leap day
    ],
)
def test_an_alarm_follows_the_local_clock_through_dst(day: datetime, local: str, offset_h: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    bench = Bench(clock=FakeClock(day.replace(tzinfo=berlin)))
    owner = Owner(bench)
    bench.say("wake me at 7:30")
    due_s = datetime.fromisoformat(f"{local}+0{offset_h}:00").timestamp()
    bench.clock.pass_s(due_s - bench.clock.wall_s() - 1)
    owner.watch.ring_due()
    assert owner.rung == []
    bench.clock.pass_s(2)
    owner.watch.ring_due()
    assert len(owner.rung) == 1


def test_a_time_that_dst_skips_is_the_one_after_and_a_doubled_one_the_first() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = FakeClock(datetime(2026, 3, 28, 12, tzinfo=berlin))
    assert spring.local(local_to_wall("2026-03-29T02:30:00", spring)).hour in (1, 3)
    autumn = FakeClock(datetime(2026, 10, 24, 12, tzinfo=berlin))
    first = datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=0)
    assert local_to_wall("2026-10-25T02:30:00", autumn) == first.timestamp()


def test_a_clock_set_forward_past_an_alarm_rings_it(bench: Bench, owner: Owner) -> None:
    bench.say("wake me at 1 pm")
    bench.clock.set_wall(2 * 3600)
    owner.watch.ring_due()
    assert len(owner.rung) == 1


def test_a_repeating_alarm_goes_on_to_its_next_day(bench: Bench, owner: Owner) -> None:
    bench.say("set an alarm for 6:30 every weekday")
    owner.run(20 * 3600, step_s=60)
    assert len(owner.rung) == 1
    bench.say("stop")
    (alarm,) = all_timers(bench.surroundings.records).values()
    assert alarm.due_local == "2026-11-26T06:30:00"
    owner.run(3 * 86400, step_s=60)
    assert len(owner.rung) == 2


def test_pause_resume_extend_and_ask(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 10 minutes")
    owner.run(60)
    assert "9 minutes left" in bench.say("pause the timer")
    owner.run(3600, step_s=60)
    assert owner.rung == []
    assert "(paused)" in bench.say("how long is left on the timer")
    bench.say("resume the timer")
    assert re.match("14 minutes left", bench.say("add 5 minutes to the timer"))
    (timer,) = all_timers(bench.surroundings.records).values()
    assert remaining_s(timer, bench.clock) == pytest.approx(840)
    bench.say("cancel the timer")
    assert all_timers(bench.surroundings.records) == {}


def test_where_nothing_rings_nothing_is_set() -> None:
    bench = Bench(rings=False)
    for text in ("set a timer for 5 minutes", "wake me at 7", "remind me to call mum at 5"):
        reply = bench.act(text)
        assert isinstance(reply.error, PolicyError) and reply.error.exit_code == 3
        assert "assistant serve" in reply.text
    assert all_timers(bench.surroundings.records) == {}


def test_undo_brings_a_cancelled_timer_back(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 10 minutes")
    bench.say("cancel the timer")
    bench.say("undo")
    owner.run(601)
    assert len(owner.rung) == 1


def test_the_watch_rings_in_its_own_thread() -> None:
    import threading

    bench = Bench()
    rang = threading.Event()
    watch = TimerWatch(Records(bench.history), lambda timer: rang.set(), bench.clock)
    watch.start()
    bench.say("set a timer for 1 second")
    bench.clock.pass_s(2)
    watch.changed()
    assert rang.wait(30)
    watch.close()
