"""What a German request is asked before something with consequences, what it is told after, and what undo says."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.home.model import load
from assistant.rules.replies import in_language
from tool_bench import Bench

HOME = Path(__file__).with_name("home_german.yaml")


@pytest.fixture
def bench() -> Bench:
    bench = Bench(home=load(HOME))
    bench.router.languages = ("de", "en")
    return bench


def test_the_question_before_a_lock_is_in_the_language_of_the_request(bench: Bench) -> None:
    said = bench.say("schließ die Haustür auf")
    assert bench.asked[0].question == "Aufschließen: Haustür?"
    assert bench.asked[0].detail.startswith("Jetzt: Haustür abgeschlossen. Schlösser, Garagen,")
    assert said.startswith("Nicht getan: Aufschließen: Haustür?")
    assert bench.state("lock.front_door") == "locked"


def test_the_same_question_is_english_to_an_english_request_and_to_an_english_voice(bench: Bench) -> None:
    bench.say("unlock the Haustür")
    bench.router.only_english = True
    bench.say("schließ die Haustür auf")
    assert [asked.question for asked in bench.asked] == ["Unlock the Haustür?"] * 2


def test_undoing_a_lock_is_asked_and_told_in_german(bench: Bench) -> None:
    bench.yes = True
    bench.say("schließ die Haustür auf")
    bench.yes = False
    said = bench.say("rückgängig")
    assert bench.asked[-1].question == "Zurücknehmen, was hiermit geschah: Haustür?"
    assert said.startswith("Nicht getan: Zurücknehmen") and bench.state("lock.front_door") == "unlocked"
    bench.yes = True
    assert bench.say("mach das rückgängig") == "Rückgängig gemacht: “schließ die Haustür auf”."


def test_emptying_a_list_is_asked_in_german_and_what_is_not_there_is_told_in_german(bench: Bench) -> None:
    bench.say("Nudeln und Reis auf die Einkaufsliste")
    bench.yes = True
    assert bench.say("leere die Einkaufsliste").startswith("Einkaufsliste geleert (2 Posten).")
    assert bench.asked[0].sentence == "Die Einkaufsliste leeren (2 Posten)? Das lässt sich rückgängig machen."
    assert bench.say("brich den Timer ab") == "Es läuft kein Timer."
    assert bench.say("lösche den Wecker") == "Einen solchen Wecker gibt es nicht."


def test_a_name_in_a_question_stays_as_it_is_and_is_never_read_as_a_template() -> None:
    asked = in_language("Delete the {0} is on now list (2 items)?", "de")
    assert asked == "Die Liste „{0} is on now“ löschen (2 Posten)?"
    assert in_language("Unlock the Door is locked now?", "de") == "Aufschließen: Door is locked now?"
