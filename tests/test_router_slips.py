"""What people take back in mid-sentence, put beside a command, mistype, or ask for beyond what there is."""

from __future__ import annotations

import pytest

from assistant.chat import Chat
from assistant.conversation import Conversation
from assistant.engines import Prompt
from assistant.rules.corrections import as_meant
from assistant.session import chat_turn
from assistant.turn import Turn
from fakes import ScriptedModel
from tool_bench import NOON, Bench


@pytest.fixture(scope="module")
def shared() -> Bench:
    """For tests that only decide."""
    return Bench()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("set a timer for 5 no wait ten minutes", "set a timer for ten minutes"),
        ("set a timer for five minutes, no wait, ten minutes", "set a timer for ten minutes"),
        ("wake me at 7, actually make that 7:30", "wake me at 7:30"),
        ("remind me tomorrow, no, on friday at 9 to call", "remind me on friday at 9 to call"),
        ("add milk, no wait, oat milk to the shopping list", "add oat milk to the shopping list"),
        ("turn on the kitchen, i mean the bedroom light", "turn on the bedroom light"),
        ("turn on the kitchen light, no wait, bedroom light", "turn on the bedroom light"),
        ("add milk to the shopping list, I mean to the packing list", "add milk to the packing list"),
        ("lock the door no wait turn off the tv", "turn off the tv"),
        ("timer 20 min no 25 min no 30 min", "timer 30 min"),
    ],
)
def test_what_is_taken_back_in_mid_sentence(text: str, meant: str) -> None:
    assert as_meant(text, NOON) == meant


@pytest.mark.parametrize(
    "text",
    [
        "set a timer for 10 minutes", "note that I mean business", "what do I mean to you", "say sorry, mum",
        "remind me to say no to Bob at 5", "play no scrubs", "add salt and no pepper to the list",
        "tell her sorry, 5 minutes late",
    ],
)  # fmt: skip
def test_what_is_not_taken_back(text: str) -> None:
    assert as_meant(text, NOON) is None


@pytest.mark.parametrize(
    ("text", "tools", "words"),
    [
        ("set a timer for 5 minutes and tell me a joke", "timer.start", "tell me a joke"),
        ("set a timer for 5, no wait, ten minutes and tell me a joke", "timer.start", "tell me a joke"),
        ("tell me a joke and set a timer for 7 minutes", "timer.start", "tell me a joke"),
        ("turn on the kitchen light and write me a poem about rain and snow", "home.turn_on",
         "write me a poem about rain and snow"),
        ("add milk to the shopping list and tell me a joke", "list.add", "tell me a joke"),
        ("remind me to buy milk at 5 and tell me a joke", "reminder.set", "tell me a joke"),
        ("what is the capital of France and turn on the kitchen light", "home.turn_on",
         "what is the capital of France"),
    ],
)  # fmt: skip
def test_what_asks_for_words_is_left_to_the_model_behind_what_is_done(
    shared: Bench, text: str, tools: str, words: str
) -> None:
    decision = shared.decide(text)
    assert decision.tool == f"{tools} + text.answer"
    assert decision.calls[-1].arguments == {"text": words}


@pytest.mark.parametrize(
    "text",
    [
        "explain how to lock the door and open the garage", "how do I set a timer and what is an alarm",
        "tell me the time and set a timer for 3 minutes", "remind me to call Bob at 5 and explain it to him",
    ],
)  # fmt: skip
def test_what_belongs_to_the_question_or_to_the_message_stays_there(shared: Bench, text: str) -> None:
    assert "text.answer" not in shared.decide(text).tool


def test_both_are_said_and_what_is_missing_is_asked_for(fake_model: ScriptedModel) -> None:
    bench = Bench()
    chat = Chat(Conversation(), bench.history, router=bench.router)
    fake_model.enqueue("Why did the hen |cross the road?")
    said = "".join(chat_turn(chat.ask("set a timer for 5 minutes and tell me a joke"), Turn(), chat, fake_model))
    assert said == "Timer set for 5 minutes.\n\nWhy did the hen cross the road?"
    assert chat.conversation.branch()[-1].content == said
    fake_model.enqueue("A joke.")
    said = "".join(chat_turn(chat.ask("set a timer and tell me a joke"), Turn(), chat, fake_model))
    assert said == "For how long?\n\nA joke."
    said = "".join(chat_turn(chat.ask("3 minutes"), Turn(), chat, fake_model))
    assert said == "Timer set for 3 minutes."


