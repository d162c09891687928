"""Whose turn it is, from words, and for how long speech is meant for us."""

from __future__ import annotations

import pytest

from assistant.audio import RATE_HZ
from assistant.voice.attention import Attention, Mode
from assistant.voice.turn_taking import (
    COMMAND_HOLD_MS,
    COMMAND_UNFINISHED_HOLD_MS,
    PERHAPS_HOLD_MS,
    SURE_HOLD_MS,
    UNFINISHED_HOLD_MS,
    command_hold_ms,
    hold_ms,
    is_backchannel,
    is_stop,
    is_unfinished,
    patience_s,
    without_name,
)


@pytest.mark.parametrize("text", ["Stop.", "stop!", "Okay, stop.", "Never mind.", "That’s enough."])
def test_stop_means_be_silent(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["Stop the music.", "Don't stop.", "When does the bus stop?", ""])
def test_stop_in_a_sentence_is_a_sentence(text: str) -> None:
    assert not is_stop(text)


@pytest.mark.parametrize("text", ["Mm-hmm.", "Mhm", "Yeah.", "Okay, okay.", "Uh-huh", "I see."])
def test_backchannels(text: str) -> None:
    assert is_backchannel(text) and not is_stop(text)


@pytest.mark.parametrize("text", ["Yeah, but why?", "Okay, next one", ""])
def test_what_says_more_is_no_backchannel(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["Turn off the", "Set a timer for", "I want milk, eggs,", "My name is", "Um"])
def test_sentences_that_need_another_word(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize("text", ["Turn off the light.", "What time is it?", ""])
def test_sentences_that_do_not(text: str) -> None:
    assert not is_unfinished(text)


def test_the_hold_is_short_only_if_sound_and_words_agree() -> None:
    assert hold_ms(0.98, "Turn off the light.") == SURE_HOLD_MS
    assert hold_ms(0.6, "Turn off the light.") == PERHAPS_HOLD_MS
    assert hold_ms(0.1, "Turn off the light.") == hold_ms(0.98, "Turn off the") == UNFINISHED_HOLD_MS


def test_what_the_model_expects_behind_the_words_counts_as_much_as_the_sound() -> None:
    text = "I want a large latte."
    assert hold_ms(0.9, text) == PERHAPS_HOLD_MS
    assert hold_ms(0.9, text, -0.5) == SURE_HOLD_MS and hold_ms(0.99, text, -4.0) == PERHAPS_HOLD_MS
    assert hold_ms(0.2, text, 3.0) == SURE_HOLD_MS and hold_ms(0.2, text, 0.0) == UNFINISHED_HOLD_MS
    assert hold_ms(0.7, "Why is the sky blue?", -1.0) == SURE_HOLD_MS and hold_ms(0.7, text, -1.0) > SURE_HOLD_MS
    assert hold_ms(0.9, "Can you explain what a glacier is?", 0.0) == SURE_HOLD_MS  # "is" is one of the list's words
    assert hold_ms(0.7, "Turn off the", -4.0) == PERHAPS_HOLD_MS
    assert hold_ms(0.0, text, 6.0) == UNFINISHED_HOLD_MS and hold_ms(1.0, text, -6.0) == SURE_HOLD_MS


@pytest.mark.parametrize(
    "text",
    [
        "Why is the sky blue?",
        "What's the weather like?",
        "And where is that?",
        "Okay, so how far is it?",
        "What is it for?",
    ],
)
def test_a_whole_question_need_not_sound_so_surely_finished(text: str) -> None:
    assert hold_ms(0.85, text) == SURE_HOLD_MS
    assert hold_ms(0.7, text) == PERHAPS_HOLD_MS and hold_ms(0.1, text) == UNFINISHED_HOLD_MS


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of",
        "What is the capital of the?",
        "Why?",
        "Can I have a coffee?",
        "What a day.",
        "Whatever?",
        "",
    ],
)
def test_what_is_no_whole_question_is_judged_by_its_sound(text: str) -> None:
    assert hold_ms(0.85, text) in (PERHAPS_HOLD_MS, UNFINISHED_HOLD_MS)


def test_a_whole_command_is_not_held_as_long_as_a_sentence_but_longer_where_it_sounds_cut_off() -> None:
    assert command_hold_ms(0.92) == SURE_HOLD_MS < hold_ms(0.92, "Turn off the light.")
    assert command_hold_ms(0.6) == COMMAND_HOLD_MS < PERHAPS_HOLD_MS
    assert command_hold_ms(0.1) == command_hold_ms(None) == COMMAND_UNFINISHED_HOLD_MS < UNFINISHED_HOLD_MS


def test_patience_by_context() -> None:
    assert patience_s("It is noon.") == 2.0
    assert patience_s("Which room do you mean?") == 4.0
    assert patience_s("**Which room?**") == 4.0
    assert patience_s("Of course.", "hold on, let me look") == 8.0


@pytest.mark.parametrize(
    ("heard", "rest"),
    [
        ("Alexa, what time is it?", "what time is it?"),
        ("alexa what time is it", "what time is it"),
        ("Alexa.", ""),
        ("Alexander is here", "Alexander is here"),
        ("Ask Alexa.", "Ask Alexa."),
    ],
)
def test_the_wake_word_is_not_part_of_the_question(heard: str, rest: str) -> None:
    assert without_name(heard, "alexa") == rest


def test_a_wake_word_of_two_words() -> None:
    assert without_name("Hey, Jarvis! Turn on the light.", "hey_jarvis") == "Turn on the light."
    assert without_name("Turn on the light.", "") == "Turn on the light."


def test_attention_lasts_for_a_follow_up_and_longer_after_a_question() -> None:
    attention = Attention(Mode.WAKE)
    assert not attention.listening(0)
    attention.woken(1000)
    assert attention.listening(1000 + 7 * RATE_HZ) and not attention.listening(1000 + 9 * RATE_HZ)
    at = 100 * RATE_HZ
    attention.answered(at, "Turn on the lamp", "Which lamp?")
    assert attention.listening(at + 3 * RATE_HZ) and not attention.listening(at + 5 * RATE_HZ)


def test_push_to_talk_listens_while_the_key_is_down() -> None:
    attention = Attention(Mode.PUSH)
    assert not attention.listening(0)
    attention.key(True, 10)
    assert attention.listening(10 + 60 * RATE_HZ)
    attention.key(False, 90 * RATE_HZ)
    assert attention.listening(90 * RATE_HZ + 100) and not attention.listening(91 * RATE_HZ)
