"""Results files, compare and report: what was planted is found, what is noise is not."""

from __future__ import annotations

import html.parser
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.errors import UsageError
from evals import compare, report, results
from evals.__main__ import main
from evals.results import Document, Failure, Metric, Series, from_samples
from evals.task import NoSuchPart, Options, Outcome

PROVENANCE: dict[str, Any] = {
    "models": [{"name": "m", "file": "m.gguf", "sha256": "0" * 64, "size_bytes": 1}],
    "machine": {"cpu": "A CPU", "cores": 2, "ram_mb": 8000},
    "foreign_cpu_share": 0.01,
    "contended": False,
}


def timing_run(seed: int, slow_down: float = 1.0, machine: float = 1.0, n: int = 12) -> Document:
    """A run of a product that takes 10 ms a token on a machine that runs `machine` times slower; 2 % noise a sample."""
    random = np.random.default_rng(seed)
    bare = 10.0 * machine * random.normal(1, 0.02, n)
    own = bare * slow_down * random.normal(1, 0.02, n)
    metrics = {
        "decode_ratio": from_samples((bare / own).tolist(), "ratio", better="higher", bar=">= 0.97"),
        "bare_decode_tps": from_samples((1000 / bare).tolist(), "tok/s"),
        "decode_tps": from_samples((1000 / own).tolist(), "tok/s", better="higher", relative_to="bare_decode_tps"),
    }
    return Document("speed", metrics, PROVENANCE)


def verdicts(before: Document, after: Document) -> dict[str, str]:
    return {change.name: change.verdict for change in compare.compare([before], [after])}


def test_a_ten_percent_slow_down_is_flagged_and_noise_is_not() -> None:
    for seed in range(20):
        same = verdicts(timing_run(2 * seed), timing_run(2 * seed + 1))
        assert "regression" not in same.values(), (seed, same)
        slower = verdicts(timing_run(2 * seed), timing_run(2 * seed + 1, slow_down=1.10))
        assert slower["decode_ratio"] == slower["decode_tps"] == "regression", (seed, slower)
        faster = verdicts(timing_run(2 * seed, slow_down=1.10), timing_run(2 * seed + 1))
        assert faster["decode_ratio"] == "improvement", (seed, faster)


def test_a_slower_machine_is_not_a_slower_product() -> None:
    found = verdicts(timing_run(1), timing_run(2, machine=1.4))
    assert found["decode_tps"] == "same"
    assert found["bare_decode_tps"] == "-"


def cancel_run(samples: list[float], machine: float = 1.0) -> Document:
    document = timing_run(1, machine=machine)
    document.metrics["cancel_ms"] = from_samples([s * machine for s in samples], "ms", better="lower")
    return document


def test_an_absolute_time_must_change_by_more_than_the_machine_did() -> None:
    times = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0]
    longer = [1.3 * t for t in times]
    assert verdicts(cancel_run(times), cancel_run(longer))["cancel_ms"] == "regression"
    assert verdicts(cancel_run(times), cancel_run(times, machine=1.2))["cancel_ms"] == "same"
    assert verdicts(cancel_run(times), cancel_run(longer, machine=1.2))["cancel_ms"] == "regression"
    assert verdicts(cancel_run(longer), cancel_run(times))["cancel_ms"] == "improvement"


def test_three_samples_of_an_absolute_time_prove_nothing() -> None:
    assert verdicts(cancel_run([3.9, 0.7, 5.5]), cancel_run([7.4, 6.0, 7.9]))["cancel_ms"] == "-"


def accuracy_run(right: list[bool]) -> Document:
    samples = [float(r) for r in right]
    metric = from_samples(samples, "share", better="higher", paired=True)
    return Document("accuracy", {"set_accuracy": metric}, PROVENANCE)


def test_a_two_point_loss_on_the_same_rows_is_flagged() -> None:
    random = np.random.default_rng(5)
    before = random.random(600) < 0.7
    after = before.copy()
    after[np.flatnonzero(before)[:12]] = False
    assert verdicts(accuracy_run(list(before)), accuracy_run(list(after)))["set_accuracy"] == "regression"
    swapped = before.copy()  # as many rows gained as lost: no loss, only other answers
    swapped[np.flatnonzero(before)[:12]] = False
    swapped[np.flatnonzero(~before)[:12]] = True
    assert verdicts(accuracy_run(list(before)), accuracy_run(list(swapped)))["set_accuracy"] == "same"


def count_run(n: int) -> Document:
    return Document("privacy", {"packets_locked": Metric(n, n, n, 1, "count", better="lower", bar="<= 0")}, PROVENANCE)


def test_one_packet_where_there_was_none_is_a_regression() -> None:
    assert verdicts(count_run(0), count_run(0))["packets_locked"] == "same"
    assert verdicts(count_run(0), count_run(1))["packets_locked"] == "regression"
    assert verdicts(count_run(2), count_run(1))["packets_locked"] == "improvement"


def test_a_judged_metric_that_disappears_is_a_regression() -> None:
    after = timing_run(2)
    del after.metrics["decode_ratio"], after.metrics["bare_decode_tps"]
    found = verdicts(timing_run(1), after)
    assert found["decode_ratio"] == "lost"
    assert found["bare_decode_tps"] == "-"


def test_compare_command_exits_1_on_a_regression_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    for file, run in zip(files, (timing_run(1), timing_run(2), timing_run(3, slow_down=1.1)), strict=True):
        results.append(file, run)
    assert main(["compare", str(files[0]), str(files[1])]) == 0
    assert "0 regressions in 3 metrics" in capsys.readouterr().out
    assert main(["compare", str(files[0]), str(files[2])]) == 1
    assert "2 regressions in 3 metrics" in capsys.readouterr().out


