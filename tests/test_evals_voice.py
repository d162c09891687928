"""The voice measurement: mixtures, gaps, the recording of questions, and scenarios that say what is true."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

import evals.voice_latency
from assistant.audio import RATE_HZ
from assistant.home.model import simulated
from assistant.router import Router
from assistant.tools.opening import surroundings_for
from evals.voice_latency import GAP_S, LEAD_S, Question, recording
from evals.voice_recognition import Clip, Scored, mixed
from evals.voice_turn_ends import gap

pytest.importorskip("onnxruntime", reason="the extra `voice` is not installed")


def tone(seconds: float, loudness: float = 8000.0) -> np.ndarray:
    at = np.arange(int(seconds * RATE_HZ))
    return (loudness * np.sin(2 * np.pi * 200 * at / RATE_HZ)).astype(np.float32)


def test_noise_is_mixed_at_the_asked_level() -> None:
    clip = Clip("a", tone(1.0).astype(np.int16))
    noise = np.random.default_rng(1).normal(0, 300, RATE_HZ // 2).astype(np.float32)
    (mixture,) = mixed([clip], [noise], 10.0, seed=1)
    rest = mixture.pcm.astype(float) - clip.pcm
    assert 10 * np.log10(np.mean(clip.pcm.astype(float) ** 2) / np.mean(rest**2)) == pytest.approx(10.0, abs=0.1)


def test_a_sentence_is_cut_at_its_longest_gap() -> None:
    quiet = tone(0.3, 5.0)
    sentence = np.concatenate([tone(1.0), tone(0.08, 5.0), tone(0.5), quiet, tone(1.0)])
    cut = gap(sentence)
    assert cut is not None and 1.58 * RATE_HZ < cut < 1.88 * RATE_HZ
    assert gap(np.concatenate([sentence, tone(4.0, 5.0)])) == cut  # silence after the sentence is no gap in it
    assert gap(tone(2.0)) is None and gap(np.zeros(RATE_HZ, np.float32)) is None


def test_questions_stand_apart_in_the_recording() -> None:
    pcm = recording([Question("a", tone(1.0)), Question("b", tone(2.0))], seed=1)
    assert len(pcm) == int((LEAD_S + 3 + 2 * GAP_S) * RATE_HZ)
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 2000)
    assert loud[0] == pytest.approx(LEAD_S * RATE_HZ, abs=200)
    assert np.diff(loud).max() == pytest.approx(GAP_S * RATE_HZ, rel=0.01)


def test_errors_are_counted_over_all_words() -> None:
    scored = Scored([1, 0], [4, 6], 1.0, 2.0)
    metric = scored.metric(seed=1)
    assert metric.value == pytest.approx(10.0) and metric.n == 2 and metric.low <= 10.0 <= metric.high


def test_scenarios_expect_what_the_rules_do(assistant_home: Path) -> None:
    from assistant.history import ephemeral_history

    table = tomllib.loads(Path(evals.voice_latency.__file__).with_name("voice_scenarios.toml").read_text())
    router = Router(surroundings_for(ephemeral_history(), home=simulated()))
    for scenario in table["scenario"]:
        decided = "rule" if router.decide(scenario["say"]).calls else "model"
        assert decided == scenario["by"], scenario["say"]
