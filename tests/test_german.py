"""German dialogues: what refers back, several actions, corrections, and what is not to be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.home.model import load
from assistant.rules.german_words import is_german, length, plainly, when
from assistant.rules.own import answer, own_matter
from tool_bench import Bench

HOME = Path(__file__).with_name("home_german.yaml")


@pytest.fixture
def bench() -> Bench:
    bench = Bench(home=load(HOME))
    bench.router.languages = ("de", "en")
    return bench


def test_a_timer_is_changed_prolonged_asked_about_and_cancelled_in_german(bench: Bench) -> None:
    said = [
        bench.say(text)
        for text in (
            "starte einen Timer auf sieben Minuten",
            "mach neun Minuten draus",
            "noch vier Minuten",
            "wie lange noch?",
            "halt den Timer an",
            "und weiter",
            "abbrechen",
        )
    ]
    assert said == [
        "Timer für 7 Minuten gestellt.",
        "Der Timer läuft jetzt 9 Minuten.",
        "Timer (9 Minuten): noch 13 Minuten.",
        "Timer (13 Minuten): 13 Minuten übrig",
        "Timer (13 Minuten) angehalten, noch 13 Minuten.",
        "Timer (13 Minuten) läuft weiter, noch 13 Minuten.",
        "Timer (13 Minuten) gelöscht.",
    ]


def test_a_length_of_several_parts_is_one_length(bench: Bench) -> None:
    assert bench.say("starte einen Timer namens Tee für 4 Minuten und 20 Sekunden").endswith(
        "4 Minuten 20 Sekunden gestellt."
    )
    assert bench.decide("nehme Seife auf die Liste Bad").calls[0].arguments == {"item": "Seife", "name": "Bad"}


def test_what_is_put_off_waits_and_a_lock_is_only_reminded_of(bench: Bench) -> None:
    assert bench.say("schalte um 21 Uhr die Stehlampe ein") == "In 9 Stunden: schalte die Stehlampe ein."
    assert bench.state("light.floor_lamp") == "off"
    assert "geschieht darum nicht von selbst" in bench.say("schließ in einer Stunde die Haustür auf")
    assert bench.state("lock.front_door") == "locked"


def test_an_alarm_is_moved_and_the_one_named_is_cancelled(bench: Bench) -> None:
    bench.say("weck mich um fünf")
    bench.say("weck mich um 6 Uhr 15")
    assert bench.say("doch lieber um halb sieben").startswith("Der Wecker steht jetzt auf morgen um 06:30")
    assert bench.say("lösch den Wecker um fünf") == "Wecker gelöscht: morgen um 05:00."
    assert bench.say("stell den Wecker um neun ab") == "Einen solchen Wecker gibt es nicht."


def test_lights_of_another_room_and_off_again(bench: Bench) -> None:
    bench.say("schalte das Licht im Schlafzimmer ein")
    assert bench.say("und im Bad?") == "Eingeschaltet: Badlicht."
    assert bench.say("wieder aus") == "Ausgeschaltet: Badlicht."
    assert bench.state("light.bedroom") == "on" and bench.state("light.kitchen") == "off"
    bench.say("mach alle Lichter an außer im Wohnzimmer")
    assert bench.state("light.kitchen") == "on" and bench.state("light.floor_lamp") == "off"


def test_a_list_of_ones_own_is_made_filled_and_asked_about(bench: Bench) -> None:
    for text in ("leg eine Bastelliste an", "schreib Kleber auf die Bastelliste", "und Schere"):
        bench.say(text)
    assert bench.say("was steht drauf?") == "- Kleber\n- Schere"
    assert bench.say("ist Kleber auf der Bastelliste") == "Ja, Kleber steht auf der Liste „bastelliste“."
    bench.say("lösch die Bastelliste")
    assert bench.asked[-1].question == "Die Liste „bastelliste“ löschen (2 Posten)?"


@pytest.mark.parametrize(
    ("said", "tools"),
    [
        ("schalte die Stehlampe ein und stell einen Timer auf 6 Minuten", ["home.turn_on", "timer.start"]),
        ("Nudeln auf die Einkaufsliste und weck mich um 7", ["list.add", "alarm.set"]),
        ("stell einen Timer auf drei, nein, vier Minuten", ["timer.start"]),
        ("könntest du mich bitte um acht wecken?", ["alarm.set"]),
        ("kannst du das Licht im Flur ausmachen", ["home.turn_off"]),
        ("weck mich um 5 und schließ die Haustür ab", ["alarm.set", "home.turn_on"]),
        ("schalte um 21 Uhr die Stehlampe ein", ["timer.start"]),
        ("mach das Licht im Flur in zwanzig Minuten aus", ["timer.start"]),
        ("Timer auf 6 Minuten und die Stehlampe an", ["timer.start", "home.turn_on"]),
        ("erinnere uns am Samstag um 16 Uhr an die Party", ["reminder.set"]),
        ("überweise 20 Euro an Lisa", ["system.needs_network"]),
        ("kannst du uns einen Tisch reservieren lassen", []),
        ("bring bitte den Müll runter", ["system.needs_hands"]),
        ("fahr den Rechner herunter", ["system.needs_hands"]),
        ("schreib eine E-Mail an meine Chefin", []),  # words: the model writes them
        ("mach mir einen Plan fürs Wochenende", []),
        ("wie lange dauert eine Fahrt nach Rom?", []),
    ],
)
def test_which_tools_a_german_request_calls(bench: Bench, said: str, tools: list[str]) -> None:
    assert [call.tool for call in bench.decide(said).calls] == tools


@pytest.mark.parametrize(
    "said",
    [
        "mach die Lampe im Flur nicht aus",
        "schließ die Haustür nicht auf",
        "setz keinen Zucker auf die Einkaufsliste",
        "lösch die Erinnerungen nicht",
        "erinnere mich nicht an den Müll",
    ],
)
def test_what_is_not_to_be_done_is_not_done(bench: Bench, said: str) -> None:
    bench.yes = True
    assert bench.say(said) == "In Ordnung."
    assert not bench.asked and bench.state("light.hallway") == "on"


@pytest.mark.parametrize(
    "said",
    [
        "warum ist das Licht nicht an?",
        "wer hat die Lampe angelassen",
        "ich habe den Timer gestellt",
        "was kostet ein Wecker?",
        "und wie geht es dir",
        "merk dir das",
        "um acht",
        "heller",
        "es ist mir egal, ob das Licht aus ist",
    ],
)
def test_talk_starts_nothing(bench: Bench, said: str) -> None:
    assert not bench.decide(said).calls


def test_the_answer_to_a_question_is_german_too_and_a_command_answers_nothing(bench: Bench) -> None:
    assert bench.say("weck mich morgen") == "Für wann morgen?"
    assert bench.say("um halb acht").startswith("Wecker gestellt: morgen um 07:30")
    bench.say("mach es wärmer")
    assert bench.say("merk dir, dass Tims Größe 38 ist") == "Das merke ich mir: Tims Größe 38 ist"
    assert bench.say("welche Größe hat Tim?") == "Du hast mir gesagt: Tims Größe 38 ist"


def test_units_sums_and_days_with_german_words(bench: Bench) -> None:
    assert bench.say("wie viel Gramm sind 3 Pfund?") == "1,5 Kilogramm = 1.500 Gramm"  # half a kilogram each
    assert bench.say("wie viele Zentimeter sind 2 Fuß?") == "2 Fuß = 60,96 Zentimeter"
    assert bench.say("was ist 144 geteilt durch 12") == "144 geteilt durch 12 = 12"
    assert bench.say("und plus acht").endswith("= 20")
    assert bench.say("wie viele Tage sind es noch bis zum 6. Dezember?") == "12 Tage bis Sonntag, 6. Dezember 2026."


@pytest.mark.parametrize(
    ("question", "matter"),
    [
        ("Wie hoch ist meine Stromrechnung?", "meine Stromrechnung"),
        ("Wann läuft mein Führerschein ab?", "mein Führerschein"),
        ("Wie heißt unser Hausarzt?", "unser Hausarzt"),
        ("Wo habe ich meine Brille hingelegt?", "meine Brille"),
        ("Wann habe ich den nächsten Zahnarzttermin?", "den nächsten Zahnarzttermin"),
        ("Wie alt bin ich?", "mein Alter"),
        ("Wie hoch ist mein Blutdruck", "mein Blutdruck"),
        ("Wie ist mein Text?", ""),
        ("Was ist der Sinn meines Lebens?", ""),
        ("Wie putze ich meinen Ofen?", ""),
        ("Mein Rücken tut weh, was kann ich tun?", ""),
        ("Wie hoch ist der Eiffelturm?", ""),
    ],
)
def test_what_only_the_user_can_know(question: str, matter: str) -> None:
    assert own_matter(question) == matter


def test_an_own_matter_is_unknown_in_german_until_it_is_told(bench: Bench) -> None:
    unknown = answer("Wie hoch ist unsere Miete?", [], bench.surroundings)
    assert unknown is not None and unknown.text.startswith("Zu „unsere Miete“ weiß ich nichts:")
    bench.say("merk dir, dass unsere Miete 900 Euro ist")
    told = answer("Wie hoch ist unsere Miete?", [], bench.surroundings)
    assert told is not None and told.text == "Was du mir dazu gesagt hast:\n- unsere Miete 900 Euro ist"


def test_german_times_and_lengths_are_read_whole_or_not_at_all() -> None:
    assert when("werktags um 7 Uhr 45") == "every weekday at 7:45"
    assert when("am Freitag um dreiundzwanzig Uhr") == "on friday at 23:00"
    assert when("wenn es regnet") is None
    assert length("zweieinhalb Stunden") == "150 minutes"
    assert length("eine Viertelstunde") == "15 minutes"
    assert length("morgen") is None
    assert when("um sechs Uhr dreißig") == "at 6:30"  # ß stays, whatever case the words are in


def test_politeness_goes_and_german_is_told_from_english() -> None:
    assert plainly("kannst du bitte das Licht im Bad ausmachen") == "mach das Licht im Bad aus"
    assert plainly("stell mal einen Timer auf 3 Minuten") == "stell einen Timer auf 3 Minuten"
    assert plainly("was ist 3 mal 4") == "was ist 3 mal 4"
    assert is_german("mach das Licht aus") and not is_german("turn the light off in the living room")
