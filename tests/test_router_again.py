"""Follow-ups that people say to an assistant: the last action with one thing other, on what was found or listed."""

from __future__ import annotations

import pytest

from tool_bench import Bench


def said(*texts: str) -> str:
    """What is answered to the last one; confirmations are given."""
    bench = Bench()
    bench.yes = True
    return [bench.say(text) for text in texts][-1]


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (("how many grams in 2 pounds", "and in ounces?"), "2 pounds = 32 ounces"),
        (("how many ounces in 2 pounds", "and 3 pounds?"), "3 pounds = 48 ounces"),
        (("what time is it in tokyo", "what about london"), "It is 11:00 on Tuesday in London."),
        (("what's the date next friday", "how many days is that?"), "10 days until next friday"),
        (("set two timers, 5 minutes and 10 minutes", "cancel the first one"), "Cancelled the 5 minute timer."),
        (("add eggs and milk to the shopping list", "how many things are on it?"), "- eggs\n- milk"),
        (("add eggs and milk to the shopping list", "did I put bread on it?"), "No, bread is not on"),
        (("add eggs and milk to the shopping list", "take the milk off"), "Took milk off the shopping list."),
        (("wake me up at 6:30 on weekdays", "turn it off"), "Cancelled the alarm"),
        (("note: the plumber comes on Tuesday", "what did I note about the plumber", "delete that note"), "Deleted"),
        (("add dentist on friday at 3 to my calendar", "when is the dentist", "move it to 4"), "In the calendar"),
        (("add dentist on friday at 3 to my calendar", "when is the dentist", "cancel it"), "Taken out of the"),
        (("next song", "stop it"), "Paused: "),
        (("turn on the kitchen light", "off again"), "Turned off: Kitchen Light."),
    ],
)  # fmt: skip
def test_follow_ups(texts: tuple[str, ...], answer: str) -> None:
    assert said(*texts).startswith(answer)


def test_the_same_once_more() -> None:
    bench = Bench()
    bench.say("pick a number between 1 and 10")
    assert bench.decide("once more").calls[0].arguments == {"low": "1", "high": "10"}
    bench.say("translate good morning to spanish")
    assert bench.decide("and to french").calls[0].arguments == {"text": "good morning", "language": "french"}


def test_what_is_switched_behind_a_room_is_what_was_spoken_of() -> None:
    bench = Bench()
    bench.say("turn on the living room lights")
    bench.say("a bit brighter")
    assert bench.decide("turn them off").calls[0].arguments == {"area": "Living Room", "domain": "light"}
    assert bench.decide("a bit less").calls[0].arguments["up"] is False
    assert bench.decide("too bright").calls[0].arguments["up"] is False


def test_what_is_playing() -> None:
    call = Bench().decide("what's playing").calls[0]
    assert (call.tool, call.arguments["domain"]) == ("home.state", "media_player")


def test_everything_that_is_still_on() -> None:
    assert Bench().decide("turn off whatever is still on").calls == Bench().decide("turn off everything").calls
