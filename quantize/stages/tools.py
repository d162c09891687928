"""Stages that make a tool-caller: the requests it learns from, and the adapter."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import torch

from assistant.choosing.codes import CODES, NO_TOOL, fingerprint
from assistant.engines.llama import LlamaModel
from assistant.engines.plan import Plan as EnginePlan
from assistant.errors import UsageError
from assistant.models.spec import ModelSpec
from quantize import threshold
from quantize.adapt import Language, answer_loss, batches, encode
from quantize.exclusion import Measured, measured
from quantize.lora import BASE_KEY, CODES_KEY, Shape, add_adapter, write_adapter
from quantize.precision import Precision, matrix_type
from quantize.rewording import contradicted, paraphrased
from quantize.runner import Place, Stage, sha256, source_hash
from quantize.runtime import open_runtime
from quantize.situations import Request, counted, requests
from quantize.source import load_source
from quantize.train import Run, Schedule, train

REQUESTS = "requests.jsonl"
N_CONTEXT = 512  # tokens: a request and what is copied of it
WAVE = 32  # requests that the teacher rewords at a time


class Teach(Stage, frozen=True):
    """`n` requests of the grammar, and what a teacher makes of `paraphrases` of them.

    What occurs in the evaluation sets of the folders `exclude` is left out; so is talk that a rule would act on.
    """

    n: int = 4000
    paraphrases: int = 0
    teacher: str = "qwen2.5-1.5b"
    talk_share: float = 0.3
    other_languages: float = 0.06
    exclude: tuple[str, ...] = ()
    seed: int = 0  # 0: the recipe's

    def inputs(self) -> list[str]:
        return list(self.exclude)

    def run(self, place: Place) -> None:
        held_out = [measured(Path(folder)) for folder in self.exclude] or [Measured()]
        drawn = list(requests(self.n, self.seed or place.seed, self.talk_share, self.other_languages))
        drawn += self._reworded(drawn, place)
        kept = [r for r in drawn if not contradicted(r) and not any(sets.holds(r.text) for sets in held_out)]
        write_requests(place.folder / REQUESTS, kept)
        facts = {"drawn": len(drawn), "kept": len(kept), "excluded_texts": sum(s.n_texts for s in held_out),
                 "by_code": counted(kept)}  # fmt: skip
        (place.folder / "teach.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts)))
        place.report(f"{len(kept)} of {len(drawn)} requests kept")

    def _reworded(self, drawn: list[Request], place: Place) -> list[Request]:
        """In waves that are kept on disk, so that a run that was killed goes on where it was."""
        found: list[Request] = []
        if not self.paraphrases:
            return found
        with open_runtime(stored(self.teacher), 256, WAVE) as teacher:
            for at in range(0, self.paraphrases, WAVE):
                wave = place.scratch / f"wave-{at}.jsonl"
                if not wave.exists():
                    asked = drawn[at : min(at + WAVE, self.paraphrases)]
                    write_requests(wave, list(paraphrased(teacher, asked, place.seed + at)))
                found += read_requests(wave)
                place.report(f"{len(found)} paraphrases kept of {min(at + WAVE, self.paraphrases)} asked for")
        return found


class Adapt(Stage, frozen=True):
    """Train an adapter on the requests of `requests` (a stage or its folder); `start` is another run to go on from."""

    requests: tuple[str, ...] = ("teach",)
    rank: int = 8
    alpha: float = 16.0
    first_block: int = 0
    epochs: float = 1.0
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup: int = 10
    decay_share: float = 0.5
    start: str = ""
    precision: Precision = "auto"
    seed: int = 0  # of the shuffle and of the first weights; 0: the recipe's

    def inputs(self) -> list[str]:
        return [*self.requests, *([self.start] if self.start else [])]

    def memory_bytes(self, place: Place) -> int:
        return place.source.stat().st_size * 9  # float32 weights of a 4-bit file, activations, the reader's copy

    def run(self, place: Place) -> None:
        if not place.source.is_file():
            raise UsageError("an adapter is trained for a GGUF file as users have it; give one as the source")
        with open_runtime(place.source, 64) as runtime:
            language = Language.of(runtime)
            told = [r for name in self.requests for r in read_requests(place.result(name, REQUESTS))]
            rows = [row for request in told if (row := encode(request, runtime, language)) is not None]
        place.report(f"{len(rows)} examples of {sum(map(len, rows)) / len(rows):.1f} tokens")
        shape, seed = Shape(self.rank, self.alpha, self.first_block), self.seed or place.seed
        base = load_source(place.source)
        base.requires_grad_(False)
        base.to(matrix_type(self.precision, torch.device("cpu")))  # frozen: cast once instead of at every step
        base.set_attn_implementation("eager")  # for a dozen tokens two small products are cheaper than a fused kernel
        torch.manual_seed(seed)
        model = add_adapter(base, shape)
        if self.start:
            model.load_state_dict(torch.load(place.result(self.start, "adapter.pt"), weights_only=True), strict=False)
        n_steps = max(1, round(self.epochs * len(rows) / self.batch_size))
        schedule = Schedule(n_steps, self.warmup, max(1, round(self.decay_share * n_steps)))
        run = Run(batches(rows, self.batch_size, language.padding, seed), schedule,
                  place.scratch / "checkpoint.pt", every=10, precision=self.precision)  # fmt: skip
        trained = [p for p in model.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": trained, "lr": self.learning_rate, "peak": self.learning_rate}]
        started_s, losses, cpu_s = time.monotonic(), list[float](), time.process_time()
        for progress in train(model, groups, answer_loss(model, language), run):
            losses = progress.losses
            place.report(str(progress))
        weights = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
        torch.save(weights, place.folder / "adapter.pt")
        base_hash = source_hash(place.source)
        write_adapter(place.folder / "adapter.gguf", place.source, model, shape,
                      {CODES_KEY: fingerprint(), BASE_KEY: base_hash})  # fmt: skip
        facts = {
            "base": base_hash, "codes": fingerprint(), "examples": len(rows), "tokens": sum(map(len, rows)),
            "steps": n_steps, "losses": losses, "wall_s": time.monotonic() - started_s,
            "cpu_s": time.process_time() - cpu_s, "shape": msgspec.to_builtins(shape),
        }  # fmt: skip
        (place.folder / "adapt.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts)))
        (place.folder / "README.md").write_text(adapter_card(facts, told, place.folder / "adapter.gguf"), "utf-8")


class Threshold(Stage, frozen=True):
    """From which probability on `adapter` (a stage or its folder) may act: threshold.json (threshold.py).

    Chosen on the hand-written requests and those of `requests`, without what stands in `trained`.
    """

    adapter: str = "adapt"
    requests: tuple[str, ...] = ("held-out",)
    trained: tuple[str, ...] = ("teach",)
    most_false: float = 0.05

    def inputs(self) -> list[str]:
        return [self.adapter, *self.requests, *self.trained, str(threshold.WRITTEN)]

    def run(self, place: Place) -> None:
        drawn = [r for name in self.requests for r in read_requests(place.result(name, REQUESTS))]
        trained = [r for name in self.trained for r in read_requests(place.result(name, REQUESTS))]
        sets = {"written": threshold.written(), "generated": threshold.generated(drawn)}
        model = picking(place.source, place.result(self.adapter, "adapter.gguf"))
        try:
            tables = {name: threshold.table(threshold.decided(model, threshold.unseen(asked, trained)))
                      for name, asked in sets.items()}  # fmt: skip
        finally:
            model.close()
        best = threshold.chosen(list(tables.values()), self.most_false)
        for name, rows in tables.items():
            row = next(row for row in rows if row.threshold == best)
            place.report(f"{best:.2f}, {name}: {row.served:.1%} of {row.n_served} served, "
                         f"{row.false:.1%} of {row.n_talk} sentences of talk start a tool")  # fmt: skip
        facts = {"threshold": best, "most_false": self.most_false, "tables": msgspec.to_builtins(tables)}
        (place.folder / "threshold.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts)))


def picking(base: Path, adapter: Path) -> LlamaModel:
    """The product's own engine for a base file and an adapter, in this process. Close it."""
    spec = ModelSpec(base.stem, base.name, base, source_hash(base), base.stat().st_size, "chatml", N_CONTEXT, "",
                     adapter=adapter)  # fmt: skip
    return LlamaModel(spec, EnginePlan(n_context=N_CONTEXT))


