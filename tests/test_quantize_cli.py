"""The command line as a user meets it: one JSON document on stdout, errors that say what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

pytest.importorskip("torch", reason="the command line needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("transformers", reason="the command line needs the extra: pip install 'homebody[quantize]'")

import torch

from assistant.errors import ModelMissingError, ModelRefusedError, UsageError
from quantize.__main__ import main as entry
from quantize.cli import main
from quantize.llama_quantise import llama_quantise

if TYPE_CHECKING:
    from quantize.statistics import Statistics

torch.set_num_threads(1)


def test_evaluate_prints_the_contracts_metrics(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llama_quantise(tiny, tmp_path / "q.gguf", "Q4_0")
    code = main(["evaluate", str(tmp_path / "q.gguf"), "--reference", str(tiny), "--scored", "300"])
    document = msgspec.json.decode(capsys.readouterr().out)
    assert code == 0
    assert document["task"] == "quantize"
    wanted = {"kld_mean", "kld_p99", "ppl_ratio", "top1_agreement", "bytes", "decode_tps", "peak_memory_mb"}
    assert wanted <= set(document["metrics"])
    for metric in document["metrics"].values():
        assert set(metric) == {"value", "low", "high", "n", "unit"}
        assert metric["low"] <= metric["value"] <= metric["high"]
    assert document["metrics"]["kld_mean"]["n"] >= 300
    assert document["metrics"]["kld_mean"]["value"] > 1e-4
    assert document["metrics"]["bytes"]["value"] == (tmp_path / "q.gguf").stat().st_size


def test_inspect_tells_what_a_file_holds(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tiny)]) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["tensors"] == {"F32": {"count": 29, "bytes": document["parameters"] * 4}}
    assert not document["quantised_before"]


def test_a_stage_by_itself_takes_settings(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "float_type=F16", "--source", str(tiny), "--out", str(tmp_path)]) == 0
    folder = Path(msgspec.json.decode(capsys.readouterr().out)["folders"]["convert"])
    assert (folder / "model.gguf").stat().st_size < tiny.stat().st_size
    with pytest.raises(UsageError, match="KEY=VALUE"):
        main(["convert", "F16", "--source", str(tiny), "--out", str(tmp_path)])


def test_errors_name_the_file(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="nowhere"):
        main(["inspect", str(tmp_path / "nowhere.gguf")])
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(ModelRefusedError, match=r"text\.gguf"):
        main(["inspect", str(tmp_path / "text.gguf")])
    with pytest.raises(ModelRefusedError, match="folder"):
        main(["inspect", str(tmp_path)])
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ModelRefusedError, match=r"empty\.gguf is empty"):
        main(["inspect", str(tmp_path / "empty.gguf")])
    with pytest.raises(UsageError, match="shipped recipes"):
        main(["run", str(tmp_path / "no.toml")])
    with pytest.raises(UsageError, match="folder"):
        main(["run", str(tmp_path)])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.txt", b"caf\xe9", "UTF-8"),
        ("empty.txt", b" \n", "holds no text"),
        ("pack.jsonl", b"\xff\xfe\n", "line 1: no JSON"),
        ("pack.jsonl", b'{"text": "a"}\nplain\n', "line 2: no JSON"),
        ("pack.jsonl", b'{"words": "a"}\n', "needs `text` or `messages`"),
        ("pack.jsonl", b"", "holds no text"),
    ],
)
def test_evaluate_says_what_is_wrong_with_a_text_before_it_measures(
    name: str, content: bytes, said: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantize.inspection.measure", lambda *given: pytest.fail("measured"))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        main(["evaluate", str(tiny), "--reference", str(tiny), "--text", str(tmp_path / name)])


def test_help_of_a_stage_names_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prune", "--help"])
    told = capsys.readouterr().out
    assert "criterion=gradient    one of magnitude, gradient" in told
    assert "ffn_width=0" in told
    with pytest.raises(UsageError, match=r"widht.*quantize prune --help"):
        main(["prune", "widht=3", "--source", __file__, "--out", "nowhere"])
    with pytest.raises(SystemExit):
        main(["prune", "--source", __file__, "--out", "nowhere", "--threads", "0"])
    assert "no number from 1 on" in capsys.readouterr().err


def test_a_file_error_is_one_line(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["quantize", "convert", "--source", str(tiny), "--out", str(tmp_path / "file/out")])
    assert entry() == 1
    assert "file/out cannot be used: Not a directory; a file stands where" in capsys.readouterr().err


def test_explain_renders_the_worked_cases(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert main(["explain", "--plots", str(tmp_path / "plots"), "--source", str(tiny)]) == 0
    text = capsys.readouterr().out
    assert "s = 0.0392156863" in text
    assert "code = 80" in text
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {"histogram.svg", "error-against-bits.svg"}


def test_explain_draws_what_layers_cost_and_what_was_measured(
    tiny: Path, statistics: Statistics, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    statistics.save(tmp_path / "statistics.safetensors")
    results = tmp_path / "small.json"
    models = [{"name": "model"}]
    measured = {"metrics": {"bytes": {"value": 2e6}, "kld_mean": {"value": 0.25}}, "provenance": {"models": models}}
    results.write_text(json.dumps(measured))
    given = ["--source", str(tiny), "--statistics", str(tmp_path), "--measured", str(results)]
    assert main(["explain", "--plots", str(tmp_path / "plots"), *given]) == 0
    text = capsys.readouterr().out
    costs = [float(cost) for cost in re.findall(r"^- layer \d+: ([\d.]+)$", text, re.MULTILINE)]
    assert len(costs) == len(statistics.influence) and all(cost >= 0 for cost in costs) and any(costs)
    assert "| small | 2.0 | 0.2500 |" in text
    assert {"sensitivity.svg", "quality-against-size.svg"} <= {p.name for p in (tmp_path / "plots").iterdir()}
    with pytest.raises(UsageError, match="calibrate"):
        main(["explain", "--source", str(tiny), "--statistics", str(tmp_path / "nowhere")])
    whole = (tmp_path / "statistics.safetensors").read_bytes()
    (tmp_path / "statistics.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="damaged"):
        main(["explain", "--source", str(tiny), "--statistics", str(tmp_path)])
    with pytest.raises(UsageError, match=r"quantize evaluate"):
        main(["explain", "--measured", __file__])


def test_onnx_computes_what_torch_computes(tiny: Path, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"the ONNX export needs {package}")
    from quantize.onnx_export import export_onnx
    from quantize.source import load_source

    assert export_onnx(load_source(tiny), tmp_path / "model.onnx") < 1e-3


def test_a_made_model_enters_the_store_with_its_recipe_beside_its_name(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from assistant.models.store import Store
    from assistant.paths import models_folder

    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    recipe = tmp_path / "half.toml"
    recipe.write_text('name = "tiny-half"\nsource = "tiny"\n[[stage]]\ndo = "convert"\n')
    command = ["run", str(recipe), "--source", str(tiny), "--out", str(tmp_path / "out"), "--resume", "--install"]
    assert main([*command, "--template", "chatml"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["installed"] == "tiny-half"
    spec = Store(models_folder()).resolve("tiny-half")
    assert Path(spec.path).read_bytes() == (Path(document["folders"]["convert"]) / "model.gguf").read_bytes()
    assert Store(models_folder()).entry("tiny-half").note == "made here by the recipe tiny-half from tiny"
    with pytest.raises(ModelRefusedError, match="chat template"):
        main([*command, "another"])
