"""The number grids of GGUF, bit for bit: 32 weights along a row share one float16 scale d, w = d * level[code].

| format | levels | bits per weight | source: ggml/src/ggml-quants.c |
|---|---|---|---|
| Q4_0   | -8 .. 7     | 4.5 | quantize_row_q4_0_ref: d = (signed maximum) / -8 |
| Q5_0   | -16 .. 15   | 5.5 | quantize_row_q5_0_ref: d = (signed maximum) / -16 |
| Q8_0   | -127 .. 127 | 8.5 | quantize_row_q8_0_ref: d = max abs / 127 |
| IQ4_NL | 16 uneven levels, denser near zero | 4.5 | kvalues_iq4nl |
| Q4_K   | 0 .. 15, less an offset for each block | 4.5 | kquants.py; ggml chooses its scales and offsets |

The reference takes d from one extreme weight. Nothing in a file says that it must: any d gives a valid block, and
`search_scales` looks for a better one. That freedom, and later the freedom to move the weights (qad.py), costs no
byte and no time at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 32


@dataclass(frozen=True, eq=False)
class Grid:
    """`levels` ascending, shape (n_levels,). `reference_level` is where ggml puts the weight of largest magnitude."""

    name: str
    levels: Tensor
    reference_level: float
    bits_per_weight: float

    @property
    def uniform(self) -> bool:
        return self.name != "IQ4_NL"

    @property
    def has_offsets(self) -> bool:
        return self.name == "Q4_K"

    @property
    def step(self) -> float:
        """Mean distance of neighbouring levels."""
        return float(self.levels[-1] - self.levels[0]) / (len(self.levels) - 1)

    def codes(self, ratio: Tensor) -> Tensor:
        """Index of the nearest level for weights divided by their scale; ties as in ggml: up, in Q8_0 away from
        zero."""
        low = self.levels[0].item()
        if self.name == "Q8_0":
            return ((ratio.abs() + 0.5).floor() * ratio.sign() - low).clamp_(0, 254).to(torch.uint8)
        if self.uniform:
            return (ratio + (0.5 - low)).floor().clamp_(0, len(self.levels) - 1).to(torch.uint8)
        middles = ((self.levels[1:] + self.levels[:-1]) / 2).to(ratio.device)
        return torch.bucketize(ratio, middles, right=True).to(torch.uint8)

    def value(self, codes: Tensor) -> Tensor:
        """Level of each code, float32."""
        if self.uniform:
            return codes.float() + self.levels[0]
        return self.levels.to(codes.device)[codes.int()]


def _integers(low: int, high: int) -> Tensor:
    return torch.arange(low, high + 1, dtype=torch.float32)


GRIDS = {
    grid.name: grid
    for grid in (
        Grid("Q4_0", _integers(-8, 7), -8.0, 4.5),
        Grid("Q5_0", _integers(-16, 15), -16.0, 5.5),
        Grid("Q8_0", _integers(-127, 127), 127.0, 8.5),
        Grid(
            "IQ4_NL",
            torch.tensor(
                [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], dtype=torch.float32
            ),
            -127.0,
            4.5,
        ),
        Grid("Q4_K", _integers(0, 15), 15.0, 4.5),
    )
}


def blocks(weight: Tensor) -> Tensor:
    """View (n_out, n_in) as (n_out, n_in / 32, 32). Raises RuntimeError if n_in is not a multiple of 32."""
    return weight.view(weight.shape[0], -1, BLOCK)


def to_half(scale: Tensor) -> Tensor:
    """Round a scale to the float16 that the file stores, kept in float32."""
    return scale.half().float()


def reference_scales(weight: Tensor, grid: Grid) -> Tensor:
    """ggml's own scale of each block, shape (n_out, n_in / 32): the weight of largest magnitude lands on one level."""
    parts = blocks(weight)
    extreme = parts.gather(2, parts.abs().argmax(2, keepdim=True)).squeeze(2)
    return extreme.abs() / 127.0 if grid.name == "Q8_0" else extreme / grid.reference_level


def search_scales(weight: Tensor, grid: Grid, importance: Tensor | None = None, n_steps: int = 12) -> Tensor:
    """Scales of least squared error, weighted by `importance` (broadcast to the blocks), shape (n_out, n_in / 32).

    Tries scales that put the extreme weight at, inside and outside either end of the grid, refits each by least
    squares with its codes fixed (d = sum w x q / sum w q q), and keeps the best: the idea of ggml's make_qx_quants.
    """
    parts = blocks(weight)
    weigh = torch.ones_like(parts) if importance is None else importance.expand_as(parts)
    extreme = parts.gather(2, parts.abs().argmax(2, keepdim=True))
    best = torch.zeros_like(extreme)
    best_gain = torch.full_like(extreme, -1.0)
    for end in (grid.levels[0].item(), grid.levels[-1].item()):
        for stretch in torch.linspace(0.8, 1.1, n_steps).tolist():
            trial = extreme / (end * stretch)
            level = grid.value(grid.codes(parts / trial.where(trial != 0, 1.0)))
            weighted = weigh * level
            cross = (weighted * parts).sum(2, keepdim=True)
            square = (weighted * level).sum(2, keepdim=True).clamp_min(1e-30)
            gain = cross * cross / square  # error = sum w x x - gain
            better = gain > best_gain
            best_gain = torch.where(better, gain, best_gain)
            best = torch.where(better, cross / square, best)
    return best.squeeze(2)


def quantise(weight: Tensor, scales: Tensor, grid: Grid, reference: bool = False) -> tuple[Tensor, Tensor]:
    """Codes (n_out, n_in / 32, 32) uint8 and the float16-rounded scales.

    `reference` divides by the unrounded scale, as ggml does before it stores d; otherwise the codes are the nearest
    for the scale that will really be used.
    """
    stored = to_half(scales)
    divisor = scales if reference else stored
    inverse = torch.where(divisor == 0, 0.0, 1.0 / divisor).unsqueeze(2)
    return grid.codes(blocks(weight) * inverse), stored


def dequantise(codes: Tensor, scales: Tensor, grid: Grid) -> Tensor:
    """Back to (n_out, n_in)."""
    return (grid.value(codes) * scales.unsqueeze(2)).flatten(1)


def round_to_grid(weight: Tensor, grid: Grid) -> Tensor:
    """What a file written by ggml's reference would hold, dequantised."""
    codes, scales = quantise(weight, reference_scales(weight, grid), grid, reference=True)
    return dequantise(codes, scales, grid)
