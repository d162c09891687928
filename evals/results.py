"""What a measurement leaves behind: one JSON document per task, the last line of stdout and one line of a results file.

    {"task": "speed", "metrics": {"decode_ratio": {"value": 0.99, "low": 0.98, "high": 1.0, "n": 9, "unit": "ratio"}},
     "provenance": {...}, "failures": [...], "series": {...}}

`value, low, high, n, unit` are the contract; the rest of a metric says how to judge it. A task that could not measure
something leaves a failure with its kind instead of a number.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from assistant.errors import UsageError
from evals.statistics import Interval, bootstrap


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """One number. `low` and `high` bound the 95 % interval; with n = 1 they equal the value and say nothing."""

    value: float
    low: float
    high: float
    n: int
    unit: str
    better: str = ""  # "higher" or "lower"; "" is only described, never judged
    bar: str = ""  # what the project promises, such as ">= 0.97"
    relative_to: str = ""  # a metric of the same run that carries the machine's speed; compare() divides by it
    samples: list[float] = []  # what the interval was made from
    paired: bool = False  # samples[i] is row i of a fixed set: two runs can be compared row by row
    rows: str = ""  # fingerprint of those rows; runs with different ones are not paired

    @property
    def meets_bar(self) -> bool | None:
        """Whether the value keeps the promise; None when there is no promise."""
        if not self.bar:
            return None
        sign, limit = self.bar.split()
        return self.value >= float(limit) if sign == ">=" else self.value <= float(limit)


class Failure(msgspec.Struct, frozen=True):
    """Something that was not measured. `kind` is an error's class name, or "not measurable here"."""

    what: str
    kind: str
    message: str


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """Points for a plot: `lines` maps a label to one y per x. Where `bars` names every x instead, the values of the
    lines are stacked in one bar each, such as the stages of a latency."""

    x_label: str
    y_label: str
    x: list[float]
    lines: dict[str, list[float]]
    bars: list[str] = []


class Document(msgspec.Struct, omit_defaults=True):
    """The result of one run of one task."""

    task: str
    metrics: dict[str, Metric]
    provenance: dict[str, Any]
    failures: list[Failure] = []
    series: dict[str, Series] = {}

    @property
    def label(self) -> str:
        """Which runs are comparable: the task and the models it used."""
        names = [str(m["name"]) for m in self.provenance.get("models", [])]
        return f"{self.task} {' '.join(names)}".strip()


def from_interval(interval: Interval, unit: str, **judged: Any) -> Metric:
    """A metric from an interval; `judged` are the optional fields of Metric."""
    return Metric(interval.value, interval.low, interval.high, interval.n, unit, **judged)


def from_samples(samples: list[float], unit: str, **judged: Any) -> Metric:
    """The median of the samples with its interval; the samples are kept for compare()."""
    return from_interval(bootstrap(samples), unit, samples=[float(f"{s:.6g}") for s in samples], **judged)


def from_rows(samples: list[float], rows: str, **judged: Any) -> Metric:
    """The share of rows that are right, of a set whose fingerprint is `rows`; row by row comparable."""
    return from_interval(bootstrap(samples, np.mean), "share", samples=samples, paired=True, rows=rows, **judged)


def encode(document: Document) -> bytes:
    """One line of JSON, without the newline."""
    return msgspec.json.encode(document)


def append(path: Path, document: Document) -> None:
    """Add one line to a results file, whole or not at all as far as a single write allows, and on disk on return."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        if _ends_in_mid_line(path):
            os.write(descriptor, b"\n")  # an earlier run was killed while writing: keep its line apart from ours
        os.write(descriptor, encode(document) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> list[Document]:
    """All documents of a results file, oldest first. A torn line is skipped; raises UsageError for anything else."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); give a file written with `evals run`") from error
    documents = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            documents.append(msgspec.json.decode(line, type=Document))
        except msgspec.DecodeError as error:
            if not line.rstrip().endswith(b"}"):
                continue  # a run was killed while it wrote this line
            raise UsageError(f"{path}, line {number}: not a result of `evals run` ({error})") from error
    if not documents:
        raise UsageError(f"{path}: holds no results; write some with `evals run speed --out {path}`")
    return documents


def by_label(documents: Iterable[Document]) -> dict[str, list[Document]]:
    """Documents of the same task and models together, oldest first."""
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.label, []).append(document)
    return groups


def _ends_in_mid_line(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
