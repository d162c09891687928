"""`evals run quantize` on a tiny model: makes the missing file, measures it, and does not make it twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="the recipe needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("gguf", reason="the tiny model needs the extra: pip install 'homebody[quantize]'")

import evals.quantize
from evals.runner import run_task
from evals.task import Effort, NoSuchPart, Options
from quantize.recipe import read_recipe
from quantize_tiny import write_tiny

RECIPE = """
name = "tiny-cut"
source = "tiny"
[[stage]]
do = "convert"
id = "reference"
[[stage]]
do = "packs"
with = { conversations = 2, articles = 2, documentation_characters = 4000, width = 2 }
[[stage]]
do = "qad"
with = { n_steps = 2, n_warmup = 1, n_decay = 1, batch_size = 2, length = 64, checkpoint_every = 1 }
"""


@pytest.fixture
def tiny_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> evals.quantize.Quantize:
    """The task with another model and a shorter recipe; everything else is the real thing."""
    source = write_tiny(tmp_path / "tiny.gguf")
    (tmp_path / "cut.toml").write_text(RECIPE)
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(evals.quantize, "resolve", lambda name: SimpleNamespace(path=source))
    recipes = replace(evals.quantize.Q4_0, cut=str(tmp_path / "cut.toml"))
    return evals.quantize.Quantize(known=(evals.quantize.MIXED, recipes))


def test_the_missing_file_is_made_once_and_measured(
    tiny_task: evals.quantize.Quantize, capsys: pytest.CaptureFixture[str]
) -> None:
    document, code = run_task(tiny_task, Options("smollm2-135m", Effort.QUICK, only=("q4_0",)))
    assert code == 0, document.failures
    wanted = "kld_mean kld_p99 ppl_ratio top1_agreement bytes decode_tps peak_memory_mb tool_call_flips"
    assert set(wanted.split()) <= set(document.metrics)
    assert 0 < document.metrics["kld_mean"].value < 1
    assert not document.metrics["kld_mean"].bar, "only the whole recipe's file carries the promise"
    assert document.provenance["models"][0]["name"] == "tiny-cut"
    assert "step 2/2" in capsys.readouterr().err
    again, _ = run_task(tiny_task, Options("smollm2-135m", Effort.QUICK, only=("q4_0",)))
    assert again.metrics["kld_mean"].value == document.metrics["kld_mean"].value
    assert "measuring it" in capsys.readouterr().err


def test_a_recipe_that_does_not_exist_is_not_measured(tiny_task: evals.quantize.Quantize) -> None:
    with pytest.raises(NoSuchPart, match="smollm2-135m-mixed and smollm2-135m-q4_0-qad"):
        run_task(tiny_task, Options("smollm2-135m", Effort.QUICK, only=("q3",)))


@pytest.mark.parametrize("recipes", [evals.quantize.MIXED, evals.quantize.Q4_0], ids=lambda r: str(r.whole))
def test_the_cut_recipe_is_the_whole_one_with_less_of_everything(recipes: evals.quantize.Recipes) -> None:
    whole, cut = (read_recipe(Path(name)) for name in (recipes.whole, recipes.cut))
    assert recipes.stage in {step.name for step in cut.stages}
    longer = {step.name: step for step in whole.stages}
    assert cut.source == whole.source == evals.quantize.SOURCE
    for step in cut.stages:
        assert step.do == longer[step.name].do
        for key, value in step.parameters.items():
            there = longer[step.name].parameters[key]
            assert there >= value if isinstance(value, int) else there == value, f"{step.name} {key}"


def test_the_promise_is_judged_for_the_whole_recipe_only() -> None:
    found = {"kld_mean": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9, "unit": "nat"}}
    assert evals.quantize.judged(found, whole=True)["kld_mean"].meets_bar is False
    assert evals.quantize.judged(found, whole=False)["kld_mean"].meets_bar is None
