"""Multiple choice by likelihood, answered by two models: how many answers flip?

KL divergence does not rank good files on tasks (arXiv 2606.19558), and equal accuracy can hide many answers that
changed both ways. So every item is answered by the reference and by the file, and the flips are counted both ways
(arXiv 2407.09141). An item is JSON: {"query", "choices", "gold"}, {"context_options", "continuation", "gold"} (the same
ending after different beginnings), or {"prompt", "choices", "gold"} with the text of control tokens in the prompt.
The answer is the choice of highest log-likelihood per byte; beginnings are compared by the ending's likelihood.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from assistant.errors import UsageError
from quantize.formulas import mcnemar
from quantize.packs import chatml, tool_rows
from quantize.runtime import Runtime, open_runtime

N_CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Item:
    """`pairs` are (beginning, ending) by choice; `per_byte` divides the ending's log-likelihood by its bytes."""

    pairs: tuple[tuple[str, str], ...]
    gold: int
    per_byte: bool = True
    special: bool = False


def read_items(path: Path) -> list[Item]:
    """Items of a JSONL file. Raises UsageError with the line of a row that is none of the three kinds."""
    items = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            items.append(_item(msgspec.json.decode(line)))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UsageError(
                f"{path} line {number}: an item needs query, choices and gold, or context_options, continuation and "
                f"gold ({error})"
            ) from error
    return items


def _item(row: dict[str, Any]) -> Item:
    gold = int(row["gold"])
    if "context_options" in row:
        pairs = tuple((beginning.strip(), " " + row["continuation"].strip()) for beginning in row["context_options"])
        item = Item(pairs, gold, per_byte=False)
    elif "prompt" in row:
        item = Item(tuple((row["prompt"], choice) for choice in row["choices"]), gold, special=True)
    else:
        query = row["query"].strip()
        if query.startswith(("Question:", "Passage:")) and not query.endswith("Answer:"):
            query += "\nAnswer:"
        item = Item(tuple((query, " " + choice.strip()) for choice in row["choices"]), gold)
    if not 0 <= gold < len(item.pairs):
        raise IndexError(f"gold is {gold} of {len(item.pairs)} choices")
    return item


def tool_items(n: int = 100, n_choices: int = 4, seed: int = 7) -> list[Item]:
    """Which tool call answers the request? Requests of the evaluation split; the wrong calls answer other requests, of
    the same tool where there are enough."""
    rows = [[m["content"] for m in row["messages"]] for row in tool_rows("evaluation", 12 * n, seed)]
    rows = [row for row in rows if _tool(row[-1]) != "set_timer"]  # numbers alone: training may have seen them
    calls = sorted({call for *_, call in rows})
    picker = random.Random(seed)  # noqa: S311 - a reproducible shuffle
    items: dict[str, Item] = {}
    for system, request, call in rows:
        others = picker.sample([other for other in calls if other != call], len(calls) - 1)
        others = sorted(others, key=lambda other: _tool(other) != _tool(call))[: n_choices - 1]
        choices = picker.sample([call, *others], n_choices)
        prompt = chatml([("system", system), ("user", request)]) + "<|im_start|>assistant\n"
        items.setdefault(request, Item(tuple((prompt, c) for c in choices), choices.index(call), special=True))
    return list(items.values())[:n]


def _tool(call: str) -> str:
    return str(msgspec.json.decode(call)["tool"])


def answers(runtime: Runtime, items: Sequence[Item], report: Callable[[int], None] = lambda n: None) -> list[bool]:
    """Whether each item is answered right."""
    found = []
    for done, item in enumerate(items, start=1):
        scores = []
        for beginning, endings in _by_beginning(item):
            prompt = runtime.tokenize(beginning, item.special)
            totals = runtime.likelihoods(prompt[-(N_CONTEXT // 2) :], [runtime.tokenize(e) for e in endings])
            scores += [t / len(e.encode()) if item.per_byte else t for t, e in zip(totals, endings, strict=True)]
        found.append(scores.index(max(scores)) == item.gold)
        report(done)
    return found


def _by_beginning(item: Item) -> list[tuple[str, list[str]]]:
    """Endings that share a beginning together, in order, so that it is computed once."""
    if len({beginning for beginning, _ in item.pairs}) == 1:
        return [(item.pairs[0][0], [ending for _, ending in item.pairs])]
    return [(beginning, [ending]) for beginning, ending in item.pairs]


@dataclass(frozen=True, slots=True)
class Flips:
    """Right and wrong answers of a file beside its reference's, item by item."""

    file: list[bool]
    reference: list[bool]

    @property
    def to_wrong(self) -> int:
        return sum(r and not f for f, r in zip(self.file, self.reference, strict=True))

    @property
    def to_right(self) -> int:
        return sum(f and not r for f, r in zip(self.file, self.reference, strict=True))

    def metrics(self, name: str) -> dict[str, dict[str, Any]]:
        """Accuracy of both, share of flips with a 95 % interval, and McNemar's exact p."""
        n = len(self.file)
        p = mcnemar(self.to_wrong, self.to_right)
        return {
            f"{name}_accuracy": _share(sum(self.file), n),
            f"{name}_accuracy_reference": _share(sum(self.reference), n),
            f"{name}_flips": _share(self.to_wrong + self.to_right, n)
            | {"to_wrong": self.to_wrong, "to_right": self.to_right},
            f"{name}_mcnemar_p": {"value": p, "low": p, "high": p, "n": n, "unit": "probability"},
        }


def _share(count: int, n: int) -> dict[str, Any]:
    """A share with Wilson's 95 % interval."""
    p, z = count / n, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    return {"value": p, "low": max(0.0, middle - half), "high": min(1.0, middle + half), "n": n, "unit": "share"}


def compare_answers(
    files: Sequence[Path], reference: Path, items: Sequence[Item], report: Callable[[str], None] = lambda line: None
) -> list[Flips]:
    """The flips of several files, each model loaded in its turn. Raises UsageError when there are no items."""
    if not items:
        raise UsageError("there are no items to answer")
    results = []
    for path in (reference, *files):
        with open_runtime(path, N_CONTEXT) as runtime:
            results.append(answers(runtime, items, lambda done: None if done % 50 else report(f"{done} items")))
    return [Flips(found, results[0]) for found in results[1:]]
