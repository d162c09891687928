"""What refers to the reply before, or to what was just set: things it named, another time; the time may stand first."""

from __future__ import annotations

import pytest

from assistant.home.model import Home
from assistant.tools.calls import Call
from assistant.tools.mentioned import things_in
from tool_bench import Bench

RECIPE = """Here is what you need:

- **Flour:** 200 g, sifted
- 2 eggs
* `milk`.

1. Mix it.
"""


def test_them_is_what_the_reply_before_listed() -> None:
    bench = Bench()
    bench.surroundings.last_reply = RECIPE
    assert bench.say("add them to the shopping list") == "Added Flour, 2 eggs, milk to the shopping list."
    assert bench.say("undo").startswith("Undone")
    assert "empty" in bench.say("what's on my shopping list")


@pytest.mark.parametrize("reply", ["", "A pancake is flat.", "- A pancake is a thin cake that is made in a flat pan."])
def test_them_without_things_is_asked_for_and_no_item(reply: str) -> None:
    bench = Bench()
    bench.surroundings.last_reply = reply
    assert bench.say("put it on my shopping list").endswith("What shall I put on the shopping list?")
    assert bench.say("butter") == "Added butter to the shopping list."


def test_numbered_lines_are_steps() -> None:
    assert things_in("1. Mix\n2. Bake") == []
    assert things_in("- [ ] bread\n- **tea**") == ["bread", "tea"]


def test_no_milk_behind_milk_takes_it_off() -> None:
    bench = Bench()
    bench.say("add eggs, flour and milk to the shopping list")
    assert not bench.decide("no problem").calls
    assert bench.say("actually, no milk") == "Took milk off the shopping list."


@pytest.mark.parametrize(
    ("text", "tool", "at", "message"),
    [
        ("in 20 minutes remind me to check the oven", "reminder.set", "2026-11-24T12:20:00", "check the oven"),
        ("after 5 minutes remind me about the tea", "reminder.set", "2026-11-24T12:05:00", "the tea"),
        ("tomorrow at 9, please remind me to call the bank", "reminder.set", "2026-11-25T09:00:00", "call the bank"),
        ("on Friday remind me that rent is due", "reminder.set", "2026-11-27T09:00:00", "rent is due"),
        ("in half an hour tell me to go", "reminder.set", "2026-11-24T12:30:00", "go"),
        ("tomorrow at 6:30 wake me", "alarm.set", "2026-11-25T06:30:00", None),
    ],
)
def test_the_time_may_stand_first(text: str, tool: str, at: str, message: str | None) -> None:
    (call,) = Bench().decide(text).calls
    assert (call.tool, call.arguments["at"], call.arguments.get("message")) == (tool, at, message)


@pytest.mark.parametrize("text", ["in the kitchen remind me to cook", "in ten minutes tell me a joke"])
def test_a_place_or_another_wish_is_no_reminder(text: str) -> None:
    assert not [c for c in Bench().decide(text).calls if c.tool == "reminder.set"]


def test_the_same_reminder_at_another_time_too() -> None:
    bench = Bench()
    bench.say("remind me at 6 to feed the cat")
    for said, told in (
        ("and at 8", "20:00"),
        ("and again in 40 minutes", "12:40"),
        ("and on Friday too", "Friday 27 November"),
    ):
        assert bench.say(said).startswith(f"I will remind you to feed the cat: {told}"), said
    assert len(bench.say("what reminders do I have").splitlines()) == 4
    assert bench.say("make it 9").startswith("The reminder to feed the cat is now set for")


def test_today_without_a_time_behind_the_hour_that_a_day_means_is_asked() -> None:
    bench = Bench()
    assert bench.say("remind me today to call mum") == "When shall I remind you to call mum?"
    assert bench.say("at 5").startswith("I will remind you to call mum: 17:00")


def test_an_alarm_by_a_length_is_corrected_by_a_length() -> None:
    bench = Bench()
    bench.say("wake me up in 8 hours")
    assert bench.say("actually make that 7 and a half hours").startswith("The alarm is now set for 19:30")
    assert bench.say("make it 10 minutes later").startswith("The alarm is now set for 19:40")
    assert bench.say("how long till then").startswith("19:40")


def test_another_alarm_and_one_of_several() -> None:
    bench = Bench()
    bench.say("set an alarm for 6:45 on weekdays")
    assert bench.say("and 9 on weekends") == "Alarm set for every Saturday, Sunday at 09:00."
    assert bench.say("turn off the weekend one").startswith("Cancelled the alarm for")
    assert bench.say("what alarms do I have").startswith("every Monday")


def test_the_timer_of_a_length_and_which_is_next() -> None:
    bench = Bench()
    bench.say("set timers for 5 and 10 minutes")
    assert bench.decide("which one finishes first").calls[0].tool == "timer.status"
    assert bench.say("cancel the 10 minute one") == "Cancelled the 10 minute timer."


def test_what_was_bought_is_ticked_and_an_ampersand_parts_items() -> None:
    bench = Bench()
    assert bench.say("put bread, cheese & tomatoes on the list").startswith("Added bread, cheese, tomatoes to")
    assert bench.say("oh and some olives") == "Added olives to the shopping list."
    assert bench.say("I already bought the cheese") == "Ticked cheese off on the shopping list."
    assert bench.say("got the bread too") == "Ticked bread off on the shopping list."


