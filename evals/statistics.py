"""Medians, intervals and paired comparisons: the little statistics that timing and accuracy need.

Everything is a percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13) with a
fixed seed, so that the same samples always give the same interval. Comparisons are made on the logarithm of ratios:
10 % slower and 10 % faster are then equally far from no change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 4000

Floats = NDArray[np.float64]
Statistic = Callable[..., Any]  # np.median, np.mean or alike: (array, axis=...) -> array


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval and the number of samples it rests on."""

    value: float
    low: float
    high: float
    n: int


def median(samples: Sequence[float]) -> float:
    """Raises ValueError when there are no samples."""
    return float(np.median(_array(samples)))


def quantile(samples: Sequence[float], q: float) -> float:
    """The `q` quantile (0 to 1), linear between neighbours. Raises ValueError when there are no samples."""
    return float(np.quantile(_array(samples), q))


def bootstrap(
    samples: Sequence[float], statistic: Statistic = np.median, level: float = 0.95, seed: int = 0
) -> Interval:
    """`statistic` of the samples with its percentile interval. One sample gives an interval without width: read n."""
    values = _array(samples)
    drawn = statistic(_resample(values, seed), axis=1)
    low, high = _percentiles(drawn, level)
    return Interval(float(statistic(values, axis=0)), low, high, len(values))


def wilson(right: Sequence[float], z: float = 1.96) -> Interval:
    """Share of the samples, each 0 or 1, with Wilson's interval: it has a width where all are alike, too."""
    values = _array(right)
    n, p = len(values), float(values.mean())
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    return Interval(p, max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole), n)


def bootstrap_quantile(samples: Sequence[float], q: float, level: float = 0.95, seed: int = 0) -> Interval:
    """As bootstrap(), for a quantile such as the 95th percentile of latencies."""

    def statistic(values: Floats, axis: int) -> Any:
        return np.quantile(values, q, axis=axis)

    return bootstrap(samples, statistic, level, seed)


def paired_difference(a: Sequence[float], b: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """Mean of a[i] - b[i], resampling pairs: for the same rows answered by two models. Raises ValueError on lengths."""
    return bootstrap((_array(a) - _same_length(a, b)).tolist(), np.mean, level, seed)


def paired_ratio(a: Sequence[float], b: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """Median of a[i] / b[i], resampling pairs: for timings taken side by side. Raises ValueError on lengths."""
    return bootstrap((_array(a) / _same_length(a, b)).tolist(), np.median, level, seed)


def ratio_of_medians(a: Sequence[float], b: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """median(a) / median(b) of two independent sets of samples; n is the smaller of the two."""
    first, second = _array(a), _array(b)
    drawn = np.median(_resample(first, seed), axis=1) / np.median(_resample(second, seed + 1), axis=1)
    low, high = _percentiles(drawn, level)
    return Interval(float(np.median(first) / np.median(second)), low, high, min(len(first), len(second)))


def _array(samples: Sequence[float]) -> Floats:
    if not len(samples):
        raise ValueError("no samples")
    return np.asarray(samples, dtype=np.float64)


def _same_length(a: Sequence[float], b: Sequence[float]) -> Floats:
    if len(a) != len(b):
        raise ValueError(f"pairs need equal lengths, got {len(a)} and {len(b)}")
    return _array(b)


def _resample(values: Floats, seed: int) -> Floats:
    drawn: Floats = values[np.random.default_rng(seed).integers(0, len(values), (N_RESAMPLES, len(values)))]
    return drawn


def _percentiles(drawn: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
