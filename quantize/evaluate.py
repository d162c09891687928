"""How far is a file from its reference? The convention of llama-perplexity: chunks of 512 tokens, second half scored.

Every token is paired: the same text, both models' full distributions. KLD = KL(reference || file) in nats; the
perplexity ratio is exp(mean difference of the log-likelihood), its standard error by the delta method. Differences of
a few per cent between good files say little about tasks (arXiv 2606.19558): use them as a gate, with task flips
beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.errors import UsageError
from quantize.packs import Row, encode, read_pack
from quantize.runtime import Logits, Runtime, open_runtime

CHUNK = 512
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Paired:
    """Per scored token: KL divergence in nats, whether the likeliest token agrees, log-likelihood and probability of
    the true token."""

    kld: Floats
    agree: npt.NDArray[np.bool_]
    log_likelihood: Floats
    log_likelihood_reference: Floats

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Each metric with a 95 % interval, as `evals` prints them."""
        n = len(self.kld)
        gap = self.log_likelihood_reference - self.log_likelihood
        ratio, gap_se = math.exp(gap.mean()), _standard_error(gap)
        delta_p = np.exp(self.log_likelihood) - np.exp(self.log_likelihood_reference)
        rms = math.sqrt((delta_p**2).mean())
        low, high = np.quantile(_bootstrap_quantile(self.kld, 0.99), [0.025, 0.975])
        return {
            "kld_mean": _metric(self.kld.mean(), _standard_error(self.kld), n, "nat"),
            "kld_median": _metric(float(np.median(self.kld)), 0.0, n, "nat"),
            "kld_p99": {
                "value": float(np.quantile(self.kld, 0.99)),
                "low": float(low),
                "high": float(high),
                "n": n,
                "unit": "nat",
            },
            "ppl_ratio": _metric(ratio, ratio * gap_se, n, "ratio"),
            "ppl_reference": _metric(math.exp(-self.log_likelihood_reference.mean()), 0.0, n, "perplexity"),
            "top1_agreement": _metric(self.agree.mean(), _standard_error(self.agree.astype(float)), n, "share"),
            "delta_p_mean": _metric(delta_p.mean(), _standard_error(delta_p), n, "probability"),
            "delta_p_rms": _metric(rms, _standard_error(delta_p**2) / (2 * rms or 1), n, "probability"),
        }


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _bootstrap_quantile(values: Floats, q: float, rounds: int = 200) -> Floats:
    random = np.random.default_rng(0)
    return np.array([np.quantile(random.choice(values, len(values)), q) for _ in range(rounds)])


def measured(values: npt.ArrayLike, unit: str) -> dict[str, Any]:
    """The mean of independent values, shape (n,), with its 95 % interval."""
    array = np.asarray(values, dtype=np.float64)
    return _metric(float(array.mean()), _standard_error(array), len(array), unit)


def _metric(value: float, standard_error: float, n: int, unit: str) -> dict[str, Any]:
    margin = 1.96 * standard_error
    return {"value": float(value), "low": float(value - margin), "high": float(value + margin), "n": n, "unit": unit}


def chunks(path: Path, runtime: Runtime, n_scored: int) -> Iterator[Row]:
    """Cut a text or a pack into chunks of 512 tokens until at least `n_scored` tokens are scored.

    Plain text scores the second half of each chunk. Conversations are laid end to end, and all of the assistant's
    tokens are scored except those in the first 32 of a chunk, which lack context.
    """
    rows = read_pack(path)
    encoded = [encode(row, runtime) for row in rows]
    tokens = np.concatenate([row.tokens for row in encoded])
    mask = np.concatenate([row.scored for row in encoded])
    warm_up = CHUNK // 2 if mask.all() else 32
    found = 0
    for start in range(0, len(tokens) - CHUNK + 1, CHUNK):
        scored = mask[start : start + CHUNK].copy()
        scored[:warm_up] = False
        if not scored.any():
            continue
        yield Row(tokens[start : start + CHUNK], scored)
        found += int(scored.sum())
        if found >= n_scored:
            return
    if not found:
        raise UsageError(f"{path} is too short to measure on: it needs at least {CHUNK} tokens")


def log_softmax(logits: Logits) -> Logits:
    shifted: Logits = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def compare(
    file: Path, reference: Path, pack: Path, n_scored: int, report: Callable[[int], None] = lambda n: None
) -> Paired:
    """Measure `file` against `reference` on a text or pack. Both are held in memory; one chunk of logits at a time."""
    return compare_many([file], reference, pack, n_scored, report)[0]


def compare_many(
    files: list[Path], reference: Path, pack: Path, n_scored: int, report: Callable[[int], None] = lambda n: None
) -> list[Paired]:
    """The same for several files, scoring the reference once. Raises UsageError if their vocabularies differ."""
    with ExitStack() as stack:
        teacher = stack.enter_context(open_runtime(reference, CHUNK))
        students = [stack.enter_context(open_runtime(file, CHUNK)) for file in files]
        for file, student in zip(files, students, strict=True):
            if student.n_vocab != teacher.n_vocab:
                raise UsageError(
                    f"{file} has {student.n_vocab} tokens and the reference {teacher.n_vocab}: use `kept_tokens`"
                )
        parts: list[list[tuple[Any, ...]]] = [[] for _ in files]
        done = 0
        for row in chunks(pack, teacher, n_scored):
            first = int(row.scored.argmax()) - 1
            wanted = np.flatnonzero(row.scored[first + 1 :])
            truth = row.tokens[first + 1 :][wanted]
            expected = log_softmax(teacher.score(row.tokens, first)[wanted])
            probability = np.exp(expected)
            lines = np.arange(len(truth))
            for part, student in zip(parts, students, strict=True):
                got = log_softmax(student.score(row.tokens, first)[wanted])
                kld = (probability * (expected - got)).sum(axis=1)
                part.append((kld, got.argmax(1) == expected.argmax(1), got[lines, truth], expected[lines, truth]))
            done += len(truth)
            report(done)
    return [
        Paired(
            *(
                np.concatenate(column).astype(dtype)
                for column, dtype in zip(zip(*part, strict=True), (float, bool, float, float), strict=True)
            )
        )
        for part in parts
    ]
