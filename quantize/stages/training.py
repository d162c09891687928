"""Stages that move weights: error-compensated rounding, distillation onto a grid, healing in full precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from quantize import losses
from quantize.compensate import compensate_model
from quantize.gguf_io import export_tensors, open_gguf, pack, write_gguf
from quantize.grids import GRIDS, Grid
from quantize.precision import Precision
from quantize.qad import Rates, parameter_groups, put_on_grid
from quantize.runner import Place, Stage
from quantize.source import load_source
from quantize.stages.on_grid import export_on_grid, read_plan, starts_to_tensors, tensors_to_starts
from quantize.teacher import CachedTeacher
from quantize.topology import Model, block_linears, topology
from quantize.train import Loss, Run, Schedule, batches, train

GridName = Literal["Q4_0", "Q5_0", "Q8_0", "IQ4_NL"]


class Compensate(Stage, frozen=True):
    """Round with error feedback (compensate.py): model.gguf, and starts.safetensors, the starting point of `qad`.

    All blocks go to `grid` and the embedding is stored in Q8_0; or, with `plan`, every tensor goes to the format that
    stage chose.
    """

    grid: GridName = "Q4_0"
    plan: str = ""
    model: str = "source"
    packs: str = "packs"
    n_samples: int = 24
    length: int = 512
    precision: Precision = "auto"

    def inputs(self) -> list[str]:
        return [n for n in (self.model, self.packs, self.plan) if n]

    def memory_bytes(self, place: Place) -> int:
        return 4 * float32_bytes(place.model(self.model))

    def run(self, place: Place) -> None:
        template = place.model(self.model)
        model = load_source(template).eval()
        tokens = load_tokens(place.result(self.packs, "tokens.npy"))
        samples = batches(tokens, self.n_samples, self.length, place.seed)(0)
        grids = dict.fromkeys(block_linears(model), GRIDS[self.grid])
        embedding: Grid | None = None
        if self.plan:
            grids, embedding = read_plan(place.result(self.plan, "plan.json"), model, template)
        found = compensate_model(
            model,
            samples,
            grids,
            embedding,
            precision=self.precision,
            report=lambda done, total: place.report(f"layer {done}/{total}"),
        )
        save_file(starts_to_tensors(found), place.folder / "starts.safetensors")
        packed = {}
        for name, rounded in found.items():
            grid = grids.get(name) or embedding
            assert grid is not None  # noqa: S101 - narrows the type: only the embedding is not in `grids`
            packed[f"{name}.weight"] = rounded.packed(grid)
        export_on_grid(model, packed, template, place.folder / "model.gguf")


class Training(Stage, frozen=True):
    """What all training stages share. One step sees batch_size x length tokens; `n_average`, `precision`: see
    train.Run."""

    collective = True

    model: str = "source"
    packs: str = "packs"
    n_steps: int = 300
    n_warmup: int = 10
    n_decay: int = 100
    batch_size: int = 2
    length: int = 256
    checkpoint_every: int = 25
    n_average: int = 0
    precision: Precision = "auto"

    def inputs(self) -> list[str]:
        return [self.model, self.packs]

    def memory_bytes(self, place: Place) -> int:
        """Teacher, student, its values on the grid, gradients, two Adam moments; about six tensors of logits."""
        path = place.model(self.model)
        return 6 * float32_bytes(path) + 6 * 4 * self.batch_size * self.length * vocabulary_size(path)

    def train(self, place: Place, model: Model, groups: list[dict[str, Any]], loss_of: Loss) -> None:
        tokens = load_tokens(place.result(self.packs, "tokens.npy"))
        run = Run(
            batches(tokens, self.batch_size, self.length, place.seed),
            Schedule(self.n_steps, self.n_warmup, self.n_decay),
            place.scratch / "checkpoint.pt",
            self.checkpoint_every,
            self.n_average,
            place.crew,
            self.precision,
        )
        for progress in train(model, groups, loss_of, run):
            if place.crew.leads:
                place.report(str(progress))
                (place.scratch / "curve.json").write_bytes(msgspec.json.encode(progress.losses))
        if place.crew.leads:
            (place.scratch / "curve.json").replace(place.folder / "curve.json")
        model.cpu()


class Qad(Training, frozen=True):
    """Quantisation-aware distillation (qad.py): model.gguf holds exactly what was trained.

    `start` names a `compensate` stage or another `qad` to go on from, or is empty for plain rounding. `embedding`
    puts the tied embedding on a grid and trains it too; without it the embedding is stored in Q8_0 and stays as it
    is. `plan` replaces `grid` and `embedding` by the formats that stage chose; what it puts in Q4_K stays as `start`
    has it. `top_k` keeps the teacher's so many
    likeliest tokens on disk (teacher.py) and learns from those; 0 asks the teacher for all of them at every step.
    Rates and `margin`: see qad.Rates and qad.GridWeight.
    """

    grid: GridName = "Q4_0"
    embedding: GridName | None = None
    plan: str = ""
    start: str = ""
    teacher: str = ""
    top_k: int = 0
    margin: float = 0.35
    rate_place: float = 5e-3
    rate_scale: float = 1e-3
    rate_norm: float = 3e-4

    def inputs(self) -> list[str]:
        return [n for n in (self.model, self.packs, self.plan, self.start, self.teacher) if n]

    def run(self, place: Place) -> None:
        student = load_source(place.model(self.model))
        starts = tensors_to_starts(place.result(self.start, "starts.safetensors")) if self.start else {}
        if self.start and place.result(self.start, "norms.safetensors").exists():
            student.load_state_dict(load_file(place.result(self.start, "norms.safetensors")), strict=False)
        grids = dict.fromkeys(block_linears(student), GRIDS[self.grid])
        embedding = GRIDS[self.embedding] if self.embedding else None
        if self.plan:
            grids, embedding = read_plan(place.result(self.plan, "plan.json"), student, place.model(self.model))
        weights = put_on_grid(student, grids, starts, embedding, self.margin)
        groups = parameter_groups(student, Rates(self.rate_place, self.rate_scale, self.rate_norm))

        self.train(place, student.to(place.crew.device), groups, self._loss(place, student))
        if not place.crew.leads:
            return
        still = {n: s for n, s in starts.items() if s.raw is not None}
        packed = {f"{n}.weight": s.packed(grids[n]) for n, s in still.items()}
        for name, weight in weights.items():
            codes, scales = weight.packed()
            packed[name] = pack(codes.numpy(), scales.numpy(), weight.grid.name)
        export_on_grid(student, packed, place.model(self.model), place.folder / "model.gguf")
        trained = {n.removesuffix(".weight"): w.as_start() for n, w in weights.items()}
        save_file(starts_to_tensors(still | trained), place.folder / "starts.safetensors")
        norms = {n: p.detach() for n, p in student.named_parameters() if p.ndim == 1 and p.requires_grad}
        save_file(norms, place.folder / "norms.safetensors")

    def _loss(self, place: Place, student: Model) -> Loss:
        """KL to the teacher of one batch of token ids (n, length)."""

        def load() -> Model:
            teacher = load_source(place.model(self.teacher or self.model)).eval().requires_grad_(False)
            return teacher.to(place.crew.device)

        if self.top_k:
            cached = CachedTeacher(load, place.scratch / "teacher", self.top_k)

            def from_disk(ids: Tensor) -> Tensor:
                said = cached.answers(ids)
                return losses.by_top_logits(
                    said.top, said.ids, said.rest, student(input_ids=ids, use_cache=False).logits
                )

            return from_disk
        teacher = load()

        def in_full(ids: Tensor) -> Tensor:
            with torch.no_grad():
                expected = teacher(input_ids=ids, use_cache=False).logits
            return losses.logits_kl(expected, student(input_ids=ids, use_cache=False).logits)

        return in_full


class Distil(Training, frozen=True):
    """Heal `model` in full precision against `teacher`: by logits, features or relations. model.gguf in float32.

    `a` is the share of cross-entropy in the loss by logits.
    """

    teacher: str = "source"
    loss: Literal["logits", "features", "relations", "labels"] = "logits"
    a: float = 0.0
    temperature: float = 1.0
    rate: float = 3e-5

    def inputs(self) -> list[str]:
        return [self.model, self.packs, self.teacher]

    def run(self, place: Place) -> None:
        device = place.crew.device
        teacher = load_source(place.model(self.teacher)).eval().requires_grad_(False).to(device)
        student = load_source(place.model(self.model)).to(device)
        parameters = [p for p in student.parameters() if p.requires_grad]
        loss_of = distillation_loss(teacher, student, self)
        self.train(place, student, [{"params": parameters, "lr": self.rate, "peak": self.rate}], loss_of)
        if place.crew.leads:
            write_float(student, place.model(self.model), place.folder / "model.gguf")


def distillation_loss(teacher: Model, student: Model, wanted: Distil) -> Any:
    """The loss of one batch of token ids (n, length), as `wanted.loss` says."""
    hidden = wanted.loss in ("features", "relations")

    def loss_of(ids: Tensor) -> Tensor:
        got = student(input_ids=ids, use_cache=False, output_hidden_states=hidden)
        if wanted.loss == "labels":
            return losses.by_labels(got.logits[:, :-1], ids[:, 1:])
        with torch.no_grad():
            expected = teacher(input_ids=ids, use_cache=False, output_hidden_states=hidden)
        if wanted.loss == "logits":
            labels = ids[:, 1:]
            return losses.by_logits(expected.logits[:, :-1], got.logits[:, :-1], labels, wanted.a, wanted.temperature)
        last_t, last_s = expected.hidden_states[-1], got.hidden_states[-1]
        if wanted.loss == "features":
            return losses.by_features(last_t, last_s)
        return losses.by_relations(last_t.flatten(0, 1), last_s.flatten(0, 1))

    return loss_of


def load_tokens(path: Path) -> Tensor:
    return torch.from_numpy(np.load(path)).long()


def float32_bytes(path: Path) -> int:
    """Bytes of a model's weights in float32."""
    if path.is_dir():
        return 2 * sum(p.stat().st_size for p in path.glob("*.safetensors"))
    return 4 * sum(int(t.n_elements) for t in open_gguf(path).tensors)


def vocabulary_size(path: Path) -> int:
    if path.is_dir():
        return int(msgspec.json.decode((path / "config.json").read_bytes())["vocab_size"])
    return next(int(t.shape[1]) for t in open_gguf(path).tensors if t.name == "token_embd.weight")


def write_float(model: Model, template: Path, target: Path, float_type: Any = np.float32) -> None:
    """Write a plain model in float32 (or float16) under the metadata of the template, with its own number of layers
    and widths."""
    weights = {n: p.detach().numpy() for n, p in model.named_parameters()}
    config, shape = model.config, topology(model)
    name = config.model_type
    changed = {
        "general.file_type": 0 if float_type == np.float32 else 1,
        f"{name}.block_count": shape.n_layers,
        f"{name}.feed_forward_length": config.intermediate_size,
        f"{name}.attention.head_count": shape.n_heads,
        f"{name}.attention.head_count_kv": shape.n_kv_heads,
    }
    if shape.n_heads * shape.head_size != shape.hidden_size:
        changed |= {f"{name}.attention.key_length": shape.head_size, f"{name}.attention.value_length": shape.head_size}
    heads = (shape.n_heads, shape.n_kv_heads)
    write_gguf(target, template, export_tensors(weights, template, float_type, heads=heads), changed)
