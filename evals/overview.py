"""What several runs say together: models compared by quality, size and speed; machines compared by speed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from evals import svg
from evals.results import Document, Metric

QUALITIES = {  # metric -> what the axis says
    "accuracy": "share of rows right",
    "kld_mean": "KL divergence from the reference, nat",
    "top1_agreement": "share of tokens chosen like the reference",
}
MACHINE_COLUMNS = {
    "decode_tps": "decode, tok/s",
    "prefill_tps": "prefill, tok/s",
    "ttft_ms": "first token, ms",
    "load_ms": "load, ms",
    "peak_memory_mb": "peak memory, MB",
    "energy_per_token_mj": "energy a token, mJ",
}
MODEL_COLUMNS = {"decode_tps": "decode, tok/s", "peak_memory_mb": "peak memory, MB", "ppl_ratio": "perplexity ratio"}


@dataclass(slots=True)
class Model:
    """One model file: the newest of each metric that any run has of it."""

    name: str
    family: str
    size_mb: float
    metrics: dict[str, Metric] = field(default_factory=dict)


@dataclass(slots=True)
class Machine:
    """One model on one machine."""

    card: str
    model: str
    metrics: dict[str, Metric]


def html(documents: Sequence[Document]) -> str:
    """Two sections; an empty text where no two models and no machine were measured."""
    parts = []
    found = models(documents)
    if len(found) > 1:
        columns = _columns(found)
        rows = [[m.name, f"{m.size_mb:.0f}", *(_value(m.metrics.get(c)) for c in columns)] for m in found]
        head = ["model", "MB", *(MODEL_COLUMNS.get(c, c.replace("_", " ")) for c in columns)]
        parts.append(f"<section><h2>Models</h2>{_table(head, rows)}{plots(found)}</section>")
    if tested := machines(documents):
        rows = [[m.card, m.model, *(_value(m.metrics.get(c)) for c in MACHINE_COLUMNS)] for m in tested]
        head = ["machine", "model", *MACHINE_COLUMNS.values()]
        parts.append(f"<section><h2>Machines</h2>{_table(head, rows)}</section>")
    return "".join(parts)


def markdown(documents: Sequence[Document]) -> str:
    """The table of models as Markdown; an empty text for fewer than two."""
    found = models(documents)
    if len(found) < 2:
        return ""
    columns = _columns(found)
    lines = [
        f"| model | MB | {' | '.join(c.replace('_', ' ') for c in columns)} |",
        "|---|---:|" + "---:|" * len(columns),
    ]
    for m in found:
        cells = [escape(m.name, quote=False).replace("|", "\\|"), f"{m.size_mb:.0f}"]
        lines.append(f"| {' | '.join([*cells, *(_value(m.metrics.get(c)) for c in columns)])} |")
    return "\n".join([*lines, ""])


def models(documents: Sequence[Document]) -> list[Model]:
    """Every model file that was measured, smallest first. Accuracies count only where most models answered the same
    rows."""
    rows = Counter(d.metrics["accuracy"].rows for d in documents if "accuracy" in d.metrics)
    common = rows.most_common(1)[0][0] if rows else ""
    found: dict[str, Model] = {}
    for document in documents:
        files = document.provenance.get("models", [])
        if not files or "size_bytes" not in files[0]:
            continue
        file: dict[str, Any] = files[0]
        key = str(file.get("sha256") or file.get("file"))
        model = found.setdefault(
            key, Model(str(file["name"]), str(file.get("family", "")), float(file["size_bytes"]) / 1e6)
        )
        for name, metric in document.metrics.items():
            if name != "accuracy" or metric.rows == common:
                model.metrics[name] = metric
    known = [m for m in found.values() if m.metrics.keys() & {*QUALITIES, "decode_tps"}]
    return sorted(known, key=lambda m: m.size_mb)


def machines(documents: Sequence[Document]) -> list[Machine]:
    """The newest speeds of each machine and model, fastest first."""
    found: dict[tuple[str, str], Machine] = {}
    for document in documents:
        files = document.provenance.get("models", [])
        if "decode_tps" not in document.metrics or not files:
            continue
        card = document.provenance.get("machine", {})
        cpu = f"{card.get('cpu', 'unknown CPU')}, {card.get('cores', '?')} cores, {card.get('ram_mb', 0) / 1000:.0f} GB"
        model = str(files[0]["name"])
        found.setdefault((cpu, model), Machine(cpu, model, {})).metrics.update(document.metrics)
    return sorted(found.values(), key=lambda m: (m.model, -m.metrics["decode_tps"].value))


def plots(found: Sequence[Model]) -> str:
    """Quality against size and against decoding speed, for each quality that two models have."""
    axes: dict[str, Callable[[Model], float | None]] = {
        "size of the file, MB": lambda m: m.size_mb,
        "decode, tok/s": lambda m: m.metrics["decode_tps"].value if "decode_tps" in m.metrics else None,
    }
    drawn = []
    for quality, y_label in QUALITIES.items():
        for x_label, x_of in axes.items():
            dots = []
            for model in found:
                x, y = x_of(model), model.metrics.get(quality)
                if x is not None and y is not None:
                    dots.append(svg.Point(model.name, x, y.value, y.low, y.high, model.family))
            if len(dots) > 1:
                title = f"{quality.replace('_', ' ').capitalize()} against {x_label}"
                drawn.append(f"<h3>{escape(title)}</h3>")
                drawn.append(svg.points(dots, x_label, y_label))
    return "".join(drawn)


def _columns(found: Sequence[Model]) -> list[str]:
    """The metrics that one of the models has."""
    return [name for name in (*QUALITIES, *MODEL_COLUMNS) if any(name in m.metrics for m in found)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{titles}</tr>{body}</table></div>'


def _value(metric: Metric | None) -> str:
    return "" if metric is None else f"{metric.value:.3g}" if abs(metric.value) < 100 else f"{metric.value:.0f}"
