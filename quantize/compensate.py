"""Rounding with error feedback, no gradient: what one layer loses, its other weights and the layers after it repair.

1. Aim at the right target (GPTAQ, arXiv 2504.02692). A layer deep in a quantised model sees distorted inputs x' instead
   of x. The least-squares weights from x' to the original output, (W E[x x'^T] + E[dr x'^T]) E[x' x'^T]^-1, undo
   part of the distortion; dr is what the residual stream has lost before this layer's output is added to it.
2. Round column by column, and let the columns not yet rounded absorb the error (GPTQ, arXiv 2210.17323).
3. Sweep again: move each code to the best value given all others, refit all scales of a row by least squares
   (QuantEase, arXiv 2309.01885).

Minutes on one core. The result is a good file by itself, and the starting point of distillation onto the grid (qad.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gguf
import torch
from torch import Tensor, nn

from quantize.gguf_io import Packed, pack
from quantize.grids import BLOCK, Grid, blocks, dequantise, search_scales, to_half
from quantize.kquants import Q4K
from quantize.precision import Precision, products_in
from quantize.statistics import embedding_curvature
from quantize.topology import Model, block_list, linear_at, tied_embedding

# The order in which a block uses its linears: members of a group share an input, and see earlier groups quantised.
GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
# How strongly targets are pulled towards the original weights, relative to the mean power of the inputs.
RIDGE = 0.1
ROWS = 4096  # of an embedding at a time: rows are independent, and so many fit into a cache
Output = Callable[[nn.Module, Tensor], Tensor]  # of a block, given its input
# Where the residual stream can be read before the group's output is added to it: the input of this module.
RESIDUAL_BEFORE = {"self_attn.o_proj": "input_layernorm", "mlp.down_proj": "post_attention_layernorm"}


@dataclass(frozen=True, slots=True)
class Compensated:
    """`masters` (n_out, n_in) round to the chosen codes under `scales` (n_out, n_in / 32).

    In Q4_K the masters are the values themselves, and `raw` holds the bytes of the file.
    """

    masters: Tensor
    scales: Tensor
    raw: Tensor | None = None

    def codes(self, grid: Grid) -> Tensor:
        """What the file holds, (n_out, n_in / 32, 32) uint8."""
        return grid.codes(blocks(self.masters) / _safe(self.scales))

    def values(self, grid: Grid) -> Tensor:
        """What the file holds, dequantised, (n_out, n_in)."""
        return self.masters if self.raw is not None else dequantise(self.codes(grid), self.scales, grid)

    def packed(self, grid: Grid) -> Packed:
        """The bytes of the file."""
        if self.raw is not None:
            return Packed(self.raw.flatten(1).numpy(), gguf.GGMLQuantizationType[grid.name])
        return pack(self.codes(grid).numpy(), self.scales.numpy(), grid.name)


def compensate(
    target: Tensor,
    hessian: Tensor,
    grid: Grid,
    n_sweeps: int = 3,
    damping: float = 0.01,
    original: Tensor | None = None,
) -> Compensated:
    """Quantise one layer towards the weights `target`; `hessian` is E[x' x'^T] of its input, shape (n_in, n_in).

    `original` are the weights before the target was moved: another start for a grid with offsets.
    """
    diagonal = hessian.diagonal().clone()
    damped = hessian + torch.diag((damping * diagonal.mean()).expand(len(diagonal)))
    if grid.has_offsets:
        starts = [target] if original is None else [target, original]
        return _best(
            [_with_offsets(start, target, damped, diagonal, grid, n_sweeps) for start in starts], target, damped
        )
    codes, scales = _feedback(target.clone(), damped, grid)
    for _ in range(n_sweeps):
        scales = _refit(target, damped, grid.value(codes), scales)
        codes = _sweep(target, damped, codes, scales, grid)
    level = grid.value(codes)
    nearest = (blocks(target) / _safe(scales)).clamp(level - 0.45, level + 0.45) if grid.uniform else level
    return Compensated((nearest * scales.unsqueeze(2)).flatten(1), scales)


def _safe(scales: Tensor) -> Tensor:
    return torch.where(scales == 0, 1.0, scales).unsqueeze(2)


def _with_offsets(start: Tensor, target: Tensor, hessian: Tensor, importance: Tensor, grid: Grid, n_sweeps: int) -> Q4K:
    """Scales, offsets and first codes as ggml rounds `start`, then sweeps of the codes towards the target."""
    found = Q4K.rounded(start, importance)
    scales, offsets = found.scales_and_offsets()
    codes = found.codes()
    for _ in range(n_sweeps):
        codes = _sweep(target, hessian, codes, scales, grid, offsets)
    return found.with_codes(codes)


def _best(found: list[Q4K], target: Tensor, hessian: Tensor) -> Compensated:
    """Each row from whichever has the smaller error in it: rows do not depend on each other."""
    errors = []
    for matrix in found:
        difference = matrix.values() - target
        errors.append(((difference @ hessian) * difference).sum(1))
    choice = torch.stack(errors).argmin(0)
    rows = torch.arange(len(choice))
    best = Q4K(torch.stack([matrix.data for matrix in found])[choice, rows].contiguous())
    return Compensated(best.values(), best.scales_and_offsets()[0], best.data)


def _feedback(weight: Tensor, hessian: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Codes and scales by GPTQ; each block's scale is searched on the weights as corrected so far."""
    n_out, n_in = weight.shape
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    factor = torch.linalg.cholesky(inverse, upper=True)
    codes = torch.empty(n_out, n_in // BLOCK, BLOCK, dtype=torch.uint8)
    scales = torch.empty(n_out, n_in // BLOCK)
    errors = torch.empty(n_out, BLOCK)
    for index, start in enumerate(range(0, n_in, BLOCK)):
        end = start + BLOCK
        importance = factor.diagonal()[start:end].square().reciprocal()
        scale = to_half(search_scales(weight[:, start:end].contiguous(), grid, importance))[:, 0]
        scales[:, index] = scale
        safe = torch.where(scale == 0, 1.0, scale)
        for j in range(start, end):
            column = weight[:, j]
            codes[:, index, j - start] = grid.codes(column / safe)
            rounded = grid.value(codes[:, index, j - start]) * scale
            errors[:, j - start] = (column - rounded) / factor[j, j]
            weight[:, j:end] -= torch.outer(errors[:, j - start], factor[j, j:end])
        weight[:, end:] -= errors @ factor[start:end, end:]
    return codes, scales


def _refit(target: Tensor, hessian: Tensor, level: Tensor, scales: Tensor) -> Tensor:
    """All scales of each row at once, by least squares under the hessian with the codes fixed."""
    flat = level.flatten(1)
    n_out, n_blocks = scales.shape
    system = torch.empty(n_out, n_blocks, n_blocks)
    for index in range(n_blocks):
        part = slice(index * BLOCK, (index + 1) * BLOCK)
        system[:, index] = blocks((flat[:, part] @ hessian[part]) * flat).sum(2)
    right = blocks((target @ hessian) * flat).sum(2)
    ridge = 1e-3 * system.diagonal(dim1=1, dim2=2).mean(1)[:, None] + 1e-12
    system.diagonal(dim1=1, dim2=2).add_(ridge)
    return to_half(torch.linalg.solve(system, right + ridge * scales))


def _sweep(
    target: Tensor, hessian: Tensor, codes: Tensor, scales: Tensor, grid: Grid, offsets: Tensor | None = None
) -> Tensor:
    """Each column's codes to the best value given all others: coordinate descent, one pass.

    A block's values are its levels times its scale, less its offset if there are any.
    """
    offsets = torch.zeros_like(scales) if offsets is None else offsets
    values = (grid.value(codes) * scales.unsqueeze(2) - offsets.unsqueeze(2)).flatten(1)
    slope = (values - target) @ hessian
    moves = torch.empty(len(target), BLOCK)
    for index in range(codes.shape[1]):
        start, end = index * BLOCK, (index + 1) * BLOCK
        scale, offset = scales[:, index], offsets[:, index]
        safe = torch.where(scale == 0, 1.0, scale)
        for j in range(start, end):
            best = values[:, j] - slope[:, j] / hessian[j, j]
            code = grid.codes((best + offset) / safe)
            codes[:, index, j - start] = code
            move = grid.value(code) * scale - offset - values[:, j]
            moves[:, j - start] = move
            slope[:, j + 1 : end] += torch.outer(move, hessian[j, j + 1 : end])
        slope[:, end:] += moves @ hessian[start:end, end:]
    return codes


def compensate_model(
    model: Model,
    samples: Tensor,
    grids: Mapping[str, Grid],
    embedding: Grid | None = None,
    precision: Precision = "auto",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Compensated]:
    """Quantise every block linear of `model` IN PLACE, each to its grid in `grids` (by module path), and before them
    the tied embedding if there is a grid for it. `samples` are token ids, shape (n_samples, length).

    `precision` is that of the passes through the blocks; what is learnt from them is float32. Returns masters and
    scales by module path; the model afterwards holds the quantised values.
    """
    found: dict[str, Compensated] = {}
    layers = block_list(model)
    names = {module: name for name, module in model.named_modules()}
    original, arguments = _inputs_of_first_block(model, samples)
    distorted = [state.clone() for state in original]
    if embedding is not None:
        table = tied_embedding(model)
        with torch.no_grad():
            curvature = embedding_curvature(model, samples, precision)
            parts = [compensate(rows, curvature, embedding) for rows in torch.split(table.weight.detach(), ROWS)]
            masters, scales = (torch.cat(x) for x in zip(*((p.masters, p.scales) for p in parts), strict=True))
            found[names[table]] = Compensated(masters, scales)
            table.weight.copy_(found[names[table]].values(embedding))
        distorted, _ = _inputs_of_first_block(model, samples)
    output = partial(_output, arguments=arguments, precision=precision)
    with torch.no_grad():
        for done, block in enumerate(layers, start=1):
            wanted = [group[0] for group in GROUPS]
            exact = [_inputs(block, state, output, [*wanted, *RESIDUAL_BEFORE.values()]) for state in original]
            original = [output(block, state) for state in original]
            for group in GROUPS:
                moments = _moments(block, group[0], exact, distorted, output)
                for path in group:
                    layer = linear_at(block, path)
                    target = moments.target(layer.weight)
                    grid = grids[names[layer]]
                    result = compensate(target, moments.hessian, grid, original=layer.weight)
                    found[names[layer]] = result
                    layer.weight.copy_(result.values(grid))
            distorted = [output(block, state) for state in distorted]
            report(done, len(layers))
    return found


@dataclass
class _Moments:
    """Averages over tokens: `hessian` E[x' x'^T], `cross` E[x x'^T], `lost` E[dr x'^T] (None: not on the residual
    stream)."""

    hessian: Tensor
    cross: Tensor
    lost: Tensor | None

    def target(self, weight: Tensor) -> Tensor:
        """The weights that best turn the distorted inputs into the original outputs."""
        right = weight @ self.cross if self.lost is None else weight @ self.cross + self.lost
        strength = RIDGE * self.hessian.diagonal().mean()
        damped = self.hessian + torch.eye(len(self.hessian)) * strength
        solved: Tensor = torch.linalg.solve(damped, (right + strength * weight).T)
        return solved.T.contiguous()


def _moments(
    block: nn.Module, path: str, exact: list[dict[str, Tensor]], states: list[Tensor], output: Output
) -> _Moments:
    size = exact[0][path].shape[1]
    residual = RESIDUAL_BEFORE.get(path)
    hessian, cross = torch.zeros(size, size), torch.zeros(size, size)
    lost = torch.zeros(states[0].shape[-1], size) if residual else None
    n_tokens = 0
    for original, state in zip(exact, states, strict=True):
        got = _inputs(block, state, output, [path, *([residual] if residual else [])], stop=path)
        hessian.addmm_(got[path].T, got[path])
        cross.addmm_(original[path].T, got[path])
        if lost is not None and residual:
            lost.addmm_((original[residual] - got[residual]).T, got[path])
        n_tokens += len(got[path])
    return _Moments(hessian / n_tokens, cross / n_tokens, None if lost is None else lost / n_tokens)


class _Reached(Exception):
    pass


def _inputs(block: nn.Module, state: Tensor, output: Output, paths: list[str], stop: str = "") -> dict[str, Tensor]:
    """Inputs of the named modules, (n_tokens, n_in) each, in one pass through the block, which ends at `stop`."""
    found: dict[str, Tensor] = {}

    def catch(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            found[path] = args[0].flatten(0, -2).float()
            if path == stop:
                raise _Reached

        return hook

    handles = [block.get_submodule(path).register_forward_pre_hook(catch(path)) for path in paths]
    try:
        output(block, state)
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return found


def _inputs_of_first_block(model: Model, samples: Tensor) -> tuple[list[Tensor], dict[str, Any]]:
    """Hidden states in front of the first block, one per sample, and the keyword arguments every block receives."""
    states: list[Tensor] = []
    arguments: dict[str, Any] = {}

    def catch(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = dict(kwargs)
        states.append(args[0] if args else given.pop("hidden_states"))
        arguments.update(given)
        raise _Reached

    handle = block_list(model)[0].register_forward_pre_hook(catch, with_kwargs=True)
    try:
        for sample in samples:
            try:
                with torch.no_grad():
                    model(input_ids=sample[None], use_cache=False)
            except _Reached:
                continue
    finally:
        handle.remove()
    return states, arguments


def _output(block: nn.Module, state: Tensor, arguments: dict[str, Any], precision: Precision) -> Tensor:
    with products_in(precision, state.device):
        result = block(state, **arguments)
    hidden: Tensor = result[0] if isinstance(result, tuple) else result
    return hidden.float()
