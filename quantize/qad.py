"""Quantisation-aware self-distillation: train the weights on the grid of the file they will be stored in.

The student computes with w = d * level[code], exactly what llama.cpp will read. Its gradient passes the rounding as
if it were not there (straight-through, Bengio et al., arXiv 1308.3432) and the scales learn too (LSQ, Esser et al.,
arXiv 1902.08153). The loss is KL(teacher || student) over the whole vocabulary, the teacher being the model itself
before quantisation (QAD, arXiv 2601.20088; LLM-QAT, arXiv 2305.17888). The norms train freely: they stay float32 in
the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from quantize.compensate import Compensated
from quantize.grids import Grid, blocks, quantise, search_scales, to_half
from quantize.topology import Model, block_linears


class OnGrid(torch.autograd.Function):
    """master, scale -> the value the file will hold. Straight-through to the master, LSQ to the scale."""

    @staticmethod
    def forward(ctx: Any, master: Tensor, scale: Tensor, grid: Grid) -> Tensor:
        stored = to_half(scale)
        safe = torch.where(stored == 0, 1.0, stored)
        ratio = blocks(master) / safe.unsqueeze(2)
        codes = grid.codes(ratio)
        level = grid.value(codes)
        ctx.save_for_backward(master, safe, codes)
        ctx.grid = grid
        return (level * stored.unsqueeze(2)).view_as(master)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        master, safe, codes = ctx.saved_tensors
        grid: Grid = ctx.grid
        level = grid.value(codes)
        ratio = blocks(master) / safe.unsqueeze(2)
        low, high = grid.levels[0].item(), grid.levels[-1].item()
        inside = (ratio > low) & (ratio < high)
        slope = torch.where(inside, level - ratio, level)
        return gradient, (blocks(gradient) * slope).sum(2), None


class GridWeight(nn.Module):
    """A weight that lives on a grid: float32 master (n_out, n_in) and one scale a block.

    `scale_gain` is trained around 1, so that one learning rate fits scales of every size.
    """

    scale_start: Tensor

    def __init__(self, start: Compensated, grid: Grid) -> None:
        super().__init__()
        self.master = nn.Parameter(start.masters.clone())
        self.scale_gain = nn.Parameter(torch.ones_like(start.scales))
        self.register_buffer("scale_start", start.scales.clone())
        self.grid = grid

    def forward(self) -> Tensor:
        scale = self.scale_start * self.scale_gain
        return OnGrid.apply(self.master, scale, self.grid)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def packed(self) -> tuple[Tensor, Tensor]:
        """Codes and float16-exact scales, ready for `gguf_io.pack`."""
        return quantise(self.master, self.scale_start * self.scale_gain, self.grid)

    @torch.no_grad()
    def as_start(self) -> Compensated:
        """Masters and scales as they are now: the start of another run."""
        return Compensated(self.master.clone(), self.scale_start * self.scale_gain)


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
    model: Model, grid: Grid, starts: dict[str, Compensated], embedding: Grid | None
) -> dict[str, GridWeight]:
    """Replace the block linears of `model` in place, and the tied embedding when a grid for it is given.

    Layers without an entry in `starts` start from plain rounding. Returns the grid weights by transformers weight
    name.
    """
    found: dict[str, GridWeight] = {}
    for name, layer in block_linears(model).items():
        weight = GridWeight(starts.get(name) or nearest_start(layer.weight, grid), grid)
        _replace(model, name, GridLinear(weight, layer.bias))
        found[f"{name}.weight"] = weight
    if embedding is not None:
        table = model.get_input_embeddings()
        name = next(n for n, m in model.named_modules() if m is table)
        weight = GridWeight(starts.get(name) or nearest_start(table.weight, embedding), embedding)
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
    """Learning rates for AdamW: the masters (same unit as the weights), the scale gains (relative), the norms."""

    master: float = 6e-5
    scale: float = 3e-4
    norm: float = 1e-4


def parameter_groups(model: Model, rates: Rates) -> list[dict[str, Any]]:
    """Optimiser groups; whatever is neither master, gain nor norm stays frozen."""
    masters, gains, norms = [], [], []
    for name, parameter in model.named_parameters():
        if name.endswith(".master"):
            masters.append(parameter)
        elif name.endswith(".scale_gain"):
            gains.append(parameter)
        elif parameter.ndim == 1:
            norms.append(parameter)
        else:
            parameter.requires_grad_(False)
    groups = ((masters, rates.master), (gains, rates.scale), (norms, rates.norm))
    return [{"params": params, "lr": rate, "peak": rate} for params, rate in groups if params]
