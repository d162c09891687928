"""The measuring of interruptions and wake words, on speech made of vowels."""

from __future__ import annotations

import numpy as np
import pytest

from assistant.audio import RATE_HZ
from assistant.audio.messages import Change
from evals.voice_barge_in import from_second, interrupt, self_interruptions, word_boundaries
from evals.voice_sounds import Remark, Spoken, echo_path, levels_db, scaled
from evals.voice_wake import FalseAlarms, poisson_upper
from vowels import vowels

pytest.importorskip("livekit.rtc")
RATE_OUT = 22_050


@pytest.fixture(scope="module")
def own() -> list[Spoken]:
    pcm = vowels(6, RATE_OUT, pitch_hz=210)
    return [Spoken(pcm, tuple(range(2205, len(pcm), 2205)))]


@pytest.fixture(scope="module")
def room() -> np.ndarray:
    return echo_path(np.array([1.0, 0, 0.3, 0, -0.1], np.float32), 20)


def remark(seconds: float) -> Remark:
    return Remark("a user", np.concatenate([np.zeros(800), vowels(seconds)]).astype(np.float32), 800)


def test_a_user_who_goes_on_speaking_ends_the_answer(own: list[Spoken], room: np.ndarray) -> None:
    trial = interrupt(remark(1.5), own, RATE_OUT, room, seed=1)
    assert trial.change is Change.STOPPED
    assert trial.ducked_ms is not None and trial.ducked_ms <= 200
    assert trial.decided_ms is not None and trial.decided_ms <= 800


def test_a_short_sound_resumes_at_a_word(own: list[Spoken], room: np.ndarray) -> None:
    trial = interrupt(remark(0.25), own, RATE_OUT, room, seed=1)
    assert trial.change is Change.RESUMED and trial.at_word_boundary


def test_our_own_voice_ends_nothing(own: list[Spoken], room: np.ndarray) -> None:
    assert self_interruptions(own, RATE_OUT, room, seconds=5)[0] == 0


def test_each_trial_may_begin_with_other_words(own: list[Spoken]) -> None:
    several = [Spoken(np.zeros(RATE_OUT, np.int16), (100, 200)) for _ in range(5)]
    assert len(from_second(several, RATE_OUT, 2.5)) == 2
    assert {0, 100, RATE_OUT + 200} <= word_boundaries(several)


def test_levels_are_set_by_the_loud_parts() -> None:
    quiet_then_loud = np.concatenate([np.zeros(RATE_HZ), vowels(2)]).astype(np.float32)
    assert np.percentile(levels_db(scaled(quiet_then_loud, -22)), 80) == pytest.approx(-22, abs=0.1)


def test_the_upper_bound_of_a_count() -> None:
    assert poisson_upper(0) == pytest.approx(2.996, abs=0.001)
    assert poisson_upper(3) == pytest.approx(7.754, abs=0.001)
    none_in_half_an_hour = FalseAlarms(0, 0.5, {})
    assert none_in_half_an_hour.per_hour == 0
    assert none_in_half_an_hour.upper_per_hour == pytest.approx(5.99, abs=0.01)