def test_a_note_is_not_cut_at_its_and_unless_a_request_follows() -> None:
    bench = Bench()
    text = "the plumber comes on thursday between 8 and 12"
    assert bench.say(f"note: {text}") == f"Noted: {text}"
    assert [c.tool for c in bench.decide("note: buy paint and turn off the kitchen light").calls] == [
        "note.add",
        "home.turn_off",
    ]


def test_a_sum_is_shared() -> None:
    bench = Bench()
    bench.say("what's 18% tip on 64.50")
    assert bench.say("split that three ways") == "(18% of 64.50) / 3 = 3.87"


def test_too_dark_somewhere_asks_for_the_room_and_too_bright_takes_it_back() -> None:
    bench = Bench()
    assert bench.say("it's too dark in here") == "In which room?"
    assert bench.state("light.garden") == "off"
    assert bench.say("the kitchen").startswith("Kitchen Light: on (brightness 20 %)")
    assert bench.say("ok that's too dark now").startswith("Kitchen Light: on (brightness 40 %)")


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("all lights off please", "home.turn_off"),
        ("all the kitchen lights on", "home.turn_on"),
        ("switch everything in the kitchen off", "home.turn_off"),
        ("are all lights off", "home.state"),
    ],
)
def test_all_of_a_kind_without_a_verb_is_a_command_and_a_question_stays_one(text: str, tool: str) -> None:
    assert [c.tool for c in Bench().decide(text).calls] == [tool]


def test_what_cooks_is_the_timer_of_its_name() -> None:
    bench = Bench()
    bench.say("timer 20 min for the pizza")
    assert bench.say("and 5 minutes for the salad") == "Timer set for 5 minutes, named salad."
    assert bench.say("how's the pizza doing") == "pizza timer: 20 minutes left"
    assert bench.say("is the salad ready yet") == "salad timer: 5 minutes left"
    assert bench.say("give the pizza two more minutes") == "22 minutes left on the pizza timer."
    assert not bench.decide("is the moon ready").calls


def test_a_degree_less_moves_no_blinds() -> None:
    bench = Bench()
    bench.say("set the heating to 21 in the bedroom")
    assert bench.say("turn it down a degree") == "Bedroom Radiator: heat (set to 20 degrees)."


def test_it_is_what_was_just_listed_paused_or_entered() -> None:
    bench = Bench()
    bench.yes = True
    bench.say("add call the dentist to my to do list")
    assert bench.say("mark it as done") == "Ticked call the dentist off on the to do list."
    bench.say("play jazz")
    bench.say("pause")
    assert bench.say("continue") == "Playing on: Office Speaker."
    bench.say("add a meeting with Sarah tomorrow at 2pm to my calendar")
    assert "meeting with Sarah" in bench.say("cancel the meeting with Sarah")
    assert "nothing in the calendar" in bench.say("what's on my calendar tomorrow")


def test_a_colon_stands_before_what_is_listed_or_reminded_of() -> None:
    bench = Bench()
    assert bench.say("shopping list: milk, eggs and bread") == "Added milk, eggs, bread to the shopping list."
    assert bench.decide("set a reminder for friday 5pm: pick up kids").calls[0].arguments["message"] == "pick up kids"
    call = bench.decide("reminder: water plants every sunday").calls[0]
    assert (call.arguments["message"], call.arguments["weekdays"]) == ("water plants", (6,))


def test_the_groceries_are_the_shopping_list_unless_there_is_one_of_that_name() -> None:
    bench = Bench()
    assert bench.say("add rice to groceries") == "Added rice to the shopping list."
    assert bench.say("put tea on the grocery list") == "Added tea to the shopping list."
    assert bench.say("create a list called groceries").startswith("Made the groceries list")
    assert bench.say("add salt to groceries") == "Added salt to the groceries list."


@pytest.mark.parametrize("said", ["and 2 eggs", "and 5 more things to do", "and on my birthday"])
def test_a_number_that_is_no_time_sets_no_alarm(said: str) -> None:
    bench = Bench()
    bench.say("set an alarm for 7")
    assert not [c for c in bench.decide(said).calls if c.tool == "alarm.set"]


@pytest.mark.parametrize("said", ["I got the message", "I got a new job", "I bought a car"])
def test_not_everything_that_was_got_was_on_the_list(said: str) -> None:
    bench = Bench()
    bench.say("add milk to the shopping list")
    assert not [c for c in bench.decide(said).calls if c.tool == "list.complete"]


class _AlwaysReads:
    """A model that chooses to read a list, whatever is asked."""

    def choose(self, text: str, home: Home, tools: object) -> list[Call]:
        return [Call("list.read", {"name": "fruits"}, source="model")]


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("Name three fruits as a bulleted list", []),
        ("give me the planets in bullet points", []),
        ("what have we got on the fruits one", ["list.read"]),
    ],
)
def test_a_list_as_the_form_of_an_answer_is_none_of_the_users(text: str, tools: list[str]) -> None:
    assert [c.tool for c in Bench().router.decide(text, _AlwaysReads()).calls] == tools
