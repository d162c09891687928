"""Run one task and wrap what it found into a document; a task that fails as a whole still leaves one."""

from __future__ import annotations

import sys

from assistant.errors import EXIT_FAILURE, EXIT_OK, AssistantError, UsageError
from evals import provenance
from evals.results import Document, Failure
from evals.task import NoSuchPart, Options, Outcome, Task

NOT_MEASURABLE = "not measurable here"  # the machine lacks something; no fault of the product


def run_task(task: Task, options: Options, named: bool = True) -> tuple[Document, int]:
    """The document of one run, and the exit code: 0 when everything this machine can measure was measured.

    A task that was not asked for by its name (`all`, `smoke`) may lack its --data: nothing is broken then. One that was
    raises UsageError: what is wrong with the command is no result. Either raises NoSuchPart.
    """
    start = provenance.begin()
    outcome = Outcome()
    code = EXIT_OK
    try:
        outcome = task.run(options)
    except NoSuchPart:
        raise
    except AssistantError as error:
        optional = isinstance(error, UsageError)
        if optional and named:
            raise
        outcome.failures.append(Failure(task.name, NOT_MEASURABLE if optional else type(error).__name__, str(error)))
        code = EXIT_OK if optional else error.exit_code
    document = Document(
        task.name, outcome.metrics, provenance.finish(start, options, outcome), outcome.failures, outcome.series
    )
    sys.stderr.write(summary(document))
    if any(failure.kind != NOT_MEASURABLE for failure in outcome.failures):
        code = code or EXIT_FAILURE
    return document, code


def summary(document: Document) -> str:
    """The result for people: a line a metric, then what failed."""
    share = document.provenance["foreign_cpu_share"]
    shared = "; the cores were SHARED, read ratios only" if document.provenance["contended"] else ""
    lines = [f"{document.label}: others used {share:.0%} of the CPU{shared}"]
    for name, metric in document.metrics.items():
        verdict = {True: "ok", False: "MISSED", None: ""}[metric.meets_bar]
        bar = f"bar {metric.bar}" if metric.bar else ""
        interval = f"[{metric.low:.4g}, {metric.high:.4g}]"
        value = f"{metric.value:10.4g} {metric.unit:8}"
        lines.append(f"  {name:26} {value} {interval:22} n={metric.n:<4} {bar:12} {verdict}")
    lines += [f"  {f.what}: {f.kind}: {f.message}" for f in document.failures]
    return "\n".join(line.rstrip() for line in lines) + "\n"
