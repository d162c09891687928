"""The same model with columns that are easier to round: what counts in a block of weights is made larger, exactly.

A column of a weight times s and its input divided by s is the same layer. Dividing costs nothing where something linear
stands before: the gain of the norm (before q, k, v and before gate, up), the rows of v (before o), the rows of up
(before down; the gate's activation is a factor). Rows of v and up may be scaled freely themselves: a row's blocks take
their scales along. So a file of the same bytes and speed loses less to rounding.

(Cross-layer equalisation, arXiv 1906.04721; scales from activations, AWQ, arXiv 2306.00978.) For each place
s = E[x^2]^a / (sum of w^2)^b, the pair (a, b) among a few that leaves the least rounding error weighted by E[x^2];
a = b = 0, which changes nothing, is one of them. a = b = 1/4 minimises the error of blocks whose scale is the norm of
what is in them; blocks scaled by their largest weight want less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from quantize.grids import BLOCK, Grid, dequantise, quantise, search_scales, to_half
from quantize.pruning import ATTENTION, FFN
from quantize.statistics import Statistics
from quantize.topology import Model, Topology, block_list, linear_at, topology

POWERS: Final = ((0.0, 0.0), (0.125, 0.0), (0.125, 0.125), (0.125, 0.25), (0.25, 0.0), (0.25, 0.25))
MOST: Final = 64.0  # no column is scaled by more: half precision has to hold the scales


@dataclass(frozen=True, slots=True)
class Place:
    """Linears that read one input, and what may divide it. `path` is the first of them, from the model on.

    `shared` columns have one scale: the columns of `o` in all heads that read the same head of v.
    """

    path: str
    linears: tuple[nn.Linear, ...]
    before: nn.Module
    shared: int = 1
    n_groups: int = 1

    def narrowed(self, values: Tensor) -> Tensor:
        """Sums over the columns that share a scale: (n_in,) to (n_in / shared,)."""
        return values.view(self.n_groups, self.shared, -1).sum(1).flatten()

    def widened(self, scales: Tensor) -> Tensor:
        """The scale of each column: (n_in / shared,) to (n_in,)."""
        return scales.view(self.n_groups, 1, -1).expand(-1, self.shared, -1).flatten()

    def apply(self, scales: Tensor) -> None:
        """Multiply the columns by `scales` (n_in / shared,) and divide what stands before."""
        for linear in self.linears:
            linear.weight.mul_(self.widened(scales))
        for parameter in self.before.parameters(recurse=False):  # a norm's gain; weight and bias of a linear
            parameter.div_(scales if parameter.dim() == 1 else scales.unsqueeze(1))


@torch.no_grad()
def equalise(
    model: Model, statistics: Statistics, grid: Grid, report: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, float]:
    """Change `model` IN PLACE. Returns by module path what is left of the weighted rounding error, a share.

    The statistics are those of the model before: E[x^2] by module path. Raises AttributeError for blocks without the
    usual names, KeyError where the statistics are of another model.
    """
    left: dict[str, float] = {}
    layers = block_list(model)
    for index, block in enumerate(layers):
        for place in places(block, f"{topology(model).blocks}.{index}", topology(model)):
            square = statistics.square[place.path]
            scales, left[place.path] = _best(place, square, grid)
            place.apply(scales)
        report(index + 1, len(layers))
    return left


def places(block: nn.Module, prefix: str, shape: Topology) -> Iterator[Place]:
    """Where columns can be scaled in a block of Llama's kind."""
    q, k, v, o = (linear_at(block, path) for path in ATTENTION)
    gate, up, down = (linear_at(block, path) for path in (FFN.gate, FFN.up, FFN.down))
    heads = shape.n_heads // shape.n_kv_heads
    yield Place(f"{prefix}.{ATTENTION[0]}", (q, k, v), block.get_submodule("input_layernorm"))
    yield Place(f"{prefix}.{ATTENTION[3]}", (o,), v, heads, shape.n_kv_heads)
    yield Place(f"{prefix}.{FFN.gate}", (gate, up), block.get_submodule("post_attention_layernorm"))
    yield Place(f"{prefix}.{FFN.down}", (down,), up)


def _best(place: Place, square: Tensor, grid: Grid) -> tuple[Tensor, float]:
    weights = [linear.weight for linear in place.linears]
    inputs = place.narrowed(square)
    columns = place.narrowed(torch.stack([w.square().sum(0) for w in weights]).sum(0))
    tried = []
    for a, b in POWERS:
        scales = (inputs + 1e-9 * inputs.mean()) ** a / (columns + 1e-9 * columns.mean()) ** b
        scales = (scales / scales.log().mean().exp()).clamp(1 / MOST, MOST)
        tried.append((_error(weights, place.widened(scales), square, grid), scales))
    error, scales = min(tried, key=lambda pair: pair[0])
    return scales, error / tried[0][0] if tried[0][0] else 1.0


def _error(weights: Sequence[Tensor], scales: Tensor, square: Tensor, grid: Grid) -> float:
    """Sum over all outputs of E[(what rounding changes)^2], inputs taken as independent."""
    importance = square / scales.square()
    total = 0.0
    for weight in weights:
        scaled = weight * scales
        found = to_half(search_scales(scaled, grid, importance.view(1, -1, BLOCK)))
        codes, _ = quantise(scaled, found, grid)
        total += float(((dequantise(codes, found, grid) - scaled).square().sum(0) * importance).sum())
    return total
