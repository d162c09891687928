"""Columns scaled before rounding: the same model, which loses less."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="learning needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("transformers", reason="learning needs the extra: pip install 'homebody[quantize]'")

import torch

from assistant.errors import UsageError
from quantize.equalise import equalise
from quantize.grids import BLOCK, GRIDS, dequantise, quantise, search_scales, to_half
from quantize.runner import Place
from quantize.source import load_source
from quantize.stages.weights import Equalise
from quantize.statistics import Statistics, gather
from quantize.topology import Model, block_linears, block_list, topology

torch.set_num_threads(1)
Q4_0 = GRIDS["Q4_0"]


def uneven(tiny: Path, samples: torch.Tensor) -> tuple[Model, Statistics]:
    """A model with a few loud channels in every place that can be scaled, as trained models have them."""
    model = load_source(tiny).eval()
    with torch.no_grad():
        for block in block_list(model):
            block.input_layernorm.weight[::11] *= 30
            block.post_attention_layernorm.weight[::7] *= 30
            block.mlp.up_proj.weight[::13] *= 30
            block.self_attn.v_proj.weight[::5] *= 30
    return model, gather(model, samples)


def logits(model: Model, samples: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=samples, use_cache=False).logits
    return found


def rounded(model: Model, statistics: Statistics) -> Model:
    with torch.no_grad():
        for path, linear in block_linears(model).items():
            scales = to_half(search_scales(linear.weight, Q4_0, statistics.square[path].view(1, -1, BLOCK)))
            codes, _ = quantise(linear.weight, scales, Q4_0)
            linear.weight.copy_(dequantise(codes, scales, Q4_0))
    return model


def divergence(model: Model, of: torch.Tensor, samples: torch.Tensor) -> float:
    exact, found = of.log_softmax(-1), logits(model, samples).log_softmax(-1)
    return float((exact.exp() * (exact - found)).sum(-1).mean())


def test_it_is_the_same_model_and_rounding_it_loses_less(tiny: Path, samples: torch.Tensor) -> None:
    model, statistics = uneven(tiny, samples)
    exact = logits(model, samples)
    plain = divergence(rounded(uneven(tiny, samples)[0], statistics), exact, samples)
    left = equalise(model, statistics, Q4_0)
    assert (logits(model, samples) - exact).abs().mean() < 1e-3 * exact.std()  # of float32
    assert all(share <= 1 for share in left.values()) and min(left.values()) < 0.8
    assert set(statistics.square) >= set(left)
    better = divergence(rounded(model, gather(model, samples)), exact, samples)
    assert better < 0.8 * plain


def test_heads_that_read_one_head_of_values_share_their_scales(tiny: Path, samples: torch.Tensor) -> None:
    model, statistics = uneven(tiny, samples)
    before = {path: linear.weight.clone() for path, linear in block_linears(model).items()}
    equalise(model, statistics, Q4_0)
    after = block_linears(model)
    (path,) = [p for p in before if p.endswith("o_proj") and ".0." in p]
    ratios = (after[path].weight / before[path]).mean(0)  # of each column
    of_heads = ratios.view(model.config.num_key_value_heads, -1, topology(model).head_size)
    assert of_heads.shape[1] > 1 and of_heads.std() > 0.1  # else nothing is shared, or nothing was scaled
    assert torch.allclose(of_heads, of_heads[:, :1].expand_as(of_heads), rtol=1e-4)


def test_a_grid_that_is_none_names_those_there_are(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(UsageError, match=r"Q5_9.*Q4_0"):
        Equalise(grid="Q5_9").run(Place(tmp_path, tiny, {}, 1, print))  # type: ignore[call-arg]
