"""Task flips and speed of a file beside its reference, on a tiny random model."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("gguf", reason="the tiny model needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("torch", reason="rounding needs the extra: pip install 'homebody[quantize]'")

from assistant.errors import ModelMissingError, ModelRefusedError, UsageError
from quantize.cli import main
from quantize.evaluate import log_softmax
from quantize.llama_quantise import llama_quantise
from quantize.packs import tool_rows
from quantize.runtime import open_runtime
from quantize.speed import measure
from quantize.tasks import Flips, answers, compare_answers, read_items, tool_items


def test_likelihoods_are_those_of_scoring_the_whole_text(tiny: Path) -> None:
    with open_runtime(tiny, 512) as runtime:
        prompt, endings = runtime.tokenize("the cat and"), [runtime.tokenize(e) for e in (" the dog", "x", " a")]
        got = runtime.likelihoods(prompt, endings)
        for ending, total in zip(endings, got, strict=True):
            whole = np.concatenate([prompt, ending])
            rows = log_softmax(runtime.score(whole, len(prompt) - 1).copy())
            assert total == pytest.approx(float(rows[np.arange(len(ending)), ending].sum()), abs=1e-3)


def test_a_file_beside_itself_flips_nothing_and_a_coarse_one_does(tiny: Path, tmp_path: Path) -> None:
    coarse = tmp_path / "coarse.gguf"
    llama_quantise(tiny, coarse, "Q4_0")
    items = tool_items(30)
    same, other = compare_answers([tiny, coarse], tiny, items)
    assert (same.to_wrong, same.to_right) == (0, 0)
    assert same.metrics("tool_call")["tool_call_mcnemar_p"]["value"] == 1.0
    flips = other.metrics("tool_call")["tool_call_flips"]
    assert flips["value"] == (other.to_wrong + other.to_right) / 30
    assert flips["low"] <= flips["value"] <= flips["high"]


def test_flips_are_counted_both_ways_with_mcnemar() -> None:
    flips = Flips([True] * 2 + [False] * 9 + [True] * 9, [False] * 2 + [True] * 9 + [True] * 9)
    metrics = flips.metrics("t")
    assert (metrics["t_flips"]["to_wrong"], metrics["t_flips"]["to_right"]) == (9, 2)
    assert metrics["t_mcnemar_p"]["value"] == pytest.approx(2 * (1 + 11 + 55) / 2**11)


def test_the_right_call_is_among_the_choices_and_the_training_never_saw_it() -> None:
    items = tool_items(60)
    assert len({item.pairs[0][0] for item in items}) == 60
    assert {item.gold for item in items} == {0, 1, 2, 3}
    assert all(len({ending for _, ending in item.pairs}) == 4 for item in items)
    trained = {row["messages"][1]["content"] for row in tool_rows("training", 500, 1)}
    assert not [item for item in items for request in trained if f"\n{request}<" in item.pairs[0][0]]


def test_the_three_kinds_of_items_and_a_broken_row(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    rows = [
        {"query": "Question: what is it?", "choices": ["the", "a"], "gold": 1},
        {"context_options": ["the one", "the other"], "continuation": "was.", "gold": 0},
        {"prompt": "<|im_start|>the", "choices": ["in", "on"], "gold": 0},
    ]
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows))
    items = read_items(path)
    assert items[0].pairs[0] == ("Question: what is it?\nAnswer:", " the")
    with open_runtime(tiny, 512) as runtime:
        assert len(answers(runtime, items)) == 3
    for broken in (b'{"query": "x", "choices": ["a"], "gold": 3}', b'{"query": "x"}', b"no json", b"[1]"):
        path.write_bytes(broken)
        with pytest.raises(UsageError, match="line 1"):
            read_items(path)


def test_speed_is_measured_beside_the_reference_and_a_broken_file_is_refused(tiny: Path, tmp_path: Path) -> None:
    found = measure(tiny, tiny)
    assert found["decode_ratio"]["n"] == 7
    assert found["decode_tps"]["value"] > 0
    assert found["peak_memory_mb"]["value"] > 1
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelRefusedError, match=r"broken\.gguf"):
        measure(tmp_path / "broken.gguf", tiny)


def test_evaluate_prints_flips_beside_fidelity(tiny: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(msgspec.json.encode({"query": "the cat", "choices": ["sat", "in"], "gold": 0}))
    command = ["evaluate", str(tiny), "--reference", str(tiny), "--scored", "300", "--tasks"]
    assert main([*command, str(path)]) == 0
    metrics = msgspec.json.decode(capsys.readouterr().out)["metrics"]
    assert metrics["facts_flips"]["value"] == 0
    assert metrics["kld_mean"]["value"] < 1e-6
    with pytest.raises(ModelMissingError, match="nowhere"):
        main([*command, str(tmp_path / "nowhere.jsonl")])
