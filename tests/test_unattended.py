"""What is put off to a time at which nobody may be there, and what is said about it; one undo for one request."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from assistant.ringing import Ringing, ringing_text
from assistant.tools.timekeeping import TimerWatch, all_timers
from assistant.tools.unattended import to_you
from tool_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("unlock the front door at 7", "unlock the front door", "2026-11-24T19:00:00"),
        ("open the garage at 6", "open the garage", "2026-11-24T18:00:00"),
        ("at 7 pm unlock the front door", "unlock the front door", "2026-11-24T19:00:00"),
        ("in ten minutes open the garage door", "open the garage door", "2026-11-24T12:10:00"),
        ("lock everything at 11 pm", "lock everything", "2026-11-24T23:00:00"),
        ("turn on the desk lamp and unlock the front door at 7", "turn on the desk lamp and unlock the front door",
         "2026-11-24T19:00:00"),
    ],
)  # fmt: skip
def test_what_needs_a_confirmation_is_reminded_of_and_that_is_said_at_once(
    bench: Bench, text: str, message: str, at: str
) -> None:
    said = bench.say(text)
    assert f"“{message}” needs your confirmation, so it is not done by itself" in said
    assert "I will remind you: " in said
    timers = list(all_timers(bench.surroundings.records).values())
    assert [(t.kind, t.message, t.due_local, t.command) for t in timers] == [("reminder", message, at, "")]
    assert bench.asked == []
    assert bench.decide(text).calls[-1].arguments["unconfirmed"] is True  # `assistant explain` says it too
    assert "now set for" in bench.say("make it 8 pm")
    assert bench.state("lock.front_door") == "locked"


def test_what_needs_none_is_done_at_its_time(bench: Bench) -> None:
    for text in ("turn off the desk lamp at 7 pm", "at 7 pm turn off the desk lamp", "tonight at 7 turn off the TV"):
        (call,) = bench.decide(text).calls
        assert call.tool == "timer.start" and call.arguments["hours"] == 7
    both = bench.decide("turn on the desk lamp and the floor lamp at 7").calls
    assert [c.arguments.get("conversation_command") for c in both] == ["turn on the desk lamp and the floor lamp"]
    later = bench.decide("add milk to the list and turn on the desk lamp at 7").calls
    assert [c.tool for c in later] == ["list.add", "timer.start"]


def test_what_was_allowed_when_it_was_set_and_no_longer_is_does_not_happen(bench: Bench) -> None:
    """The second lock of the door: where the time comes, nobody confirms."""
    bench.say("turn on the desk lamp in 10 minutes")
    (timer,) = all_timers(bench.surroundings.records).values()
    strict = replace(bench.surroundings.home(), allowed=frozenset())
    bench.surroundings.home = lambda: strict
    ringing = Ringing(bench.history)
    ringing.router = lambda history: bench.router  # type: ignore[method-assign,misc]
    heard: list[str] = []
    ringing.listen(heard.append)
    ringing._ring(timer)
    assert "Not done: " in heard[0] and "confirmation" in heard[0]
    assert bench.state("light.desk") == "off"


def test_what_was_put_off_in_german_is_understood_when_its_time_comes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Ventilator an" has no word that tells a language: it was understood in a conversation in German."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert bench.decide("Ventilator an").calls == ()
    bench.say("turn on the desk lamp in 10 minutes")
    (timer,) = all_timers(bench.surroundings.records).values()
    ringing, heard = Ringing(bench.history), list[str]()
    ringing.surroundings = lambda history: bench.surroundings  # type: ignore[method-assign,assignment,misc]
    ringing.listen(heard.append)
    ringing._ring(msgspec.structs.replace(timer, command="Ventilator an"))
    assert heard == ["It is time: Ventilator an. Eingeschaltet: Living Room Fan."]
    assert bench.state("fan.living_room") == "on"


def test_for_a_while_sets_nothing_where_the_first_was_not_confirmed(bench: Bench) -> None:
    assert [c.tool for c in bench.decide("unlock the front door for 10 minutes").calls] == [
        "home.turn_off",
        "timer.start",
    ]
    assert "Not done" in bench.say("unlock the front door for 10 minutes")
    assert all_timers(bench.surroundings.records) == {}
    bench.yes = True
    said = bench.say("unlock the front door for 10 minutes")
    assert "Unlocked: Front Door." in said and "“lock the front door” needs your confirmation" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("water my plants", "water your plants"),
        ("My meeting", "Your meeting"),
        ("I have a meeting with my boss", "you have a meeting with your boss"),
        ("I'm on call", "you're on call"),
        ("ask Bob to call me", "ask Bob to call you"),
        ("take the myrtle in", "take the myrtle in"),
        ("tell bob “I love my job”", "tell bob “I love my job”"),
        ("tell mum I will visit you", "tell mum I will visit you"),
    ],
)
def test_the_users_words_said_to_the_user(text: str, said: str) -> None:
    assert to_you(text) == said


def test_a_reminder_says_your(bench: Bench) -> None:
    assert bench.say("remind me to water my plants at 5").startswith("I will remind you to water your plants: 17:00")
    assert "water your plants" in bench.say("what reminders do I have")
    (timer,) = all_timers(bench.surroundings.records).values()
    watch = TimerWatch(bench.surroundings.records, lambda timer: None, bench.clock)
    assert ringing_text(timer, watch) == "Reminder: water your plants"
    assert bench.say("cancel the reminder about my plants").startswith("Cancelled the reminder to water your plants")


def test_one_undo_takes_back_all_of_a_request_and_names_it(bench: Bench) -> None:
    bench.say("turn on the desk lamp and add milk to the shopping list")
    assert bench.say("undo") == "Undone: “turn on the desk lamp and add milk to the shopping list”."
    assert bench.state("light.desk") == "off" and "milk" not in bench.say("read the shopping list")
    assert bench.say("undo") == "There is nothing to undo."


def test_the_garage_means_its_door_where_there_is_one(bench: Bench) -> None:
    bench.yes = True
    assert bench.say("open the garage") == "Opened: Garage Door."
    assert bench.asked[0].question == "Open the Garage Door?"
    assert bench.say("close my garage") == "Closed: Garage Door."


@pytest.mark.parametrize(
    "text",
    [
        "turn on the kitchen light every morning at 7", "every day at 7 turn on the kitchen light",
        "turn on the kitchen light when I come home", "if it's dark, turn on the lights",
        "when I leave turn off all the lights", "unlock the front door whenever someone rings",
        "open the garage door at 7 every weekday",
    ],
)  # fmt: skip
def test_routines_are_declined_plainly_and_not_by_a_models_promise(bench: Bench, text: str) -> None:
    reply = bench.act(text)
    assert reply.decision.tool == "system.no_routine"
    assert reply.error is not None and "Nothing was set" in reply.text
    assert all_timers(bench.surroundings.records) == {} and bench.asked == []


@pytest.mark.parametrize(
    "text",
    ["what happens when I turn on the light", "is it bad to sleep every day at noon",
     "if the sun is a star, what is the moon", "when it rains, why is it wet"],
)  # fmt: skip
def test_talk_is_no_routine(bench: Bench, text: str) -> None:
    assert bench.decide(text).tool != "system.no_routine"
