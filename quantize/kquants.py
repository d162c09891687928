"""Q4_K: as many bits as Q4_0, but each 32 weights have an offset beside their scale: w = s q - o, q = 0 .. 15.

256 weights along a row share two float16 numbers, d and e; a block of 32 has s = d times six bits and o = e times six
bits (ggml/src/ggml-common.h, block_q4_K: d, e, twelve bytes of scales and offsets, 128 bytes of codes). ggml chooses
the scales and offsets, under an importance; the codes are then ours to move (compensate.py). Rows must be a multiple
of 256 long: of SmolLM2-135M that is only `ffn_down`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import gguf
import llama_cpp._ggml as ggml
import numpy as np
import torch
from torch import Tensor

SUPER_BLOCK = 256
_KIND = gguf.GGMLQuantizationType.Q4_K
_HEAD, _BYTES = 16, 144  # bytes of a super-block: before the codes, and all


@dataclass(frozen=True, slots=True)
class Q4K:
    """The bytes of a matrix, (n_out, n_in / 256, 144) uint8."""

    data: Tensor

    @classmethod
    def rounded(cls, weight: Tensor, importance: Tensor) -> Q4K:
        """ggml's own rounding of (n_out, n_in) float32, squared errors weighted by `importance` (n_in,)."""
        n_out, n_in = weight.shape
        values, weigh = (np.ascontiguousarray(x.numpy(), np.float32) for x in (weight, importance))
        data = np.empty((n_out, n_in // SUPER_BLOCK, _BYTES), np.uint8)
        ggml.libggml.ggml_quantize_chunk(
            ctypes.c_int(_KIND),
            ctypes.c_void_p(values.ctypes.data),
            ctypes.c_void_p(data.ctypes.data),
            ctypes.c_int64(0),
            ctypes.c_int64(n_out),
            ctypes.c_int64(n_in),
            ctypes.c_void_p(weigh.ctypes.data),
        )
        return cls(torch.from_numpy(data))

    def scales_and_offsets(self) -> tuple[Tensor, Tensor]:
        """s and o of each block, float32 (n_out, n_in / 32) each."""
        data = self.data.numpy()
        halves = np.ascontiguousarray(data[..., :4]).view(np.float16).astype(np.float32)
        low, high, mixed = data[..., 4:8], data[..., 8:12], data[..., 12:16]
        six_bits = (
            np.concatenate([low & 63, mixed & 15 | low >> 6 << 4], axis=-1),
            np.concatenate([high & 63, mixed >> 4 | high >> 6 << 4], axis=-1),
        )
        found = [torch.from_numpy(halves[..., i : i + 1] * bits).flatten(1) for i, bits in enumerate(six_bits)]
        return found[0], found[1]

    def codes(self) -> Tensor:
        """(n_out, n_in / 32, 32) uint8: 32 bytes hold a block in their low halves and the next in their high ones."""
        pairs = self.data[..., _HEAD:].reshape(len(self.data), -1, 1, 32)
        return torch.cat([pairs & 15, pairs >> 4], dim=2).flatten(1, 2)

    def with_codes(self, codes: Tensor) -> Q4K:
        """The same scales and offsets with other codes."""
        pairs = codes.view(len(codes), -1, 2, 32)
        packed = (pairs[:, :, 0] | pairs[:, :, 1] << 4).view(*self.data.shape[:2], _BYTES - _HEAD)
        return Q4K(torch.cat([self.data[..., :_HEAD], packed], dim=2))

    def values(self) -> Tensor:
        """What the file holds, dequantised, float32 (n_out, n_in)."""
        scales, offsets = self.scales_and_offsets()
        return (scales.unsqueeze(2) * self.codes() - offsets.unsqueeze(2)).flatten(1)
