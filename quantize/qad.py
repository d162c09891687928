"""Quantisation-aware self-distillation: train the weights on the grid of the file they will be stored in.

The student computes with w = d * level[code], exactly what llama.cpp will read. Its gradient passes the rounding as
if it were not there (straight-through, Bengio et al., arXiv 1308.3432) and the scales learn too (as in LSQ, Esser et
al., arXiv 1902.08153, but a scale moves its block with the codes as they are). The loss is KL(teacher || student) over
the whole vocabulary, the teacher being the model itself before quantisation (QAD, arXiv 2601.20088; LLM-QAT, arXiv
2305.17888). The norms train freely: they stay float32 in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from assistant.errors import UsageError
from quantize.compensate import Compensated
from quantize.grids import Grid, blocks, search_scales, to_half
from quantize.topology import Model, block_linears, tied_embedding


class OnGrid(torch.autograd.Function):
    """Places on the grid, scales -> the values the file will hold. A place is a weight in units of its block's scale.

    A scale moves its block without changing a code, and a code changes only when its place has crossed a boundary.
    """

    @staticmethod
    def forward(ctx: Any, place: Tensor, scale: Tensor, grid: Grid) -> Tensor:
        stored = to_half(scale)
        codes = grid.codes(blocks(place))
        ctx.save_for_backward(codes, stored)
        ctx.grid = grid
        return (grid.value(codes) * stored.unsqueeze(2)).view_as(place)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        codes, stored = ctx.saved_tensors
        by_block = blocks(gradient)
        to_place = (by_block * stored.unsqueeze(2)).view_as(gradient)
        return to_place, (by_block * ctx.grid.value(codes)).sum(2), None


class GridWeight(nn.Module):
    """A weight that lives on a grid: float32 places (n_out, n_in), in units of the scale, and one scale a block.

    `scale_gain` is trained around 1, so that one learning rate fits scales of every size. Places start at most `margin`
    grid steps from their level (a boundary is 0.5 away): the random walk of a noisy gradient then changes no code.
    """

    scale_start: Tensor

    def __init__(self, start: Compensated, grid: Grid, margin: float = 0.5) -> None:
        super().__init__()
        stored = to_half(start.scales)
        ratio = blocks(start.masters) / torch.where(stored == 0, 1.0, stored).unsqueeze(2)
        level = grid.value(grid.codes(ratio))
        reach = margin * grid.step
        self.place = nn.Parameter((level + (ratio - level).clamp(-reach, reach)).view_as(start.masters))
        self.scale_gain = nn.Parameter(torch.ones_like(start.scales))
        self.register_buffer("scale_start", start.scales.clone())
        self.grid = grid

    def scales(self) -> Tensor:
        return self.scale_start * self.scale_gain

    def forward(self) -> Tensor:
        return OnGrid.apply(self.place, self.scales(), self.grid)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def packed(self) -> tuple[Tensor, Tensor]:
        """Codes and float16-exact scales, ready for `gguf_io.pack`."""
        return self.grid.codes(blocks(self.place)), to_half(self.scales())

    @torch.no_grad()
    def as_start(self) -> Compensated:
        """Masters and scales as they are now: the start of another run."""
        scales = to_half(self.scales())
        return Compensated((blocks(self.place) * scales.unsqueeze(2)).view_as(self.place), scales)


class GridLinear(nn.Module):
    """A linear layer whose weight lives on a grid."""

    def __init__(self, weight: GridWeight, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias if bias is None else nn.Parameter(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight(), self.bias)


class GridEmbedding(nn.Module):
    """A token embedding on a grid; only the rows in use are computed. The tied head shares its GridWeight."""

    def __init__(self, weight: GridWeight) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, ids: Tensor) -> Tensor:
        return nn.functional.embedding(ids, self.weight())


def nearest_start(weight: Tensor, grid: Grid) -> Compensated:
    """Start from plain rounding with searched scales."""
    return Compensated(weight.detach().clone(), to_half(search_scales(weight.detach(), grid)))


def put_on_grid(
    model: Model,
    grids: Mapping[str, Grid],
    starts: dict[str, Compensated],
    embedding: Grid | None,
    margin: float = 0.5,
) -> dict[str, GridWeight]:
    """Replace the block linears of `model` in place, each by its grid in `grids`, and the tied embedding when a grid
    for it is given.

    Layers without an entry in `starts` start from plain rounding; those that `starts` has in raw bytes keep these
    values and are not trained. Returns the grid weights by transformers weight name. Raises UsageError for a Q4_K
    without its bytes.
    """
    found: dict[str, GridWeight] = {}
    for name, layer in block_linears(model).items():
        if grids[name].has_offsets:
            if name not in starts:
                raise UsageError(f"{name} is to be Q4_K, which is not trained: name a `compensate` stage as `start`")
            layer.weight.data.copy_(starts[name].masters)
            continue
        weight = GridWeight(starts.get(name) or nearest_start(layer.weight, grids[name]), grids[name], margin)
        _replace(model, name, GridLinear(weight, layer.bias))
        found[f"{name}.weight"] = weight
    if embedding is not None:
        table = tied_embedding(model)
        name = next(n for n, m in model.named_modules() if m is table)
        weight = GridWeight(starts.get(name) or nearest_start(table.weight, embedding), embedding, margin)
        head = next(n for n, m in model.named_modules() if m is model.get_output_embeddings())
        _replace(model, name, GridEmbedding(weight))
        _replace(model, head, GridLinear(weight, None))
        found[f"{name}.weight"] = weight
    return found


def _replace(model: Model, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent) if parent else model, child, module)


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates for AdamW: the places (in grid steps), the scale gains (relative), the norms (absolute)."""

    place: float = 5e-3
    scale: float = 1e-3
    norm: float = 3e-4


def parameter_groups(model: Model, rates: Rates) -> list[dict[str, Any]]:
    """Optimiser groups; whatever is neither place, gain nor norm stays frozen."""
    groups: list[dict[str, Any]] = []
    places: dict[float, list[nn.Parameter]] = {}
    for module in model.modules():
        if isinstance(module, GridWeight):
            places.setdefault(module.grid.step, []).append(module.place)
    groups += [{"params": params, "peak": rates.place * step} for step, params in places.items()]
    named = list(model.named_parameters())
    groups.append({"params": [p for n, p in named if n.endswith(".scale_gain")], "peak": rates.scale})
    norms = [p for n, p in named if p.ndim == 1]
    groups.append({"params": norms, "peak": rates.norm})
    trained = {id(p) for group in groups for p in group["params"]}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in trained)
    return [{**group, "lr": group["peak"]} for group in groups if group["params"]]
