"""The worked cases and formulas that need no torch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantize.formulas import (
    Linear,
    Logarithmic,
    cross_entropy,
    distillation,
    entropy_bits,
    fit_linear,
    kl_divergence,
    mcnemar,
    softmax,
    worked_cases,
)

TEACHER, STUDENT = np.array([[1.0, 2.0, 3.0]]), np.array([[0.8, 1.9, 2.9]])


def test_the_worked_case_of_linear_quantisation() -> None:
    grid = Linear(0.0, 10.0, 8)
    assert grid.scale == pytest.approx(0.039215686, abs=5e-10)
    assert grid.codes(np.array([3.1415926])).tolist() == [80]
    assert grid.values(np.array([80]))[0] == pytest.approx(80 * 10 / 255)


def test_linear_error_is_at_most_half_a_step_and_clips_outside() -> None:
    x = np.random.default_rng(1).uniform(-3, 3, 10_000)
    grid = fit_linear(x, 6)
    assert np.abs(grid.values(grid.codes(x)) - x).max() <= grid.scale / 2 + 1e-12
    assert grid.codes(np.array([-99.0, 99.0])).tolist() == [0, 63]


def test_the_worked_case_of_distillation_by_hand() -> None:
    p = np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    q = np.exp([0.8, 1.9, 2.9]) / np.exp([0.8, 1.9, 2.9]).sum()
    by_hand = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert kl_divergence(softmax(TEACHER), softmax(STUDENT)) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.0003986, abs=1e-7)
    assert cross_entropy(STUDENT, np.array([2])) == pytest.approx(-math.log(q[2]))
    assert cross_entropy(STUDENT, np.array([2])) == pytest.approx(0.3990015, abs=1e-7)


def test_distillation_mixes_its_two_parts() -> None:
    label = np.array([2])
    hard, soft = (distillation(STUDENT, TEACHER, label, a, 2.0) for a in (1.0, 0.0))
    assert hard == pytest.approx(cross_entropy(STUDENT, label))
    assert soft == pytest.approx(4 * kl_divergence(softmax(TEACHER, 2.0), softmax(STUDENT, 2.0)))
    assert distillation(STUDENT, TEACHER, label, 0.3, 2.0) == pytest.approx(0.3 * hard + 0.7 * soft)


def test_divergence_of_a_model_from_itself_is_zero() -> None:
    assert kl_divergence(softmax(TEACHER), softmax(TEACHER)) == 0.0


def test_explain_tells_the_same_numbers() -> None:
    linear, logits = worked_cases()
    assert linear.results["code"] == 80
    assert logits.results["CE"] == pytest.approx(0.3990015, abs=1e-7)


def test_logarithmic_levels_are_powers_of_two_and_relative_error_is_bounded() -> None:
    x = np.exp(np.random.default_rng(2).uniform(-3, 2, 5000)) * np.random.default_rng(3).choice([-1, 1], 5000)
    rounded = Logarithmic.fit(x, 6).round(x)
    kept = rounded[rounded != 0]
    assert np.allclose(np.log2(np.abs(kept)), np.rint(np.log2(np.abs(kept))))
    assert (np.abs(kept / x[rounded != 0]) <= math.sqrt(2) + 1e-9).all()


def test_uniform_weights_suit_linear_levels_and_decades_suit_logarithmic_ones() -> None:
    random = np.random.default_rng(4)
    normal, decades = random.normal(size=4000), 10.0 ** random.uniform(-4, 0, 4000)

    def relative(x: np.ndarray, rounded: np.ndarray) -> float:
        return float(np.mean(np.abs(rounded - x) / np.abs(x)))

    linear, logarithmic = fit_linear(normal, 4), Logarithmic.fit(normal, 4)
    assert (
        np.square(linear.values(linear.codes(normal)) - normal).mean()
        < np.square(logarithmic.round(normal) - normal).mean()
    )
    linear, logarithmic = fit_linear(decades, 5), Logarithmic.fit(decades, 5)
    assert relative(decades, logarithmic.round(decades)) < relative(decades, linear.values(linear.codes(decades)))


def test_entropy_of_constant_and_of_uniform_columns() -> None:
    x = np.stack([np.zeros(6400), np.arange(6400) / 6399], axis=1)
    assert entropy_bits(x) == pytest.approx([0.0, 6.0], abs=1e-3)


def test_mcnemar_against_the_binomial() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 6) == pytest.approx(2 / 64)
    assert mcnemar(6, 0) == mcnemar(0, 6)
