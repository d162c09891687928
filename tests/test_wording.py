"""Requests in other words, with slips of the keyboard, and what people add to them; found by talking to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.home.model import Home, simulated
from assistant.router import MODEL, MODEL_TOOL
from assistant.rules.wording import rewordings
from assistant.spelling import nearest
from assistant.tools.calls import Call
from assistant.tools.registry import Registry
from tool_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("trun on the kithcen light", "home.turn_on", {"name": "Kitchen Light"}),
        ("turn the bedroom to 20 degrees", "home.temperature", {"area": "bedroom", "temperature": "20"}),
        ("is anything unlocked", "home.state", {"domain": "lock", "state": "unlocked", "response": "any"}),
        ("turn of the kitchen light", "home.turn_off", {"name": "Kitchen Light"}),
        ("please leave the front door locked", "home.turn_on", {"name": "Front Door"}),
        ("make sure the garage is closed", "home.turn_off", {"device_class": "garage"}),
        ("make sure that the desk lamp is off", "home.turn_off", {"name": "Desk Lamp"}),
        ("leave the kitchen light on", "home.turn_on", {"name": "Kitchen Light"}),
        ("keep the bedroom light off", "home.turn_off", {"name": "Bedroom Light"}),
        ("turn the desk lamp of", "home.turn_off", {"name": "Desk Lamp"}),
        ("set a timer for fiften minutes", "timer.start", {"minutes": 15}),
        ("pls turn the bedroom light on thx", "home.turn_on", {"name": "Bedroom Light"}),
        ("goodnight, turn off all the lights", "home.turn_off", {"domain": "light"}),
        ("put the desk lamp on 30", "home.light", {"name": "Desk Lamp", "brightness": 30.0}),
        ("did i lock the front door?", "home.state", {"name": "Front Door", "state": "locked"}),
        ("have we closed the garage door", "home.state", {"name": "Garage Door", "state": "closed"}),
        ("did I turn off the desk lamp", "home.state", {"name": "Desk Lamp", "state": "off"}),
        ("set the volume of the tv to 15 percent", "media.volume", {"name": "Television", "volume_level": 15.0}),
        ("whats on my shopping list", "list.read", {"name": "shopping"}),
        ("set an alarm for 6 every weekday except friday", "alarm.set", {"weekdays": (0, 1, 2, 3)}),
        ("remind me every day except sunday at 8 to feed my cat", "reminder.set",
         {"message": "feed my cat", "weekdays": (0, 1, 2, 3, 4, 5)}),
        ("remind me in the evening to call my mom", "reminder.set",
         {"message": "call my mom", "at": "2026-11-24T19:00:00"}),
        ("remind me tomorrow in the evening to call mom", "reminder.set",
         {"message": "call mom", "at": "2026-11-25T19:00:00"}),
        ("remind me to feed the cat in the morning", "reminder.set",
         {"message": "feed the cat", "at": "2026-11-25T09:00:00"}),
    ],
)  # fmt: skip
def test_what_is_meant(bench: Bench, text: str, tool: str, arguments: dict[str, object]) -> None:
    (call,) = bench.decide(text).calls
    assert call.tool == tool
    assert {k: call.arguments.get(k) for k in arguments} == arguments


@pytest.mark.parametrize(
    "text",
    ["good night", "plan my trip to rome", "turn of the century architecture", "who turned off the lights",
     "what is the lightest metal", "tell me about time and tide", "write a poem about the kitchens of rome"],
)  # fmt: skip
def test_no_slip_is_guessed_into_an_action(bench: Bench, text: str) -> None:
    assert bench.decide(text).handled_by == MODEL


def test_a_guessed_lock_is_asked_about_like_any_other(bench: Bench) -> None:
    assert "needs your confirmation" in bench.say("unlcok the fornt door")
    assert bench.asked[0].question == "Unlock the Front Door?"


def test_what_rules_take_is_never_reworded(bench: Bench) -> None:
    """The user's own words stay as they are, slips and all."""
    assert bench.decide("remind me to trun the page at 5").calls[0].arguments["message"] == "trun the page"
    assert bench.decide("add mlik to the shopping list").calls[0].arguments["item"] == "mlik"


def test_one_slip_and_one_word(bench: Bench) -> None:
    known = frozenset({"kitchen", "chicken", "light", "timer", "times"})
    assert nearest("kithcen", known) == "kitchen"
    assert nearest("lihgt", known) == "light"
    assert nearest("ligt", known) == "light"
    assert nearest("lightt", known) == "light"
    assert nearest("timex", known) is None  # timer or times
    assert nearest("night", known) is None  # begins with another letter
    assert nearest("lghti", known) is None
    assert list(rewordings("turn on the kitchen light", simulated())) == []


