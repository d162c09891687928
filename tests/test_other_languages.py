"""What is said in German and Chinese beside the templates, and what stays as it is."""

from __future__ import annotations

import pytest

from assistant.rules.other_languages import in_english
from assistant.rules.replies import in_language
from tool_bench import Bench


@pytest.mark.parametrize(
    ("said", "english"),
    [
        ("weck mich um 7", "wake me at 7"),
        ("Wecke mich bitte morgen um halb sieben auf", "wake me tomorrow at 6:30"),
        ("weck mich um Viertel nach 7", "wake me at 7:15"),
        ("weck mich Viertel vor acht", "wake me at 7:45"),
        ("weck mich in einer halben Stunde", "wake me in 30 minutes"),
        ("weck mich um halb eins", "wake me at 12:30"),
        ("stell einen Wecker auf 7 Uhr", "set an alarm at 7:00"),
        ("stelle mir den Wecker auf 6 Uhr 45", "set an alarm at 6:45"),
        ("Wecker um sieben", "set an alarm at 7"),
        ("lösche alle Wecker", "cancel all alarms"),
        ("brich den Timer ab", "cancel the timer"),
        ("Wie viel Zeit bleibt noch?", "how much time is left"),
        ("erinnere mich in 10 Minuten an die Wäsche", "remind me in 10 minutes about die Wäsche"),
        ("erinnere mich an den Müll morgen um 8", "remind me tomorrow at 8 about den Müll"),
        ("erinnere mich heute Abend daran, Mama anzurufen", "remind me this evening about Mama anzurufen"),
        ("was steht auf der Einkaufsliste", "what is on the shopping list"),
        ("setz Milch, Eier und Brot auf die Einkaufsliste", "add Milch, Eier and Brot to the shopping list"),
        ("was ist 3,5 mal 12", "what is 3.5 times 12"),
        ("wie viel ist 20 Prozent von 80", "what is 20 percent of 80"),
        ("mach das rückgängig", "undo"),
        ("stell den Timer auf 10 Minuten", "set a timer for 10 minutes"),
        ("mach die Musik aus", "pause the music"),
        ("wie lange noch bis Weihnachten", "how many days until christmas"),
        ("wie lange noch die Pizza", "how much time is left on the Pizza"),
        ("wie viele Tage sind es noch bis Weihnachten", "how many days until christmas"),
        ("welche Erinnerungen habe ich", "what are my reminders"),
        ("weck mich, wenn es regnet", None),  # words that are not known: nobody guesses a time
        ("was ist die Hauptstadt von Peru", None),
        ("weck mich nicht um 7", None),
        ("wake me at 7", None),
    ],
)
def test_german_is_put_into_the_english_that_rules_know(said: str, english: str | None) -> None:
    assert in_english(said, ("de", "en")) == english
    assert in_english(said, ("en",)) is None


@pytest.mark.parametrize(
    ("said", "english"),
    [
        ("设置一个十分钟的定时器", "set a timer for 10 minutes"),
        ("请暂停计时器", "pause the timer"),
        ("还剩多少时间？", "how much time is left"),
        ("明天早上7点半叫我起床", "wake me tomorrow at 7:30 am"),
        ("设一个6点45分的闹钟", "wake me at 6:45"),
        ("把牛奶添加到我的购物清单", "add 牛奶 to the shopping list"),
        ("今天天气怎么样", None),
    ],
)
def test_chinese_is_put_into_the_english_that_rules_know(said: str, english: str | None) -> None:
    assert in_english(said, ("zh-CN", "en")) == english


@pytest.fixture
def german() -> Bench:
    bench = Bench()
    bench.router.languages = ("de", "en")
    return bench


def test_a_german_alarm_and_timer_from_setting_to_cancelling(german: Bench) -> None:
    assert german.say("weck mich morgen um halb 7") == "Wecker gestellt: morgen um 06:30 (in 18 Stunden 30 Minuten)."
    assert german.say("lösche den Wecker") == "Wecker gelöscht: morgen um 06:30."
    assert (
        german.say("erinnere mich um 18 Uhr an die Blumen") == "Ich erinnere dich (die Blumen): 18:00 (in 6 Stunden)."
    )
    german.say("stelle einen Timer auf 5 Minuten")
    assert german.say("brich den Timer ab") == "Timer (5 Minuten) gelöscht."


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("schalte das Kitchen Light ein", "Eingeschaltet: Kitchen Light."),
        (
            "schalte alle Lichter aus",
            "Ausgeschaltet: Kitchen Light, Worktop Light, Ceiling Light, Floor Lamp und 6 weitere.",
        ),
        ("ist die Front Door abgeschlossen", "Ja, Front Door: abgeschlossen."),
        ("ist das Kitchen Light an", "Nein, Kitchen Light: aus."),
        ("stelle die Heizung auf 60 Grad", "Thermostat lässt sich auf 7 bis 35 Grad stellen und bleibt, wie es war."),
        ("wie spät ist es", "Es ist 12:00 Uhr."),
        ("Milch und Brot auf die Einkaufsliste", "Auf die Einkaufsliste gesetzt: Milch, Brot."),
        ("welches Datum haben wir heute", "Heute ist Dienstag, der 24. November 2026."),
    ],
)
def test_a_german_request_is_answered_in_german(german: Bench, said: str, reply: str) -> None:
    assert german.say(said) == reply


def test_an_english_request_in_a_german_home_is_answered_in_english(german: Bench) -> None:
    assert german.say("turn on the kitchen light") == "Turned on: Kitchen Light."
    assert german.say("set a timer for 5 minutes") == "Timer set for 5 minutes."


def test_where_an_english_voice_speaks_the_reply_is_english(german: Bench) -> None:
    german.router.only_english = True
    assert german.say("schalte das Kitchen Light ein") == "Turned on: Kitchen Light."


def test_chinese_requests_are_answered_in_chinese() -> None:
    bench = Bench()
    bench.router.languages = ("zh-CN", "en")
    assert bench.say("打开Kitchen Light") == "已打开：Kitchen Light。"
    assert bench.say("设置一个十分钟的定时器") == "已设置计时器：10分钟。"
    assert bench.say("Kitchen Light开着吗") == "是，Kitchen Light：开。"


@pytest.mark.parametrize("language", ["de", "zh-CN"])
def test_a_reply_without_words_in_the_language_stays(language: str) -> None:
    assert in_language("Some other thing happened\n- milk", language) == "Some other thing happened\n- milk"
    assert in_language("Turned on: Lamp.", "fr") == "Turned on: Lamp."
    assert in_language("Turned on: Lamp {0}.", language).count("{0}") == 1, "names are never read as a template"


def test_names_and_the_users_words_are_left_as_they_are() -> None:
    assert in_language("Turned on: Lamp on the left.", "de") == "Eingeschaltet: Lamp on the left."
    assert in_language("Added red and white wine to the shopping list.", "de").endswith("red and white wine.")
