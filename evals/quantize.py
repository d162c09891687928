"""`evals run quantize`: the file that a shipped recipe makes, measured against the 16-bit file it came from.

| metric | what it is | promise (for a file of the whole recipe) |
|---|---|---|
| kld_mean, kld_p99, ppl_ratio, top1_agreement | on the shipped conversations | <= 0.10, , <= 1.05, |
| prose_kld_mean, ... | with --data: on lm/wikitext2_valid.txt | the same |
| bytes, decode_ratio | size; tokens/s over those of the 16-bit file | <= 92,000,000, >= 1.9 |
| decode_tps, peak_memory_mb | one thread, in a process of its own | |
| tool_call_flips, tool_call_mcnemar_p, ... | answers that changed; with --data also on sets of lm/ (not --quick) | |

A file that is missing is made first, in the folder `quantize` of the home: by the same recipe cut to a quarter of an
hour, or with --full by the whole recipe (an hour and more). Once made it is only measured. The recipe is that of the
mixed formats, which keeps every promise; `--only q4_0` takes that of Q4_0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from assistant import paths
from evals.product import resolve
from evals.results import Metric
from evals.task import Effort, NoSuchPart, Options, Outcome, Progress

SOURCE = "smollm2-135m"
FIDELITY = ("kld_mean", "kld_median", "kld_p99", "ppl_ratio", "top1_agreement")
SETS = ("arc_easy", "piqa", "winogrande")
JUDGED = {
    "kld_mean": ("lower", "<= 0.10"), "ppl_ratio": ("lower", "<= 1.05"), "kld_p99": ("lower", ""),
    "top1_agreement": ("higher", ""), "bytes": ("lower", "<= 92000000"), "decode_ratio": ("higher", ">= 1.9"),
    "decode_tps": ("higher", ""), "peak_memory_mb": ("lower", ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipes:
    """A whole recipe, the same one cut to a quarter of an hour, and their stage that makes the file."""

    whole: str
    cut: str
    stage: str


MIXED = Recipes("smollm2-135m-mixed", "smollm2-135m-mixed-quick", "compensate")
Q4_0 = Recipes("smollm2-135m-q4_0-qad", "smollm2-135m-q4_0-quick", "qad")


@dataclass(frozen=True, slots=True)
class Made:
    """The file, the 16-bit file it is measured against, the recipe that made both, and whether that is a whole one."""

    file: Path
    reference: Path
    recipe: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Quantize:
    """The task."""

    name: str = "quantize"
    summary: str = "the 4-bit file made here against its 16-bit file: fidelity, flips, size, speed, memory"
    needs: str = "the model smollm2-135m, and the extra `quantize`"
    reads: tuple[str, ...] = ("lm/wikitext2_valid.txt",)
    known: tuple[Recipes, ...] = (MIXED, Q4_0)

    def run(self, options: Options) -> Outcome:
        """Raises NoSuchPart; ModelMissingError without the source model."""
        outcome = Outcome()
        if options.effort is Effort.SMOKE:
            outcome.not_measurable(
                "quantize", "its file takes a quarter of an hour to make: `evals run quantize --quick`"
            )
            return outcome
        recipes = next((known for known in self.known if options.wants(known.whole)), None)
        if recipes is None:
            names = " and ".join(known.whole for known in self.known)
            raise NoSuchPart(f"no recipe has such a name; there are {names}")
        source = resolve(SOURCE)
        try:
            from quantize.inspection import evaluate_file
        except ImportError as error:
            outcome.not_measurable("quantize", f"{error}; pip install 'homebody[quantize]'")
            return outcome
        progress = Progress({"make": 700.0, "conversations": 120.0} | ({"prose": 120.0} if options.data else {}))
        progress.start("make")
        made = make(recipes, Path(source.path), options.effort, progress)
        progress.finish("make")
        n_scored = options.choose(2048, 8192, 20_000)
        progress.start("conversations")
        document = evaluate_file(made.file, made.reference, None, n_scored, progress.say, [])
        outcome.metrics |= judged(document["metrics"], made.whole)
        progress.finish("conversations")
        if options.data:
            progress.start("prose")
            lm = options.data / "lm"
            sets = [lm / f"{name}.jsonl" for name in SETS] if options.effort is not Effort.QUICK else None
            text = lm / "wikitext2_valid.txt"
            found = evaluate_file(made.file, made.reference, text, n_scored, progress.say, sets)["metrics"]
            prose = judged({name: found[name] for name in FIDELITY}, made.whole)
            outcome.metrics |= {f"prose_{name}": metric for name, metric in prose.items()}
            outcome.metrics |= judged({k: v for k, v in found.items() if k.startswith(SETS)}, made.whole)
            progress.finish("prose")
        facts = document["provenance"]
        outcome.settings |= {"recipe": made.recipe, **facts}
        size_bytes = int(document["metrics"]["bytes"]["value"])
        outcome.models.append(
            {"name": made.recipe, "file": facts["file"], "sha256": facts["file_sha256"], "size_bytes": size_bytes}
        )
        return outcome


def make(recipes: Recipes, source: Path, effort: Effort, progress: Progress) -> Made:
    """The file of the whole recipe if there is one, or that of the cut one; what is missing is made, or resumed."""
    from quantize.recipe import read_recipe
    from quantize.runner import finished, run_recipe
    from quantize.topology import set_threads

    home = paths.private_folder(paths.home() / "quantize")
    names = [recipes.whole] if effort is Effort.FULL else [recipes.whole, recipes.cut]
    allowed = [read_recipe(Path(name)) for name in names]
    ready = [(recipe, folders) for recipe in allowed if (folders := finished(home / recipe.name)) is not None]
    if ready:
        recipe, folders = ready[0]
        progress.say(f"{recipe.name} made a file before: measuring it")
    else:
        recipe = allowed[-1]
        set_threads(min(2, psutil.cpu_count(logical=False) or 1))
        folders = run_recipe(recipe, source, home / recipe.name, progress.say, resume=True).folders
    made, reference = (folders[stage] / "model.gguf" for stage in (recipes.stage, "reference"))
    return Made(made, reference, recipe.name, whole=recipe is allowed[0])


def judged(found: dict[str, dict[str, Any]], whole: bool) -> dict[str, Metric]:
    """Metrics as `quantize evaluate` gives them, with the promises if the file is the whole recipe's."""
    kept = {}
    for name, fields in found.items():
        better, bar = JUDGED.get(name, ("", ""))
        values = {key: fields[key] for key in ("value", "low", "high", "n", "unit")}
        kept[name] = Metric(**values, better=better, bar=bar if whole else "")
    return kept
