"""`evals`: how good, how fast, how small, how private; measured, with intervals, against a named baseline.

    evals list
    evals run TASK... [--model NAME] [--quick | --full] [--out FILE]     `all` and `smoke` are names of sets of tasks
    evals compare BEFORE AFTER                                          exit 1 on a regression outside the noise
    evals device                                                        this machine's speeds as one line to send in
    evals report [FILE...] [--html FILE] [--markdown FILE] [--readme FILE]
    evals lm_eval --model assistant ...                                 lm-evaluation-harness with our engine as a model

Each task ends with one JSON document on stdout (results.py), also appended to a results file. Only the standard library
is imported before the privacy environment is set.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_OK, AssistantError, UsageError, file_error
from assistant.privacy import environment

if TYPE_CHECKING:
    from evals.task import Task

DEFAULT_MODEL = "smollm2-135m"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: those of assistant/errors.py, and 1 for bad news."""
    environment.apply()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["lm_eval"]:  # whose options are not ours to parse
            return _lm_eval(given[1:])
        options = _parser().parse_args(given)
        code: int = options.run(options)
    except AssistantError as error:
        sys.stderr.write(f"evals: {error}\n")
        return error.exit_code
    except OSError as error:
        if not (words := file_error(error)):
            raise
        sys.stderr.write(f"evals: {words}\n")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evals", description="Measure the assistant against a baseline.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="what can be measured")
    listing.set_defaults(run=_list)

    run = commands.add_parser("run", help="measure; the last line of stdout is one JSON document")
    run.add_argument(
        "tasks", nargs="+", metavar="TASK", help="names from `evals list`, `all`, or `smoke`: a little of all"
    )
    run.add_argument("--model", default=DEFAULT_MODEL, help="name or path of a model (default: %(default)s)")
    run.add_argument("--adapter", default="on", metavar="on|off|FILE", help="the model's adapter for choosing tools")
    run.add_argument("--data", type=Path, metavar="DIR", help="folder with evaluation sets")
    run.add_argument(
        "--only", action="append", type=_regex, default=[], metavar="REGEX", help="only parts or sets with such names"
    )
    run.add_argument("--rows", type=_rows, default=0, metavar="N", help="rows of each sample, instead of the effort's")
    run.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="keep measured rows there and go on with the others (function calling, documents)",
    )
    run.add_argument("--seed", type=int, help="seed of every sample that is drawn")
    run.add_argument("--out", type=Path, metavar="FILE", help="results file to append to (default: in the home folder)")
    length = run.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="within 10 minutes on two cores")
    length.add_argument("--full", action="store_true", help="more repetitions, as long as it takes")
    run.set_defaults(run=_run)

    compare = commands.add_parser("compare", help="what changed between two results files; exit 1 on a regression")
    compare.add_argument("before", type=Path, metavar="BEFORE")
    compare.add_argument("after", type=Path, metavar="AFTER")
    compare.set_defaults(run=_compare)

    device = commands.add_parser("device", help="measure this machine; stdout is one JSON line that can be sent in")
    device.add_argument("--model", default=DEFAULT_MODEL, help="name or path of a model (default: %(default)s)")
    device.add_argument("--full", action="store_true", help="more repetitions")
    device.add_argument("--out", type=Path, metavar="FILE", help="also append the line to this results file")
    device.set_defaults(run=_device)

    report = commands.add_parser("report", help="a page that opens from disk, and Markdown, from results files")
    report.add_argument("files", nargs="*", type=Path, metavar="FILE", help="results files (default: home folder)")
    report.add_argument("--html", type=Path, metavar="FILE", default=Path("evals-report.html"))
    report.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables as Markdown")
    report.add_argument("--readme", type=Path, metavar="FILE", help="write the figures between its markers, no page")
    report.set_defaults(run=_report)

    commands.add_parser(
        "lm_eval", help="lm-evaluation-harness with our engine as its model `assistant`", add_help=False
    )
    return parser


def _regex(text: str) -> str:
    """Raises ArgumentTypeError."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    return text


def _rows(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; give 1 or more")
    return int(text)


def _require_folder(folder: Path, option: str) -> None:
    """Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"{option}: there is no folder {folder}; check the spelling, or make it first")