def test_every_text_that_is_to_be_written_is_written(fake_model: ScriptedModel) -> None:
    bench = Bench()
    chat = Chat(Conversation(), bench.history, router=bench.router)
    fake_model.enqueue("Bonjour")
    fake_model.enqueue("Guten Morgen")
    said = "".join(chat_turn(chat.ask("translate good morning into french and german"), Turn(), chat, fake_model))
    assert said == "Bonjour\n\nGuten Morgen"
    assert [_instruction(p) for p in fake_model.prompts] == ["French", "German"]


def _instruction(prompt: Prompt) -> str:
    return prompt.messages[0].content.split("into ")[1].split(".")[0]


def test_a_part_that_is_not_understood_is_named() -> None:
    bench = Bench()
    said = bench.say("set a timer for 5 minutes and feed the dog")
    assert said == "Timer set for 5 minutes.\nI did not understand this, so it is not done: feed the dog."
    assert "not done" not in bench.say("set a timer for 9 minutes and call it pasta")


def test_a_timer_is_told_by_its_name_alone_and_no_other_is_stopped() -> None:
    bench = Bench()
    bench.say("set a 10 minute timer for the pasta and a 20 minute one for the sauce")
    assert bench.say("cancel the coffee") == "There is no coffee timer. There are the pasta timer, the sauce timer."
    assert bench.say("pause the pasta") == "Paused the pasta timer with 10 minutes left."
    assert bench.say("extend the sauce by 3 minutes") == "23 minutes left on the sauce timer."
    assert bench.say("how long on the sauce") == "sauce timer: 23 minutes left"
    assert bench.say("cancel all timers except the pasta") == "Cancelled 1 timer."
    assert bench.say("cancel the pasta") == "Cancelled the pasta timer."
    assert bench.say("cancel the pasta") == "There is no pasta timer."


