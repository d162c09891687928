"""The same model for a second runtime: ONNX through `torch.onnx.export`, checked against torch in onnxruntime.

Full context at every call, no key-value cache: for checking and for encoders, not for chat.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from assistant.errors import ModelRefusedError
from quantize.topology import Model


class _Logits(nn.Module):
    """token ids (1, length) -> logits (1, length, n_vocab), nothing else."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits


def export_onnx(model: Model, target: Path, max_length: int = 512, tolerance: float = 1e-2) -> float:
    """Write `target` and return the largest difference of a logit on a length that was not traced.

    Raises ModelRefusedError when it exceeds `tolerance`.
    """
    import onnxruntime

    wrapped = _Logits(model).eval()
    random = torch.Generator().manual_seed(0)
    traced, other = (torch.randint(3, model.config.vocab_size, (1, n), generator=random) for n in (16, 29))
    shapes = {"input_ids": {1: torch.export.Dim("length", min=2, max=max_length)}}
    torch.onnx.export(
        wrapped, (traced,), target, input_names=["input_ids"], output_names=["logits"],
        dynamic_shapes=shapes, dynamo=True, verbose=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    got = session.run(None, {"input_ids": other.numpy()})[0]
    with torch.no_grad():
        difference = float(np.abs(got - wrapped(other).numpy()).max())
    if difference > tolerance:
        raise ModelRefusedError(f"the ONNX file differs from the model by {difference:.3g} in a logit")
    return difference
