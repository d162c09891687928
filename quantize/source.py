"""Where a model comes from: a Hugging Face directory (safetensors) or a GGUF file dequantised through transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from assistant.errors import ModelMissingError, UsageError
from quantize.topology import Model


def load_source(path: Path) -> Model:
    """The model in float32, ready to train. `path` is a directory with config.json, or a GGUF file; nothing is
    downloaded.

    Raises ModelMissingError when the path does not exist, UsageError when it is neither.
    """
    if not path.exists():
        raise ModelMissingError(f"no model at {path}; `assistant models pull smollm2-135m` fetches the smallest one")
    if path.is_dir():
        return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, local_files_only=True)
    with path.open("rb") as file:
        is_gguf = file.read(4) == b"GGUF"  # files in the model store are named by their hash
    if not is_gguf:
        raise UsageError(f"{path} is neither a model directory nor a GGUF file")
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True
    )
    return detach_gguf_quantizer(model)


def detach_gguf_quantizer(model: Model) -> Model:
    """Make a dequantised model a plain one: transformers leaves its GGUF quantiser attached, and then refuses to save
    or train."""
    if hasattr(model, "hf_quantizer"):
        del model.hf_quantizer
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.architectures = [type(model).__name__]
    return model


@dataclass(frozen=True, slots=True)
class GridReport:
    """The share of blocks of 32 weights that hold at most 16 distinct values: random weights have 32, a 4-bit grid
    leaves 16."""

    share_on_grid: float

    @property
    def on_grid(self) -> bool:
        return self.share_on_grid > 0.5

    @property
    def warning(self) -> str:
        if not self.on_grid:
            return ""
        return (
            f"{self.share_on_grid:.0%} of the blocks hold at most 16 distinct values: this source was quantised to "
            "4 bits before. Requantising to its own format will look lossless, and all figures are relative to that "
            "file, not to the original weights."
        )


def detect_grid(weights: list[np.ndarray], block: int = 32) -> GridReport:
    """Count distinct values per block of `block` weights along each row; each array has shape (n_out, n_in)."""
    counts = []
    for weight in weights:
        rows = weight[:: max(1, len(weight) // 64)].reshape(-1, block).astype(np.float32)
        ordered = np.sort(rows, axis=1)
        step = np.diff(ordered, axis=1)
        counts.append(1 + (step > 1e-4 * (np.abs(ordered).max(axis=1, keepdims=True) + 1e-12)).sum(axis=1))
    distinct = np.concatenate(counts)
    return GridReport(float((distinct <= 16).mean()))
