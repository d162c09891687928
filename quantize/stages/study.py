"""Comparisons that a claim needs: every criterion, quantiser, loss and schedule beside its null, at equal budget.

KL divergence to the unchanged model, in torch, on the last windows of the packs, which are cut off before any training.
Standard errors are over windows; the difference to the null is taken window by window.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

from quantize import pruning
from quantize.compensate import compensate_model
from quantize.grids import GRIDS, dequantise, quantise, reference_scales, round_to_grid, search_scales
from quantize.losses import logits_kl
from quantize.runner import Place, Stage
from quantize.source import load_source
from quantize.stages.training import Distil, distillation_loss, float32_bytes, load_tokens
from quantize.statistics import Statistics
from quantize.topology import Model, block_linears
from quantize.train import Run, Schedule, batches, save_atomically, train

CRITERIA: tuple[pruning.Criterion, ...] = ("magnitude", "gradient", "information", "wanda", "random")
Row = tuple[str, Tensor]
_NULLS = {"ffn": "random", "heads": "random", "layers": "random", "losses": "labels", "schedules": "one-shot"}
_AT_ONCE = "at once"
_CELLS = ("kld", "standard_error", "difference", "standard_error_of_difference")


class Study(Stage, frozen=True):
    """table.json and table.md of one comparison. `n_steps` is the budget of healing, the same for every row; `n_cuts`
    are those of the iterative schedule of widths, `kinds` the formats of the quantisers. `set_aside` windows behind the
    held-out ones are used for nothing: those on which something was chosen before."""

    compare: Literal["ffn", "heads", "layers", "quantisers", "losses", "schedules", "layer-cuts"]
    statistics: str = "calibrate"
    packs: str = "packs"
    held_out: int = 8
    set_aside: int = 0
    length: int = 256
    n_steps: int = 20
    rate: float = 1e-4
    ffn_width: int = 1280
    n_layers: int = 2
    n_cuts: int = 2
    kinds: tuple[str, ...] = ("Q4_0", "IQ4_NL")

    def inputs(self) -> list[str]:
        return [self.statistics, self.packs]

    def memory_bytes(self, place: Place) -> int:
        return 6 * float32_bytes(place.source)

    def run(self, place: Place) -> None:
        tokens = load_tokens(place.result(self.packs, "tokens.npy"))
        end = len(tokens) - self.set_aside * self.length
        cut = end - self.held_out * self.length
        held_out = tokens[cut:end].view(self.held_out, self.length)
        bench = Bench(load_source(place.source).eval(), held_out, tokens[:cut])
        found = Statistics.load(place.result(self.statistics, "statistics.safetensors"))
        windows: dict[str, Tensor] = {}
        for name, divergence in _ROWS[self.compare](self, bench, found, place):
            windows[name] = divergence.view(-1, self.held_out).mean(0)  # of several seeds
            mean, error = _mean(windows[name])
            place.report(f"{name}: KLD {mean:.4f} +- {error:.4f}")
        rows = [self._row(name, windows) for name in windows]
        (place.folder / "table.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
        table = [f"| {self.compare} | KLD | SE | less the null's | SE |", "|---|---|---|---|---|"]
        for row in rows:
            cells = [f"{row[key]:.4f}" if row[key] is not None else "" for key in _CELLS]
            table.append(f"| {row['name']} | " + " | ".join(cells) + " |")
        (place.folder / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")

    def _row(self, name: str, windows: dict[str, Tensor]) -> dict[str, Any]:
        """A row's mean, and its mean difference to the null's on the same windows, which varies far less."""
        match self.compare:
            case "quantisers":
                null = f"{name.split()[0]} reference"
            case "layer-cuts":
                null = f"{name.split(',')[0]}, {_AT_ONCE}"
            case _:
                null = _NULLS[self.compare]
        values: list[float | None] = [*_mean(windows[name]), None, None]
        if name != null:
            values[2:] = _mean(windows[name] - windows[null])
        return {"name": name, **dict(zip(_CELLS, values, strict=True)), "null": null, "n_windows": self.held_out}


def _mean(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


@dataclass
class Bench:
    """The unchanged model and its logits on the held-out windows (n, length)."""

    model: Model
    windows: Tensor
    training: Tensor

    def __post_init__(self) -> None:
        with torch.no_grad():
            self.expected = [self.model(input_ids=w[None], use_cache=False).logits for w in self.windows]

    def divergence(self, changed: Model) -> Tensor:
        """Mean KL divergence of each window, shape (n,)."""
        with torch.no_grad():
            pairs = zip(self.expected, self.windows, strict=True)
            found = [logits_kl(e, changed(input_ids=w[None], use_cache=False).logits) for e, w in pairs]
        return torch.stack(found)

    def heal(self, student: Model, study: Study, place: Place, settings: Distil, steps: range, label: str) -> None:
        """Train the student on the batches of `steps`: several healings that share a range see as much text as one.

        The checkpoint is the label's own, so a killed study goes on.
        """
        if not steps:
            return
        parameters = [{"params": list(student.parameters()), "lr": study.rate, "peak": study.rate}]
        loss = distillation_loss(self.model, student, settings)
        data = batches(self.training, 2, study.length, place.seed)
        schedule = Schedule(len(steps), 2, max(1, len(steps) // 3))
        run = Run(lambda step: data(steps[step]), schedule, place.scratch / f"{label}.pt", 10)
        for progress in train(student, parameters, loss, run):
            place.report(f"{label}: {progress}")


def _pruned(study: Study, bench: Bench, found: Statistics, criterion: pruning.Criterion, seed: int) -> Model:
    model = copy.deepcopy(bench.model)
    if study.compare == "heads":
        n_groups = model.config.num_key_value_heads - 1
        pruning.prune_heads(model, pruning.head_scores(model, found, criterion, seed), n_groups)
    elif study.compare == "layers":
        scores = pruning.layer_scores(model, found, criterion, seed)
        pruning.prune_layers(model, pruning.lowest_layers(scores, study.n_layers))
    else:
        pruning.prune_ffn(model, pruning.ffn_scores(model, found, criterion, seed), study.ffn_width)
    return model


def _criteria(study: Study, bench: Bench, found: Statistics, place: Place) -> Iterator[Row]:
    for criterion in CRITERIA:
        seeds = range(3) if criterion == "random" else range(1)
        yield criterion, torch.cat([bench.divergence(_pruned(study, bench, found, criterion, s)) for s in seeds])


def _quantisers(study: Study, bench: Bench, found: Statistics, place: Place) -> Iterator[Row]:
    """Each 4-bit grid by ggml's reference, by searched scales, by weighted scales, by error feedback."""
    for kind in study.kinds:
        grid = GRIDS[kind]

        def weighted(name: str, w: Tensor, grid: Any = grid) -> Tensor:
            scales = search_scales(w, grid, found.square[name].view(1, -1, 32))
            return dequantise(*quantise(w, scales, grid), grid)

        def searched(name: str, w: Tensor, grid: Any = grid) -> Tensor:
            return dequantise(*quantise(w, search_scales(w, grid), grid), grid)

        def reference(name: str, w: Tensor, grid: Any = grid) -> Tensor:
            if grid.uniform:
                return round_to_grid(w, grid)
            return dequantise(*quantise(w, reference_scales(w, grid), grid), grid)

        for label, rounding in (("reference", reference), ("searched", searched), ("weighted", weighted)):
            model = copy.deepcopy(bench.model)
            for name, layer in block_linears(model).items():
                layer.weight.data = rounding(name, layer.weight.data)
            yield f"{kind} {label}", bench.divergence(model)
        model = copy.deepcopy(bench.model)
        samples = batches(bench.training, 16, 512, place.seed)(0)
        grids = dict.fromkeys(block_linears(model), grid)
        compensate_model(model, samples, grids, report=lambda done, total: place.report(f"layer {done}/{total}"))
        yield f"{kind} error feedback", bench.divergence(model)


