"""How a model will be run on this machine: plain data that travels to the worker. `doctor` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FlashAttention = Literal["disabled", "auto", "enabled"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of one loaded model.

    `n_context` and `n_batch` count tokens; `n_batch` is how many the prefill computes at a time, which also bounds
    how long a cancelled prefill goes on. `n_threads` decodes, `n_threads_batch` prefills. `n_gpu_layers` 0 is the
    CPU, -1 as many as fit. `reasons` says in words why the values are what they are.
    """

    n_context: int = 4096
    n_threads: int = 1
    n_threads_batch: int = 1
    flash_attention: FlashAttention = "disabled"
    use_mmap: bool = False
    n_gpu_layers: int = 0
    n_batch: int = 128
    reasons: tuple[str, ...] = ()
