"""Reading a recording of both sides: where the user began, and from when on the answer was silent."""

from __future__ import annotations

import numpy as np

from assistant.audio import RATE_HZ
from evals.voice_pulse import place_of, silent_from
from vowels import vowels

ONSET = 2 * RATE_HZ


def playing(until_ms: float, seconds: float = 4.0) -> np.ndarray:
    """An answer that falls silent so long after ONSET."""
    played = vowels(seconds).astype(np.float32)
    played[ONSET + int(until_ms * RATE_HZ / 1000) :] = 0
    return played


def test_silence_counts_from_the_last_loud_sound() -> None:
    silent = silent_from(playing(120), ONSET, for_ms=400)
    assert silent is not None and abs((silent - ONSET) / RATE_HZ * 1000 - 120) <= 10


def test_an_answer_that_only_grows_quieter_by_ten_decibels_is_not_silent() -> None:
    played = vowels(4).astype(np.float32)
    played[ONSET:] *= 10 ** (-10 / 20)
    assert silent_from(played, ONSET, for_ms=400) is None


def test_a_gap_between_two_words_is_not_the_silence_looked_for() -> None:
    played = playing(600)
    played[ONSET : ONSET + RATE_HZ // 10] = 0
    silent = silent_from(played, ONSET, for_ms=400)
    assert silent is not None and silent > ONSET + RATE_HZ // 2


def test_an_answer_that_was_silent_already_is_silent_at_once() -> None:
    assert silent_from(playing(0), ONSET, for_ms=400) == ONSET


def test_what_was_said_is_found_in_a_recording_that_holds_an_echo_too() -> None:
    said = vowels(1.0, pitch_hz=120).astype(np.float32)
    hall = 0.1 * vowels(4, pitch_hz=210).astype(np.float32)
    hall[20_000 : 20_000 + len(said)] += said
    assert abs(place_of(said, hall) - 20_000) <= 1
