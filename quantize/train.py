"""The training loop of every stage that learns: distillation, quantisation-aware distillation, healing after pruning.

One loop, resumable at any step: a checkpoint holds weights, optimiser and losses, and replaces its predecessor
atomically; the data are a pure function of the step. The schedule is warm-up, plateau, decay; or a plateau whose last
weights are averaged, which quietens the noise of small batches as a decay does (arXiv 2306.03241).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quantize.crew import ALONE, Crew
from quantize.precision import Precision, products_in

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps of the whole run, of the linear warm-up, and of the final decay to zero (1 - sqrt, arXiv 2405.18392)."""

    n_steps: int
    n_warmup: int
    n_decay: int

    def factor(self, step: int) -> float:
        """Share of the peak learning rate at `step` (0-based)."""
        up = min(1.0, (step + 1) / max(self.n_warmup, 1))
        down = min(1.0, (self.n_steps - step) / max(self.n_decay, 1))
        return min(up, 1.0 - math.sqrt(1.0 - down))


def batches(tokens: Tensor, batch_size: int, length: int, seed: int) -> Callable[[int], Tensor]:
    """A function from step to token ids (batch_size, length): a fresh shuffle of all windows each epoch, a pure
    function of the step."""
    n_windows = len(tokens) // length
    windows = tokens[: n_windows * length].view(n_windows, length)
    per_epoch = n_windows // batch_size
    if per_epoch == 0:
        raise ValueError(f"{len(tokens)} tokens do not fill one batch of {batch_size} x {length}")

    def batch(step: int) -> Tensor:
        epoch, index = divmod(step, per_epoch)
        order = torch.randperm(n_windows, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
        return windows[order[index * batch_size : (index + 1) * batch_size]]

    return batch


def save_atomically(state: Any, path: Path) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@dataclass(frozen=True, slots=True)
class Progress:
    """One report: the losses of all steps so far (kept across restarts), tokens per second, seconds left."""

    step: int
    n_steps: int
    losses: list[float]
    tokens_per_s: float
    left_s: float

    def __str__(self) -> str:
        recent = self.losses[-5:]
        return (
            f"step {self.step}/{self.n_steps}  loss {sum(recent) / len(recent):.4f}  "
            f"{self.tokens_per_s:.0f} tokens/s  {self.left_s / 60:.0f} min left"
        )


@dataclass(frozen=True, slots=True)
class Run:
    """The data, the schedule, where to keep the checkpoint, and who trains.

    With `n_average` the result is the mean of the weights at every checkpoint of the last so many steps. `precision` is
    that of matrix products, weights and optimiser are float32 (precision.py).
    """

    batch: Callable[[int], Tensor]
    schedule: Schedule
    checkpoint: Path
    every: int = 25
    n_average: int = 0
    crew: Crew = ALONE
    precision: Precision = "auto"


def train(model: nn.Module, groups: list[dict[str, Any]], loss_of: Loss, run: Run) -> Iterator[Progress]:
    """Train `model` in place; yields a report every few steps. Continues from the checkpoint when it exists.

    `groups` are AdamW parameter groups, each with its `peak` learning rate; `loss_of` computes the loss of one batch,
    of which each process of `run.crew` gets its share.
    """
    crew = run.crew
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    losses: list[float] = []
    average = Average()
    if run.checkpoint.exists():
        state = torch.load(run.checkpoint, weights_only=True, map_location=crew.device)
        model.load_state_dict(state["model"], strict=False)
        optimiser.load_state_dict(state["optimiser"])
        losses = state["losses"]
        average = Average(state["average"], state["n_averaged"])
    started, first = time.monotonic(), len(losses)
    for step in range(first, run.schedule.n_steps):
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * run.schedule.factor(step)
        ids = run.batch(step)
        with products_in(run.precision, crew.device):
            loss = loss_of(crew.share(ids))
        loss.backward()  # type: ignore[no-untyped-call]
        crew.average(trained.values())
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(crew.mean(loss))
        done = step + 1
        last = done == run.schedule.n_steps
        if done % run.every == 0 or last:
            if done > run.schedule.n_steps - run.n_average:
                average.add(trained)
            if crew.leads:
                state = {"model": trained, "optimiser": optimiser.state_dict(), "losses": losses}
                state |= {"average": average.mean, "n_averaged": average.n}
                save_atomically(state, run.checkpoint)
        if done % 5 == 0 or last:
            seconds = time.monotonic() - started
            left = seconds / (done - first) * (run.schedule.n_steps - done)
            yield Progress(done, run.schedule.n_steps, losses, (done - first) * ids.numel() / seconds, left)
    model.load_state_dict(average.mean, strict=False)


class Average:
    """The running mean of a model's weights."""

    def __init__(self, mean: dict[str, Tensor] | None = None, n: int = 0) -> None:
        self.mean = mean or {}
        self.n = n

    @torch.no_grad()
    def add(self, weights: dict[str, nn.Parameter]) -> None:
        self.n += 1
        for name, weight in weights.items():
            if name not in self.mean:
                self.mean[name] = weight.detach().clone()
            else:
                self.mean[name] += (weight - self.mean[name]) / self.n
