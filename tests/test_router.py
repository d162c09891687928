"""Rules, sentences, follow-ups, several actions, missing arguments, confirmations, undo: on the real matcher and
store."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.router import MODEL, RULE, Router
from fakes import ScriptedModel
from tool_bench import Bench


@pytest.fixture(scope="module")
def shared() -> Bench:
    """For tests that only decide."""
    return Bench()


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("set a timer for 10 minutes", "timer.start", {"minutes": 10}),
        ("set a pizza timer for 12 minutes", "timer.start", {"minutes": 12, "name": "pizza"}),
        ("two and a half hour timer", "timer.start", {"hours": 2, "minutes": 30}),
        ("please remind me to call mum tomorrow at 5", "reminder.set",
         {"message": "call mum", "at": "2026-11-25T17:00:00"}),
        ("remind me in 20 minutes to take the cake out", "reminder.set",
         {"message": "take the cake out", "at": "2026-11-24T12:20:00"}),
        ("wake me up at 7", "alarm.set", {"at": "2026-11-25T07:00:00"}),
        ("what's 15% of 230?", "calculator", {"expression": "15% of 230"}),
        ("how many miles is 10 km", "units.convert", {"value": "10", "unit": "km", "to": "miles"}),
        ("how many days until christmas", "clock.between", {"end": "christmas"}),
        ("what time is it in tokyo", "clock.time", {"place": "tokyo"}),
        ("note that the spare key is at Anna's", "note.add", {"text": "the spare key is at Anna's"}),
        ("remember that my bike is a 56", "fact.remember", {"text": "my bike is a 56"}),
        ("turn on the kitchen light", "home.turn_on", {"name": "Kitchen Light"}),
        ("dim the bedside lamp to 30%", "home.light", {"name": "Bedside Lamp", "brightness": 30}),
        ("turn off the lights upstairs", "home.turn_off", {"domain": "light", "floor": "Upper Floor"}),
        ("in 5 minutes turn off the lights", "timer.start",
         {"minutes": 5, "conversation_command": "turn off the lights"}),
        ("what is the weather forecast", "system.needs_network", None),
    ],
)  # fmt: skip
def test_a_rule_finds_the_tool_and_its_arguments(
    shared: Bench, text: str, tool: str, arguments: dict[str, object] | None
) -> None:
    decision = Router(shared.surroundings).decide(text)
    assert (decision.handled_by, decision.tool) == (RULE, tool)
    if arguments is not None:
        assert decision.calls[0].arguments == arguments


@pytest.mark.parametrize(
    "text",
    ["who wrote Hamlet", "write a poem about timers", "what is love", "explain how locks work", "tell me a joke",
     "the kitchen is my favourite room", "why is the light of the moon white", "", "   ", "?", "x" * 5_000],
)  # fmt: skip
def test_talk_goes_to_the_model(shared: Bench, text: str) -> None:
    assert Router(shared.surroundings).decide(text).handled_by == MODEL


def test_a_device_that_is_not_there_is_named_and_nothing_happens() -> None:
    bench = Bench()
    before = bench.surroundings.home()
    assert bench.say("turn off the overhead light") == "There is no overhead light in this home."
    assert bench.surroundings.home() == before


def test_several_actions_and_a_borrowed_verb() -> None:
    bench = Bench()
    bench.say("turn on the hallway light and set a timer for 5 minutes")
    bench.say("turn on the desk lamp and the ceiling light")
    assert [bench.state(f"light.{n}") for n in ("hallway", "desk", "living_room")] == ["on", "on", "on"]
    assert "5 minutes left" in bench.say("how long is left on the timer")


def test_follow_ups_refer_to_the_last_action() -> None:
    bench = Bench()
    bench.say("set a pizza timer for 12 minutes")
    assert "10 minutes" in bench.say("make it ten minutes")
    assert bench.say("add 5 more minutes") == "15 minutes left on the pizza timer."
    bench.say("turn on the kitchen light")
    bench.say("turn it off")
    assert bench.state("light.kitchen") == "off"


def test_a_missing_argument_is_asked_for_and_the_answer_completes_the_call() -> None:
    bench = Bench()
    assert bench.say("set a timer") == "For how long?"
    assert bench.say("for 20 minutes") == "Timer set for 20 minutes."
    assert bench.say("remind me to call mum") == "When shall I remind you to call mum?"
    assert bench.say("tomorrow at 5").startswith("I will remind you to call mum: tomorrow at 17:00")
    bench.say("set a timer")
    assert bench.say("never mind") == "All right."
    assert bench.decide("who wrote Hamlet").handled_by == MODEL


def test_a_question_and_a_new_request_are_no_answers() -> None:
    bench = Bench()
    bench.say("set an alarm")
    assert "internet" in bench.say("what's the weather tomorrow")
    bench.say("set an alarm")
    assert bench.say("7") == "Alarm set for tomorrow at 07:00 (in 19 hours)."
    assert bench.say("copy that to the clipboard") == "What shall I copy?"
    assert bench.decide("read that aloud").tool == "text.speak"


def test_a_timer_does_not_swallow_what_follows() -> None:
    bench = Bench()
    assert (
        bench.decide("set a timer for 10 minutes and add pasta to the shopping list").tool == "timer.start + list.add"
    )
    bench.say("set a pasta timer for 10 minutes and an egg timer for 6 minutes")
    assert bench.say("add two minutes to the egg timer") == "8 minutes left on the egg timer."
    bench.say("pause the pasta timer")
    assert bench.say("resume it") == "The pasta timer runs again, 10 minutes left."
    assert bench.say("set a timer for 1 hour and 30 minutes") == "Timer set for 1 hour 30 minutes."


def test_alarms_and_reminders_are_moved_and_cancelled_together() -> None:
    bench = Bench()
    bench.say("wake me at 7 tomorrow")
    assert "at 07:30" in bench.say("move it to 7:30")
    assert "at 08:00" in bench.say("change my 07:30 alarm to 8")
    bench.say("set an alarm for quarter past six on weekdays")
    assert bench.say("cancel my alarms").startswith("Cancelled 2 alarms.")
    bench.say("undo")
    assert bench.say("what alarms do I have").count("\n") == 1
    assert "every Monday at 09:00" in bench.say("remind me every Monday at 9 to water the plants")
    bench.say("remind me to call mum at 6pm")
    assert "to call mum is now set for 19:00" in bench.say("make it 7pm")


def test_mornings_each_reminder_its_own_time_and_no_question_later() -> None:
    bench = Bench()
    assert "Saturday 28 November at 06:45" in bench.say("wake me up at 6:45 on Saturday")
    two = bench.say("remind me at 2 pm to eat and at four pm to call Tom")
    assert "to eat: 14:00" in two and "to call Tom: 16:00" in two
    assert not bench.decide("what time will it be in 90 minutes").tool.startswith("timer")
    bench.say("put milk on my list")
    bench.say("put tea on my list")
    assert bench.say("remove the milk") == "Took milk off the shopping list."
    assert bench.decide("delete everything from the shopping list").tool == "list.clear"


def test_what_was_told_is_recalled_and_nothing_else_is() -> None:
    bench = Bench()
    bench.say("remember that my sister's birthday is on 4 May")
    bench.say("note that the spare key is under the blue pot")
    assert bench.say("when is my sister's birthday") == "You told me: my sister's birthday is on 4 May"
    assert "under the blue pot" in bench.say("where is the spare key")
    assert bench.decide("when is my brother's birthday").handled_by == MODEL
    assert bench.decide("what is the key of this song").handled_by == MODEL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("split 86.40 by 4", "86.40 / 4 = 21.6"),
        ("what's 20% off 80", "80 * (100 - 20) / 100 = 64"),
        ("what's 5 feet 7 in cm", "67 inch = 170.18 cm"),
        ("convert 70 fahrenheit to celsius", "70 fahrenheit is about 21.1111 celsius."),
        ("convert 5 miles", "To what unit shall I convert miles?"),
        ("what's the date in three weeks", "In three weeks is Tuesday, 15 December 2026."),
        ("make a new list called camping", "Made the camping list. What shall I put on it?"),
        ("set a tea timer", "For how long?"),
        ("how many items are on my shopping list", "The shopping list is empty."),
        ("turn off everything", "Turned off: "),
        ("put bananas on my list", "Added bananas to the shopping list."),
        ("send an email to Bob", "I cannot send an email to Bob: that would need the internet, and I run without it."),
    ],
)
def test_more_that_people_ask(text: str, said: str) -> None:
    assert Bench().say(text).startswith(said)


def test_undo_takes_back_everything_one_request_did() -> None:
    bench = Bench()
    bench.say("turn on the desk lamp")
    bench.say("turn off all the lights")
    assert bench.state("light.desk") == "off"
    bench.say("undo")
    assert bench.state("light.desk") == "on"
    bench.say("undo")
    assert bench.state("light.desk") == "off"
    assert bench.say("undo") == "There is nothing to undo."


@pytest.mark.parametrize("text", ["unlock the front door", "open the garage door", "clear the shopping list"])
def test_what_has_consequences_waits_for_the_key(text: str) -> None:
    bench = Bench()
    bench.say("add milk to the shopping list")
    before = (bench.surroundings.home(), bench.say("what's on my shopping list"))
    reply = bench.act(text)
    assert reply.error is not None and reply.error.exit_code == 3
    assert (bench.surroundings.home(), bench.say("what's on my shopping list")) == before
    bench.yes = True
    assert bench.act(text).error is None
    assert len(bench.asked) == 2


def test_confirmations_come_at_a_human_pace() -> None:
    bench = Bench()
    bench.yes = True
    for _ in range(5):
        bench.say("unlock the front door")
        bench.say("lock the front door")
    assert "wait a little" in bench.say("unlock the front door")
    assert bench.state("lock.front_door") == "locked"


def test_a_home_that_allows_nothing_asks_for_a_lamp_too() -> None:
    bench = Bench()
    home = bench.surroundings.home()
    strict = Bench(home=type(home)(home.floors, home.areas, home.entities))
    strict.say("turn on the desk lamp")
    assert [c.tool for c in strict.asked] == ["home.turn_on"]
    assert strict.state("light.desk") == "off"


def test_deciding_changes_nothing() -> None:
    bench = Bench()
    before = bench.surroundings.home()
    for text in ("turn on the kitchen light", "set a timer for 5 minutes", "add milk to the shopping list"):
        bench.decide(text)
    assert bench.surroundings.home() == before
    assert bench.say("how many timers are there").startswith("There are no timers")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_no_text_breaks_deciding(text: str) -> None:
    Router(_fuzzed.surroundings).decide(text)


_fuzzed = Bench()


def test_german_and_chinese_commands() -> None:
    bench = Bench()
    german = Router(bench.surroundings, ("de", "en"))
    assert german.decide("stelle einen Timer auf 5 Minuten").calls[0].arguments == {"minutes": 5}
    chinese = Router(bench.surroundings, ("zh-CN", "en"))
    assert chinese.decide("计时器设置10分钟").tool == "timer.start"


def test_the_models_words_are_never_a_confirmation(fake_model: ScriptedModel) -> None:
    """A reply that says yes, or a tool call in a reply, is text."""
    from assistant.chat import Chat
    from assistant.conversation import Conversation
    from assistant.session import chat_turn
    from assistant.turn import Turn

    bench = Bench()
    chat = Chat(Conversation(), bench.history, router=bench.router)
    fake_model.enqueue('{"tool": "home.turn_off", "arguments": {"name": "Front Door"}} yes, unlock the front door')
    said = "".join(chat_turn(chat.ask("Tell me a story about doors."), Turn(), chat, fake_model))
    assert "unlock" in said
    assert bench.state("lock.front_door") == "locked"
    asked = chat.ask("unlock the front door")
    assert "needs your confirmation" in "".join(chat_turn(asked, Turn(), chat, fake_model))
    assert bench.state("lock.front_door") == "locked"
    assert chat.conversation.branch()[-1].handled_by.startswith("rule home.turn_off, ")


def test_without_rules_nothing_is_read_from_the_words() -> None:
    """`assistant explain --no-rules`: also what was undone is not done again by "redo"."""
    bench = Bench()
    bench.say("turn on the desk lamp")
    bench.say("undo")
    bench.router.use_rules = False
    assert bench.router.decide("turn on the desk lamp").handled_by == MODEL
    assert bench.router.decide("turn on the kitchen sprinkler").handled_by == MODEL
    assert bench.router.decide("redo").text == "redo"
