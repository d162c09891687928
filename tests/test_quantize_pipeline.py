"""A whole recipe on a tiny random model: every stage, resume after a crash anywhere, the same hash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="the training stages need the extra: pip install 'homebody[quantize]'")
pytest.importorskip("gguf", reason="reading and writing GGUF needs the extra: pip install 'homebody[quantize]'")

import gguf
import torch

from assistant.errors import AlreadyRunningError, NotEnoughMemoryError, UsageError
from quantize.evaluate import compare_many
from quantize.gguf_io import open_gguf
from quantize.grids import GRIDS
from quantize.recipe import Recipe, Step, read_recipe
from quantize.runner import Outcome, run_recipe
from quantize.stages.on_grid import tensors_to_starts

torch.set_num_threads(1)  # threads that spin at barriers make a busy machine slower

TRAINING = {
    "n_steps": 6,
    "n_warmup": 1,
    "n_decay": 3,
    "batch_size": 2,
    "length": 64,
    "checkpoint_every": 2,
    "n_average": 4,
}
STAGES = [
    Step("convert", "reference", {"float_type": "F32"}),
    Step("packs", "", {"conversations": 4, "articles": 4, "documentation_characters": 6000, "width": 4}),
    Step("calibrate", "", {"n_samples": 2, "length": 64}),
    Step("equalise", "", {"grid": "Q4_0"}),
    Step("compensate", "", {"n_samples": 4, "length": 64}),
    Step("qad", "", {"start": "compensate", **TRAINING}),
    Step("quantise", "stock", {"file_type": "Q4_0", "statistics": "calibrate"}),
    Step("evaluate", "", {"models": ["qad", "stock"], "n_scored": 300, "gates": {"kld_mean": 50.0}}),
    Step("card", "", {"title": "Tiny", "model": "qad"}),
]


class Crash(BaseException):
    """Not an Exception, so that nothing in between may swallow it: the nearest thing to a kill inside one process."""


@pytest.fixture(scope="module")
def undisturbed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    out = tmp_path_factory.mktemp("undisturbed")
    return run_recipe(Recipe("tiny", "tiny", STAGES, seed=3), tiny, out, lines.append), lines


def test_every_stage_leaves_a_sealed_folder(undisturbed: tuple[Outcome, list[str]]) -> None:
    outcome, _ = undisturbed
    for name, folder in outcome.folders.items():
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
        assert set(manifest["files"]) == {p.name for p in folder.iterdir()} - {"manifest.json"}, name
    parent = next(iter(outcome.folders.values())).parent
    assert not list(parent.glob(".*.partial"))


def test_the_card_states_what_was_measured(undisturbed: tuple[Outcome, list[str]]) -> None:
    folders = undisturbed[0].folders
    card = (folders["card"] / "README.md").read_text()
    measured = msgspec.json.decode((folders["evaluate"] / "evaluation.json").read_bytes())
    kld = measured["texts"]["conversations"]["qad"]["kld_mean"]["value"]
    assert f"{kld:.4f}" in card
    assert "cc0-1.0" in card
    assert "qad (" not in card or "compensate" in card


@pytest.mark.parametrize("place", ["articles: 4/4", "layer 2/3", "step 5/6", "scoring"])
def test_a_crash_in_any_stage_then_resume_gives_the_same_hash(
    place: str, tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path
) -> None:
    def crash(line: str) -> None:
        if place in line:
            raise Crash

    recipe = Recipe("tiny", "tiny", STAGES, seed=3)
    with pytest.raises(Crash):
        run_recipe(recipe, tiny, tmp_path, crash)
    halves = list(tmp_path.glob(".*.partial"))
    assert halves
    (halves[0] / "manifest.json.partial").write_bytes(b"{")  # as a kill in the last moment leaves it
    lines: list[str] = []
    again = run_recipe(recipe, tiny, tmp_path, lines.append, resume=True)
    assert again.final_hash == undisturbed[0].final_hash
    if place == "step 5/6":
        assert not any("step 4/6" in line for line in lines), "the checkpoint at step 4 was not used"


@pytest.mark.parametrize("compare", ["ffn", "heads", "layers", "quantisers", "losses", "schedules", "layer-cuts"])
def test_every_study_has_its_null_in_the_table(
    compare: str, tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path
) -> None:
    folders = undisturbed[0].folders
    settings = {"held_out": 2, "length": 64, "n_steps": 2, "ffn_width": 128, "n_layers": 1, "compare": compare}
    settings |= {"statistics": str(folders["calibrate"]), "packs": str(folders["packs"])}
    done = run_recipe(Recipe("study", "tiny", [Step("study", "", settings)]), tiny, tmp_path, lambda line: None)
    rows = {row["name"]: row for row in msgspec.json.decode((done.folders["study"] / "table.json").read_bytes())}
    nulls = {"quantisers": "Q4_0 reference", "losses": "labels", "schedules": "one-shot"}
    nulls |= {"layer-cuts": "divergence, at once"}
    null = nulls.get(compare, "random")
    assert rows[null]["difference"] is None
    others = [row for name, row in rows.items() if name != null and row["null"] == null]
    assert others and all(
        row["difference"] == pytest.approx(row["kld"] - rows[null]["kld"], abs=1e-5) for row in others
    )
    assert all(row["kld"] > 0 for row in rows.values())


def test_plan_prune_and_vocabulary_stages_follow_each_other(
    tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path
) -> None:
    folders = undisturbed[0].folders
    given = {"statistics": str(folders["calibrate"])}
    stages = [
        Step("plan", "", {"budget_mb": 0.5, **given}),
        Step("quantise", "mixed", {"model": "source", "plan": "plan", **given}),
        Step("prune", "", {"criterion": "gradient", "ffn_width": 128, "multiple": 32, **given}),
        Step("distil", "", {"model": "prune", "packs": str(folders["packs"]), **TRAINING}),
        Step("prune-vocabulary", "", {"model": "mixed", "texts": [str(folders["packs"] / "training.jsonl")]}),
    ]
    done = run_recipe(Recipe("all", "tiny", stages), tiny, tmp_path, lambda line: None).folders
    sizes = {name: (done[name] / "model.gguf").stat().st_size for name in ("mixed", "distil", "prune-vocabulary")}
    assert sizes["prune-vocabulary"] <= sizes["mixed"] < 500_000 < sizes["distil"] < tiny.stat().st_size


def test_a_mixed_plan_is_rounded_with_feedback_and_trained_in_the_formats_it_names(
    tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path
) -> None:
    folders = undisturbed[0].folders
    given = {"packs": str(folders["packs"]), "precision": "float32"}
    kinds = ["Q4_0", "IQ4_NL", "Q4_K", "Q5_0", "Q8_0"]
    statistics = str(folders["calibrate"])
    stages = [
        Step("plan", "", {"budget_mb": 0.34, "kinds": kinds, "embedding": "Q5_0", "statistics": statistics}),
        Step("compensate", "", {"plan": "plan", "n_samples": 8, "length": 64, **given}),
        Step("quantise", "rival", {"model": "source", "plan": "plan", "statistics": statistics}),
        Step("qad", "", {"plan": "plan", "start": "compensate", **given, **TRAINING}),
    ]
    done = run_recipe(Recipe("mixed", "tiny", stages), tiny, tmp_path, lambda line: None).folders
    files = {name: done[name] / "model.gguf" for name in ("compensate", "rival", "qad")}
    tensors = {name: {t.name: t for t in open_gguf(file).tensors} for name, file in files.items()}
    types = {name: {n: t.tensor_type.name for n, t in found.items()} for name, found in tensors.items()}
    assert types["compensate"] == types["qad"] == types["rival"]  # as llama.cpp understands the same plan
    assert len(set(types["rival"].values())) >= 4
    assert {file.stat().st_size for file in files.values()} == {files["rival"].stat().st_size}

    starts = tensors_to_starts(done["compensate"] / "starts.safetensors")
    for path, name in (
        ("model.embed_tokens", "token_embd.weight"),
        ("model.layers.1.mlp.down_proj", "blk.1.ffn_down.weight"),
    ):
        tensor = tensors["compensate"][name]
        held = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(held, starts[path].values(GRIDS[tensor.tensor_type.name]).numpy())

    text = folders["packs"] / "training.jsonl"
    feedback, rival = compare_many([files["compensate"], files["rival"]], tiny, text, 600)
    assert feedback.kld.mean() < rival.kld.mean()  # 0.90 of it: random weights leave little to repair in eight bits


def test_the_teachers_likeliest_tokens_are_kept_and_a_crash_does_not_ask_for_them_again(
    tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs = str(undisturbed[0].folders["packs"])
    step = Step("qad", "", {"packs": packs, "top_k": 32, **TRAINING})

    def crash(line: str) -> None:
        if "step 5/6" in line:
            raise Crash

    once = run_recipe(Recipe("top", "tiny", [step]), tiny, tmp_path / "once", lambda line: None)
    with pytest.raises(Crash):
        run_recipe(Recipe("top", "tiny", [step]), tiny, tmp_path / "twice", crash)
    (kept,) = (tmp_path / "twice").glob(".qad-*.partial/scratch/teacher")
    before = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert len(before) == 2 * 5
    (kept.parent / "checkpoint.pt").unlink()  # even from the first step on
    again: list[dict[Path, int]] = []

    def look(line: str) -> None:
        if "step 5/6" in line:
            again.append({path: path.stat().st_mtime_ns for path in before})

    twice = run_recipe(Recipe("top", "tiny", [step]), tiny, tmp_path / "twice", look, resume=True)
    assert again == [before]
    assert twice.final_hash == once.final_hash


@pytest.mark.slow
def test_two_processes_that_train_together_make_the_file_of_one(
    tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path
) -> None:
    packs = str(undisturbed[0].folders["packs"])
    settings = [f"{key}={value}" for key, value in TRAINING.items()]
    arguments = [
        "-m",
        "quantize",
        "distil",
        f"packs={packs}",
        *settings,
        "rate=1e-4",
        "a=0.5",
        "precision=float32",
        "--source",
        str(tiny),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29561"]
    subprocess.run([sys.executable, *arguments, "--out", str(tmp_path / "one")], check=True, env=environment)
    subprocess.run([*launcher, *arguments, "--out", str(tmp_path / "two")], check=True, env=environment)
    curves = [
        msgspec.json.decode(next((tmp_path / n).glob("distil-*/curve.json")).read_bytes()) for n in ("one", "two")
    ]
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)  # half of each batch in each process
    assert min(curves[0]) > 0.1, "a model that is its own teacher learns nothing: the texts themselves are in the loss"
    assert curves[0][-1] != curves[0][0]
    assert not list((tmp_path / "two").glob(".*.partial"))


def test_finished_stages_are_not_run_again(tiny: Path, undisturbed: tuple[Outcome, list[str]]) -> None:
    out = next(iter(undisturbed[0].folders.values())).parent
    lines: list[str] = []
    again = run_recipe(Recipe("tiny", "tiny", STAGES, seed=3), tiny, out, lines.append)
    assert again == undisturbed[0]
    assert len(lines) == len(STAGES)  # one line a stage: where it is


def test_another_seed_or_parameter_is_another_folder(
    tiny: Path, undisturbed: tuple[Outcome, list[str]], tmp_path: Path
) -> None:
    stages = [Step("convert", "reference", {"float_type": "F16"})]
    other = run_recipe(Recipe("tiny", "tiny", stages, seed=3), tiny, tmp_path, lambda line: None)
    assert other.folders["reference"].name != undisturbed[0].folders["reference"].name


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step("conver"), "unknown stage"),
        (Step("convert", "", {"flaot_type": "F16"}), "flaot_type"),
        (Step("convert", "", {"float_type": "Q9"}), "float_type"),
        (Step("quantise", "", {"model": "nowhere"}), "no earlier stage"),
    ],
)
def test_a_bad_recipe_says_where(step: Step, message: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        run_recipe(Recipe("bad", "tiny", [step]), tiny, tmp_path, lambda line: None)


def test_two_runs_cannot_share_a_folder(tiny: Path, tmp_path: Path) -> None:
    recipe = Recipe("tiny", "tiny", STAGES[:1])

    def start_another(line: str) -> None:
        if line.startswith("reference: convert"):
            with pytest.raises(AlreadyRunningError):
                run_recipe(recipe, tiny, tmp_path, lambda line: None)

    run_recipe(recipe, tiny, tmp_path, start_another)


def test_a_stage_that_would_not_fit_is_refused_before_it_starts(tiny: Path, tmp_path: Path) -> None:
    stages = [STAGES[1], Step("qad", "", {**TRAINING, "batch_size": 1_000_000, "length": 4096})]
    with pytest.raises(NotEnoughMemoryError, match="batch_size"):
        run_recipe(Recipe("tiny", "tiny", stages), tiny, tmp_path, lambda line: None)


def test_shipped_recipes_parse_and_name_known_stages() -> None:
    from quantize.recipe import RECIPES
    from quantize.runner import _typed
    from quantize.stages import STAGES as KNOWN

    shipped = sorted(RECIPES.glob("*.toml"))
    assert shipped
    for path in shipped:
        for step in read_recipe(path).stages:
            _typed(step, KNOWN)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kill_9_in_every_stage_then_resume(tiny: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    lines = ['name = "tiny"', f'source = "{tiny}"', "seed = 3"]
    for step in STAGES:
        lines += ["[[stage]]", f'do = "{step.do}"', f'id = "{step.name}"', "[stage.with]"]
        lines += [f"{key} = {toml(value)}" for key, value in step.parameters.items()]
    recipe.write_text("\n".join(lines))
    # Both runs in processes of their own: what this one forbids llama.cpp on a processor with AMX (engines/amx.py) its
    # children inherit, the right to use AMX they do not, and PyTorch rounds otherwise without it.
    once = [sys.executable, "-m", "quantize", "run", str(recipe), "--out", str(tmp_path / "once")]
    undisturbed = subprocess.run(once, capture_output=True, text=True, check=True)
    command = [*once[:-1], str(tmp_path / "out"), "--resume"]
    for step in STAGES:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
        assert process.stderr is not None
        for line in process.stderr:
            if f" {step.name}: {step.do}" in line:
                time.sleep(0.3)
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert msgspec.json.decode(done.stdout)["hash"] == msgspec.json.decode(undisturbed.stdout)["hash"]


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    return msgspec.json.encode(value).decode()
