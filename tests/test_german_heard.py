"""German in a house that nobody called German: an English system, the built-in home, one router for both languages."""

from __future__ import annotations

import pytest

from assistant.rules.german_words import may_be_german
from tool_bench import Bench


def test_both_languages_in_one_conversation_each_answered_in_its_own() -> None:
    bench = Bench()
    assert bench.router.languages == ("en",)
    said = [
        bench.say(text)
        for text in (
            "turn on the light in the hallway",
            "mach das Licht in der Küche an",
            "und im Bad?",
            "stell einen Timer auf 10 Minuten",
            "abbrechen",
            "turn off the kitchen lights",
        )
    ]
    assert said == [
        "Turned on: Hallway Light.",
        "Eingeschaltet: Kitchen Light, Worktop Light.",
        "Eingeschaltet: Bathroom Light.",
        "Timer für 10 Minuten gestellt.",
        "Timer (10 Minuten) gelöscht.",
        "Turned off: Kitchen Light, Worktop Light.",
    ]


def test_what_is_put_off_in_german_is_understood_when_the_time_comes() -> None:
    bench = Bench()
    (call,) = bench.decide("mach in 10 Minuten das Licht in der Küche aus").calls
    command = str(call.arguments["conversation_command"])
    assert [c.tool for c in Bench().decide(command).calls] == ["home.turn_off"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("ist das Licht in der Küche an?", "Nein."),
        ("brennt im Bad noch Licht?", "Nein, Bathroom Light: aus."),
        ("ist das Fenster in der Küche offen", "Nein, Kitchen Window: zu."),
        ("ist die Garage offen?", "Nein, Garage Door: zu (offen 0 %)."),
        ("wie feucht ist es im Bad", "Bathroom Humidity: 58 %."),
        ("ist die Haustür zu?", "Front Door: abgeschlossen. Ein Schloss sagt nicht, ob seine Tür offen ist."),
        ("mach die Rollläden im Schlafzimmer hoch", "Geöffnet: Bedroom Blinds."),
        ("knips das Licht im Flur an", "Eingeschaltet: Hallway Light."),
        ("starte die Stoppuhr", "Die Stoppuhr läuft."),
        ("Eieruhr auf 6 Minuten", "Timer für 6 Minuten gestellt."),
    ],
)
def test_questions_and_devices_of_the_house(asked: str, told: str) -> None:
    assert Bench().say(asked) == told


def test_the_same_reminder_once_more_and_the_rest_of_a_list() -> None:
    bench = Bench()
    bench.say("erinnere mich in 20 Minuten an die Wäsche")
    assert bench.say("und in 40 Minuten nochmal") == "Ich erinnere dich (die Wäsche): 12:40 (in 40 Minuten)."
    bench.say("schreib Butter und Käse auf die Einkaufsliste")
    assert bench.say("was brauche ich noch") == "- Butter\n- Käse"


@pytest.mark.parametrize(
    "text",
    [
        "turn on the lights",
        "set a timer for 10 minutes",
        "what time is it",
        "remind me to call mum",
        "I am in the bath with a hat",
        "that is for him",
    ],
)
def test_english_is_not_taken_for_german(text: str) -> None:
    assert not may_be_german(text)
    bench = Bench()
    bench.decide(text)
    assert bench.router.heard == ()


def test_chinese_is_told_by_its_characters() -> None:
    bench = Bench()
    assert bench.decide("设一个十分钟的计时器").calls[0].tool == "timer.start"


def test_deciding_changes_nothing_and_only_what_was_done_keeps_the_language() -> None:
    bench = Bench()
    bench.decide("mach das Licht in der Küche an")  # a spoken text is decided on while it is still heard
    assert bench.router.heard == ()
    assert not bench.decide("Deckenventilator an").calls
    bench.say("mach das Licht in der Küche an")
    assert bench.router.heard == ("de",)
    bench.say("mach das Licht im Bad an")
    assert bench.router.heard == ("de",)


def test_one_minute_is_english() -> None:
    bench = Bench()
    bench.say("set a timer for 1 minute")
    assert bench.router.heard == () and not may_be_german("set a timer for half a minute")
