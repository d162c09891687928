"""Mixed precision: which format for which tensor, under a budget of bytes.

The cost of a format is predicted, not guessed: with H = E[g^2] of a layer's outputs (diagonal Fisher) and E[x^2] of
its inputs, rounding W to W' raises the KL divergence by about 1/2 sum_ij H_i E[x_j^2] (W_ij - W'_ij)^2. One pass over
calibration text (statistics.py) therefore scores every tensor in every format without running the model again. The
token embedding is read as a layer too, by tokens instead of activations, and where it is the last layer also, both
readings add up. `scan`
checks the prediction by measurement: optimum.quanto quantises one kind of layer at a time and the KL is measured.

The knapsack: on each tensor's lower convex hull of (price, cost), buy the steps of best gain per price that the budgets
of bytes and of time allow. The price is bytes plus time times a pressure; of many pressures the best plan is kept.
Time is measured, not derived from bytes: formats that the CPU repacks are cheap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from assistant.errors import UsageError
from quantize.gguf_io import tensor_names
from quantize.grids import BLOCK, GRIDS, Grid, dequantise, quantise, search_scales
from quantize.kquants import Q4K, SUPER_BLOCK
from quantize.losses import logits_kl
from quantize.statistics import Statistics
from quantize.topology import Model, block_linears, topology

# Time of a weight when decoding, F16 = 1, what does not depend on formats spread over all weights: SmolLM2-135M on one
# thread of a Xeon with AVX512-VNNI, each format in all matrices and the embedding (docs/results/quantize.md). llama.cpp
# repacks Q4_0, IQ4_NL and Q4_K; Q8_0 is read as it is, and its many bytes take less time than unpacking the fifth bits
# of Q5_0.
TIME = {"F16": 1.0, "Q4_0": 0.446, "IQ4_NL": 0.453, "Q4_K": 0.446, "Q8_0": 0.667, "Q5_0": 0.637}
# Bytes that a weight's time in F16 counts for, tried in this order.
_PRESSURES = (0.0, *np.geomspace(0.05, 50.0, 31).tolist())
_ROWS = 4096  # of an embedding at a time


@dataclass(frozen=True, slots=True)
class Choice:
    """One tensor in one format: its bytes, the KL divergence it is predicted to add, in nats, and its share of decoding
    in weights of F16."""

    kind: str
    n_bytes: float
    cost: float
    time: float = 0.0


def predict(model: Model, statistics: Statistics, kinds: Sequence[str]) -> dict[str, list[Choice]]:
    """Every block linear in every format, by module path."""
    return {
        name: [
            _choice(layer.weight.detach(), statistics.square[name], statistics.fisher[name], GRIDS[kind])
            for kind in kinds
            if not GRIDS[kind].has_offsets or layer.in_features % SUPER_BLOCK == 0
        ]
        for name, layer in block_linears(model).items()
    }


def _choice(weight: Tensor, square: Tensor, fisher: Tensor, grid: Grid) -> Choice:
    if grid.has_offsets:
        rounded = Q4K.rounded(weight, square).values()
    else:
        rounded = dequantise(*quantise(weight, search_scales(weight, grid, square.view(1, -1, 32)), grid), grid)
    error = (rounded - weight).square()
    cost = 0.5 * float(fisher @ (error @ square))
    n = weight.numel()
    return Choice(grid.name, n * grid.bits_per_weight / 8, cost, n * TIME[grid.name])


def predict_table(model: Model, statistics: Statistics, kinds: Sequence[str]) -> list[Choice]:
    """The token embedding and the last layer, one table or two, in every format; both get the same.

    Raises UsageError if the statistics say nothing of them.
    """
    found = statistics.table
    if not found:
        raise UsageError("these statistics do not tell what the embedding is worth: gather them anew with `calibrate`")
    first, last = model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()
    read, guessed = (found["seen"], found["gradient"]), (found["fisher"], found["square"])
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    tables = [(first, [read, guessed])] if tied else [(first, [read]), (last, [guessed])]
    n = sum(weight.numel() for weight, _ in tables)
    return [
        Choice(
            kind,
            n * GRIDS[kind].bits_per_weight / 8,
            sum(_table_cost(weight, uses, GRIDS[kind]) for weight, uses in tables),
            n * TIME[kind],
        )
        for kind in kinds
    ]


def _table_cost(weight: Tensor, uses: Sequence[tuple[Tensor, Tensor]], grid: Grid) -> float:
    """`uses` weigh the rows and the columns of a table, (n_vocab,) and (hidden,), each time that it is read."""
    importance = sum(rows.mean() * columns for rows, columns in uses)
    assert isinstance(importance, Tensor)  # noqa: S101 - narrows the type: a table is used at least once
    cost = 0.0
    for start in range(0, len(weight), _ROWS):
        part = weight[start : start + _ROWS]
        scales = search_scales(part, grid, importance.view(1, -1, BLOCK))
        error = (dequantise(*quantise(part, scales, grid), grid) - part).square()
        cost += sum(0.5 * float(rows[start : start + _ROWS] @ (error @ columns)) for rows, columns in uses)
    return cost


def choose(
    choices: Mapping[str, Sequence[Choice]], budget_bytes: float, budget_time: float = math.inf
) -> dict[str, Choice]:
    """The plan of least cost within the budgets. Raises UsageError when there is none."""
    plans = [_affordable(choices, budget_bytes, budget_time, pressure) for pressure in _PRESSURES]
    fast = [plan for plan in plans if total_time(plan) <= budget_time]
    if not fast:
        raise UsageError(
            "no plan of these formats decodes so fast: ask for less, or allow formats that the CPU repacks"
        )
    return min(fast, key=total_cost)


def _affordable(
    choices: Mapping[str, Sequence[Choice]], budget_bytes: float, budget_time: float, pressure: float
) -> dict[str, Choice]:
    hulls = {name: _hull(options, pressure) for name, options in choices.items()}
    plan = {name: hull[0] for name, hull in hulls.items()}
    left = budget_bytes - sum(choice.n_bytes for choice in plan.values())
    left_time = budget_time - total_time(plan)
    if left < 0:
        raise UsageError(f"the smallest formats need {-left / 1e6:.1f} MB more than the budget")
    steps = [
        (_gain(low, high, pressure), name, position)
        for name, hull in hulls.items()
        for position, (low, high) in enumerate(pairwise(hull))
    ]
    for _, name, position in sorted(steps, key=lambda step: -step[0]):
        low, high = hulls[name][position], hulls[name][position + 1]
        more, longer = high.n_bytes - low.n_bytes, high.time - low.time
        if plan[name] is low and more <= left and longer <= max(left_time, 0):
            plan[name] = high
            left, left_time = left - more, left_time - longer
    return plan


def _hull(options: Sequence[Choice], pressure: float) -> list[Choice]:
    """The options of rising price, falling cost and falling gain: no option above the line between its neighbours."""
    hull: list[Choice] = []
    for option in sorted(options, key=lambda o: (_price(o, pressure), o.cost)):
        if hull and option.cost >= hull[-1].cost:
            continue
        while len(hull) > 1 and _gain(hull[-2], option, pressure) >= _gain(hull[-2], hull[-1], pressure):
            hull.pop()
        hull.append(option)
    return hull


def _price(choice: Choice, pressure: float) -> float:
    return choice.n_bytes + pressure * choice.time


def _gain(low: Choice, high: Choice, pressure: float) -> float:
    return (low.cost - high.cost) / max(_price(high, pressure) - _price(low, pressure), 1e-9)


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


def total_time(plan: Mapping[str, Choice]) -> float:
    """In weights of F16: decoding takes this over the number of weights of F16's time."""
    return float(np.sum([choice.time for choice in plan.values()]))