def _losses(study: Study, bench: Bench, found: Statistics, place: Place) -> Iterator[Row]:
    """The same pruned model healed by each loss; `none` is not healed, `labels` is training without a teacher."""
    yield "none", bench.divergence(_pruned(study, bench, found, "gradient", 0))
    for loss in ("labels", "logits", "features", "relations"):
        model = _pruned(study, bench, found, "gradient", 0)
        bench.heal(model, study, place, Distil(loss=loss), range(study.n_steps), loss)
        yield loss, bench.divergence(model)


def _schedules(study: Study, bench: Bench, found: Statistics, place: Place) -> Iterator[Row]:
    """One cut and all healing after it, against two ways of cutting again and again: equal size and equal tokens.

    "iterative" cuts equal parts and heals alike after each. "early" takes equal shares of what is left in twice as many
    cuts, with a third of the steps between them and the rest after the last: each cut sees fresh gradients, which say
    little about channels far from where they were taken, and the final width is what most of the training is spent on.
    """
    full, last = bench.model.config.intermediate_size, study.ffn_width
    cuts = range(1, study.n_cuts + 1)
    even = [(full - (full - last) * cut // study.n_cuts) // 32 * 32 for cut in cuts]
    n_early = 2 * study.n_cuts
    early = [round(full * (last / full) ** (cut / n_early) / 32) * 32 for cut in range(1, n_early)] + [last]
    between = study.n_steps // 3 // (n_early - 1)
    plans = {
        "one-shot": ([last], [study.n_steps]),
        "iterative": (even, [study.n_steps // study.n_cuts] * study.n_cuts),
        "early": (early, [between] * (n_early - 1) + [study.n_steps - between * (n_early - 1)]),
    }
    for name, (widths, steps) in plans.items():
        model = copy.deepcopy(bench.model)
        for cut, (width, n_steps) in enumerate(zip(widths, steps, strict=True)):
            scores = pruning.ffn_scores(model, _again(model, bench) if cut else found, "gradient")
            pruning.prune_ffn(model, scores, width)
            done = sum(steps[:cut])
            bench.heal(model, study, place, Distil(), range(done, done + n_steps), f"{name}-{cut}")
        yield name, bench.divergence(model)


def _layer_cuts(study: Study, bench: Bench, found: Statistics, place: Place) -> Iterator[Row]:
    """`n_layers` cut at once after one measurement, or one by one and measured anew: equal size and equal tokens.

    Cut one by one, half of the steps go between the cuts.
    """
    samples = bench.training[: 8 * 512].view(8, 512)
    with torch.no_grad():
        expected = [bench.model(input_ids=s[None], use_cache=False).logits for s in samples[:2]]
    measures: dict[str, Callable[[Model], Tensor]] = {
        "influence": lambda model: pruning.layer_influences(model, samples),
        "divergence": lambda model: pruning.layer_divergences(model, samples[:2], expected),
    }
    between = study.n_steps // 2 // max(study.n_layers - 1, 1)
    for criterion, measure in measures.items():
        for one_by_one in (False, True):
            name = f"{criterion}, {'one by one' if one_by_one else _AT_ONCE}"
            row = place.scratch / f"{name}.row.pt"  # minutes of work: a killed study reads it again
            if not row.exists():
                model = copy.deepcopy(bench.model)
                _cut_and_heal(model, study, bench, place, measure, name, between if one_by_one else None)
                save_atomically(bench.divergence(model), row)
            yield name, torch.load(row, weights_only=True)


def _cut_and_heal(  # noqa: PLR0913 - one row of the table
    model: Model,
    study: Study,
    bench: Bench,
    place: Place,
    measure: Callable[[Model], Tensor],
    name: str,
    between: int | None,
) -> None:
    """Cut `study.n_layers` in place: one by one with `between` steps after each cut but the last, or at once (None)."""

    def heal(done: int) -> None:
        steps = range((done - 1) * (between or 0), done * (between or 0))
        bench.heal(model, study, place, Distil(), steps, f"{name}-{done}")

    def scores() -> Tensor:
        kept = place.scratch / f"{name}-{model.config.num_hidden_layers}.scores.pt"  # nearly a minute each
        if not kept.exists():
            save_atomically(measure(model), kept)
            place.report(f"{name}: {model.config.num_hidden_layers} layers measured")
        found: Tensor = torch.load(kept, weights_only=True)
        return found

    if between is None:
        cut = pruning.lowest_layers(scores(), study.n_layers)
        pruning.prune_layers(model, cut)
    else:
        cut = pruning.cut_layers(model, study.n_layers, scores, heal)
    place.report(f"{name}: layers {cut}")
    rest = range((between or 0) * (study.n_layers - 1), study.n_steps)
    bench.heal(model, study, place, Distil(), rest, f"{name}-last")


def _again(model: Model, bench: Bench) -> Statistics:
    """Fresh statistics of a model that has changed."""
    from quantize.statistics import gather

    found = gather(model, bench.training[: 8 * 512].view(8, 512))
    model.requires_grad_(True)
    return found


_ROWS: dict[str, Callable[[Study, Bench, Statistics, Place], Iterator[Row]]] = {
    "ffn": _criteria,
    "heads": _criteria,
    "layers": _criteria,
    "quantisers": _quantisers,
    "losses": _losses,
    "schedules": _schedules,
    "layer-cuts": _layer_cuts,
}
