"""What is pruned and which format a tensor gets: each on a tiny random model, each against its null."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="learning needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("transformers", reason="learning needs the extra: pip install 'homebody[quantize]'")

import torch

from assistant.errors import UsageError
from quantize import losses, plan, pruning
from quantize.grids import GRIDS, dequantise, quantise, search_scales
from quantize.runner import Place
from quantize.runtime import open_runtime
from quantize.source import load_source
from quantize.stages.training import write_float
from quantize.stages.weights import Plan
from quantize.statistics import Statistics, gather
from quantize.topology import block_linears, block_list, tied_embedding, topology
from quantize_tiny import FFN, KV_HEADS, N_LAYERS

torch.set_num_threads(1)  # threads that spin at barriers make a busy machine slower


# Pruning


def test_pruned_widths_still_load_and_the_file_computes_what_torch_computes(
    tiny: Path, statistics: Statistics, samples: torch.Tensor, tmp_path: Path
) -> None:
    model = load_source(tiny).eval()
    pruning.prune_ffn(model, pruning.ffn_scores(model, statistics, "gradient"), 128)
    pruning.prune_heads(model, pruning.head_scores(model, statistics, "gradient"), 1)
    pruning.prune_layers(model, [1])
    write_float(model, tiny, tmp_path / "pruned.gguf")
    again = load_source(tmp_path / "pruned.gguf").eval()
    shape = topology(again)
    assert (shape.n_layers, shape.ffn_size, shape.n_kv_heads, shape.n_heads) == (N_LAYERS - 1, 128, 1, 2)
    with torch.no_grad():
        expected = model(input_ids=samples[:1], use_cache=False).logits
        assert torch.allclose(again(input_ids=samples[:1]).logits, expected, atol=1e-4)
    with open_runtime(tmp_path / "pruned.gguf", 128) as runtime:
        got = runtime.score(samples[0].int().numpy(), 0)
        assert np.abs(got - expected[0, :-1].numpy()).max() < 1e-2


def test_dropping_dead_channels_changes_nothing_and_every_informed_criterion_finds_them(
    tiny: Path, samples: torch.Tensor
) -> None:
    model = load_source(tiny).eval()
    dead = torch.arange(0, FFN, 2)
    for name, layer in block_linears(model).items():
        if name.endswith(("gate_proj", "up_proj")):
            layer.weight.data[dead] = 0
    with torch.no_grad():
        expected = model(input_ids=samples).logits
    found = gather(model, samples)
    for criterion in ("magnitude", "gradient", "information", "wanda"):
        pruned = load_source(tiny).eval()
        pruned.load_state_dict(model.state_dict())
        pruning.prune_ffn(pruned, pruning.ffn_scores(pruned, found, criterion), FFN // 2)
        with torch.no_grad():
            assert torch.allclose(pruned(input_ids=samples).logits, expected, atol=1e-4), criterion
    random = load_source(tiny).eval()
    random.load_state_dict(model.state_dict())
    pruning.prune_ffn(random, pruning.ffn_scores(random, found, "random"), FFN // 2)
    with torch.no_grad():
        assert float(losses.logits_kl(expected, random(input_ids=samples).logits)) > 1e-4


def test_groups_of_heads_are_scored_once_each(tiny: Path, statistics: Statistics) -> None:
    scores = pruning.head_scores(load_source(tiny), statistics, "information")
    assert [s.shape for s in scores] == [(KV_HEADS,)] * N_LAYERS


def test_widths_snap_and_impossible_ones_are_refused() -> None:
    assert pruning.snap_width(1300, 1536) == 1280
    assert pruning.snap_width(1300, 1536, 32) == 1312
    assert pruning.snap_width(9999, 1536) == 1536
    with pytest.raises(UsageError):
        pruning.snap_width(100, 1536)


def test_the_first_and_last_layer_are_never_chosen() -> None:
    assert pruning.lowest_layers(torch.tensor([0.0, 3.0, 1.0, 2.0, 0.0]), 2) == [2, 3]


def test_layers_cut_one_by_one_are_measured_again_and_named_as_they_were(tiny: Path) -> None:
    model = load_source(tiny).eval()
    layers = block_list(model)
    layers.extend([layers[1], layers[1], layers[2]])  # six
    model.config.num_hidden_layers = 6
    scores = iter([[0, 5, 1, 2, 9, 0], [0, 9, 2, 3, 0], [0, 3, 2, 0]])
    healed: list[int] = []
    cut = pruning.cut_layers(model, 3, lambda: torch.tensor(next(scores), dtype=torch.float), healed.append)
    assert cut == [2, 3, 4], "numbers are those of the model before any cut"
    assert healed == [1, 2], "nothing is healed before the last cut is made"
    assert topology(model).n_layers == 3


def test_influence_by_a_forward_pass_is_that_of_the_statistics(tiny: Path, samples: torch.Tensor) -> None:
    model = load_source(tiny).eval()
    expected = gather(model, samples).influence
    assert pruning.layer_influences(model, samples).tolist() == pytest.approx(expected.tolist(), rel=0.05)


def test_what_a_layer_costs_is_the_divergence_of_the_model_without_it(tiny: Path, samples: torch.Tensor) -> None:
    model = load_source(tiny).eval()
    with torch.no_grad():
        expected = [model(input_ids=s[None], use_cache=False).logits for s in samples]
        predicted = pruning.layer_divergences(model, samples, expected)
        pruning.prune_layers(model, [1])
        got = [model(input_ids=s[None], use_cache=False).logits for s in samples]
    each = [float(losses.logits_kl(e, g)) for e, g in zip(expected, got, strict=True)]
    assert float(predicted[1]) == pytest.approx(sum(each) / len(each), rel=0.05), "bfloat16 where the processor has it"
    assert len(predicted) == N_LAYERS and float(predicted.min()) > 0


# Planning


def test_the_plan_spends_the_budget_and_beats_every_random_plan(tiny: Path, statistics: Statistics) -> None:
    choices = plan.predict(load_source(tiny), statistics, ["Q4_0", "Q5_0", "Q8_0"])
    smallest = sum(min(o.n_bytes for o in options) for options in choices.values())
    budget = smallest * 1.2
    chosen = plan.choose(choices, budget)
    assert smallest < sum(c.n_bytes for c in chosen.values()) <= budget
    random = np.random.default_rng(0)
    for _ in range(200):
        other = {name: options[random.integers(len(options))] for name, options in choices.items()}
        if sum(c.n_bytes for c in other.values()) <= budget:
            assert plan.total_cost(chosen) <= plan.total_cost(other)
    for options in choices.values():
        assert options[0].cost > options[1].cost > options[2].cost


def test_a_plan_that_must_be_fast_buys_bytes_that_are_read_fast(tiny: Path, statistics: Statistics) -> None:
    choices = plan.predict(load_source(tiny), statistics, ["Q4_0", "Q5_0", "Q8_0"])
    smallest = sum(min(o.n_bytes for o in options) for options in choices.values())
    free = plan.choose(choices, smallest * 1.2)
    limit = 0.98 * plan.total_time(free)
    fast = plan.choose(choices, smallest * 1.2, limit)
    assert plan.total_time(fast) <= limit < plan.total_time(free)
    assert plan.total_cost(free) < plan.total_cost(fast)

    def share(chosen: dict[str, plan.Choice], kind: str) -> float:
        return sum(c.n_bytes for c in chosen.values() if c.kind == kind)

    assert share(fast, "Q5_0") < share(free, "Q5_0")
    with pytest.raises(UsageError, match="budget"):
        plan.choose(choices, smallest * 0.9)
    with pytest.raises(UsageError, match="so fast"):
        plan.choose(choices, smallest * 1.2, 1.0)


def test_q4_k_is_offered_only_where_rows_are_long_enough(tiny: Path, statistics: Statistics) -> None:
    for name, options in plan.predict(load_source(tiny), statistics, ["Q4_0", "Q4_K"]).items():
        assert [o.kind for o in options] == (["Q4_0", "Q4_K"] if name.endswith("down_proj") else ["Q4_0"])


@pytest.mark.parametrize("tied", [True, False])
def test_an_embedding_is_priced_at_what_rounding_it_costs(
    tiny: Path, statistics: Statistics, samples: torch.Tensor, tied: bool
) -> None:
    model = load_source(tiny).eval()
    tables = [model.get_input_embeddings()]
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
        tables.append(model.lm_head)
    originals = [table.weight.detach().clone() for table in tables]
    predicted = plan.predict_table(model, statistics, ["Q4_0", "IQ4_NL", "Q5_0", "Q8_0"])
    with torch.no_grad():
        expected = model(input_ids=samples, use_cache=False).logits
        for option in predicted:
            grid = GRIDS[option.kind]
            for table, weight in zip(tables, originals, strict=True):
                table.weight.copy_(dequantise(*quantise(weight, search_scales(weight, grid), grid), grid))
            measured = float(losses.logits_kl(expected, model(input_ids=samples, use_cache=False).logits))
            assert option.cost == pytest.approx(measured, rel=0.5)
            assert option.n_bytes == sum(w.numel() for w in originals) * grid.bits_per_weight / 8
    statistics = Statistics(square=statistics.square)
    with pytest.raises(UsageError, match="gather them anew"):
        plan.predict_table(model, statistics, ["Q4_0"])


def test_a_plan_chooses_the_embedding_by_its_price(tiny: Path, statistics: Statistics, tmp_path: Path) -> None:
    """What is bought for the embedding beats each fixed choice, and a fixed one is kept."""
    (tmp_path / "calibrate").mkdir()
    statistics.save(tmp_path / "calibrate" / "statistics.safetensors")
    kinds = ("Q4_0", "Q5_0", "Q8_0")
    prices = {option.kind: option.cost for option in plan.predict_table(load_source(tiny), statistics, kinds)}

    def planned(embedding: str | tuple[str, ...]) -> dict[str, Any]:
        folder = tmp_path / "-".join(["plan", *embedding])
        folder.mkdir()
        place = Place(tiny, {"calibrate": tmp_path / "calibrate"}, folder, 0, lambda line: None)
        Plan(budget_mb=0.36, kinds=kinds, embedding=embedding).run(place)
        found: dict[str, Any] = msgspec.json.decode((folder / "plan.json").read_bytes())
        return found

    chosen = planned(kinds)
    assert chosen["embedding"] in kinds
    for kind in kinds:
        fixed = planned(kind)
        assert fixed["embedding"] == kind
        assert chosen["predicted_kld"] <= fixed["predicted_kld"] + prices[kind] + 1e-9


def test_plan_patterns_name_exactly_one_tensor_each(tiny: Path, statistics: Statistics) -> None:
    import re

    chosen = plan.choose(plan.predict(load_source(tiny), statistics, ["Q4_0", "Q8_0"]), 1e9)
    patterns = plan.tensor_types(chosen, "llama", N_LAYERS)
    names = [f"blk.{i}.{part}.weight" for i in range(N_LAYERS) for part in ("attn_q", "attn_v", "ffn_down", "ffn_up")]
    for name in names:
        assert sum(bool(re.search(pattern, name)) for pattern in patterns) == 1
    grids = plan.planned_grids(patterns, chosen, "llama", N_LAYERS)
    assert {name: grid.name for name, grid in grids.items()} == {name: c.kind for name, c in chosen.items()}
    patterns.popitem()
    with pytest.raises(UsageError, match="made for another model"):
        plan.planned_grids(patterns, chosen, "llama", N_LAYERS)


def test_an_embedding_that_is_not_the_last_layer_is_not_put_on_a_grid(tiny: Path) -> None:
    model = load_source(tiny)
    assert tied_embedding(model) is model.get_input_embeddings()
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    with pytest.raises(UsageError, match="two tables"):
        tied_embedding(model)
