"""The formulas of compression in plain numpy, one function each, with the worked cases that `quantize explain`
renders.

Nothing here trains or writes a file; grids.py, losses.py and pruning.py hold what does. Read this first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Linear:
    """Affine quantisation of [low, high] to `bits`: x_q = round((x - low) / s), s = (high - low) / (2^bits - 1).

    >>> grid = Linear(0.0, 10.0, 8)
    >>> round(grid.scale, 9), int(grid.codes(np.array([3.1415926]))[0])
    (0.039215686, 80)
    """

    low: float
    high: float
    bits: int

    @property
    def scale(self) -> float:
        return (self.high - self.low) / float(2**self.bits - 1)

    def codes(self, x: Floats) -> Codes:
        """Integers in 0 .. 2^bits - 1; values outside the range are clipped to its ends."""
        return np.clip(np.rint((x - self.low) / self.scale), 0, 2**self.bits - 1).astype(np.int64)

    def values(self, codes: Codes) -> Floats:
        return np.asarray(self.low + codes * self.scale, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Logarithmic:
    """Powers of two: sign(x) * 2^e, e a whole number from `top` downwards, one code kept for zero.

    Relative error is even over all magnitudes (at most a factor of sqrt 2), so it suits values spread over decades
    and wastes levels on weights, which are not.
    """

    top: int
    bits: int

    @property
    def lowest(self) -> int:
        """The smallest exponent: one bit holds the sign, one code zero, 2^(bits - 1) - 1 exponents remain."""
        return self.top - int(2 ** (self.bits - 1) - 2)

    def round(self, x: Floats) -> Floats:
        magnitude = np.abs(x)
        exponent = np.clip(np.rint(np.log2(np.maximum(magnitude, 2.0 ** (self.lowest - 2)))), self.lowest - 1, self.top)
        return np.where(exponent < self.lowest, 0.0, np.sign(x) * 2.0**exponent)

    @classmethod
    def fit(cls, x: Floats, bits: int) -> Logarithmic:
        return cls(int(np.rint(np.log2(np.abs(x).max()))), bits)


def fit_linear(x: Floats, bits: int) -> Linear:
    return Linear(float(x.min()), float(x.max()), bits)


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Along the last axis."""
    shifted = logits / temperature
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def kl_divergence(p: Floats, q: Floats) -> float:
    """KL(p || q) in nats, mean over all but the last axis. Zero only where p equals q."""
    return float((p * (np.log(p) - np.log(q))).sum(axis=-1).mean())


def cross_entropy(logits: Floats, labels: Codes) -> float:
    """Mean negative log-likelihood of the labels, nats."""
    log_p = np.log(softmax(logits))
    return float(-np.take_along_axis(log_p, labels[..., None], axis=-1).mean())


def distillation(student: Floats, teacher: Floats, labels: Codes, a: float, temperature: float) -> float:
    """L = a CE(student, labels) + (1 - a) T^2 KL(teacher || student), both softened by T (Hinton et al., arXiv
    1503.02531).

    T^2 keeps the size of the soft gradient, which falls as 1/T^2, independent of T.
    """
    soft = kl_divergence(softmax(teacher, temperature), softmax(student, temperature))
    return a * cross_entropy(student, labels) + (1 - a) * temperature**2 * soft


def entropy_bits(x: Floats, n_bins: int = 64) -> Floats:
    """Entropy in bits of each column's histogram over its own range: a channel that hardly varies carries little."""
    low, high = x.min(axis=0), x.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    bins = np.minimum(((x - low) / width * n_bins).astype(int), n_bins - 1)
    counts = np.stack([np.bincount(column, minlength=n_bins) for column in bins.T])
    p = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(-np.where(p > 0, p * np.log2(np.maximum(p, 1e-12)), 0.0).sum(axis=1))


def mcnemar(right_to_wrong: int, wrong_to_right: int) -> float:
    """Two-sided exact p-value that both kinds of flip are equally likely (arXiv 2407.09141 counts both)."""
    from math import comb

    n = right_to_wrong + wrong_to_right
    if n == 0:
        return 1.0
    tail = sum(comb(n, k) for k in range(min(right_to_wrong, wrong_to_right) + 1)) / 2**n
    return float(min(1.0, 2 * tail))


@dataclass(frozen=True, slots=True)
class WorkedCase:
    """A formula, what goes in, and what the code above makes of it."""

    title: str
    formula: str
    inputs: str
    results: dict[str, float]


def worked_cases() -> list[WorkedCase]:
    """Computed when asked, by the functions of this module."""
    grid = Linear(0.0, 10.0, 8)
    x = np.array([3.1415926])
    code = grid.codes(x)
    teacher, student, label = np.array([[1.0, 2.0, 3.0]]), np.array([[0.8, 1.9, 2.9]]), np.array([2])
    return [
        WorkedCase(
            "Linear quantisation",
            "s = (x_max - x_min) / (2^b - 1);  x_q = round((x - x_min) / s)",
            "x = 3.1415926 in [0, 10], b = 8",
            {
                "s": grid.scale,
                "code": float(code[0]),
                "value": float(grid.values(code)[0]),
                "error": float(grid.values(code)[0] - x[0]),
            },
        ),
        WorkedCase(
            "Distillation by logits",
            "L = a CE + (1 - a) T^2 KL(teacher || student)",
            "teacher logits [1, 2, 3], student [0.8, 1.9, 2.9], label 2, a = 0.5, T = 2",
            {
                "CE": cross_entropy(student, label),
                "KL (T = 1)": kl_divergence(softmax(teacher), softmax(student)),
                "KL (T = 2)": kl_divergence(softmax(teacher, 2.0), softmax(student, 2.0)),
                "L": distillation(student, teacher, label, 0.5, 2.0),
            },
        ),
    ]
