"""The figures of a README, made from committed results: what stands between two markers is never typed by hand.

    <!-- evals docs/results/speed.jsonl: decode_ratio constrained_ratio -->
    <!-- /evals -->

becomes a table of these metrics from the newest run in that file that has them; `models` instead of names is the table
that compares all models of the file. Files are looked for beside the README.
"""

from __future__ import annotations

import re
from pathlib import Path

from assistant.errors import UsageError
from evals import overview, results
from evals.report import card
from evals.results import Document, Metric

_BLOCK = re.compile(r"(<!-- evals (?P<file>\S+): (?P<names>[^>]*?) -->\n)(?P<old>.*?)(<!-- /evals -->)", re.DOTALL)


def rewrite(path: Path) -> None:
    """Bring the figures of a file up to date. Raises UsageError for results that are missing."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    path.write_text(filled(text, path.parent), encoding="utf-8")


def filled(text: str, folder: Path) -> str:
    """The text with every block made anew. Raises UsageError for results or metrics that are missing."""
    return _BLOCK.sub(lambda m: f"{m[1]}{_block(folder / m['file'], m['names'].split())}{m[5]}", text)


def _block(file: Path, names: list[str]) -> str:
    documents = results.read(file)
    if names == ["models"]:
        return overview.markdown(documents) + "\n"
    lines = ["", "| measured | value | 95 % interval | n | promise |", "|---|---:|---|---:|---|"]
    used: list[Document] = []
    for name in names:
        document = next((d for d in reversed(documents) if name in d.metrics), None)
        if document is None:
            raise UsageError(f"{file}: no run in it has measured {name}")
        lines.append(_row(name, document.metrics[name]))
        used += [document] if document not in used else []
    notes = [f"Measured with `{_command(d)}` on {card(d.provenance)}{_shared(d)}." for d in used]
    return "\n".join([*lines, "", *notes, ""])


def _row(name: str, metric: Metric) -> str:
    promise = metric.bar.replace(">=", "at least").replace("<=", "at most")
    kept = {True: f"{promise}: kept", False: f"{promise}: missed", None: ""}[metric.meets_bar]
    interval = f"{_short(metric.low)} .. {_short(metric.high)}" if metric.n > 1 else "one value"
    return f"| {name} | {_short(metric.value)} {metric.unit} | {interval} | {metric.n} | {kept} |"


def _command(document: Document) -> str:
    settings = document.provenance.get("settings", {})
    if settings.get("effort") == "smoke":
        return "evals run smoke"
    effort = {"quick": " --quick", "full": " --full"}.get(str(settings.get("effort")), "")
    only = "".join(f" --only {part}" for part in settings.get("only", []))
    return f"evals run {document.task} --model {settings.get('model', '?')}{effort}{only}"


def _shared(document: Document) -> str:
    share = document.provenance.get("foreign_cpu_share", 0)
    return f"; other programs used {share:.0%} of the CPU" if document.provenance.get("contended") else ""


def _short(value: float) -> str:
    """Three digits, and all digits before the point of larger numbers."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