def _require_data(data: Path, named: Sequence[Task], others: Sequence[Task]) -> None:
    """Raises UsageError for a folder that holds nothing of what a named task reads, or nothing that any other does."""

    def lacks(task: Task) -> bool:
        return bool(task.reads) and not any(any(data.glob(place)) for place in task.reads)

    lacking = [task for task in named if lacks(task)]
    readers = [task for task in others if task.reads]
    if not lacking and readers and all(map(lacks, readers)):
        lacking = readers
    if lacking:
        wanted = "; ".join(f"`{task.name}` reads ({', '.join(task.reads)})" for task in lacking)
        raise UsageError(f"--data: {data} holds nothing that {wanted}")


def _list(options: argparse.Namespace) -> int:
    from evals.task import tasks

    for task in tasks().values():
        sys.stdout.write(f"{task.name:12} {task.summary} (needs {task.needs})\n")
    return EXIT_OK


def _run(options: argparse.Namespace) -> int:
    from evals import results
    from evals.runner import run_task
    from evals.task import DEFAULT_SEED, Effort, NoSuchPart, Options, tasks

    known = tasks()
    names = list(known) if {"all", "smoke"} & set(options.tasks) else options.tasks
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"no task named {', '.join(unknown)}; there are {', '.join(known)}, all and smoke")
    effort = Effort.QUICK if options.quick else Effort.FULL if options.full else Effort.DEFAULT
    if "smoke" in options.tasks:
        effort = Effort.SMOKE
    seed = DEFAULT_SEED if options.seed is None else options.seed
    only = tuple(options.only)
    chosen = Options(options.model, effort, options.data, seed, only, options.adapter, options.rows, options.keep)
    out = options.out or default_results_file()
    _require_folder(out.parent, "--out")  # before an hour of measuring, not after it
    if options.data is not None:
        _require_folder(options.data, "--data")
        named = [known[name] for name in names if name in options.tasks]
        _require_data(options.data, named, [known[name] for name in names if name not in options.tasks])
    code = EXIT_OK
    left_out: list[str] = []
    for name in names:
        try:
            document, task_code = run_task(known[name], chosen, named=name in options.tasks)
        except NoSuchPart as error:
            left_out.append(f"{name}: {error}")
            continue
        results.append(out, document)
        sys.stdout.write(results.encode(document).decode() + "\n")
        sys.stdout.flush()
        code = code or task_code
    if len(left_out) == len(names):
        raise UsageError("; ".join(left_out))
    for told in left_out:
        sys.stderr.write(f"left out: {told}\n")
    sys.stderr.write(f"added to {out}\n")
    return code


def _compare(options: argparse.Namespace) -> int:
    from evals import results
    from evals.compare import compare, table

    changes = compare(results.read(options.before), results.read(options.after))
    if not changes:
        raise UsageError("the two files have no task and model in common; run the same task on both sides")
    sys.stdout.write(table(changes))
    return EXIT_FAILURE if any(change.is_regression for change in changes) else EXIT_OK


def _device(options: argparse.Namespace) -> int:
    from evals import results
    from evals.runner import run_task
    from evals.speed import device
    from evals.task import Effort, Options

    if options.out:
        _require_folder(options.out.parent, "--out")
    document, code = run_task(device(), Options(options.model, Effort.FULL if options.full else Effort.QUICK))
    if options.out:
        results.append(options.out, document)
    sys.stdout.write(results.encode(document).decode() + "\n")
    return code


def _report(options: argparse.Namespace) -> int:
    from evals import readme, report, results

    if options.readme:
        readme.rewrite(options.readme)
        sys.stderr.write(f"wrote the figures of {options.readme}\n")
        return EXIT_OK
    files = options.files or [default_results_file()]
    documents = [document for file in files for document in results.read(file)]
    options.html.write_text(report.html_page(documents), encoding="utf-8")
    sys.stderr.write(f"wrote {options.html}\n")
    if options.markdown:
        options.markdown.write_text(report.markdown(documents), encoding="utf-8")
        sys.stderr.write(f"wrote {options.markdown}\n")
    return EXIT_OK


def _lm_eval(arguments: list[str]) -> int:
    try:
        from evals import harness
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed; the harness comes with the extra `evals`") from error
    return harness.main(arguments)


def default_results_file() -> Path:
    """Where results go when nobody says otherwise."""
    from assistant.paths import home, private_folder

    return private_folder(home()) / "evals.jsonl"


if __name__ == "__main__":
    sys.exit(main())
