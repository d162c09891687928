"""`evals run accuracy [--data DIR]`: how often the model is right, through the product's own engine.

| metric | what it is |
|---|---|
| <set>_accuracy | share of the rows of a set that are right |
| <set>_accuracy_norm | the same for multiple choice, likelihoods divided by the length of the choice |
| assistant_accuracy | all rows of the project's own sets (evals/sets) together |
| accuracy | all rows of all sets together |

The own sets are always run; --data adds others. Rows of a --data set are drawn with the seed, so that two runs with
one seed answer the same rows and compare() pairs them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from assistant.errors import AssistantError
from evals import machine
from evals.accuracy_rows import Checked, EvalSet, Instructed, Number, Row, data_sets, own_sets
from evals.accuracy_scoring import Engine, Scored, score
from evals.product import open_product, resolve
from evals.results import Failure, Metric, from_rows
from evals.task import Effort, NoSuchPart, Options, Outcome, Progress

N_CONTEXT = 2048
GENERATED: tuple[type[Row], ...] = (Checked, Instructed, Number)
MOST_ERRORS = 3  # engine errors in one set before it is given up
EVERY_S = 20.0  # how often a set says how far it is


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The task."""

    name: str = "accuracy"
    summary: str = "multiple choice by likelihood, and generated replies under programmatic checks"
    needs: str = "a pulled model; --data for more than the project's own sets"
    reads: tuple[str, ...] = ("*.jsonl", "lm/*.jsonl")

    def run(self, options: Options) -> Outcome:
        """Raises ModelMissingError, ModelRefusedError, NotEnoughMemoryError, EngineError; UsageError for bad data."""
        sets = [one for one in (*_own(options), *_chosen(options)) if options.wants(one.name)]
        if not sets:
            raise NoSuchPart("there is no such set; `evals run accuracy` without --only names them all")
        outcome = Outcome()
        progress = Progress({s.name: _expected_s(s) for s in sets})
        spec = resolve(options.model)
        outcome.models.append(
            {"name": spec.name, "file": spec.file_name, "sha256": spec.sha256, "size_bytes": spec.size_bytes}
        )
        threads = 0 if machine.wait_until_calm(5.0) else 1  # two that wait for each other on a busy machine crawl
        outcome.settings["threads"] = threads or "as the product decides"
        with open_product(spec, N_CONTEXT, threads) as product:
            answered = []
            for one in sets:
                progress.start(one.name)
                answered.append(answer(product.model, one, progress, outcome))
                progress.finish(one.name)
        report(answered, outcome)
        return outcome


@dataclass(slots=True)
class Answered:
    """A set with what became of its rows, in order; a row that could not be judged is in neither list."""

    of: EvalSet
    right: list[float] = field(default_factory=list)
    norm: list[float] = field(default_factory=list)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    not_judged: int = 0

    def add(self, row: Row, scored: Scored | None) -> None:
        if scored is None:
            self.not_judged += 1
            return
        self.right.append(float(scored.right))
        if scored.norm is not None:
            self.norm.append(float(scored.norm))
        if not scored.right and scored.said and len(self.wrong) < 5:
            text = getattr(row, "prompt", "") or getattr(row, "query", "") or getattr(row, "context", "")
            self.wrong.append({"row": text[:80], "said": scored.said[:160], "failed": list(scored.failed)})


def answer(model: Engine, one: EvalSet, progress: Progress, outcome: Outcome) -> Answered:
    """Answer all rows. A row whose answer fails is wrong and leaves a failure; the set ends after MOST_ERRORS."""
    done, n_errors, told_s = Answered(one), 0, time.monotonic()
    for number, row in enumerate(one.rows, 1):
        try:
            done.add(row, score(model, row))
        except AssistantError as error:
            done.add(row, Scored(False))
            outcome.failures.append(Failure(f"{one.name} row {number}", type(error).__name__, str(error)))
            n_errors += 1
            if n_errors > MOST_ERRORS:
                raise
        if time.monotonic() - told_s > EVERY_S:
            told_s = time.monotonic()
            progress.say(f"  {number} of {len(one.rows)} rows, {sum(done.right):.0f} right")
    if done.right:
        progress.say(f"  {one.name}: {sum(done.right):.0f} of {len(done.right)} right")
    return done


def report(answered: Iterable[Answered], outcome: Outcome) -> None:
    """The metrics of each set, and of all together."""
    judged = [one for one in answered if one.right]
    for one in judged:
        outcome.metrics[f"{one.of.name}_accuracy"] = _share(one.right, [one])
        if one.norm:
            outcome.metrics[f"{one.of.name}_accuracy_norm"] = _share(one.norm, [one])
    own = [one for one in judged if one.of.own]
    for name, group in (("assistant_accuracy", own), ("accuracy", judged)):
        if group:
            outcome.metrics[name] = _share([r for one in group for r in one.right], group)
    outcome.settings["wrong"] = {one.of.name: one.wrong for one in judged if one.wrong}
    outcome.settings["not_judged"] = {one.of.name: one.not_judged for one in judged if one.not_judged}


def _share(right: list[float], group: Iterable[Answered]) -> Metric:
    return from_rows(right, " ".join(one.of.fingerprint for one in group), better="higher")


def _own(options: Options) -> list[EvalSet]:
    """Whole, but for a smoke run: a few rows of those that are answered in words."""
    n = 5 if options.effort is Effort.SMOKE else None
    return [EvalSet(s.name, s.rows[:n] if s.kind in GENERATED else s.rows, True) for s in own_sets()]


def _chosen(options: Options) -> list[EvalSet]:
    if options.data is None:
        return []
    n, n_generated = options.sample(20, 100, 100_000), options.sample(6, 40, 100_000)
    sets = data_sets(options.data, n, options.seed)
    generated = {s.name: s for s in data_sets(options.data, n_generated, options.seed) if s.kind in GENERATED}
    return [generated.get(s.name, s) for s in sets]


def _expected_s(one: EvalSet) -> float:
    """Seconds that a set takes with the smallest model on two cores."""
    per_row = {Checked: 0.6, Number: 1.5, Instructed: 4.0}.get(one.kind, 0.5)
    return per_row * len(one.rows)
