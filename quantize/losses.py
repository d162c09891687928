"""Distillation losses in torch: what the student is asked to imitate. numpy twins with worked cases are in
formulas.py.

All take float tensors of any precision, compute in float32, and return a scalar mean in nats (logits) or in units of
the features' own scale.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

P = ParamSpec("P")


def _in_float32(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Half-precision tensors among the arguments widened, and no autocast inside."""

    @functools.wraps(loss)
    def computed(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        half = (torch.bfloat16, torch.float16)
        wide = [x.float() if isinstance(x, Tensor) and x.dtype in half else x for x in args]
        device = next(x.device.type for x in args if isinstance(x, Tensor))
        with torch.autocast(device, enabled=False):
            return loss(*wide, **kwargs)  # type: ignore[arg-type]

    return computed


def logits_kl(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(teacher || student); logits (..., n_vocab). No gradient reaches the teacher."""
    divergence: Tensor = _Divergence.apply(teacher.flatten(0, -2), student.flatten(0, -2), temperature)  # type: ignore[no-untyped-call]
    return temperature**2 * divergence


class _Divergence(torch.autograd.Function):
    """Mean KL(p || q) over rows of logits, a few rows at a time: a whole batch over the whole vocabulary is gigabytes,
    and writing those takes longer than computing them. The gradient, (q - p) / n, is in the same pass."""

    ROWS = 64

    @staticmethod
    def forward(ctx: Any, teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
        slope = torch.empty_like(student)
        total = torch.zeros((), device=student.device)
        for start in range(0, len(student), _Divergence.ROWS):
            rows = slice(start, start + _Divergence.ROWS)
            expected, got = ((x[rows].float() / temperature).log_softmax(-1) for x in (teacher, student))
            chance = expected.exp()
            total += (expected.sub_(got).mul_(chance)).sum()
            slope[rows] = got.exp_().sub_(chance).div_(temperature * len(student))
        ctx.save_for_backward(slope)
        return total / len(student)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        (slope,) = ctx.saved_tensors
        return None, slope * gradient, None


@_in_float32
def by_logits(teacher: Tensor, student: Tensor, labels: Tensor, a: float = 0.5, temperature: float = 2.0) -> Tensor:
    """L = a CE + (1 - a) T^2 KL. For self-distillation a = 0 is best: the data's labels only add noise (arXiv
    2601.20088).

    `labels` (...) are the next tokens; -100 is ignored by CE.
    """
    hard = cross_entropy(student.flatten(0, -2), labels.flatten(), ignore_index=-100)
    return a * hard + (1 - a) * logits_kl(teacher, student, temperature)


@_in_float32
def by_labels(student: Tensor, labels: Tensor) -> Tensor:
    """Plain cross-entropy with the next tokens: the null of every distillation loss."""
    return cross_entropy(student.flatten(0, -2), labels.flatten())


@_in_float32
def by_top_logits(top: Tensor, ids: Tensor, rest: Tensor, student: Tensor) -> Tensor:
    """KL from cached teacher log-probabilities: the k largest (..., k), their ids, and the log of the remaining mass
    (...).

    The rest is compared as one token, so the value is a lower bound of the full KL that is tight for k in the tens.
    """
    got = student.log_softmax(-1)
    kept = got.gather(-1, ids)
    got_rest = torch.log1p(-kept.exp().sum(-1).clamp(max=1 - 1e-6))
    return ((top.exp() * (top - kept)).sum(-1) + rest.exp() * (rest - got_rest)).mean()


@_in_float32
def by_features(teacher: Tensor, student: Tensor, projection: Tensor | None = None) -> Tensor:
    """Mean squared distance of hidden states (..., n_teacher) and (..., n_student), relative to the teacher's
    variance.

    `projection` (n_student, n_teacher) lifts a narrower student (FitNets, arXiv 1412.6550).
    """
    lifted = student if projection is None else student @ projection
    return (lifted - teacher).square().mean() / teacher.var().clamp_min(1e-12)


@_in_float32
def by_relations(teacher: Tensor, student: Tensor) -> Tensor:
    """Distance between the Gram matrices of samples, (n_samples, n_features) each: keeps who is similar to whom and
    leaves the coordinates free, so widths may differ (relational distillation, arXiv 1904.05068)."""
    return (_gram(teacher) - _gram(student)).square().mean()


def _gram(x: Tensor) -> Tensor:
    flat = torch.nn.functional.normalize(x.flatten(1), dim=1)
    return flat @ flat.T
