"""Stages that rewrite a model without training: convert, prune, plan, quantise."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from assistant.errors import UsageError
from quantize import plan as planning
from quantize import pruning
from quantize.equalise import equalise
from quantize.gguf_io import metadata, open_gguf, summarise
from quantize.grids import GRIDS
from quantize.llama_quantise import Options, llama_quantise
from quantize.packs import encode, read_pack
from quantize.runner import Place, Stage
from quantize.runtime import open_runtime
from quantize.source import detect_grid, load_source
from quantize.stages.training import float32_bytes, write_float
from quantize.statistics import Statistics
from quantize.topology import block_linears, topology
from quantize.vocabulary import most_frequent, prune_vocabulary

_TABLE = "embedding"  # its name in a plan, beside module paths


class Convert(Stage, frozen=True):
    """A model directory or a GGUF as a float GGUF: model.gguf. `template` is a GGUF with the tokenizer, for a
    directory."""

    model: str = "source"
    template: str = "source"
    float_type: Literal["F16", "F32"] = "F16"

    def inputs(self) -> list[str]:
        return [self.model, self.template]

    def memory_bytes(self, place: Place) -> int:
        return 2 * float32_bytes(place.model(self.model))

    def run(self, place: Place) -> None:
        model = load_source(place.model(self.model))
        grid = detect_grid([layer.weight.detach().numpy() for layer in list(block_linears(model).values())[::7]])
        if grid.on_grid:
            place.report(f"warning: {grid.warning}")
        kind = np.float16 if self.float_type == "F16" else np.float32
        write_float(model, place.model(self.template), place.folder / "model.gguf", kind)
        (place.folder / "grid.json").write_bytes(
            msgspec.json.encode({"on_grid": grid.on_grid, "warning": grid.warning})
        )


class Prune(Stage, frozen=True):
    """Drop units by a criterion (pruning.py): model.gguf in float32. Give one of the three amounts or several."""

    criterion: pruning.Criterion = "gradient"
    model: str = "source"
    statistics: str = "calibrate"
    layers: int = 0
    ffn_width: int = 0
    head_groups: int = 0
    multiple: int = 256

    def inputs(self) -> list[str]:
        return [self.model, self.statistics]

    def memory_bytes(self, place: Place) -> int:
        return 2 * float32_bytes(place.model(self.model))

    def run(self, place: Place) -> None:
        model = load_source(place.model(self.model))
        found = Statistics.load(place.result(self.statistics, "statistics.safetensors"))
        done: dict[str, object] = {}
        if self.ffn_width:
            width = pruning.snap_width(self.ffn_width, topology(model).ffn_size, self.multiple)
            pruning.prune_ffn(model, pruning.ffn_scores(model, found, self.criterion, place.seed), width)
            done["ffn_width"] = width
        if self.head_groups:
            pruning.prune_heads(model, pruning.head_scores(model, found, self.criterion, place.seed), self.head_groups)
            done["head_groups"] = self.head_groups
        if self.layers:
            scores = pruning.layer_scores(model, found, self.criterion, place.seed)
            done["dropped_layers"] = pruning.lowest_layers(scores, self.layers)
            pruning.prune_layers(model, pruning.lowest_layers(scores, self.layers))
        place.report(f"pruned: {done}")
        (place.folder / "pruned.json").write_bytes(msgspec.json.encode(done))
        write_float(model, place.model(self.model), place.folder / "model.gguf")


class Equalise(Stage, frozen=True):
    """Scale columns, exactly, so that rounding to `grid` loses less (equalise.py): model.gguf in float32.

    Statistics of what comes out are its own: `calibrate` it again before it is rounded by them.
    """

    grid: str = "Q4_0"
    model: str = "source"
    statistics: str = "calibrate"

    def inputs(self) -> list[str]:
        return [self.model, self.statistics]

    def memory_bytes(self, place: Place) -> int:
        return 2 * float32_bytes(place.model(self.model))

    def run(self, place: Place) -> None:
        if self.grid not in GRIDS:
            raise UsageError(f"there is no grid {self.grid!r}; there are {', '.join(GRIDS)}")
        model = load_source(place.model(self.model))
        found = Statistics.load(place.result(self.statistics, "statistics.safetensors"))
        left = equalise(model, found, GRIDS[self.grid], lambda done, total: place.report(f"block {done}/{total}"))
        place.report(f"weighted rounding error left: {np.mean(list(left.values())):.0%} of what it was, on average")
        (place.folder / "equalised.json").write_bytes(msgspec.json.encode(left))
        write_float(model, place.model(self.model), place.folder / "model.gguf")


class PruneVocabulary(Stage, frozen=True):
    """Keep the tokens that a text needs (vocabulary.py): model.gguf in the format it had, kept.json.

    `texts` are packs or stages with training.jsonl; `max_tokens` keeps only the most frequent before the closure (0:
    all).
    """

    model: str = "source"
    texts: tuple[str, ...] = ()
    max_tokens: int = 0

    def inputs(self) -> list[str]:
        return [self.model, *self.texts]

    def run(self, place: Place) -> None:
        source = place.model(self.model)
        with open_runtime(source) as runtime:
            counts = np.zeros(runtime.n_vocab, np.int64)
            for name in self.texts:
                path = place.result(name, "training.jsonl") if name in place.results else place.model(name)
                for row in read_pack(path):
                    np.add.at(counts, encode(row, runtime).tokens, 1)
        used = most_frequent(counts, self.max_tokens or len(counts))
        kept = prune_vocabulary(source, place.folder / "model.gguf", used)
        place.report(f"kept {len(kept)} of {len(counts)} tokens")
        (place.folder / "kept.json").write_bytes(msgspec.json.encode(kept))


class Plan(Stage, frozen=True):
    """A format for every tensor under a budget of file bytes (plan.py): plan.json, read by `quantise`.

    With `min_speed` the plan is predicted to decode at least so many times as fast as F16 (plan.TIME). `embedding` is
    the format of the token embedding (and of a last layer of its own), or several among which the plan chooses.
    """

    budget_mb: float = 92.0
    kinds: tuple[str, ...] = ("Q4_0", "Q5_0", "Q8_0")
    embedding: str | tuple[str, ...] = "Q8_0"
    min_speed: float = 0.0
    model: str = "source"
    statistics: str = "calibrate"

    def inputs(self) -> list[str]:
        return [self.model, self.statistics]

    def run(self, place: Place) -> None:
        path = place.model(self.model)
        model = load_source(path)
        found = Statistics.load(place.result(self.statistics, "statistics.safetensors"))
        choices = planning.predict(model, found, self.kinds)
        fixed_bytes, n_table = self._fixed(place)
        n_weights = n_table + sum(layer.weight.numel() for layer in block_linears(model).values())
        if isinstance(self.embedding, str):  # what it costs is not asked
            size = n_table * GRIDS[self.embedding].bits_per_weight / 8
            table = [planning.Choice(self.embedding, size, 0.0, n_table * planning.TIME[self.embedding])]
        else:
            table = planning.predict_table(model, found, self.embedding)
        budget_time = n_weights / self.min_speed if self.min_speed else math.inf
        plan = planning.choose({_TABLE: table, **choices}, self.budget_mb * 1e6 - fixed_bytes, budget_time)
        speed = n_weights / planning.total_time(plan)
        cost = planning.total_cost(plan)
        embedding = plan.pop(_TABLE)
        types = planning.tensor_types(plan, metadata(open_gguf(path), "general.architecture"), len(found.influence))
        summary = {
            "types": types,
            "predicted_kld": cost,
            "predicted_speed": speed,
            "repacked_share": planning.repacked_share(plan),
            "embedding": embedding.kind,
        }
        (place.folder / "plan.json").write_bytes(msgspec.json.encode(summary))
        place.report(
            f"predicted KLD {cost:.4f}, {speed:.2f} times as fast as F16, {summary['repacked_share']:.0%} of bytes "
            f"repacked, the embedding in {embedding.kind}"
        )

    def _fixed(self, place: Place) -> tuple[float, int]:
        """Bytes that the plan does not decide (metadata, norms), and the number of weights in tables."""
        reader = open_gguf(place.model(self.model))
        head = int(reader.data_offset)
        norms = sum(4 * int(t.n_elements) for t in reader.tensors if len(t.shape) == 1)
        tables = [t for t in reader.tensors if t.name in ("token_embd.weight", "output.weight")]
        return head + norms, sum(int(t.n_elements) for t in tables)


class ExportOnnx(Stage, frozen=True):
    """model.onnx, checked in onnxruntime (onnx_export.py); needs onnx, onnxscript and onnxruntime."""

    model: str = "source"
    max_length: int = 512

    def inputs(self) -> list[str]:
        return [self.model]

    def memory_bytes(self, place: Place) -> int:
        return 4 * float32_bytes(place.model(self.model))

    def run(self, place: Place) -> None:
        from quantize.onnx_export import export_onnx

        difference = export_onnx(load_source(place.model(self.model)), place.folder / "model.onnx", self.max_length)
        place.report(f"largest difference of a logit: {difference:.2g}")


class Quantise(Stage, frozen=True):
    """llama.cpp's quantiser: model.gguf in a named mixture, with importance from `statistics` and types from `plan`."""

    file_type: str = "Q4_0"
    model: str = "reference"
    statistics: str = ""
    plan: str = ""
    embedding: str = ""

    def inputs(self) -> list[str]:
        return [n for n in (self.model, self.statistics, self.plan) if n]

    def run(self, place: Place) -> None:
        source = place.model(self.model)
        importance, types, embedding = None, {}, self.embedding or None
        if self.statistics:
            found = Statistics.load(place.result(self.statistics, "statistics.safetensors"))
            importance = found.importance_matrix(metadata(open_gguf(source), "general.architecture"))
        if self.plan:
            plan = msgspec.json.decode(place.result(self.plan, "plan.json").read_bytes())
            types, embedding = plan["types"], plan["embedding"]
        target = place.folder / "model.gguf"
        llama_quantise(source, target, self.file_type, Options(types, importance, (), embedding))
        found_types = summarise(target)
        place.report(f"{found_types.n_bytes / 1e6:.1f} MB, {found_types.bits_per_weight:.2f} bits per weight")
