"""One pass over calibration text that answers every question a pruner, quantiser or planner asks.

For each linear layer: E[x^2] of its input (llama.cpp's importance matrix; with the weight's norm it is the Wanda
score, arXiv 2306.11695), mean |x dL/dx| (first-order Taylor, arXiv 1906.10771), E[(dL/dy)^2] of its output (diagonal
Fisher), and the entropy of each input channel. For each block: influence, 1 - cos(input, output) (ShortGPT, arXiv
2403.03853), and |<output - input, dL/d output>|, the first-order cost of dropping it.

L is the likelihood of tokens drawn from the model itself, so that E[g^2] is the true Fisher information: the
curvature of the KL divergence that all our measurements use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from quantize.formulas import entropy_bits
from quantize.gguf_io import tensor_names
from quantize.precision import Precision, products_in
from quantize.topology import Model, block_linears, block_list

_KEPT_ROWS = 512  # activations kept for the entropy's histograms, spread over all samples


@dataclass
class Statistics:
    """By module path: `square` (n_in,), `taylor` (n_in,), `fisher` (n_out,), `entropy` (n_in,). `influence` and
    `block_taylor` (n_layers,).

    `table` is about the token embedding and the last layer: `square` (hidden,) and `fisher` (n_vocab,) of the last
    layer, as above; `seen` (n_vocab,), the share of the tokens that read a row, and `gradient` (hidden,), E[g^2] of
    what is read.
    """

    square: dict[str, Tensor] = field(default_factory=dict)
    taylor: dict[str, Tensor] = field(default_factory=dict)
    fisher: dict[str, Tensor] = field(default_factory=dict)
    entropy: dict[str, Tensor] = field(default_factory=dict)
    influence: Tensor = field(default_factory=lambda: torch.zeros(0))
    block_taylor: Tensor = field(default_factory=lambda: torch.zeros(0))
    table: dict[str, Tensor] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        tensors = {"influence": self.influence, "block_taylor": self.block_taylor}
        for kind in ("square", "taylor", "fisher", "entropy", "table"):
            tensors |= {f"{kind}|{name}": value.contiguous() for name, value in self.__dict__[kind].items()}
        save_file(tensors, path)

    @classmethod
    def load(cls, path: Path) -> Statistics:
        tensors = load_file(path)
        found = cls(influence=tensors.pop("influence"), block_taylor=tensors.pop("block_taylor"))
        for key, value in tensors.items():
            kind, name = key.split("|")
            found.__dict__[kind][name] = value
        return found

    def importance_matrix(self, architecture: str) -> dict[str, np.ndarray]:
        """E[x^2] by llama.cpp tensor name, as `llama_quantise.Options.importance` takes it."""
        rename = tensor_names(architecture, len(self.influence))
        return {f"{rename(name)}.weight": value.numpy() for name, value in self.square.items()}


def gather(
    model: Model, samples: Tensor, seed: int = 0, report: Callable[[int, int], None] = lambda done, total: None
) -> Statistics:
    """Run the samples, shape (n, length), forward and backward once each. The weights are not changed."""
    model.requires_grad_(False)
    model.get_input_embeddings().requires_grad_(True)  # so that activations carry gradients through every block
    watch = _Watch(model, n_samples=len(samples))
    generator = torch.Generator().manual_seed(seed)
    for done, sample in enumerate(samples, start=1):
        logits = model(input_ids=sample[None], use_cache=False).logits[0]
        drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
        nn.functional.cross_entropy(logits, drawn, reduction="sum").backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)
        report(done, len(samples))
    return watch.finish(samples.numel())


@torch.enable_grad()
def embedding_curvature(model: Model, samples: Tensor, precision: Precision = "auto", seed: int = 0) -> Tensor:
    """How an error e in a row of the tied embedding raises the KL divergence: as e^T C e, C of shape (hidden, hidden).

    The table is read twice. As the last layer, e moves the logit of its token by e x, x being the last hidden state;
    as the first, it moves the residual stream by e wherever the token stands, and the loss by e g. A token is as
    often guessed as it stands, so both weigh alike, and C = E[x x^T] + E[g g^T] serves every row.
    """
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    curvature = torch.zeros(table.weight.shape[1], table.weight.shape[1])
    model.requires_grad_(False)
    ends: list[Tensor] = []

    def first(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        ends.append(output.detach().requires_grad_())
        return ends[-1]

    def last(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        ends.append(args[0].detach().float())

    handles = [table.register_forward_hook(first), head.register_forward_pre_hook(last)]
    generator = torch.Generator().manual_seed(seed)
    try:
        for sample in samples:
            ends.clear()
            with products_in(precision, sample.device):
                logits = model(input_ids=sample[None], use_cache=False).logits[0].float()
            drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
            nn.functional.cross_entropy(logits, drawn, reduction="sum").backward()  # type: ignore[no-untyped-call]
            gradient = ends[0].grad
            assert gradient is not None  # noqa: S101 - narrows the type
            for rows in (ends[1][0], gradient[0]):
                curvature.addmm_(rows.T, rows)
    finally:
        for handle in handles:
            handle.remove()
        model.requires_grad_(True)
    return curvature / samples.numel()


class _Watch:
    """The hooks and their running sums."""

    def __init__(self, model: Model, n_samples: int) -> None:
        self.sums = Statistics()
        self.kept: dict[str, list[Tensor]] = {}
        self.per_sample = max(1, _KEPT_ROWS // n_samples)
        layers = block_list(model)
        self.sums.influence = torch.zeros(len(layers))
        self.sums.block_taylor = torch.zeros(len(layers))
        self.handles = [m.register_forward_hook(self._linear(name)) for name, m in block_linears(model).items()]
        self.handles += [m.register_forward_hook(self._block(i), with_kwargs=True) for i, m in enumerate(layers)]
        self.handles.append(model.get_input_embeddings().register_forward_hook(self._first))
        self.handles.append(model.get_output_embeddings().register_forward_hook(self._last))

    def _linear(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            x = args[0][0].detach()  # with its graph, the hook below would keep itself alive, and 400 MB a sample
            self._add("square", name, x.square().sum(0))
            self.kept.setdefault(name, []).append(x[:: max(1, len(x) // self.per_sample)].clone())
            args[0].register_hook(lambda g: self._add("taylor", name, (x * g[0]).abs().sum(0)))  # type: ignore[no-untyped-call]
            output.register_hook(lambda g: self._add("fisher", name, g[0].square().sum(0)))  # type: ignore[no-untyped-call]

        return hook

    def _block(self, index: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before = args[0] if args else kwargs["hidden_states"]
            after = output[0] if isinstance(output, tuple) else output
            change = (after - before).detach()
            similar = torch.cosine_similarity(before.detach(), after.detach(), dim=-1)
            self.sums.influence[index] += (1 - similar).sum()
            after.register_hook(lambda g: self._add_block(index, (change * g).sum(-1).abs().sum()))

        return hook

    def _first(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        n_rows = module.get_parameter("weight").shape[0]
        self._add("table", "seen", torch.bincount(args[0].flatten(), minlength=n_rows).float())
        output.register_hook(lambda g: self._add("table", "gradient", g[0].square().sum(0)))  # type: ignore[no-untyped-call]

    def _last(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        self._add("table", "square", args[0][0].detach().square().sum(0))
        # One row a token of the vocabulary: no copy of the logits' gradient is made.
        output.register_hook(  # type: ignore[no-untyped-call]
            lambda g: self._add("table", "fisher", torch.linalg.vector_norm(g[0], dim=0).square())
        )

    def _add(self, kind: str, name: str, value: Tensor) -> None:
        table = self.sums.__dict__[kind]
        table[name] = value if name not in table else table[name] + value

    def _add_block(self, index: int, value: Tensor) -> None:
        self.sums.block_taylor[index] += value

    def finish(self, n_tokens: int) -> Statistics:
        for handle in self.handles:
            handle.remove()
        found = self.sums
        for table in (found.square, found.taylor, found.fisher, found.table):
            for name in table:
                table[name] = table[name] / n_tokens
        found.influence /= n_tokens
        found.block_taylor /= n_tokens
        for name, rows in self.kept.items():
            found.entropy[name] = torch.from_numpy(entropy_bits(torch.cat(rows).double().numpy())).float()
        return found
