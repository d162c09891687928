"""One process, or several that train together: which am I, on what do I compute, wait for the others, share gradients.

    accelerate launch --num_processes 4 -m quantize run RECIPE --out DIR          # several GPUs
    torchrun --nproc-per-node 2 -m quantize run RECIPE --out DIR                  # or any launcher of torch's

Every process walks through the recipe; the first one, the leader, makes and seals the folders. Training stages compute
in all processes on equal shares of each batch, so the gradients are those of one process up to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn

CPU = torch.device("cpu")
LONGEST_WAIT = timedelta(days=2)  # the leader may write text for hours before the others have anything to do


@dataclass(frozen=True, slots=True)
class Crew:
    """Process `index` of `n`, and the device it computes on. Alone on the CPU by default."""

    index: int = 0
    n: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        return self.index == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.n > 1:
            torch.distributed.barrier()

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch, on its device. Raises ValueError if the rows do not divide evenly."""
        if len(batch) % self.n:
            raise ValueError(f"a batch of {len(batch)} rows cannot be shared evenly by {self.n} processes")
        return batch.chunk(self.n)[self.index].to(self.device)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.n > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    torch.distributed.all_reduce(parameter.grad)
                    parameter.grad /= self.n

    def mean(self, value: Tensor) -> float:
        """Mean of a scalar over the processes."""
        if self.n > 1:
            value = value.detach().clone()
            torch.distributed.all_reduce(value)
        return value.item() / self.n


ALONE = Crew()


@functools.cache
def gather_crew() -> Crew:
    """What the launcher's environment says: its processes, one CUDA device each where there are any, else the CPU."""
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=LONGEST_WAIT)
    return Crew(state.process_index, state.num_processes, state.device)
