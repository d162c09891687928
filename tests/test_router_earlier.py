"""What "it" is after a question of another matter, and which day a time alone is on."""

from __future__ import annotations

import pytest

from tool_bench import Bench


def said(*texts: str) -> str:
    """What is answered to the last one."""
    bench = Bench()
    return [bench.say(text) for text in texts][-1]


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (("set an alarm for 7", "what day is it", "make it 7:30"), "The alarm is now set for tomorrow at 07:30"),
        (("set a timer for 5 minutes", "what's 3 times 4", "make it 10 minutes"), "The timer now runs for 10 minutes"),
        (("set a timer for 10 minutes", "make it 12 instead"), "The timer now runs for 12 minutes"),
        (("set a timer for 45 seconds", "make it 30"), "The timer now runs for 30 seconds"),
        (("set the thermostat to 20", "what's 2 plus 2", "make it 22"), "Thermostat: set to 22 degrees"),
        (("turn on the kitchen light", "what time is it", "dim it to 30%"), "Kitchen Light: on (brightness 30 %)"),
    ],
)
def test_it_outlives_a_question_of_another_matter(texts: tuple[str, ...], answer: str) -> None:
    assert said(*texts).startswith(answer)


def test_a_question_of_the_same_matter_is_what_it_is() -> None:
    bench = Bench()
    bench.say("turn on the kitchen light")
    bench.say("what's the temperature")
    assert bench.decide("turn it off").calls == ()


@pytest.mark.parametrize(
    ("texts", "when"),
    [
        (
            ("remind me on thursday at noon to water the plants", "make it 1 pm instead"),
            "Thursday 26 November at 13:00",
        ),
        (("remind me on thursday at noon to water the plants", "move the reminder to 1 pm"), "Thursday 26 November"),
        (("remind me on thursday at noon to eat", "make it friday at 3"), "Friday 27 November at 15:00"),
        (("remind me on thursday at noon to eat", "make it tonight"), "set for 20:00"),
        (("set an alarm for friday at 7", "make it 8"), "Friday 27 November at 08:00"),
        (("set an alarm for friday at 7", "change the alarm to 6:30"), "Friday 27 November at 06:30"),
        (("set an alarm for 7", "make it 3 pm"), "set for 15:00"),  # an alarm without a day: the next such time
        (("remind me tonight at 11 to lock up", "make it 6 am"), "tomorrow at 06:00"),
        (("wake me at 7 tomorrow", "no, at 8"), "tomorrow at 08:00"),
        (("wake me at 7 tomorrow", "sorry, i meant 8:30 am"), "tomorrow at 08:30"),
    ],
)
def test_a_time_alone_stays_on_its_day(texts: tuple[str, ...], when: str) -> None:
    assert when in said(*texts)


def test_there_is_the_room_that_was_asked_about() -> None:
    assert said("how warm is the bedroom", "make it 21 degrees there") == "Bedroom Radiator: set to 21 degrees."
    assert "set to 19 degrees" in said("how warm is the bedroom", "make it a bit warmer there")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("what's a 15% tip on 80 split four ways?", "= 23"),
        ("15 percent tip on $80, split between 4 people", "= 23"),
        ("divide 90 euros by 4 people with 10% tip", "= 24.75"),
        ("what is 59.99 with 20% discount", "= 47.992"),
        ("add 19% vat to 250", "= 297.5"),
        ("250 plus 19% vat", "= 297.5"),
    ],
)
def test_bills(text: str, value: str) -> None:
    assert said(text).endswith(value)


def test_a_sum_before_the_tax_is_not_guessed() -> None:
    assert Bench().decide("250 minus 19% vat").calls == ()
