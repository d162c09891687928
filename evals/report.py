"""Results as a page that opens from disk without any network, and as Markdown for a README.

Everything in a results file is somebody's text: it is escaped on its way into the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from evals import overview, svg
from evals.results import Document, Metric, by_label

STYLE = """
:root { color-scheme: light dark; --c1: #2563a8; --c2: #b4561b; --c3: #3c7d3c; --c4: #7a4b94;
        --c5: #a8891f; --c6: #4f6b75;
        --good: #2e7d32; --bad: #b3261e; --line: #8884; --quiet: #8888881a }
@media (prefers-color-scheme: dark) {
  :root { --c1: #7fb2ea; --c2: #eba06a; --c3: #8fcf8f; --c4: #c79fe0;
          --c5: #e0c661; --c6: #9fbac4; --good: #81c784; --bad: #ef9a9a }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left; font-family: ui-monospace, monospace }
.ok { color: var(--good) } .missed { color: var(--bad); font-weight: 600 }
.card { background: var(--quiet); padding: .7rem 1rem; border-radius: .5rem }
.shared { border-left: .3rem solid var(--bad); padding-left: 1rem }
svg { width: 100%; height: auto; margin: 1rem 0; font: 12px system-ui, sans-serif }
.grid { stroke: var(--line) } .limit { stroke: currentColor; stroke-dasharray: 4 3 }
.wide { overflow-x: auto }
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # the page can fetch nothing, whatever a result contains


def html_page(documents: Sequence[Document]) -> str:
    """One page for all results: models and machines compared, then the newest run of each task and model."""
    sections = [overview.html(documents), *(_section(label, group) for label, group in by_label(documents).items())]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Measurements</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>Measurements</h1>"
        "<p>Medians with bootstrap 95 % intervals. Ratios are taken side by side in one run; other figures belong "
        "to the machine they were taken on.</p>" + "".join(sections) + "</body></html>\n"
    )


def markdown(documents: Sequence[Document]) -> str:
    """The same tables as Markdown, without plots."""
    parts = [overview.markdown(documents)]
    for label, group in by_label(documents).items():
        newest = group[-1]
        parts += [f"### {_cell(label)}", "", _cell(card(newest.provenance)), ""]
        parts += ["| metric | value | 95 % interval | n | promise |", "|---|---:|---|---:|---|"]
        for name, metric in newest.metrics.items():
            value, interval = _numbers(metric)
            cells = (_cell(name), f"{value} {_cell(metric.unit)}", interval, str(metric.n), _promise(metric))
            parts.append(f"| {' | '.join(cells)} |")
        parts += ["", *(f"- {_cell(f.what)}: {_cell(f.kind)} ({_cell(f.message)})" for f in newest.failures), ""]
    return "\n".join(parts)


def card(provenance: dict[str, Any]) -> str:
    """The machine and the code in one line."""
    machine = provenance.get("machine", {})
    versions = provenance.get("versions", {})
    commit = str(provenance.get("commit", ""))
    facts = [
        str(machine.get("cpu", "unknown CPU")),
        f"{machine.get('cores', '?')} cores",
        f"{machine.get('ram_mb', 0) / 1000:.0f} GB",
        str(machine.get("os", "")),
        f"llama-cpp-python {versions.get('llama-cpp-python', '?')}",
        f"commit {commit[:12] or 'unknown'}{'+changes' * commit.endswith('+changes')}",
        str(provenance.get("date", "")),
    ]
    return ", ".join(fact for fact in facts if fact)


def _section(label: str, group: Sequence[Document]) -> str:
    newest = group[-1]
    share = newest.provenance.get("foreign_cpu_share", 0)
    note = (
        f'<p class="shared">Other programs used {share:.0%} of the CPU during this run: read the ratios, not the '
        "absolute figures.</p>"
        if newest.provenance.get("contended")
        else ""
    )
    rows = "".join(_row(name, metric) for name, metric in newest.metrics.items())
    failures = "".join(
        f"<li><b>{escape(f.what)}</b>: {escape(f.kind)}. {escape(f.message)}</li>" for f in newest.failures
    )
    plots = "".join(f"<h3>{escape(_title(name))}</h3>{svg.plot(series)}" for name, series in newest.series.items())
    models = ", ".join(f"{m['file']} ({m['size_bytes'] / 1e6:.0f} MB)" for m in newest.provenance.get("models", []))
    return (
        f"<section><h2>{escape(label)}</h2>"
        f'<p class="card">{escape(card(newest.provenance))}<br>{escape(models)}</p>{note}{svg.dots(_dots(newest))}'
        '<div class="wide"><table><tr><th>metric</th><th>value</th><th>95 % interval</th><th>n</th><th>promise</th>'
        "</tr>"
        f"{rows}</table></div>{plots}"
        + (f"<h3>Not measured</h3><ul>{failures}</ul>" if failures else "")
        + f"<p>{len(group)} run{'s' if len(group) > 1 else ''} of this kind; the newest is shown.</p></section>"
    )


def _row(name: str, metric: Metric) -> str:
    value, interval = _numbers(metric)
    mark = {True: "ok", False: "missed", None: ""}[metric.meets_bar]
    return (
        f"<tr><td>{escape(name)}</td><td>{value} {escape(metric.unit)}</td><td>{interval}</td><td>{metric.n}</td>"
        f'<td class="{mark}">{escape(_promise(metric))}</td></tr>'
    )


def _dots(document: Document) -> list[svg.Dot]:
    judged = [(name, metric) for name, metric in document.metrics.items() if metric.bar]
    return [
        svg.Dot(name, m.value, m.low, m.high, float(m.bar.split()[1]), m.bar.startswith(">=")) for name, m in judged
    ]


def _numbers(metric: Metric) -> tuple[str, str]:
    interval = f"{metric.low:.4g} .. {metric.high:.4g}" if metric.n > 1 else "one value"
    return f"{metric.value:.4g}", interval


def _promise(metric: Metric) -> str:
    if metric.meets_bar is None:
        return ""
    sign = metric.bar.replace(">=", "at least").replace("<=", "at most")
    return f"{sign}: {'kept' if metric.meets_bar else 'missed'}"


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _cell(text: str) -> str:
    """Text that cannot leave its table cell or become markup."""
    return escape(text, quote=False).replace("|", "\\|").replace("\n", " ")
