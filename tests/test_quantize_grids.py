"""Grids, packing and the quantiser that trains: bit for bit what ggml does, and gradients that point the right way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the grids need the extra: pip install 'homebody[quantize]'")
pytest.importorskip("gguf", reason="the grids need the extra: pip install 'homebody[quantize]'")

import gguf
import torch

from quantize.compensate import compensate
from quantize.gguf_io import open_gguf, pack, permute, summarise
from quantize.grids import GRIDS, blocks, dequantise, quantise, reference_scales, round_to_grid, search_scales, to_half
from quantize.kquants import Q4K
from quantize.llama_quantise import Options, llama_quantise
from quantize.qad import GridWeight, OnGrid, nearest_start
from quantize.source import detect_grid
from quantize_tiny import tiny_weights, write_tiny

torch.set_num_threads(1)  # threads that spin at barriers make a busy machine slower

UNIFORM = ["Q4_0", "Q5_0", "Q8_0"]


def weight(rows: int = 48, columns: int = 128, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("name", UNIFORM)
def test_rounding_is_bit_equal_to_the_gguf_package(name: str) -> None:
    kind = gguf.GGMLQuantizationType[name]
    theirs = gguf.quants.dequantize(gguf.quants.quantize(weight().numpy(), kind), kind)
    assert np.array_equal(round_to_grid(weight(), GRIDS[name]).numpy(), theirs)


@pytest.mark.parametrize("name", [*UNIFORM, "IQ4_NL"])
def test_packed_bytes_read_back_as_the_trained_values(name: str) -> None:
    grid = GRIDS[name]
    codes, scales = quantise(weight(), search_scales(weight(), grid), grid)
    packed = pack(codes.numpy(), scales.numpy(), name)
    assert np.array_equal(gguf.quants.dequantize(packed.data, packed.kind), dequantise(codes, scales, grid).numpy())
    assert packed.data.nbytes * 8 / weight().numel() == grid.bits_per_weight


@pytest.mark.parametrize("name", UNIFORM)
def test_whole_file_is_byte_equal_to_llama_cpps_own_quantiser(name: str, tmp_path: Path) -> None:
    source = write_tiny(tmp_path / "f32.gguf")
    llama_quantise(source, tmp_path / "theirs.gguf", name, Options(embedding=name, pure=True))
    floats = {t.name: t.data for t in open_gguf(source).tensors}
    compared = 0
    for tensor in open_gguf(tmp_path / "theirs.gguf").tensors:
        if tensor.tensor_type.name == name:
            ours = torch.from_numpy(np.array(floats[tensor.name]))
            grid = GRIDS[name]
            codes, scales = quantise(ours, reference_scales(ours, grid), grid, reference=True)
            assert np.array_equal(pack(codes.numpy(), scales.numpy(), name).data, tensor.data), tensor.name
            compared += 1
    assert compared == 22


@pytest.mark.parametrize("name", [*UNIFORM, "IQ4_NL"])
def test_searched_scales_are_never_worse_than_the_reference_in_their_own_measure(name: str) -> None:
    grid, w = GRIDS[name], weight()
    importance = torch.rand(1, w.shape[1] // 32, 32, generator=torch.Generator().manual_seed(5)) + 0.1

    def error(scales: torch.Tensor) -> float:
        codes, stored = quantise(w, scales, grid)
        return float((blocks(dequantise(codes, stored, grid) - w).square() * importance).sum())

    assert error(search_scales(w, grid, importance)) < error(reference_scales(w, grid))


def test_error_feedback_beats_rounding_where_inputs_are_correlated_and_sweeps_help() -> None:
    w, grid = weight(64, 128), GRIDS["Q4_0"]
    mixing = torch.randn(128, 128, generator=torch.Generator().manual_seed(1)) / 8
    x = torch.randn(2000, 128, generator=torch.Generator().manual_seed(2)) @ (mixing + 0.3)
    hessian = x.T @ x / len(x)

    def output_error(values: torch.Tensor) -> float:
        difference = values - w
        return float((difference @ hessian * difference).sum())

    plain = output_error(round_to_grid(w, grid))
    feedback = output_error(compensate(w, hessian, grid, n_sweeps=0).values(grid))
    swept = output_error(compensate(w, hessian, grid, n_sweeps=3).values(grid))
    assert swept < feedback < plain
    result = compensate(w, hessian, grid)
    assert torch.equal(dequantise(*quantise(result.masters, result.scales, grid), grid), result.values(grid))


@pytest.mark.parametrize("name", [*UNIFORM, "IQ4_NL"])
def test_feedback_on_every_grid_leaves_less_error_than_searched_scales(name: str) -> None:
    w, grid = weight(64, 128), GRIDS[name]
    mixing = torch.randn(128, 128, generator=torch.Generator().manual_seed(1)) / 8
    x = torch.randn(2000, 128, generator=torch.Generator().manual_seed(2)) @ (mixing + 0.3)
    hessian = x.T @ x / len(x)
    result = compensate(w, hessian, grid)
    plain = dequantise(*quantise(w, search_scales(w, grid), grid), grid)
    errors = [float(((v - w) @ hessian * (v - w)).sum()) for v in (result.values(grid), plain)]
    assert errors[0] < 0.5 * errors[1]
    assert torch.equal(dequantise(*quantise(result.masters, result.scales, grid), grid), result.values(grid))


def test_q4_k_is_read_as_the_gguf_package_reads_it_and_packed_codes_come_back() -> None:
    rounded = Q4K.rounded(weight(24, 512), torch.ones(512))
    raw = np.ascontiguousarray(rounded.data.flatten(1).numpy())
    assert np.array_equal(gguf.quants.dequantize(raw, gguf.GGMLQuantizationType.Q4_K), rounded.values().numpy())
    assert torch.equal(rounded.with_codes(rounded.codes()).data, rounded.data)
    codes = torch.randint(0, 16, (24, 16, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    assert torch.equal(rounded.with_codes(codes).codes(), codes)


def test_sweeps_in_q4_k_leave_less_error_and_each_row_starts_where_it_ends_best() -> None:
    w, grid = weight(64, 256), GRIDS["Q4_K"]
    mixing = torch.randn(256, 256, generator=torch.Generator().manual_seed(1)) / 16
    x = torch.randn(2000, 256, generator=torch.Generator().manual_seed(2)) @ (mixing + 0.15)
    hessian = x.T @ x / len(x)
    target = w + 0.02 * weight(64, 256, seed=4)

    def errors(values: torch.Tensor) -> torch.Tensor:
        return ((values - target) @ hessian * (values - target)).sum(1)

    plain = errors(Q4K.rounded(target, hessian.diagonal()).values()).sum()
    swept = errors(compensate(target, hessian, grid).values(grid))
    either = errors(compensate(target, hessian, grid, original=w).values(grid))
    assert swept.sum() < 0.5 * plain
    assert bool((either <= swept * 1.02).all()) and either.sum() < swept.sum()


def test_the_gradient_passes_the_rounding_and_reaches_the_scale() -> None:
    grid = GRIDS["Q4_0"]
    scale = to_half(search_scales(weight(8, 64), grid)).requires_grad_()
    spread = scale.detach().repeat_interleave(32, 1)
    place = (weight(8, 64) / spread).requires_grad_()
    target = weight(8, 64) * 1.3
    value = OnGrid.apply(place, scale, grid)
    (value - target).square().sum().backward()
    assert torch.allclose(place.grad, 2 * (value - target).detach() * spread)
    with torch.no_grad():  # a small step against the scale's gradient lowers the error, with the codes as they were
        codes, stored = grid.codes(place.view(8, 2, 32)), scale
        before = (dequantise(codes, stored, grid) - target).square().sum()
        moved = stored - 1e-4 * scale.grad / scale.grad.norm()
        assert (dequantise(codes, moved, grid) - target).square().sum() < before


@pytest.mark.parametrize("name", ["Q4_0", "IQ4_NL"])
def test_what_is_exported_is_what_was_computed(name: str) -> None:
    grid_weight = GridWeight(nearest_start(weight(), GRIDS[name]), GRIDS[name])
    with torch.no_grad():
        grid_weight.scale_gain.add_(0.013)
        grid_weight.place.add_(0.3)
    assert torch.equal(dequantise(*grid_weight.packed(), grid_weight.grid), grid_weight().detach())


def test_a_margin_changes_no_code_and_a_scale_moves_none() -> None:
    grid = GRIDS["Q4_0"]
    start = nearest_start(weight(), grid)
    free, kept = GridWeight(start, grid), GridWeight(start, grid, margin=0.2)
    assert torch.equal(free(), kept())
    places = kept.place.detach()
    assert float((places - places.round()).abs().max()) < 0.2001
    places = free.place.detach()
    assert float((places - places.round()).abs().max()) > 0.4
    with torch.no_grad():
        kept.scale_gain.mul_(1.2)
    assert torch.equal(free.packed()[0], kept.packed()[0])


def test_the_permutation_is_the_pairing_llama_cpp_rotates() -> None:
    assert permute(np.arange(8), 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_source_that_was_quantised_before_is_flagged_and_random_weights_are_not() -> None:
    fresh = [weight(64, 128, seed).numpy() for seed in range(3)]
    assert not detect_grid(fresh).on_grid
    on_grid = [round_to_grid(torch.from_numpy(w), GRIDS["Q4_0"]).numpy() for w in fresh]
    report = detect_grid(on_grid)
    assert report.on_grid
    assert "quantised to 4 bits before" in report.warning


def test_bytes_and_bits_of_a_file(tmp_path: Path) -> None:
    source = write_tiny(tmp_path / "f32.gguf")
    found = summarise(source)
    assert found.n_parameters == sum(w.size for w in tiny_weights().values())
    assert found.bits_per_weight == 32
    assert found.n_fallbacks == 0
    llama_quantise(source, tmp_path / "q.gguf", "Q4_0")
    assert summarise(tmp_path / "q.gguf").n_fallbacks == 0  # the tied embedding is kept in a larger type, by choice
    llama_quantise(source, tmp_path / "k.gguf", "Q4_K_M")
    matrices = [w for w in tiny_weights().values() if w.ndim > 1]
    assert summarise(tmp_path / "k.gguf").n_fallbacks == sum(w.shape[1] % 256 > 0 for w in matrices) > 0
