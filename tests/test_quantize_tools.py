"""Making a tool-caller: the grammar of situations, what is kept out of it, training, and the file it makes."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="learning needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("peft", reason="learning needs the extra: pip install 'homebody[quantize]'")

import llama_cpp
import numpy as np
import torch

from assistant.choosing.codes import CODES, NO_TOOL, normal
from assistant.errors import UsageError
from quantize import gguf_io, lora, threshold
from quantize.adapt import Language, encode
from quantize.cli import main
from quantize.exclusion import Measured, measured
from quantize.lora import Shape, add_adapter, write_adapter
from quantize.recipe import Recipe, Step
from quantize.runner import run_recipe
from quantize.runtime import open_runtime
from quantize.situations import Situations, requests, situations
from quantize.source import load_source
from quantize.stages.tools import read_requests
from quantize_tiny import merges_for, write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf", merges=merges_for(CODES))


def quiet(line: str) -> None:
    pass


def test_requests_say_what_they_copy_and_are_the_same_for_the_same_seed() -> None:
    drawn = list(requests(800, seed=5))
    assert drawn == list(requests(800, seed=5))
    assert drawn != list(requests(800, seed=6))
    assert len({normal(r.text) for r in drawn}) == 800
    assert {r.code for r in requests(3000, seed=1)} == set(CODES)
    for request in drawn:
        assert len(request.copied) == len(CODES[request.code].copied)
        assert all(normal(piece) in normal(request.text) for piece in request.copied)
    assert 0.2 < sum(r.code == NO_TOOL for r in drawn) / 800 < 0.4


def test_the_grammar_covers_every_code_and_refuses_a_broken_pattern() -> None:
    assert set(situations().patterns) == set(CODES)
    for broken in ("turn (on|off", "add <item:{food}", "a) b"):
        with pytest.raises((ValueError, IndexError)):
            Situations({"on": [broken]}, {"food": ["milk"]})


def test_what_is_measured_is_not_trained_on(tmp_path: Path) -> None:
    rows = [r.text for r in list(requests(300, seed=2))[:40]]
    (tmp_path / "sets").mkdir()
    lines = [json.dumps({"text": t.upper() + "!", "slots": {"a": [1]}}) for t in rows]
    (tmp_path / "sets" / "a.jsonl").write_text("\n".join(lines))
    arguments = ["teach", "n=300", "--source", str(tmp_path), "--seed", "2", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--exclude", str(tmp_path / "sets")]) == 0
    (kept,) = (tmp_path / "out").glob("teach-*/requests.jsonl")
    sets = measured(tmp_path / "sets")
    texts = [r.text for r in read_requests(kept)]
    assert 200 < len(texts) <= 260
    assert not [t for t in texts if sets.holds(t)] and all(sets.holds(t) for t in rows)
    assert Measured(["please put the old kettle on in the cellar"]).holds("hey PUT the old kettle on in there")
    with pytest.raises(UsageError, match="holds no evaluation set"):
        measured(tmp_path / "out" / "nothing")


@pytest.mark.skipif("EVAL_DATA" not in os.environ, reason="set EVAL_DATA to a folder of evaluation sets")
def test_shipped_patterns_are_none_of_the_evaluation_sets() -> None:
    """A pattern that is itself a row would be a copied row; whole rows that the grammar can make are left out at
    teaching."""
    sets = measured(Path(os.environ["EVAL_DATA"]))
    drawn = list(requests(4000, seed=11))
    assert sum(sets.holds(r.text) for r in drawn) < 0.05 * len(drawn)
    assert not [one.text for one in threshold.written() if sets.holds(one.text)]


def test_examples_end_in_the_answer(tiny: Path) -> None:
    with open_runtime(tiny, 64) as runtime:
        language = Language.of(runtime)
        request = situations().draw("put", random.Random(3))
        row = encode(request, runtime, language)
        assert row is not None
        at = row.index(language.separator)
        assert runtime.detokenize(row[:at]) == normal(request.text)
        item, name = request.copied
        assert runtime.detokenize(row[at + 1 :]) == f" put{normal(item)};{normal(name)};"


def adapt(tiny: Path, out: Path, report: Callable[[str], None] = quiet, resume: bool = False) -> Path:
    steps = [
        Step("teach", parameters={"n": 240}),
        Step("adapt", parameters={"rank": 4, "epochs": 4, "batch_size": 16, "learning_rate": 0.01, "first_block": 1}),
    ]
    return run_recipe(Recipe("r", str(tiny), steps, seed=1), tiny, out, report, resume).folders["adapt"]


def test_training_learns_survives_a_kill_and_makes_the_same_file(tiny: Path, tmp_path: Path) -> None:
    whole = adapt(tiny, tmp_path / "whole")
    facts = json.loads((whole / "adapt.json").read_text())
    assert np.mean(facts["losses"][-5:]) < 0.8 * np.mean(facts["losses"][:3])
    seen: list[str] = []

    def killed(line: str) -> None:
        seen.append(line)
        if line.startswith("step 25/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adapt(tiny, tmp_path / "cut", killed)
    again = adapt(tiny, tmp_path / "cut", seen.append, resume=True)
    assert "step 25/" in " ".join(seen) and "step 5/" not in " ".join(seen[-9:])
    assert (again / "adapter.gguf").read_bytes() == (whole / "adapter.gguf").read_bytes()


def threshold_steps() -> list[Step]:
    return [
        Step("teach", parameters={"n": 240}),
        Step("adapt", parameters={"rank": 4, "epochs": 0.3, "batch_size": 16, "first_block": 1}),
        Step("teach", "held-out", {"n": 40, "seed": 9, "talk_share": 0.5}),
        Step("threshold"),
    ]


def test_a_threshold_is_chosen_on_requests_that_were_not_trained_on(tiny: Path, tmp_path: Path) -> None:
    said: list[str] = []
    folders = run_recipe(Recipe("r", str(tiny), threshold_steps(), seed=1), tiny, tmp_path, said.append).folders
    facts = json.loads((folders["threshold"] / "threshold.json").read_text())
    rows = facts["tables"]["generated"]
    assert [row["threshold"] for row in rows] == list(threshold.CANDIDATES)
    assert rows[0]["n_served"] + rows[0]["n_talk"] <= 40 < facts["tables"]["written"][0]["n_talk"]
    assert facts["threshold"] in threshold.CANDIDATES and f"{facts['threshold']:.2f}, written" in " ".join(said)


def decided(tools: str, tool: str, probability: float) -> threshold.Decided:
    return threshold.Decided(threshold.Asked("x", frozenset(tools.split())), tool, probability)


def test_the_lowest_threshold_with_few_false_actions_is_chosen() -> None:
    decisions = [
        decided("list.add", "list.add", 0.75),
        decided("list.add list.read", "list.read", 0.95),
        decided("list.add", "home.turn_on", 0.99),
        decided("", "", 0.9),
        decided("", "help", 0.99),  # starts nothing
        decided("", "home.turn_on", 0.65),
        decided("", "alarm.set", 0.85),
    ]
    rows = threshold.table(decisions, (0.6, 0.7, 0.8, 0.9))
    assert [(row.served, row.false) for row in rows] == [(2 / 3, 0.5), (2 / 3, 0.25), (1 / 3, 0.25), (1 / 3, 0)]
    assert threshold.chosen([rows], 0.3) == 0.7
    assert threshold.chosen([rows], 0.1) == 0.9
    talkative = threshold.table([*decisions, *[decided("", "alarm.set", 0.99)] * 9], (0.6, 0.7, 0.8, 0.9))
    assert threshold.chosen([rows, talkative], 0.3) == 0.9  # nowhere few enough: the highest
    with pytest.raises(ValueError, match="one of them is missing"):
        threshold.table(decisions[:3])


def test_the_written_requests_name_tools_and_are_not_drawn_by_the_grammar() -> None:
    asked = threshold.written()
    assert len({normal(one.text) for one in asked}) == len(asked)
    assert {tool for one in asked for tool in one.tools} <= {code.tool for code in CODES.values()}
    assert min(sum(bool(one.tools) == served for one in asked) for served in (True, False)) >= 100
    drawn = list(requests(2000, seed=4))
    assert len(threshold.unseen(asked, drawn)) > 0.95 * len(asked)
    assert threshold.unseen(threshold.generated(drawn), drawn[1:]) == threshold.generated(drawn[:1])


def logits_with(adapter: Path | None, base: Path, tokens: list[int]) -> np.ndarray:
    """llama.cpp's logits behind the last token, with the adapter attached."""
    with open_runtime(base, 64) as runtime:
        if adapter is not None:
            loaded = llama_cpp.llama_adapter_lora_init(runtime._model, str(adapter).encode())
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(loaded)
            import ctypes

            llama_cpp.llama_set_adapters_lora(runtime._context, adapters, 1, (ctypes.c_float * 1)(1.0))
        return runtime.score(np.array([*tokens, 0], np.int32), len(tokens) - 1)[0].copy()


def test_llama_cpp_computes_what_was_trained(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(rank=4, alpha=8.0)
    torch.manual_seed(3)
    model = add_adapter(load_source(tiny), shape)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    tokens = [5, 20, 33, 47, 60, 71]
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0, -1].numpy()
    write_adapter(tmp_path / "a.gguf", tiny, model, shape, {"note": "x"})
    found = logits_with(tmp_path / "a.gguf", tiny, tokens)
    scale = np.abs(expected - logits_with(None, tiny, tokens)).max()
    assert scale > 0.05  # the adapter does something
    assert np.abs(found - expected).max() < 0.05 * scale
    monkeypatch.setattr(lora, "permute", lambda rows, heads: rows)
    write_adapter(tmp_path / "b.gguf", tiny, model, shape, {})
    assert np.abs(logits_with(tmp_path / "b.gguf", tiny, tokens) - expected).max() > 0.1 * scale
    assert gguf_io.metadata(gguf_io.open_gguf(tmp_path / "a.gguf"), "general.type") == "adapter"
