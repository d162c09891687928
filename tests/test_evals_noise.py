"""compare() on real runs: runs of the same build differ by noise alone, a worker that waits 10 % longer per token and
an engine that gets 2 points of the answers wrong are both found. Minutes; the repeats are 20, or EVALS_REPEATS."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.engines import Likelihood, Prompt
from assistant.engines.llama import LlamaModel
from engine_talks import PLAN, smollm2
from evals import accuracy, speed_decode
from evals.accuracy_rows import Choice, EvalSet, own_sets
from evals.compare import compare
from evals.results import Document
from evals.runner import run_task
from evals.speed import Part, Speed
from evals.task import Effort, Options, Outcome, Progress

pytestmark = [pytest.mark.slow, pytest.mark.models, pytest.mark.timeout(3600)]

REPEATS = int(os.environ.get("EVALS_REPEATS", "20"))
ONE_THREAD = Part("decoding with one thread", 60, speed_decode.one_thread)

# Read by Python when the worker starts: every token then takes a tenth longer than it did.
DELAY = """
import sys, time
if "assistant.engines.worker" in sys.orig_argv:
    from assistant.engines import context
    whole = context.Context.decode
    def decode(self, token):
        started = time.perf_counter()
        whole(self, token)
        until = time.perf_counter() + 0.10 * (time.perf_counter() - started)
        while time.perf_counter() < until:
            pass
    context.Context.decode = decode
"""


class Short(Options):
    def choose(self, quick: int, default: int, full: int) -> int:
        """Twelve blocks a run, as many as a run of the default effort has, of 32 tokens."""
        return {96: 32, 2: 12}.get(quick, quick)


def decode_run() -> Document:
    task = Speed(planned=(), ratios=(ONE_THREAD,), n_context=512, threads=1)
    document, code = run_task(task, Short("smollm2-135m", Effort.QUICK))
    assert code == 0, document.failures
    return document


def test_a_real_delay_of_ten_percent_is_flagged_and_noise_is_not(
    home_with_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_decode, "QUESTIONS", speed_decode.QUESTIONS[:1])
    same = [decode_run() for _ in range(REPEATS + 1)]
    (tmp_path / "sitecustomize.py").write_text(DELAY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    slower = [decode_run() for _ in range(REPEATS)]
    noise = [[c for c in compare([a], [b]) if c.is_regression] for a, b in itertools.pairwise(same)]
    found = [[c for c in compare([a], [b]) if c.is_regression] for a, b in zip(same[1:], slower, strict=True)]
    assert noise == [[]] * REPEATS
    alone = sum(map(bool, found))  # one run against one: 18 of 20 when this was last measured on a calm machine
    assert alone >= 0.8 * REPEATS, f"{alone} of {REPEATS} slow-downs were found"
    assert any(c.is_regression for c in compare(same[1:], slower)), "all runs against all"


class Careless:
    """The real engine; at every 50th row it says that a wrong choice is the likeliest."""

    def __init__(self, engine: LlamaModel, wrong: set[str]) -> None:
        self.engine, self.wrong = engine, wrong
        self.stream = engine.stream

    def likelihoods(self, prompt: Prompt, candidates: Sequence[str]) -> list[Likelihood]:
        found = self.engine.likelihoods(prompt, candidates)
        if prompt.messages[0].content in self.wrong:
            best = max(range(len(found)), key=lambda i: found[i].log_probability)
            found[best] = Likelihood(-1e9, found[best].n_tokens, False)
        return found


def test_a_loss_of_two_points_is_flagged_and_the_same_engine_again_is_not(smollm2_path: Path) -> None:
    """600 rows: ours, each with fifteen openings, which the engine answers for real."""
    ours = [row for one in own_sets() for row in one.rows if isinstance(row, Choice)]
    rows = tuple(
        Choice(f"Question: {opening}{row.query.removeprefix('Question: ')}", row.choices, row.gold)
        for opening in ["", *(f"({n}) " for n in range(1, 15))]
        for row in ours
    )
    engine = LlamaModel(smollm2(smollm2_path), PLAN)

    def run(model: accuracy.Engine) -> tuple[Document, list[float]]:
        outcome = Outcome()
        done = accuracy.answer(model, EvalSet("rows", rows, False), Progress({"rows": 1.0}), outcome)
        accuracy.report([done], outcome)
        provenance = {"models": [{"name": "m"}]}
        return Document("accuracy", outcome.metrics, provenance), done.right

    try:
        before, right = run(engine)
        again, _ = run(engine)
        lost = [f"{row.query}\nAnswer:" for row, ok in zip(rows, right, strict=True) if ok][: len(rows) // 50]
        worse, _ = run(Careless(engine, set(lost)))
    finally:
        engine.close()
    assert not any(c.is_regression for c in compare([before], [again]))
    change = next(c for c in compare([before], [worse]) if c.name == "accuracy")
    assert change.after - change.before == pytest.approx(-0.02, abs=1e-6)
    assert change.is_regression