def test_all_timers_but_one_that_is_not_there_are_left() -> None:
    bench = Bench()
    bench.say("set a 10 minute timer for the pasta")
    assert bench.say("cancel all timers except the rice") == "There is no rice timer. There is the pasta timer."
    assert "pasta" in bench.say("how long is left")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timer for -5 minutes", "I cannot count minus 5 minutes, so nothing was set."),
        ("set a timer for minus five minutes", "I cannot count minus five minutes, so nothing was set."),
        ("set an alarm for february 30th at 8", "There is no February 30, so nothing was set."),
        ("remind me at 25:00 to sleep", "There is no 25:00, so nothing was set."),
        ("add party on 31 june to my calendar", "There is no June 31, so nothing was set."),
        ("set the heating to 45 degrees", "Thermostat can be set to 7 to 35 degrees, so it was left as it is."),
        ("set the bedroom to 2 degrees", "Bedroom Radiator can be set to 7 to 35 degrees, so it was left as it is."),
        ("set the volume to 300", "Volume level can be 100 at most, so nothing was done."),
        ("set the bedroom to 68 degrees fahrenheit", "Bedroom Radiator: set to 68 °F, 20 degrees."),
        ("remind me every 2 weeks to put the bins out",
         "I can repeat a reminder daily or on weekdays, not every 2 weeks. Nothing was set."),
        ("9 divided by 0", "that divides by zero"),
        ("45 days from now", "45 days from now is Friday, 8 January 2027."),
        ("turn off everything in the bedroom except the lamp", "Turned off: Bedroom Light."),
        ("set the living room light to fifty five percent", "Ceiling Light, Floor Lamp: on (brightness 55 %)."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(text: str, said: str) -> None:
    assert Bench().say(text) == said


@pytest.mark.parametrize(
    ("text", "tool", "arguments"),
    [
        ("add tickets to the party to my to-do list", "list.add", {"item": "tickets to the party"}),
        ("add milk to the to do list", "list.add", {"item": "milk"}),
        ("swich off the livingroom lights", "home.turn_off", {"area": "Living Room"}),
        ("plese set a timmer for 10 minuts", "timer.start", {"minutes": 10}),
        ("trun of teh kitchen lihgt", "home.turn_off", {"name": "Kitchen Light"}),
        ("remnid me to call mum at 5", "reminder.set", {"message": "call mum"}),
        ("remind my wife to call at 5", "reminder.set", {"message": "remind my wife to call"}),
        ("cancel the reminder about the meeting", "reminder.cancel", {"words": "the meeting"}),
        ("remind me next month on the 5th to pay", "reminder.set", {"message": "pay", "at": "2026-12-05T09:00:00"}),
        ("turn the thermostat up to 25", "home.temperature", {"temperature": 25.0}),
    ],
)
def test_slips_and_other_words(shared: Bench, text: str, tool: str, arguments: dict[str, object]) -> None:
    (call,) = shared.decide(text).calls
    assert call.tool == tool
    assert {k: call.arguments.get(k) for k in arguments} == arguments


def test_lists_told_without_the_word_or_with_a_slip() -> None:
    bench = Bench()
    bench.say("create a list called packing")
    bench.say("add socks to packing")
    assert bench.say("remove socks from packing") == "Took socks off the packing list."
    assert bench.say("add tea to the shoping list") == "Added tea to the shopping list."


def test_what_was_undone_is_done_again() -> None:
    bench = Bench()
    bench.say("turn on the desk lamp")
    bench.say("undo")
    assert bench.state("light.desk") == "off"
    assert bench.say("redo") == "Turned on: Desk Lamp."
    assert bench.decide("redo").calls == ()


def test_timers_told_by_their_place() -> None:
    bench = Bench()
    for text in ("timer 5", "set timer 90 sec", "set another timer for 3 minutes"):
        bench.say(text)
    assert bench.say("cancel the second timer") == "Cancelled the 1 minute 30 second timer."
    assert bench.say("cancel the shortest timer") == "Cancelled the 3 minute timer."
    assert bench.say("cancel the fourth timer") == "There is no fourth timer."
    bench.say("set a 6 minute eggs timer")
    assert bench.say("make the eggs timer 10 minutes") == "The timer now runs for 10 minutes."


@pytest.mark.parametrize(
    ("text", "at", "weekdays"),
    [
        ("set alarm for 7am mon to fri", ["07:00"], (0, 1, 2, 3, 4)),
        ("wake me friday through monday at 6:30", ["06:30"], (0, 4, 5, 6)),
        ("set an alarm for saturday and sunday at 9", ["2026-11-28T09:00:00", "2026-11-29T09:00:00"], None),
        ("remind me on thursday and friday at 5 to train", ["2026-11-26T17:00:00", "2026-11-27T17:00:00"], None),
        ("wake me every saturday and sunday at 9", ["09:00"], (5, 6)),
    ],
)
def test_several_days(shared: Bench, text: str, at: list[str], weekdays: tuple[int, ...] | None) -> None:
    calls = shared.decide(text).calls
    assert [c.arguments.get("weekdays") for c in calls] == [weekdays] * len(at)
    assert all(when in c.arguments["at"] for c, when in zip(calls, at, strict=True))


def test_it_is_what_was_spoken_of_and_never_everything() -> None:
    bench = Bench()
    bench.say("next song")
    assert bench.decide("turn it off").calls[0].arguments == {"domain": "media_player"}
    bench.say("what's the temperature")
    assert bench.decide("turn it off").calls == ()


def test_items_of_a_list_are_ticked_off_together() -> None:
    bench = Bench()
    bench.say("add milk, eggs and butter to the shopping list")
    assert bench.say("cross off milk and eggs") == "Ticked milk, eggs off on the shopping list."
    assert bench.say("what's left to buy") == "- butter"
