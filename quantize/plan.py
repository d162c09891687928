"""Mixed precision: which format for which tensor, under a budget of bytes.

The cost of a format is predicted, not guessed: with H = E[g^2] of a layer's outputs (diagonal Fisher) and E[x^2] of
its inputs, rounding W to W' raises the KL divergence by about 1/2 sum_ij H_i E[x_j^2] (W_ij - W'_ij)^2. One pass over
calibration text (statistics.py) therefore scores every tensor in every format without running the model again. `scan`
checks the prediction by measurement: optimum.quanto quantises one kind of layer at a time and the KL is measured.

The knapsack: on each tensor's lower convex hull of (bytes, cost), buy the steps of best gain per byte until the
budget is spent. With `slowness` a byte is priced by the time it takes to read: formats that the CPU repacks are cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from assistant.errors import UsageError
from quantize.gguf_io import tensor_names
from quantize.grids import GRIDS, Grid, dequantise, quantise, search_scales
from quantize.losses import logits_kl
from quantize.statistics import Statistics
from quantize.topology import Model, block_linears, topology

# Relative time per byte when decoding on x86 with AVX2, one thread (SmolLM2-135M, tokens/s at 4.5, 8.5 and 5.5 bits:
# Q4_0 and IQ4_NL 113, Q8_0 91, Q5_0 72). Q4_0 and IQ4_NL are repacked, the others are not (ggml-cpu/repack.cpp).
SLOWNESS = {"Q4_0": 1.0, "IQ4_NL": 1.0, "Q8_0": 0.66, "Q5_0": 1.29}


@dataclass(frozen=True, slots=True)
class Choice:
    """One tensor in one format: its bytes, and the KL divergence it is predicted to add, in nats."""

    kind: str
    n_bytes: float
    cost: float


def predict(model: Model, statistics: Statistics, kinds: Sequence[str]) -> dict[str, list[Choice]]:
    """Every block linear in every format, by module path."""
    return {
        name: [
            _choice(layer.weight.detach(), statistics.square[name], statistics.fisher[name], GRIDS[kind])
            for kind in kinds
        ]
        for name, layer in block_linears(model).items()
    }


def _choice(weight: Tensor, square: Tensor, fisher: Tensor, grid: Grid) -> Choice:
    scales = search_scales(weight, grid, square.view(1, -1, 32))
    error = (dequantise(*quantise(weight, scales, grid), grid) - weight).square()
    cost = 0.5 * float(fisher @ (error @ square))
    return Choice(grid.name, weight.numel() * grid.bits_per_weight / 8, cost)


def choose(
    choices: Mapping[str, Sequence[Choice]], budget_bytes: float, slowness: Mapping[str, float] | None = None
) -> dict[str, Choice]:
    """The plan of least cost within the budget; `slowness` (by format) prices a byte by the time it takes to read.

    Raises UsageError when even the smallest formats exceed the budget.
    """
    hulls = {name: _hull(options, slowness or {}) for name, options in choices.items()}
    plan = {name: hull[0] for name, hull in hulls.items()}
    left = budget_bytes - sum(choice.n_bytes for choice in plan.values())
    if left < 0:
        raise UsageError(f"the smallest formats need {-left / 1e6:.1f} MB more than the budget")
    steps = [
        (_gain(low, high, slowness or {}), name, position)
        for name, hull in hulls.items()
        for position, (low, high) in enumerate(pairwise(hull))
    ]
    for _, name, position in sorted(steps, key=lambda step: -step[0]):
        low, high = hulls[name][position], hulls[name][position + 1]
        if plan[name] is low and high.n_bytes - low.n_bytes <= left:
            plan[name] = high
            left -= high.n_bytes - low.n_bytes
    return plan


def _hull(options: Sequence[Choice], slowness: Mapping[str, float]) -> list[Choice]:
    """The options of rising price, falling cost and falling gain: no option above the line between its neighbours."""
    hull: list[Choice] = []
    for option in sorted(options, key=lambda o: (_price(o, slowness), o.cost)):
        if hull and option.cost >= hull[-1].cost:
            continue
        while len(hull) > 1 and _gain(hull[-2], option, slowness) >= _gain(hull[-2], hull[-1], slowness):
            hull.pop()
        hull.append(option)
    return hull


def _price(choice: Choice, slowness: Mapping[str, float]) -> float:
    return choice.n_bytes * slowness.get(choice.kind, 1.0)


def _gain(low: Choice, high: Choice, slowness: Mapping[str, float]) -> float:
    return (low.cost - high.cost) / max(_price(high, slowness) - _price(low, slowness), 1e-9)


def tensor_types(plan: Mapping[str, Choice], architecture: str, n_layers: int) -> dict[str, str]:
    """The plan as `llama_quantise.Options.types`: an exact pattern for each tensor."""
    rename = tensor_names(architecture, n_layers)
    return {_pattern(rename(name)): choice.kind for name, choice in plan.items()}


def _pattern(tensor: str) -> str:
    return f"^{tensor.replace('.', '[.]')}[.]weight$"


def planned_grids(types: Mapping[str, str], names: Iterable[str], architecture: str, n_layers: int) -> dict[str, Grid]:
    """The inverse of `tensor_types`: the grid of each module path. Raises UsageError if the plan leaves one out."""
    rename = tensor_names(architecture, n_layers)
    kinds = {name: types.get(_pattern(rename(name)), "") for name in names}
    missing = [name for name, kind in kinds.items() if kind not in GRIDS]
    if missing:
        raise UsageError(f"the plan has no format for {missing[0]}: was it made for another model?")
    return {name: GRIDS[kind] for name, kind in kinds.items()}


def repacked_share(
    plan: Mapping[str, Choice], repacked: frozenset[str] = frozenset({"Q4_0", "IQ4_NL", "Q4_K"})
) -> float:
    """Share of the plan's bytes in formats that x86 with AVX2 repacks (ggml-cpu/repack.cpp)."""
    total = sum(choice.n_bytes for choice in plan.values())
    return sum(choice.n_bytes for choice in plan.values() if choice.kind in repacked) / total


def scan(model: Model, samples: Tensor, bits: int = 4) -> dict[str, float]:
    """Measured KL divergence of quantising one kind of layer at a time with optimum.quanto (affine, per block of
    128).

    Restores the model. A check of `predict` by another quantiser and by measurement.
    """
    from optimum.quanto import qint2, qint4, qint8, quantize

    kinds = {2: qint2, 4: qint4, 8: qint8}
    with torch.no_grad():
        expected = model(input_ids=samples, use_cache=False).logits
        found = {}
        for path in topology(model).linears:
            saved = {n: m for n, m in block_linears(model).items() if n.endswith(path)}
            quantize(model, weights=kinds[bits], include=[f"*{path}"])
            found[path] = float(logits_kl(expected, model(input_ids=samples, use_cache=False).logits))
            for name, module in saved.items():
                parent, _, child = name.rpartition(".")
                setattr(model.get_submodule(parent), child, module)
    return found


def total_cost(plan: Mapping[str, Choice]) -> float:
    return float(np.sum([choice.cost for choice in plan.values()]))
