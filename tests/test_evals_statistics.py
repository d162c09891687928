"""The statistics against values known from elsewhere, and what their intervals promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import statistics
from evals.bench import Block, Guard, Timing, cost_ratio, speed_ratio


def test_median_and_quantile_of_known_values() -> None:
    assert statistics.median([3.0, 1.0, 2.0, 10.0]) == 2.5
    assert statistics.quantile([0.0, 10.0], 0.95) == pytest.approx(9.5)


def test_bootstrap_of_the_mean_agrees_with_the_normal_interval() -> None:
    """For the mean of many values the percentile interval must be the textbook one: mean +- 1.96 s / sqrt(n)."""
    values = np.random.default_rng(7).normal(100, 15, 400).tolist()
    interval = statistics.bootstrap(values, np.mean)
    half_width = 1.96 * np.std(values, ddof=1) / np.sqrt(400)
    assert interval.value == pytest.approx(np.mean(values))
    assert interval.low == pytest.approx(np.mean(values) - half_width, abs=0.15)
    assert interval.high == pytest.approx(np.mean(values) + half_width, abs=0.15)
    assert interval.n == 400


def test_the_interval_of_a_median_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for repetition in range(200):
        values = np.random.default_rng(repetition).exponential(10, 25).tolist()
        interval = statistics.bootstrap(values)
        covered += interval.low <= 10 * np.log(2) <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_same_samples_give_the_same_interval() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert statistics.bootstrap(values) == statistics.bootstrap(values)


def test_pairing_removes_what_both_sides_share() -> None:
    """Two sides that drift together by 50 %, one of them always 2 % slower: only the paired ratio sees it clearly."""
    random = np.random.default_rng(3)
    drift = random.uniform(1.0, 1.5, 15)
    a = (drift * 1.02 * random.normal(1, 0.001, 15)).tolist()
    b = drift.tolist()
    paired = statistics.paired_ratio(a, b)
    independent = statistics.ratio_of_medians(a, b)
    assert 1.019 < paired.low <= paired.high < 1.021
    assert independent.high - independent.low > 10 * (paired.high - paired.low)


def test_paired_difference_of_right_and_wrong_answers() -> None:
    before = [1.0] * 80 + [0.0] * 20
    after = [1.0] * 70 + [0.0] * 30
    difference = statistics.paired_difference(after, before)
    assert difference.value == pytest.approx(-0.10)
    assert difference.high < 0


def test_pairs_of_unequal_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="equal lengths, got 2 and 1"):
        statistics.paired_ratio([1.0, 2.0], [1.0])


def test_no_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        statistics.bootstrap([])


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=30))
def test_the_estimate_lies_within_its_interval(samples: list[float]) -> None:
    interval = statistics.bootstrap(samples)
    assert min(samples) <= interval.low <= interval.high <= max(samples)
    assert interval.low <= interval.value <= interval.high


def test_ratios_of_blocks_have_their_sides_the_right_way_round() -> None:
    slower = [Block(Timing(12.0, 20.0), Timing(10.0, 20.0), 0.0)] * 3
    assert cost_ratio(slower).value == pytest.approx(1.2)
    assert speed_ratio(slower).value == pytest.approx(1 / 1.2)


def test_disturbed_repetitions_are_dropped_only_when_enough_calm_ones_remain() -> None:
    guard = Guard()
    assert guard.choose([0.01, 0.5, 0.02, 0.03], 3, "decode") == [0, 2, 3]
    assert not guard.contended
    assert guard.choose([0.01, 0.5, 0.9, 0.03], 3, "prefill") == [0, 1, 2, 3]
    assert guard.contended
    assert "prefill: 2 of 4" in guard.notes[0]


@pytest.mark.parametrize(
    ("right", "low", "high"), [([0.0] * 8, 0.0, 0.324), ([1.0] * 10, 0.722, 1.0), ([1.0, 0.0] * 25, 0.366, 0.634)]
)
def test_a_share_has_a_width_where_all_rows_are_alike(right: list[float], low: float, high: float) -> None:
    found = statistics.wilson(right)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)
