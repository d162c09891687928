"""The command line. `run` executes a recipe; a stage's own command is a recipe of one stage.

stdout: results; stderr: progress. Nothing is downloaded: a source is a name in the model store, or a path.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from assistant.errors import UsageError
from quantize.recipe import Recipe, Step, read_recipe

STAGE_COMMANDS = {
    "prune": "drop layers, heads or FFN channels by a criterion",
    "prune-vocabulary": "keep the tokens that given texts need",
    "equalise": "scale columns, exactly, so that rounding loses less",
    "packs": "make training text with a local teacher",
    "distil": "heal a model against its teacher",
    "compensate": "round with error feedback",
    "qad": "train the weights on the grid of the file",
    "calibrate": "gather importance matrix, Taylor, Fisher, entropy, block influence",
    "plan": "choose a format for each tensor under a budget",
    "quantise": "llama.cpp's quantiser, with importance and plan",
    "convert": "a model directory or GGUF to a float GGUF",
    "export-onnx": "write the model as ONNX, checked in onnxruntime",
    "card": "write the model card",
    "teach": "make the requests that a tool-caller learns from",
    "adapt": "train a tool-caller: an adapter on a 4-bit file",
    "threshold": "choose from which probability on an adapter may act",
    "study": "compare criteria, quantisers, losses or schedules with their nulls",
}


class _Parser(argparse.ArgumentParser):
    """Its help ends with what `ending` says, which is asked only then: the stages take seconds to load."""

    ending: Callable[[], str] | None = None

    def format_help(self) -> str:
        return super().format_help() + (f"\n{self.ending()}\n" if self.ending else "")


def main(arguments: list[str]) -> int:
    parser = _Parser(prog="quantize", description="From a checkpoint to a measured 4-bit GGUF.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands)
    _add_inspect(commands)
    _add_evaluate(commands)
    _add_explain(commands)
    for name, summary in STAGE_COMMANDS.items():
        _add_stage(commands, name, summary)
    given = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    return run(given)


def _at_least_one(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def show(document: Any) -> None:
    print(msgspec.json.encode(document).decode())


def find_source(name: str) -> Path:
    """A path, or the verified file of a model in the store. Raises ModelMissingError, ModelRefusedError."""
    if Path(name).exists():
        return Path(name)
    from assistant.models.store import Store
    from assistant.paths import models_folder

    return Path(Store(models_folder()).resolve(name).path)


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="run a recipe")
    parser.add_argument("recipe", type=Path, help="a TOML file, or the name of a shipped recipe")
    parser.add_argument("--resume", action="store_true", help="go on inside a stage that was interrupted")
    parser.add_argument("--out", type=Path, help="folder of the results (default: ./<recipe's name>)")
    parser.add_argument("--source", help="replaces the recipe's source: a name in the model store, or a path")
    parser.add_argument(
        "--threads", type=_at_least_one, default=1, help="threads of torch (default 1: see docs/quantize.md)"
    )
    parser.add_argument(
        "--install",
        metavar="NAME",
        nargs="?",
        const="",
        help="add the made model to the assistant's store under this name (default: the recipe's)",
    )
    parser.add_argument("--template", help="family of the chat template, if the product does not know the model's")
    parser.add_argument("--exclude", action="append", metavar="DIR", help="for `teach`: leave out what occurs in these")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    recipe = read_recipe(given.recipe)
    for step in recipe.stages:
        if given.exclude and step.do == "teach":
            step.parameters["exclude"] = given.exclude
    return _execute(recipe, given.source or recipe.source, given.out or Path(recipe.name), given)


def _execute(recipe: Recipe, source: str, out: Path, given: argparse.Namespace) -> int:
    from quantize.runner import run_recipe
    from quantize.topology import set_threads

    set_threads(given.threads)
    outcome = run_recipe(recipe, find_source(source), out, say, given.resume)
    folders = {name: str(folder) for name, folder in outcome.folders.items()}
    document = {"recipe": recipe.name, "folders": folders, "hash": outcome.final_hash}
    if vars(given).get("install") is not None:
        from quantize.install import install, product

        document["installed"] = install(product(recipe, outcome.folders), recipe, given.install, given.template)
    show(document)
    return 1 if _failed_gates(outcome.folders) else 0


def _failed_gates(folders: dict[str, Path]) -> list[str]:
    found: list[str] = []
    for folder in folders.values():
        if (folder / "evaluation.json").exists():
            found += msgspec.json.decode((folder / "evaluation.json").read_bytes())["gates_failed"]
    return found


def _add_stage(commands: Any, name: str, summary: str) -> None:
    parser = commands.add_parser(name, help=summary)
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="parameters of the stage; VALUE is TOML or a word"
    )
    parser.add_argument("--source", required=True, help="a name in the model store, or a path")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seed", type=int, default=0)
    parser.ending = lambda: _parameters(name)
    if name == "teach":
        parser.add_argument("--exclude", action="append", metavar="DIR", help="leave out what occurs in these sets")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--threads", type=_at_least_one, default=1)
    parser.set_defaults(run=_stage)


def _parameters(stage: str) -> str:
    """What a stage takes, with its defaults."""
    from quantize.stages import STAGES

    lines = [" ".join((STAGES[stage].__doc__ or "").split()), "", "parameters and their defaults:"]
    for field in msgspec.structs.fields(STAGES[stage]):
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        choices = f"    one of {', '.join(map(str, get_args(field.type)))}" if get_origin(field.type) is Literal else ""
        lines.append(f"  {field.encode_name}={'' if default is None else _shown(default)}{choices}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    """As it is written behind the equals sign."""
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def _stage(given: argparse.Namespace) -> int:
    parameters = dict(_setting(text) for text in given.settings)
    if getattr(given, "exclude", None):
        parameters["exclude"] = given.exclude
    recipe = Recipe(given.command, given.source, [Step(given.command, parameters=parameters)], given.seed)
    return _execute(recipe, given.source, given.out, given)


def _setting(text: str) -> tuple[str, Any]:
    import tomllib

    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is not KEY=VALUE")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser("inspect", help="what a GGUF holds, and whether it was quantised before")
    parser.add_argument("file", type=Path)
    parser.set_defaults(run=_inspect)


def _inspect(given: argparse.Namespace) -> int:
    from quantize.inspection import inspect_file

    show(inspect_file(given.file))
    return 0


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="how far a file is from its reference")
    parser.add_argument("file", type=Path)
    parser.add_argument("--reference", type=Path, required=True, help="a GGUF with the same tokens, usually F16")
    parser.add_argument("--text", type=Path, help="a .txt or a JSONL pack (default: the shipped conversation pack)")
    parser.add_argument("--scored", type=_at_least_one, default=4096, help="tokens to score at least (default 4096)")
    parser.add_argument(
        "--tasks",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="count flipped answers on these multiple-choice items (JSONL); without a file on the shipped tool calls",
    )
    parser.set_defaults(run=_evaluate)


def _evaluate(given: argparse.Namespace) -> int:
    from quantize.inspection import evaluate_file

    show(evaluate_file(given.file, given.reference, given.text, given.scored, say, given.tasks))
    return 0


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser("explain", help="the formulas and worked cases, from the running code")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="also draw the plots (needs matplotlib)")
    parser.add_argument("--source", help="draw them for the weights of this model (a name or a path)")
    parser.add_argument(
        "--statistics", type=Path, metavar="FOLDER", help="of a calibrate stage: what each layer of the source costs"
    )
    parser.add_argument(
        "--measured", type=Path, nargs="+", default=[], metavar="FILE", help="results of evaluate: quality against size"
    )
    parser.set_defaults(run=_explain)


def _explain(given: argparse.Namespace) -> int:
    from quantize.explain import explain

    source = find_source(given.source) if given.source else None
    for line in explain(given.plots, source, given.statistics, given.measured):
        print(line)
    return 0