def stored(name: str) -> Path:
    """The file of a model in the store, or a path. Raises ModelMissingError, ModelRefusedError."""
    if Path(name).is_file():
        return Path(name)
    from assistant.models.store import Store
    from assistant.paths import models_folder

    return Store(models_folder()).resolve(name).path


def write_requests(path: Path, found: list[Request]) -> None:
    """The file appears only when it is complete."""
    partial = path.with_suffix(".partial")
    partial.write_bytes(b"".join(msgspec.json.encode(request) + b"\n" for request in found))
    partial.replace(path)


def read_requests(path: Path) -> list[Request]:
    """Raises UsageError for a file that is not there or not what `teach` writes."""
    try:
        found = [msgspec.json.decode(line, type=Request) for line in path.read_bytes().splitlines()]
    except FileNotFoundError:
        raise UsageError(f"no requests at {path}; `quantize teach` makes them") from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    if unknown := {r.code for r in found} - set(CODES):
        raise UsageError(f"{path} holds codes that the table does not have: {', '.join(sorted(unknown))}")
    return found


def adapter_card(facts: dict[str, Any], told: list[Request], file: Path) -> str:
    """The model card: base, data, cost. What it is worth, `evals run tools --adapter FILE` measures."""
    origins = Counter(r.origin for r in told)
    talk = sum(r.code == NO_TOOL for r in told)
    lines = [
        "# Adapter for choosing tools",
        "",
        f"{file.stat().st_size / 1e6:.1f} MB, rank {facts['shape']['rank']}, alpha {facts['shape']['alpha']:g}, "
        f"blocks from {facts['shape']['first_block']} on; float16. SHA-256 `{sha256(file)}`.",
        f"Base: the GGUF file with SHA-256 `{facts['base']}`, dequantised. Table of codes: `{facts['codes']}`.",
        "",
        "## Data",
        "",
        f"{facts['examples']} requests ({', '.join(f'{n} from the {o}' for o, n in origins.items())}), "
        f"{talk} of them with no tool to call; {facts['tokens']} tokens. SHA-256 of all requests `{digest(told)}`.",
        "Written for this project; no row of an evaluation set (`quantize teach --exclude`).",
        "",
        "## Cost",
        "",
        f"{facts['steps']} steps, {facts['cpu_s'] / 60:.1f} minutes of CPU time since the last start. "
        f"Loss {facts['losses'][0]:.2f} -> {sum(facts['losses'][-10:]) / len(facts['losses'][-10:]):.3f}.",
        "",
        "## Measure it",
        "",
        "    evals run tools --data DIR --model NAME --adapter adapter.gguf",
        "",
    ]
    return "\n".join(lines)


def digest(found: list[Request]) -> str:
    """Hash over all requests, for the card."""
    return hashlib.sha256(b"".join(msgspec.json.encode(r) for r in found)).hexdigest()
