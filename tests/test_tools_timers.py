"""P12: timers under restart, suspend, clock changes and DST; 200 at once; nothing lost, nothing twice."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from assistant.errors import PolicyError
from assistant.tools.calls import Call
from assistant.tools.decisions import RULE, Decision
from assistant.tools.records import Records
from assistant.tools.timekeeping import Timer, TimerWatch, all_timers, local_to_wall, remaining_s
from assistant.tools.timers import MAX_TIMERS, keep
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


def test_what_is_left_to_do_with_a_timer_is_said(bench: Bench) -> None:
    bench.say("set a timer for 5 minutes")
    assert bench.say("resume the timer") == "The 5 minute timer is running already."
    bench.say("pause the timer")
    assert bench.say("restart the timer") == "The 5 minute timer runs again, 5 minutes left."
    assert bench.say("take 6 minutes off the timer") == "That ends the 5 minute timer; it is cancelled."
    assert all_timers(bench.surroundings.records) == {}
    assert "a year at most" in bench.say("set a timer for 2 years")
    assert all_timers(bench.surroundings.records) == {}


@pytest.mark.parametrize(
    ("when", "listed"),
    [
        ("tomorrow", True),
        ("tomorrow morning", True),
        ("tomorrow evening", False),  # it rings on that day, but not then
        ("this afternoon", False),
        ("on friday", True),
        ("on saturday", False),
        ("on the weekend", False),
        ("next week", True),
    ],
)
def test_what_repeats_is_listed_where_it_rings(bench: Bench, when: str, listed: bool) -> None:
    bench.say("set an alarm for 6:30 every weekday")
    assert ("06:30" in bench.say(f"what alarms do I have {when}")) is listed


@pytest.mark.parametrize(
    ("set_for", "when", "listed"),
    [
        ("tomorrow at 6:30 am", "tomorrow morning", True),  # long before the hours that "morning" alone would choose
        ("tomorrow at 5 pm", "tomorrow afternoon", True),
        ("tomorrow at 9 pm", "tomorrow evening", True),
        ("tomorrow at 9 pm", "tomorrow night", True),
        ("tomorrow at 1 pm", "tomorrow morning", False),
        ("tomorrow at 1 pm", "tomorrow evening", False),
        ("tomorrow at 9 pm", "tonight", False),
    ],
)
def test_a_part_of_a_day_has_all_its_hours(bench: Bench, set_for: str, when: str, listed: bool) -> None:
    bench.say(f"remind me to call mum {set_for}")
    bench.say(f"schedule a meeting with Tom {set_for}")
    assert ("call mum" in bench.say(f"what reminders do I have {when}")) is listed
    assert ("meeting with Tom" in bench.say(f"what's on my calendar {when}")) is listed


def test_a_timer_is_told_by_the_length_it_was_set_for(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 5 minutes")
    bench.say("set a timer for 20 minutes")
    assert bench.say("cancel the 5 minute timer") == "Cancelled the 5 minute timer."
    (left,) = all_timers(bench.surroundings.records).values()
    assert left.total_s == 20 * 60


def test_a_new_name_that_is_left_out_is_asked_for(bench: Bench, owner: Owner) -> None:
    bench.say("set a timer for 5 minutes")
    reply = bench.router.act(Decision(RULE, (Call("timer.rename", {"new_name": "  "}),)))
    assert reply.text == "What shall I call it?"
    (kept,) = all_timers(bench.surroundings.records).values()
    assert kept.name == ""


def test_a_timer_too_many_is_refused(bench: Bench) -> None:
    for n in range(MAX_TIMERS):
        keep(Timer(str(n), "alarm", due_local="2027-01-01T07:00:00"), bench.surroundings)
    assert "cancel some first" in bench.say("set a timer for 5 minutes")
    assert len(all_timers(bench.surroundings.records)) == MAX_TIMERS
    assert bench.act("cancel my alarm").error is None
    assert bench.act("set a timer for 5 minutes").error is None


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
