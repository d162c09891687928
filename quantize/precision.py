"""In which precision training multiplies matrices: bfloat16 where the processor has instructions for it, else float32.

Only the products are bfloat16 (torch's autocast). Master weights, optimiser, fake quantisation and losses stay float32:
a step of AdamW is smaller than bfloat16 can add to a weight, and a divergence is a difference of near-equal numbers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # not public: may go in a later torch
    return device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)


def matrix_type(precision: Precision, device: torch.device) -> torch.dtype:
    """The type that `precision` means on this device."""
    if precision == "auto":
        precision = "bfloat16" if native_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def products_in(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Within this context matrices are multiplied in that precision."""
    kind = matrix_type(precision, device)
    return torch.autocast(device.type, torch.bfloat16, enabled=kind == torch.bfloat16)