def test_compare_of_files_with_nothing_in_common_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results.append(tmp_path / "a", timing_run(1))
    results.append(tmp_path / "b", count_run(0))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "no task and model in common" in capsys.readouterr().err


def test_a_document_keeps_the_contract(tmp_path: Path) -> None:
    document = json.loads(results.encode(timing_run(1)))
    assert set(document) >= {"task", "metrics", "provenance"}
    for metric in document["metrics"].values():
        assert set(metric) >= {"value", "low", "high", "n", "unit"}
        assert metric["low"] <= metric["value"] <= metric["high"]


def test_results_survive_a_round_trip_and_a_torn_last_line(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "results.jsonl"
    results.append(file, timing_run(1))
    with file.open("ab") as torn:
        torn.write(results.encode(timing_run(2))[:-40])
    assert results.read(file) == [timing_run(1)]
    results.append(file, timing_run(3))
    assert results.read(file) == [timing_run(1), timing_run(3)]


@pytest.mark.parametrize("content", [b"", b"\n\n", b'{"task": "speed"}\n', b"[]}\n", b'{"task": 3, "metrics": {}}\n'])
def test_a_file_that_holds_no_results_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"wrong\.jsonl"):
        results.read(file)


def test_a_missing_file_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


class Page(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_run() -> Document:
    document = timing_run(1)
    evil = '<script src="https://evil.example/x.js"></script>|\n"\'>'
    document.metrics[evil] = Metric(1.0, 1.0, 1.0, 1, evil, better="higher", bar=">= 0.5")
    document.failures = [Failure(evil, evil, evil)]
    document.series = {evil: Series(evil, evil, [1.0, 2.0, 50.0], {evil: [10.0, 20.0, 15.0]})}
    document.provenance = {**PROVENANCE, "contended": True, "machine": {"cpu": evil}}
    return document


def test_the_page_is_self_contained_whatever_the_results_say() -> None:
    page = Page(report.html_page([hostile_run(), count_run(0)]))
    assert page.links == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 3
    assert "decode_ratio" in page.text
    assert "read the ratios" in page.text


def test_markdown_tables_keep_their_shape_whatever_the_results_say() -> None:
    text = report.markdown([hostile_run()])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert "<script" not in text


def test_report_command_writes_both_files(tmp_path: Path) -> None:
    results.append(tmp_path / "r.jsonl", timing_run(1))
    page, table = tmp_path / "r.html", tmp_path / "r.md"
    assert main(["report", str(tmp_path / "r.jsonl"), "--html", str(page), "--markdown", str(table)]) == 0
    assert "decode_ratio" in page.read_text()
    assert "| decode_ratio |" in table.read_text()


def test_an_unknown_task_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sped"]) == 2
    assert "there are speed" in capsys.readouterr().err


def test_a_folder_that_is_missing_is_told_before_anything_is_measured(
    tmp_path: Path, assistant_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evals.runner.run_task", lambda *given, **more: pytest.fail("measured"))
    nowhere = str(tmp_path / "nowhere")
    assert main(["run", "accuracy", "--out", f"{nowhere}/r.jsonl"]) == 2
    assert main(["run", "accuracy", "--data", nowhere]) == 2
    assert main(["device", "--out", f"{nowhere}/r.jsonl"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3 and all("there is no folder" in line and nowhere in line for line in told)


@pytest.mark.parametrize("task", ["tools", "voice", "accuracy", "quantize"])
def test_a_folder_with_nothing_that_a_task_reads_is_told_before_anything_is_measured(
    task: str, tmp_path: Path, assistant_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evals.runner.run_task", lambda *given, **more: pytest.fail("measured"))
    assert main(["run", task, "--data", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path) in told and f"`{task}` reads" in told


@pytest.mark.parametrize("tasks", [["all"], ["smoke"], ["speed", "smoke"]])
def test_all_tasks_are_not_begun_with_a_folder_that_none_of_them_reads(
    tasks: list[str],
    tmp_path: Path,
    assistant_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("evals.runner.run_task", lambda *given, **more: pytest.fail("measured"))
    assert main(["run", *tasks, "--data", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert all(f"`{task}` reads" in told for task in ("tools", "quantize", "accuracy", "voice"))


@pytest.mark.parametrize("tasks", [["all"], ["speed"], ["speed", "voice"]])
def test_parts_that_no_task_has_are_an_error_and_no_result(
    tasks: list[str], tmp_path: Path, assistant_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.jsonl"
    assert main(["run", *tasks, "--only", "^decodign$", "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "there is no such part" in told and "memory" in told
    assert not out.exists()


@pytest.mark.parametrize("tasks", [["all"], ["with", "without"]])
def test_of_several_tasks_those_without_the_part_are_left_out(
    tasks: list[str], tmp_path: Path, assistant_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass
    class Task:
        name: str
        part: str
        summary: str = ""
        needs: str = ""
        reads: tuple[str, ...] = ()

        def run(self, options: Options) -> Outcome:
            if not options.wants(self.part):
                raise NoSuchPart(f"there is only {self.part}")
            return Outcome()

    monkeypatch.setattr("evals.task.tasks", lambda: {"without": Task("without", "x"), "with": Task("with", "decoding")})
    out = tmp_path / "r.jsonl"
    assert main(["run", *tasks, "--only", "^decoding$", "--out", str(out)]) == 0
    assert [document.task for document in results.read(out)] == ["with"]


def test_what_cannot_be_measured_is_a_failure_with_its_kind() -> None:
    outcome = Outcome()
    outcome.not_measurable("energy_per_token", "no RAPL counters")
    assert outcome.failures == [Failure("energy_per_token", "not measurable here", "no RAPL counters")]
