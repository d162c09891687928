"""Structured pruning: whole layers, groups of heads, FFN channels. Sparse weights save nothing in a GGUF; units do.

Every unit gets a score, the lowest go. The criteria, each against the null `random`:
- `magnitude`: an FFN channel's largest weight, the norm of a head's weights. One weight can carry a model
  (arXiv 2411.07191): by their norms, channels are chosen worse than at random;
- `gradient`: first-order Taylor, |activation x gradient|: how much the loss would move without the unit;
- `information`: entropy of what a channel contributes, at a resolution that is the same for all; block influence of a
  layer: what carries little says little;
- `wanda`: weight norm times activation norm.
Widths are snapped to multiples of 256 (K-quants need them) or at least 32 (every 4-bit format does).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from assistant.errors import UsageError
from quantize.losses import logits_kl
from quantize.precision import products_in
from quantize.statistics import Statistics
from quantize.topology import Model, block_list, linear_at, topology

Criterion = Literal["magnitude", "gradient", "information", "wanda", "random"]


@dataclass(frozen=True, slots=True)
class FfnNames:
    """The three matrices of a gated FFN inside a block."""

    gate: str = "mlp.gate_proj"
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"


FFN = FfnNames()
ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")


def snap_width(wanted: int, width: int, multiple: int = 256) -> int:
    """The nearest allowed width not above `width`. Raises UsageError when there is none."""
    snapped = min(round(wanted / multiple) * multiple, width // multiple * multiple)
    if snapped <= 0:
        raise UsageError(f"width {wanted} of {width} rounds to zero in steps of {multiple}")
    return snapped


def ffn_scores(model: Model, statistics: Statistics, criterion: Criterion, seed: int = 0) -> list[Tensor]:
    """Score of each FFN channel, one tensor (ffn_size,) a layer."""
    prefix = topology(model).blocks
    generator = torch.Generator().manual_seed(seed)
    scores = []
    for index, block in enumerate(block_list(model)):
        gate, up, down = (linear_at(block, name).weight for name in (FFN.gate, FFN.up, FFN.down))
        name = f"{prefix}.{index}.{FFN.down}"
        match criterion:
            case "magnitude":
                largest = torch.stack([gate.abs().amax(1), up.abs().amax(1), down.abs().amax(0)])
                score = largest.amax(0) * (largest.amin(0) > 0)  # nothing passes where one of the three is zero
            case "gradient":
                score = statistics.taylor[name]
            case "information":
                score = _contribution_bits(statistics, name, down)
            case "wanda":
                score = down.norm(dim=0) * statistics.square[name].sqrt()
            case "random":
                score = torch.rand(down.shape[1], generator=generator)
        scores.append(score.detach())
    return scores


def head_scores(model: Model, statistics: Statistics, criterion: Criterion, seed: int = 0) -> list[Tensor]:
    """Score of each group of heads that shares one key-value head, one tensor (n_kv_heads,) a layer."""
    shape = topology(model)
    generator = torch.Generator().manual_seed(seed)
    scores = []
    for index, block in enumerate(block_list(model)):
        output = linear_at(block, ATTENTION[3]).weight
        name = f"{shape.blocks}.{index}.{ATTENTION[3]}"
        match criterion:
            case "magnitude":
                channels = output.square().sum(0)
            case "gradient":
                channels = statistics.taylor[name]
            case "information":
                channels = _contribution_bits(statistics, name, output)
            case "wanda":
                channels = output.square().sum(0) * statistics.square[name]
            case "random":
                channels = torch.rand(output.shape[1], generator=generator)
        groups = channels.detach().view(shape.n_kv_heads, -1)
        scores.append(groups.amax(1) if criterion == "information" else groups.sum(1))  # bits do not add up
    return scores


def _contribution_bits(statistics: Statistics, name: str, weight: Tensor) -> Tensor:
    """Entropy of each input channel's contribution to the output, (n_in,), up to a constant.

    A histogram over a channel's own range knows nothing of its size: a channel that is nearly always still and enormous
    once in a while, on which the model depends, would look empty. Its size in bits is added.
    """
    size = statistics.square[name].sqrt() * weight.norm(dim=0)
    return statistics.entropy[name] + torch.log2(size.clamp_min(1e-30))


def layer_scores(model: Model, statistics: Statistics, criterion: Criterion, seed: int = 0) -> Tensor:
    """Score of each layer, shape (n_layers,)."""
    layers = block_list(model)
    match criterion:
        case "gradient":
            return statistics.block_taylor
        case "information":
            return statistics.influence
        case "random":
            return torch.rand(len(layers), generator=torch.Generator().manual_seed(seed))
        case "magnitude" | "wanda":
            return torch.tensor([sum(float(p.detach().norm()) for p in block.parameters()) for block in layers])


@torch.no_grad()
def layer_influences(model: Model, samples: Tensor) -> Tensor:
    """Block influence, 1 - cos(input, output), shape (n_layers,), of samples (n, length): one forward pass, where
    `gather` needs a backward pass too for all that it knows besides."""
    layers = block_list(model)
    found = torch.zeros(len(layers))

    def watch(index: int) -> Callable[..., None]:
        def hook(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before = _passed_by(block, args, kwargs, output)
            pair = [x[0] if isinstance(x, tuple) else x for x in (before, output)]
            found[index] += (1 - torch.cosine_similarity(pair[0].float(), pair[1].float(), dim=-1)).mean()

        return hook

    handles = [layer.register_forward_hook(watch(i), with_kwargs=True) for i, layer in enumerate(layers)]
    try:
        for sample in samples:
            with products_in("auto", sample.device):
                model(input_ids=sample[None], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return found / len(samples)


@torch.no_grad()
def layer_divergences(model: Model, samples: Tensor, expected: list[Tensor]) -> Tensor:
    """KL divergence to the `expected` logits with each layer left out by itself, shape (n_layers,).

    Samples (n, length), logits (1, length, n_vocab) each. What a cut costs is measured instead of guessed at (SLEB,
    arXiv 2402.09025); n_layers forward passes, in bfloat16 where the processor has it.
    """
    found = []
    for block in block_list(model):
        handle = block.register_forward_hook(_passed_by, with_kwargs=True)
        each = []
        try:
            for sample, logits in zip(samples, expected, strict=True):
                with products_in("auto", sample.device):
                    got = model(input_ids=sample[None], use_cache=False).logits
                each.append(logits_kl(logits, got.float()))
        finally:
            handle.remove()
        found.append(torch.stack(each).mean())
    return torch.stack(found)


def _passed_by(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    before = args[0] if args else kwargs["hidden_states"]
    return (before, *output[1:]) if isinstance(output, tuple) else before


def prune_ffn(model: Model, scores: list[Tensor], width: int) -> None:
    """Keep the `width` best channels of every layer, in place."""
    for block, score in zip(block_list(model), scores, strict=True):
        kept = score.topk(width).indices.sort().values
        _keep_rows(linear_at(block, FFN.gate), kept)
        _keep_rows(linear_at(block, FFN.up), kept)
        _keep_columns(linear_at(block, FFN.down), kept)
    model.config.intermediate_size = width


def prune_heads(model: Model, scores: list[Tensor], n_groups: int) -> None:
    """Keep the `n_groups` best groups of heads of every layer, in place."""
    shape = topology(model)
    per_group = shape.n_heads // shape.n_kv_heads
    for block, score in zip(block_list(model), scores, strict=True):
        groups = score.topk(n_groups).indices.sort().values
        kv_rows = _expand(groups, shape.head_size)
        q_rows = _expand(groups, shape.head_size * per_group)
        query, key, value, output = (linear_at(block, name) for name in ATTENTION)
        _keep_rows(query, q_rows)
        _keep_rows(key, kv_rows)
        _keep_rows(value, kv_rows)
        _keep_columns(output, q_rows)
    model.config.num_key_value_heads = n_groups
    model.config.num_attention_heads = n_groups * per_group
    model.config.head_dim = shape.head_size


def prune_layers(model: Model, dropped: list[int]) -> None:
    """Remove whole layers, in place, and number the rest anew."""
    layers = block_list(model)
    kept = [layer for index, layer in enumerate(layers) if index not in set(dropped)]
    if len(kept) + len(set(dropped)) != len(layers):
        raise UsageError(f"cannot drop layers {sorted(set(dropped))} of {len(layers)}")
    parent, _, child = topology(model).blocks.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.ModuleList(kept))
    for index, layer in enumerate(kept):
        for module in layer.modules():
            if "layer_idx" in module.__dict__:
                module.__dict__["layer_idx"] = index  # the key-value cache counts layers
    model.config.num_hidden_layers = len(kept)


def lowest_layers(scores: Tensor, n: int) -> list[int]:
    """The `n` layers of lowest score; never the first or the last, whose loss no healing repairs (KLD 6.9 and 3.2)."""
    inner = scores.clone()
    inner[0] = inner[-1] = float("inf")
    return sorted(inner.topk(n, largest=False).indices.tolist())


def cut_layers(model: Model, n: int, measure: Callable[[], Tensor], between: Callable[[int], None]) -> list[int]:
    """Remove `n` layers one by one, in place; returns their numbers in the model as it came, in the order of the cuts.

    Two neighbours can each be spared and not both, which one measurement does not see: `measure` is asked for the
    scores (n_layers,) anew before each cut. `between` is called with the number of cuts so far after each but the last.
    """
    numbers = list(range(len(block_list(model))))
    cut = []
    for done in range(1, n + 1):
        (layer,) = lowest_layers(measure(), 1)
        prune_layers(model, [layer])
        cut.append(numbers.pop(layer))
        if done < n:
            between(done)
    return cut


def _expand(groups: Tensor, size: int) -> Tensor:
    return (groups[:, None] * size + torch.arange(size)).flatten()


def _keep_rows(layer: nn.Linear, kept: Tensor) -> None:
    layer.weight = nn.Parameter(layer.weight.detach()[kept].clone())
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.detach()[kept].clone())
    layer.out_features = len(kept)


def _keep_columns(layer: nn.Linear, kept: Tensor) -> None:
    layer.weight = nn.Parameter(layer.weight.detach()[:, kept].clone())
    layer.in_features = len(kept)
