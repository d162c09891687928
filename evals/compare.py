"""What changed between two sets of results, and whether it is more than noise.

A metric regresses when the whole 99 % interval of its change lies on the worse side of a small tolerance. Speeds of the
machine itself are taken out first: a metric that names another one of the same run in `relative_to` (the bare llama.cpp
loop's figure) is divided by it, so that a slower or busier machine does not read as a slower product. A judged metric
that disappeared counts as a regression: it is how a broken measurement would look.

A time or a rate without such a partner is the machine's as much as the product's. It must have changed by more than the
bare loop of the same runs did, and three samples of it prove nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.results import Document, Metric, by_label
from evals.statistics import Interval, median, paired_difference, ratio_of_medians

LEVEL = 0.99  # many metrics are judged at once
TOLERANCE = 0.03  # a relative change below this is never called a regression: runs of one build differ by as much
TOLERANCE_FEW = 0.08  # the same where there are too few samples for an interval to mean anything
MIN_SAMPLES = 4
OF_THE_MACHINE = ("ms", "s", "tok/s")  # units whose figures are as fast as the machine is at that moment
MACHINE_SPEED = "bare_decode_tps"


@dataclass(frozen=True, slots=True)
class Change:
    """One metric before and after. `ratio` is after / before, or the difference of shares where rows are paired."""

    label: str
    name: str
    unit: str
    before: float
    after: float
    ratio: Interval | None  # None when the metric is missing on one side, or was 0
    verdict: str  # regression | improvement | same | lost | new | -

    @property
    def is_regression(self) -> bool:
        return self.verdict in ("regression", "lost")


def compare(before: Sequence[Document], after: Sequence[Document]) -> list[Change]:
    """Every metric of every task and model that both sides ran."""
    old, new = by_label(before), by_label(after)
    changes = []
    for label in [label for label in old if label in new]:
        olds, news = old[label], new[label]
        names = dict.fromkeys(name for document in (*olds, *news) for name in document.metrics)
        changes += [_change(label, name, olds, news) for name in names]
    return changes


def table(changes: Sequence[Change]) -> str:
    """The changes for people, regressions first."""
    lines = []
    for change in sorted(changes, key=lambda c: (c.label, not c.is_regression)):
        r = change.ratio
        interval = f"x {r.value:.3f} [{r.low:.3f}, {r.high:.3f}]" if r else ""
        numbers = f"{change.before:10.4g} -> {change.after:<10.4g} {change.unit:8}"
        lines.append(f"{change.label:24} {change.name:26} {numbers} {interval:28} {change.verdict}".rstrip())
    n = sum(change.is_regression for change in changes)
    lines.append(f"{n} regression{'' if n == 1 else 's'} in {len(changes)} metrics")
    return "\n".join(lines) + "\n"


def _change(label: str, name: str, olds: Sequence[Document], news: Sequence[Document]) -> Change:
    old, new = _latest(olds, name), _latest(news, name)
    if old is None or new is None:
        known = old or new
        assert known is not None  # noqa: S101 - the name comes from one of the two sides
        verdict = "-" if not known.better else "lost" if new is None else "new"
        nan = float("nan")
        return Change(label, name, known.unit, old.value if old else nan, new.value if new else nan, None, verdict)
    if old.paired and new.paired and (old.rows, len(old.samples)) == (new.rows, len(new.samples)):
        difference = paired_difference(new.samples, old.samples, LEVEL)
        verdict = _verdict(difference.low, difference.high, new.better)
        return Change(label, name, new.unit, old.value, new.value, difference, verdict)
    a, b = _pooled(olds, name), _pooled(news, name)
    if median(a) == 0:
        worse = new.value > 0 if new.better == "lower" else new.value < 0
        verdict = "same" if new.value == 0 or not new.better else "regression" if worse else "improvement"
        return Change(label, name, new.unit, old.value, new.value, None, verdict)
    ratio = ratio_of_medians(b, a, LEVEL)
    few = ratio.n < MIN_SAMPLES
    tolerance = 0.0 if new.unit == "count" else TOLERANCE_FEW if few else TOLERANCE
    if new.unit in OF_THE_MACHINE and not new.relative_to:
        if few:
            return Change(label, name, new.unit, old.value, new.value, ratio, "-")
        tolerance += _drift(olds, news)
    low, high = (ratio.value, ratio.value) if few else (ratio.low, ratio.high)
    verdict = _verdict(low - 1, high - 1, new.better, tolerance)
    return Change(label, name, new.unit, old.value, new.value, ratio, verdict)


def _verdict(low: float, high: float, better: str, tolerance: float = 0.0) -> str:
    """Judge a change whose interval is low..high and whose "no change" is 0."""
    if not better:
        return "-"
    if low > tolerance:
        return "improvement" if better == "higher" else "regression"
    if high < -tolerance:
        return "regression" if better == "higher" else "improvement"
    return "same"


def _drift(olds: Sequence[Document], news: Sequence[Document]) -> float:
    """By what share the machine itself was faster in one of two sets of runs; 0.0 where they did not measure it."""
    a, b = _pooled(olds, MACHINE_SPEED), _pooled(news, MACHINE_SPEED)
    if not a or not b or min(median(a), median(b)) <= 0:
        return 0.0
    return max(median(a) / median(b), median(b) / median(a)) - 1


def _latest(documents: Sequence[Document], name: str) -> Metric | None:
    return next((d.metrics[name] for d in reversed(documents) if name in d.metrics), None)


def _pooled(documents: Sequence[Document], name: str) -> list[float]:
    """The samples of all runs, each divided by its own run's reference."""
    pooled = []
    for document in documents:
        if (metric := document.metrics.get(name)) is None:
            continue
        reference = document.metrics.get(metric.relative_to)
        scale = reference.value if reference and reference.value else 1.0
        pooled += [sample / scale for sample in metric.samples or [metric.value]]
    return pooled
