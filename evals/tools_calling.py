"""Function calling, ours beside llama-cpp-python's own: the same file and rows, at the same time, a thread each.

Rows of the three categories take turns, and each verdict is kept at once (kept.py): what an interrupted run reports is
the rows that all sides have done, and with `--keep FILE` the next run does the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from threading import Event
from typing import Any, Final

import assistant.choosing.functions
import assistant.quantities
from assistant.choosing.functions import FunctionCaller
from evals import provenance, tools_functions
from evals.kept import Kept, code_digest
from evals.product import open_product, resolve
from evals.task import Options, Outcome
from evals.tools_functions import Caller
from evals.tools_model import share, used
from evals.tools_rival import rival

N_CONTEXT: Final = 4096
N_THREADS: Final = 1  # what is right does not depend on it, and two threads wait for each other on a busy machine
SIDES: Final = {"ours": "", "theirs": "_llama_cpp_python", "helped": "_llama_cpp_python_helped"}
Rows = Mapping[str, Sequence[dict[str, Any]]]  # of each category


def functions(options: Options, data: Path, outcome: Outcome) -> None:
    """Raises AssistantError; KeyboardInterrupt after what was measured is in the outcome."""
    spec = resolve(options.model)
    used(outcome, spec)
    n = options.sample(4, 8, 1000)  # theirs takes half a minute a row
    samples = {name: tools_functions.sample(data, name, n, options.seed) for name in tools_functions.CATEGORIES}
    kept, stop, keys = Kept(options.keep), Event(), _keys(spec.sha256)
    try:
        with (
            open_product(spec, N_CONTEXT, N_THREADS) as product,
            rival(spec.path, N_THREADS) as theirs,
            ThreadPoolExecutor(max_workers=1) as beside,
        ):
            caller = tools_functions.ours(FunctionCaller(product.model))
            made = beside.submit(measure, samples, {"ours": caller}, keys, kept, stop)
            try:
                measure(samples, {"theirs": theirs.call, "helped": theirs.helped}, keys, kept, stop)
                made.result()
            finally:
                stop.set()
    finally:
        _report(outcome, samples, keys, kept)


def measure(samples: Rows, sides: Mapping[str, Caller], keys: Mapping[str, str], kept: Kept, stop: Event) -> None:
    """The rows that are not kept yet, the categories in turn, until `stop` is set."""
    for row in (r for turn in zip_longest(*samples.values()) for r in turn if r):
        for side, caller in sides.items():
            if stop.is_set():
                return
            if kept.get(keys[side], row["id"]) is None:
                called = tools_functions.measure([row], caller)
                kept.put({"right": called.right[0], "wrong": called.wrong}, keys[side], row["id"])


def _report(outcome: Outcome, samples: Rows, keys: Mapping[str, str], kept: Kept) -> None:
    for name, picked in samples.items():
        by_side = {side: [kept.get(key, row["id"]) for row in picked] for side, key in keys.items()}
        done = [all(verdicts) for verdicts in zip(*by_side.values(), strict=True)]
        for side, verdicts in by_side.items():
            both = [verdict for verdict, by_all in zip(verdicts, done, strict=True) if by_all]
            if both:
                better = {"better": "higher"} if side == "ours" else {}
                outcome.metrics[f"bfcl_{name}{SIDES[side]}"] = share([v["right"] for v in both], **better)
                outcome.settings[f"bfcl_{name}{SIDES[side]}_wrong"] = [w for v in both for w in v["wrong"]][:20]


def _keys(model_sha256: str) -> dict[str, str]:
    """What the verdicts of each side depend on besides the row."""
    here = Path(__file__).parent
    ours = [
        *Path(assistant.choosing.functions.__file__).parent.glob("*.py"),
        *Path(assistant.quantities.__file__).parent.glob("*.py"),
    ]
    scoring = here / "tools_functions.py"
    theirs = f"llama-cpp-python {provenance.versions().get('llama-cpp-python')}"
    code = {side: code_digest([here / "tools_rival.py", scoring]) + f" {theirs}" for side in ("theirs", "helped")}
    return {
        side: f"{side} {model_sha256[:16]} {digest}"
        for side, digest in {"ours": code_digest([*ours, scoring]), **code}.items()
    }
