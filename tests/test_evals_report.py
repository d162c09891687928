"""The report: models and machines compared, plots of every kind, figures of the README made from results."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from evals import overview, readme, report, results, svg
from evals.__main__ import main
from evals.results import Document, Metric, Series, from_rows


def run(name: str, task: str = "accuracy", cpu: str = "A CPU", **metrics: Metric) -> Document:
    size = 1_000_000 * (50 + len(name))
    provenance: dict[str, Any] = {
        "models": [{"name": name, "file": f"{name}.gguf", "sha256": name, "size_bytes": size}],
        "machine": {"cpu": cpu, "cores": 2, "ram_mb": 8000},
        "foreign_cpu_share": 0.0,
        "contended": False,
    }
    return Document(task, metrics, provenance)


def right(n_right: int, rows: str = "r") -> Metric:
    return from_rows([1.0] * n_right + [0.0] * (100 - n_right), rows, better="higher")


def one(value: float, unit: str = "tok/s") -> Metric:
    return Metric(value, value, value, 1, unit)


def test_a_model_is_put_together_from_all_its_runs() -> None:
    documents = [
        run("small", accuracy=right(60)),
        run("small", "speed", decode_tps=one(90.0)),
        run("larger", accuracy=right(70)),
    ]
    small, larger = overview.models(documents)
    assert (small.name, small.size_mb, small.metrics["accuracy"].value) == ("small", 55.0, 0.6)
    assert small.metrics["decode_tps"].value == 90.0
    assert "decode_tps" not in larger.metrics
    page = report.html_page(documents)
    assert "Accuracy against size of the file, MB" in page
    assert "Accuracy against decode, tok/s" not in page  # one model alone is no plot
    assert "| small | 55 | 0.6 | 90 |" in report.markdown(documents)


def test_accuracies_on_other_rows_are_not_put_side_by_side() -> None:
    documents = [run("a", accuracy=right(60)), run("b", accuracy=right(70)), run("c", accuracy=right(99, rows="other"))]
    assert {m.name for m in overview.models(documents)} == {"a", "b"}


def test_machines_are_merged_from_many_results() -> None:
    documents = [
        run("m", "device", decode_tps=one(20.0)),
        run("m", "device", cpu="Another", decode_tps=one(80.0), load_ms=one(300, "ms")),
        run("m", "device", decode_tps=one(25.0)),
    ]
    slow, fast = sorted(overview.machines(documents), key=lambda m: m.metrics["decode_tps"].value)
    assert slow.metrics["decode_tps"].value == 25.0  # the newest of its machine
    assert fast.card.startswith("Another")
    assert "Another, 2 cores, 8 GB" in report.html_page(documents)


def test_stacked_bars_are_as_long_as_their_parts() -> None:
    stages = {"hearing": [100.0, 50.0], "thinking": [300.0, 150.0]}
    drawn = svg.plot(Series("ms", "turn", [0.0, 1.0], stages, bars=["question", "command"]))
    widths = [float(w) for w in re.findall(r'<rect x="[\d.]+" y="\d+" width="([\d.]+)"', drawn) if w != "10"]
    assert widths == [pytest.approx(w) for w in (widths[0], 3 * widths[0], widths[0] / 2, 1.5 * widths[0])]
    assert ">400<" in drawn and ">command<" in drawn


def test_names_of_points_do_not_cover_each_other() -> None:
    rows = [svg.Point(f"model {i}", 100.0, 0.5 + i / 1000, 0.4, 0.6) for i in range(6)]
    drawn = svg.points(rows, "MB", "right")
    boxes = []
    for x, y, anchor in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)"[^>]*>model \d<', drawn):
        left = float(x) if anchor == "start" else float(x) - 45
        boxes.append((left, left + 45, float(y)))
    assert len(boxes) == 6
    for one, other in itertools.combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or abs(one[2] - other[2]) >= 12.9


ROOT = Path(__file__).parent.parent


def test_the_figures_of_the_readme_are_those_of_the_committed_results() -> None:
    """Run `evals report --readme README.md` when this fails."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- evals docs/results/" in text
    assert readme.filled(text, ROOT) == text


def test_a_figure_that_is_typed_by_hand_is_replaced(tmp_path: Path) -> None:
    results.append(tmp_path / "r.jsonl", run("m", "speed", decode_tps=one(20.0)))
    results.append(tmp_path / "r.jsonl", run("m", "speed", decode_tps=Metric(25.5, 24, 26, 9, "tok/s", bar=">= 30")))
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- evals r.jsonl: decode_tps -->\n| decode_tps | 99 |\n<!-- /evals -->\nafter\n")
    assert main(["report", "--readme", str(page)]) == 0
    text = page.read_text()
    assert "| decode_tps | 25.5 tok/s | 24 .. 26 | 9 | at least 30: missed |" in text
    assert "99" not in text
    assert text.startswith("before\n<!-- evals r.jsonl: decode_tps -->\n") and text.endswith("<!-- /evals -->\nafter\n")
    assert readme.filled(text, tmp_path) == text


def test_a_figure_nobody_measured_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results.append(tmp_path / "r.jsonl", run("m", "speed", decode_tps=one(20.0)))
    page = tmp_path / "README.md"
    page.write_text("<!-- evals r.jsonl: made_up -->\n<!-- /evals -->\n")
    assert main(["report", "--readme", str(page)]) == 2
    assert "made_up" in capsys.readouterr().err
    assert page.read_text() == "<!-- evals r.jsonl: made_up -->\n<!-- /evals -->\n"


def test_sizes_far_apart_get_a_logarithmic_axis() -> None:
    page = svg.points([svg.Point("a", 88, 0.5, 0.4, 0.6), svg.Point("b", 1100, 0.7, 0.6, 0.8)], "MB", "share")
    assert {"50", "100", "1000", "2000"} <= set(re.findall(r">([\d.]+)</text>", page))
    small, large = (float(x) for x in re.findall(r'cx="([\d.]+)"', page))
    middle = (svg.LEFT + svg.WIDTH - svg.RIGHT) / 2
    assert svg.LEFT < min(small, large) < middle < max(small, large) < svg.WIDTH
