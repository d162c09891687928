"""The recipe for the embedding model, on a tiny BERT: converted, quantised, compared, with a card."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="the stages need the extra: pip install 'homebody[quantize]'")
pytest.importorskip("gguf", reason="reading and writing GGUF needs the extra: pip install 'homebody[quantize]'")

from assistant.errors import UsageError
from quantize.gguf_io import summarise
from quantize.recipe import Recipe, Step, read_recipe
from quantize.runner import run_recipe
from quantize_tiny import write_tiny
from tiny_bert import write_tiny_bert

RECIPE = read_recipe(Path("minilm-embedder"))


def silent(line: str) -> None:
    pass


def test_the_shipped_recipe_makes_a_smaller_embedder_and_says_how_near_it_is(tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    done = run_recipe(RECIPE, write_tiny_bert(tmp_path / "bert"), tmp_path / "out", silent)
    sizes = {
        name: summarise(folder / "model.gguf")
        for name, folder in done.folders.items()
        if "eval" not in name and name != "card"
    }
    assert sizes["q8_0"].n_bytes < sizes["convert-bert"].n_bytes
    assert sizes["iq4_nl"].bits_per_weight < sizes["q8_0"].bits_per_weight
    found = msgspec.json.decode((done.folders["evaluate"] / "evaluation.json").read_bytes())
    eight, four = found["texts"]["messages"]["q8_0"], found["texts"]["messages"]["iq4_nl"]
    assert eight["cosine"]["value"] > 0.999
    assert four["cosine"]["value"] < eight["cosine"]["value"], "fewer bits, further away: else nothing was quantised"
    card = (done.folders["card"] / "README.md").read_text()
    assert "same nearest text" in card and "architecture bert" in card


def test_the_converted_file_itself_is_a_source_too_and_a_language_model_is_not(tmp_path: Path) -> None:
    (tmp_path / "bert").mkdir()
    folder = write_tiny_bert(tmp_path / "bert")
    only = Recipe("convert", "-", [Step("convert-bert")])
    first = run_recipe(only, folder, tmp_path / "one", silent).folders["convert-bert"] / "model.gguf"
    again = run_recipe(only, first, tmp_path / "two", silent).folders["convert-bert"] / "model.gguf"
    assert again.read_bytes() == first.read_bytes()
    with pytest.raises(UsageError, match="no embedding model but of the architecture llama"):
        run_recipe(only, write_tiny(tmp_path / "tiny.gguf"), tmp_path / "three", silent)
