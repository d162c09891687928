"""Everyday sentences, as a user says them one after the other: what is done and what is said."""

from __future__ import annotations

import pytest

from assistant.router import RULE, Router
from assistant.tools.records import Records
from assistant.tools.timekeeping import Timer, TimerWatch
from tool_bench import Bench


class Ringing:
    """A bench whose timers ring into `rung`."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.rung: list[Timer] = []
        self._watch = TimerWatch(Records(self.bench.history), self.rung.append, self.bench.clock)

    def after(self, seconds: float) -> list[str]:
        """Time passes; the names of what began to ring."""
        self.rung.clear()
        self.bench.clock.pass_s(seconds)
        self._watch.ring_due()
        return [t.name or t.message or t.kind for t in self.rung]


@pytest.fixture(scope="module")
def shared() -> Bench:
    """For tests that only decide."""
    return Bench()


def test_what_is_put_on_a_list_by_its_name_alone_goes_there() -> None:
    bench = Bench()
    bench.say("create a list called packing")
    assert bench.say("add socks and a toothbrush to packing") == "Added socks, a toothbrush to the packing list."


def test_what_was_told_in_the_past_is_found_by_a_question() -> None:
    bench = Bench()
    bench.say("remember I parked on level 3")
    assert bench.say("where did I park") == "You told me: I parked on level 3"


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("are the lights on in the bedroom", "home.state", {"area": "Bedroom", "domain": "light", "state": "on"}),
        ("how long on the laundry", "timer.status", {"name": "laundry"}),
        ("add a dentist appointment on friday at 3pm", "event.add", {"title": "dentist appointment"}),
        ("add lunch to my shopping list", "list.add", {"item": "lunch"}),
    ],
)
def test_questions_and_entries_as_people_put_them(
    shared: Bench, text: str, tool: str, arguments: dict[str, str]
) -> None:
    call = shared.decide(text).calls[0]
    assert call.tool == tool
    assert arguments.items() <= call.arguments.items()


@pytest.mark.parametrize("words", ["{} in 5 minutes", "at 7 pm {}", "don't {}", "{} every morning", "{} and undo"])
def test_anything_may_be_put_off_or_forbidden_without_a_crash(shared: Bench, words: str) -> None:
    examples = [example for tool in shared.router.tools for example in tool.examples]
    for request in [*examples, "undo", "never mind", "stop", "snooze"]:
        assert shared.decide(words.format(request)).handled_by


def test_a_name_before_a_comma_is_the_timers_in_a_request_of_several_parts(shared: Bench) -> None:
    calls = shared.decide("turn on everything in the kitchen and set a timer for pasta, 8 minutes").calls
    assert [call.tool for call in calls] == ["home.turn_on", "timer.start"]
    assert calls[1].arguments == {"minutes": 8, "name": "pasta"}


def test_a_list_is_cleared_by_referring_to_it_and_reminders_are_asked_after() -> None:
    bench = Bench()
    bench.say("add eggs and milk to the shopping list")
    assert bench.decide("clear it").tool == "list.clear"
    assert bench.decide("when is my next reminder").tool == "reminder.list"


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("set two timers for 5 and 10 minutes", [{"minutes": 5}, {"minutes": 10}]),
        ("set three timers for 5, 10 and 15 minutes", [{"minutes": 5}, {"minutes": 10}, {"minutes": 15}]),
        ("set a 5 minute and a 10 minute timer", [{"minutes": 5}, {"minutes": 10}]),
        ("set two 5 minute timers", [{"minutes": 5}, {"minutes": 5}]),
        ("set a timer for 3 minutes for eggs and one for 10 minutes for pasta",
         [{"minutes": 3, "name": "eggs"}, {"minutes": 10, "name": "pasta"}]),
        ("set an egg timer for 3 minutes and a pasta timer for 10",
         [{"minutes": 3, "name": "egg"}, {"minutes": 10, "name": "pasta"}]),
        ("set alarms for 7 and 7:30", [{"at": "2026-11-25T07:00:00"}, {"at": "2026-11-25T07:30:00"}]),
        ("set an alarm for 8 and another for 9", [{"at": "2026-11-25T08:00:00"}, {"at": "2026-11-25T09:00:00"}]),
        ("wake me at 7 and 8 on saturday", [{"at": "2026-11-28T07:00:00"}, {"at": "2026-11-28T08:00:00"}]),
        ("set a timer for 1 hour and 30 minutes", [{"hours": 1, "minutes": 30}]),
        ("set a timer for pasta 8 minutes", [{"minutes": 8, "name": "pasta"}]),
        ("set a timer for the eggs, 4 minutes", [{"minutes": 4, "name": "eggs"}]),
        ("set a timer for about 5 minutes", [{"minutes": 5}]),
        ("set a timer for the next 20 minutes", [{"minutes": 20}]),
    ],
)  # fmt: skip
def test_several_timers_and_alarms_in_one_sentence(shared: Bench, text: str, calls: list[dict[str, object]]) -> None:
    decision = Router(shared.surroundings).decide(text)
    assert (decision.handled_by, [c.arguments for c in decision.calls]) == (RULE, calls)
    assert {c.tool for c in decision.calls} <= {"timer.start", "alarm.set"}


def test_what_is_bought_is_split_and_what_belongs_together_is_not() -> None:
    bench = Bench()
    assert bench.say("add milk and eggs to the list") == "Added milk, eggs to the shopping list."
    bench.say("put mac and cheese, 2 lemons and salt and vinegar crisps on my shopping list")
    assert bench.say("what's on the list") == "- milk\n- eggs\n- mac and cheese\n- 2 lemons\n- salt and vinegar crisps"
    assert bench.say("is there milk on my shopping list") == "Yes, milk is on the shopping list."
    assert bench.say("remove milk, eggs and beer from the list") == (
        "Took milk, eggs off the shopping list. There is no beer on it."
    )
    bench.say("add call Bob and Alice to my to-do list")
    assert bench.say("what's left on my todo list") == "- call Bob and Alice"
    assert bench.say("mark call Bob and Alice as done") == "Ticked call Bob and Alice off on the to do list."


def test_a_list_is_spoken_of_further() -> None:
    bench = Bench()
    bench.say("add milk to my shopping list")
    bench.say("also eggs")
    bench.say("and bread")
    assert bench.say("what is on it") == "- milk\n- eggs\n- bread"
    assert bench.decide("and what time is it").tool == "clock.time"
    assert bench.decide("add 5 minutes to the timer").tool == "timer.increase"
    bench.say("create a camping list")
    assert bench.say("add tent and stove to my camping list") == "Added tent, stove to the camping list."


def test_snooze_is_quiet_for_a_while_and_rings_again() -> None:
    ringing = Ringing()
    say = ringing.bench.say
    assert say("snooze") == "Nothing is ringing."
    say("set a pasta timer for 5 minutes")
    assert ringing.after(301) == ["pasta"]
    assert say("snooze") == "Quiet for 10 minutes: pasta timer."
    assert ringing.after(590) == []
    assert ringing.after(11) == ["pasta"]
    assert say("five more minutes") == "Quiet for 5 minutes: pasta timer."
    assert ringing.after(301) == ["pasta"]
    assert say("ok") == "Stopped."
    assert ringing.after(3600) == []


@pytest.mark.parametrize("by_s", [0, 3600, -3600])
def test_a_snoozed_alarm_counts_time_that_passes_whatever_the_clock_is_set_to(by_s: float) -> None:
    ringing = Ringing()
    ringing.bench.say("set an alarm for 12:30 every day")
    assert ringing.after(1801) == ["alarm"]
    ringing.bench.say("snooze for 20 minutes")
    ringing.bench.clock.set_wall(by_s)
    assert ringing.after(1100) == []
    assert ringing.after(200) == ["alarm"]
    ringing.bench.say("stop the alarm")
    assert ringing.bench.say("what alarms do I have") == "every day at 12:30"


def test_a_reminder_is_put_off_and_the_alarm_that_rings_is_stopped_not_cancelled() -> None:
    ringing = Ringing()
    say = ringing.bench.say
    say("remind me to call mum in 10 minutes")
    assert ringing.after(601) == ["call mum"]
    assert say("remind me again in 5 minutes") == "Quiet for 5 minutes: reminder to call mum."
    assert ringing.after(301) == ["call mum"]
    say("done")
    assert say("what reminders do I have") == "There are no reminders."
    assert say("stop the alarm") == "There is no such alarm."


def test_timers_are_renamed_and_started_again() -> None:
    bench = Bench()
    bench.say("set a timer for 5 minutes")
    assert bench.say("rename the 5 minute timer to pasta") == "The 5 minute timer is now the pasta timer."
    assert bench.say("call it spaghetti") == "The pasta timer is now the spaghetti timer."
    bench.clock.pass_s(60)
    assert bench.say("how much longer") == "spaghetti timer: 4 minutes left"
    assert bench.say("restart the spaghetti timer") == "The spaghetti timer starts again: 5 minutes."
    assert bench.say("another one for 7 minutes") == "Timer set for 7 minutes."
    bench.say("set a 20 minute timer for the laundry")
    assert bench.say("stop the laundry timer") == "Cancelled the laundry timer."
    bench.say("start a timer")
    assert bench.say("20") == "Timer set for 20 minutes."
    assert bench.say("cancel") == "Cancelled the 20 minute timer."


def test_a_reminder_twice_a_day_and_one_that_cannot_be() -> None:
    bench = Bench()
    assert bench.say("remind me to take my pills every day at 8 am and 8 pm") == (
        "I will remind you to take your pills: every day at 08:00.\n"
        "I will remind you to take your pills: every day at 20:00."
    )
    assert bench.say("remind me every 2 hours to drink water") == (
        "I can repeat a reminder daily or on weekdays, not every 2 hours. Nothing was set."
    )
    assert bench.say("what reminders do I have").count("pills") == 2


def test_alarms_and_reminders_are_shifted() -> None:
    bench = Bench()
    bench.say("wake me at 7")
    assert "at 07:15" in bench.say("push my alarm back by 15 minutes")
    assert "at 06:45" in bench.say("make it half an hour earlier")
    assert "at 05:45" in bench.say("bring my alarm forward an hour")
    assert "at 08:30" in bench.say("change my 5:45 alarm to 8:30")
    assert bench.say("delete the 8:30 am alarm").startswith("Cancelled the alarm")
    bench.say("remind me to feed the cat at 6")
    assert "to feed the cat is now set for 18:30" in bench.say("delay my cat reminder by 30 minutes")
    assert "now set for 19:30" in bench.say("push it back an hour")
    assert bench.say("cancel the cat reminder").startswith("Cancelled the reminder to feed the cat")
    assert bench.say("remind me to buy milk when I get home").startswith("I cannot tell where you are.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what time will it be in 90 minutes", "In 90 minutes it will be 13:30."),
        ("what time was it 13 hours ago", "13 hours ago it was 23:00 on Monday."),
        ("if it's 3 pm here what time is it in tokyo", "At 15:00 here it is 23:00 in Tokyo."),
        ("what day will it be in 100 days", "In 100 days is Thursday, 4 March 2027."),
        ("what was the date 2 weeks ago", "2 weeks ago was Tuesday, 10 November 2026."),
        ("how many weeks until christmas", "4 weeks and 3 days until christmas (Friday, 25 December 2026)."),
        ("how many days since 1 january", "327 days since 1 january (Thursday, 1 January 2026)."),
        ("what week is it", "It is week 48 of 2026."),
        ("how tall is 6 foot 2 in cm", "74 inch = 187.96 cm"),
        ("how many ounces in a gallon", "1 gallon = 128 ounces"),
        ("what's a third of 90", "90 / 3 = 30"),
        ("what is the average of 4, 8 and 15", "(4 + 8 + 15) / 3 = 9"),
        ("how much is a 20% tip on 45 dollars", "20% of 45 = 9"),
        ("what's the temperature outside", "Outside Temperature: 8.5 °C."),
        ("how humid is it in the bathroom", "Bathroom Humidity: 58 %."),
        ("set the bedroom to 20 degrees", "Bedroom Radiator: set to 20 degrees."),
        ("close all the blinds", "Closed: Bedroom Blinds."),
        ("what's the status of the garage door", "Garage Door: closed (open 0 %)."),
    ],
)  # fmt: skip
def test_more_of_a_day(text: str, said: str) -> None:
    assert Bench().say(text) == said


@pytest.mark.parametrize(
    "text", ["what is the state of the union", "set the oven to 200 degrees", "how is the weather on mars"]
)
def test_what_this_home_does_not_have_is_left_to_others(shared: Bench, text: str) -> None:
    assert not Router(shared.surroundings).decide(text).tool.startswith("home.")


def test_one_lamp_is_asked_for_where_several_fit() -> None:
    bench = Bench()
    assert bench.say("turn on the lamp").startswith("Which one: Kitchen Light, ")
    assert bench.say("the desk lamp") == "Turned on: Desk Lamp."
    bench.say("turn the light off")
    assert bench.say("bedroom") == "Which one: Bedroom Light, Bedside Lamp?"
    assert bench.say("what time is it") == "It is 12:00."
    assert bench.say("turn on the lights").startswith("Turned on: Kitchen Light, ")


def test_a_device_later_or_for_a_while() -> None:
    bench = Bench()
    assert bench.say("turn on the desk lamp for 10 minutes") == (
        "Turned on: Desk Lamp.\nIn 10 minutes: turn off the desk lamp."
    )
    assert bench.say("open the bedroom blinds tomorrow at 7 am") == "In 19 hours: open the bedroom blinds."
    assert "“open the bedroom blinds”: 19 hours left" in bench.say("how much time is left")


def test_the_calendar_is_asked_and_changed() -> None:
    bench = Bench()
    bench.yes = True
    bench.say("schedule a meeting with bob tomorrow at 10")
    bench.say("add dentist on friday at 3 to my calendar")
    assert bench.say("when is my next appointment") == "- meeting with bob, Wednesday 25 November 2026 at 10:00"
    assert bench.say("what do I have on friday") == "- dentist, Friday 27 November 2026 at 15:00"
    assert bench.say("when is the dentist") == "- dentist, Friday 27 November 2026 at 15:00"
    assert bench.say("move the dentist appointment to 4 pm").endswith("Friday 27 November 2026 at 16:00.")
    assert bench.say("move it to saturday").endswith("Saturday 28 November 2026 at 16:00.")
    bench.say("undo")
    assert bench.say("cancel my dentist appointment").startswith("Taken out of the calendar: dentist, Friday")


def test_what_is_added_and_what_is_timed_are_kept_apart() -> None:
    decision = Bench().decide("add milk and eggs to the list and set a timer for 5 minutes")
    assert [(c.tool, c.arguments.get("item")) for c in decision.calls] == [
        ("list.add", "milk and eggs"), ("timer.start", None),
    ]  # fmt: skip


def test_stop_ends_what_rings_even_where_something_was_asked_back() -> None:
    ringing = Ringing()
    say = ringing.bench.say
    say("set a timer for 1 minute")
    assert say("add to my shopping list") == "What shall I put on the shopping list?"
    assert len(ringing.after(61)) == 1
    assert say("stop") == "Stopped."
    assert say("what timers are running") == "There are no timers."
