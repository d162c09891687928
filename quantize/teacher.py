"""What the teacher says about the training text, kept on disk: computed once, read again in later epochs and after a
kill.

Of every position the `k` largest log-probabilities in float16, their ids, and the log of the mass that is left: 390
bytes a token with k = 64. `losses.by_top_logits` is the divergence from that. When all the text has been seen, the
teacher is not even loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from quantize.topology import Model


@dataclass(frozen=True, slots=True)
class TopLogits:
    """`top` (n, length, k) log-probabilities, `ids` (n, length, k), `rest` (n, length) log of the remaining mass."""

    top: Tensor
    ids: Tensor
    rest: Tensor


class CachedTeacher:
    """Answers for rows of token ids, by the SHA-256 of the row. `load` is called when a row is met for the first
    time."""

    def __init__(self, load: Callable[[], Model], folder: Path, k: int) -> None:
        self._load = load
        self._model: Model | None = None
        self.folder = folder
        self.k = k
        folder.mkdir(exist_ok=True)

    def answers(self, ids: Tensor) -> TopLogits:
        """For token ids (n, length)."""
        rows = [self._row(row) for row in ids]
        top = torch.stack([row["top"].float() for row in rows])  # autocast to bfloat16 refuses to stack float16
        places, rest = (torch.stack([row[part] for row in rows]) for part in ("ids", "rest"))
        return TopLogits(top, places.long(), rest)

    def _row(self, row: Tensor) -> dict[str, Tensor]:
        path = self.folder / f"{hashlib.sha256(row.cpu().numpy().tobytes()).hexdigest()[:32]}.safetensors"
        if not path.exists():
            partial = path.with_suffix(".partial")
            save_file(self._ask(row), partial)
            partial.replace(path)
        return {name: tensor.to(row.device) for name, tensor in load_file(path).items()}

    def _ask(self, row: Tensor) -> dict[str, Tensor]:
        if self._model is None:
            self._model = self._load()
        with torch.no_grad():
            likely = self._model(input_ids=row[None], use_cache=False).logits[0].float().log_softmax(-1)
        top, places = likely.topk(min(self.k, likely.shape[-1] - 1))
        top = top.half()
        rest = torch.log1p(-top.float().exp().sum(-1).clamp(max=1 - 1e-6))
        parts = {"top": top, "ids": places.int(), "rest": rest}
        return {name: tensor.cpu().contiguous() for name, tensor in parts.items()}