def test_lists_timers_and_questions_that_go_on(bench: Bench) -> None:
    bench.say("add eggs, milk and bread to my shopping list")
    assert bench.say("remove milk from it") == "Took milk off the shopping list."
    bench.say("set a timer for 3 minutes and one for 5 minutes")
    assert bench.say("cancel all of them") == "Cancelled 2 timers."
    bench.say("remind me")
    assert bench.say("to buy stamps") == "When shall I remind you to buy stamps?"
    assert bench.say("set the bedroom light to blue") == "Bedroom Light: on (blue)."


def test_reminders_and_alarms_of_a_day(bench: Bench) -> None:
    for text in ("remind me to buy stamps on friday", "remind me every wednesday at 5 to water my plants",
                 "remind me tomorrow at 9 to call the bank", "wake me at 7 tomorrow"):  # fmt: skip
        bench.say(text)
    wednesday = bench.say("what reminders do I have on wednesday")
    assert "call the bank" in wednesday and "water your plants" in wednesday and "stamps" not in wednesday
    assert bench.say("which reminders are there for friday").endswith("buy stamps")
    assert bench.say("do I have an alarm set for friday") == "There are no alarms for friday."
    assert bench.say("is there an alarm for tomorrow").startswith("tomorrow at 07:00")
    assert "Reminder: tomorrow at 09:00" in bench.say("what do I have to do tomorrow")
    assert bench.say("what is on my calendar") == "There is nothing in the calendar."
    assert len(bench.say("what reminders do I have").splitlines()) == 3


def test_the_door_is_the_only_lock_and_otherwise_asked_about(bench: Bench) -> None:
    assert [c.tool for c in bench.decide("close all the blinds and lock the door").calls] == [
        "home.turn_off",
        "home.turn_on",
    ]
    bench.yes = True
    assert bench.say("unlock the door") == "Unlocked: Front Door."
    home = bench.surroundings.home()
    front = home.entity("lock.front_door")
    assert front is not None
    two = replace(home, entities=(*home.entities, replace(front, id="lock.back", name="Back Door")))
    bench.surroundings.home = lambda: two
    bench.asked.clear()
    assert bench.say("lock the door") == "Which one: Front Door, Back Door?"
    assert bench.asked == []
    assert bench.say("the back door") == "Locked: Back Door."
    assert [a.question for a in bench.asked] == ["Lock the Back Door?"]


def test_kinds_and_bare_lengths(bench: Bench) -> None:
    assert "brightness 20 %" in bench.say("dim all the lamps to 20")
    bench.say("set an alarm for 6:30")
    bench.say("5 min")
    assert "06:30" in bench.say("do I have any alarms")


@pytest.mark.parametrize(
    "text",
    ["don't turn off the lights yet", "please do not lock the front door", "Never open the garage door!",
     "dont play music", "you should not unlock the door", "could you not open the blinds", "stop turning the lights on",
     "avoid opening the garage"],
)  # fmt: skip
def test_what_is_forbidden_is_not_done_by_the_rules_nor_by_a_model(bench: Bench, text: str) -> None:
    """SmolLM2's adapter chose home.turn_off for the first of these with a probability of 0.99."""
    assert bench.router.decide(text, Eager()).tool == "nevermind"
    assert bench.say(text) == "All right."


@pytest.mark.parametrize(
    "text",
    ["don't worry about the lights", "never open attachments from strangers, is that good advice?",
     "turn on the desk lamp but don't turn on the floor lamp",
     "n'allume pas la lampe, ne bouge pas", "不要关灯"],
)  # fmt: skip
def test_no_model_chooses_where_something_is_not_to_be_done(bench: Bench, text: str) -> None:
    assert bench.router.decide(text, Eager()).handled_by == MODEL


@pytest.mark.parametrize(
    "text", ["I don't have milk, put it on the list", "what should I not eat", "turn down the noise"]
)
def test_other_denials_are_left_to_the_model(bench: Bench, text: str) -> None:
    assert bench.router.decide(text, Eager()).handled_by == MODEL_TOOL


def test_reminders_not_to_forget_are_reminders(bench: Bench) -> None:
    assert bench.decide("don't forget to remind me to call mom at 5").tool == "reminder.set"
    assert bench.decide("don't let me forget to call mom at 5").tool == "reminder.set"


def test_too_loud_is_quieter_and_a_remark_is_no_name(bench: Bench) -> None:
    bench.say("play jazz on the office speaker")
    assert bench.decide("it is way too loud").calls[0].arguments["up"] is False
    assert bench.say("it's too cold") == "Which one: Thermostat, Bedroom Radiator?"
    assert bench.decide("it's too late").handled_by == MODEL


class Eager:
    """A model that would turn everything off."""

    def choose(self, text: str, home: Home, tools: Registry) -> list[Call]:
        return [Call("home.turn_off", {"domain": "light"})]
