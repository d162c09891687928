"""Function calling on rows of the Berkeley leaderboard: ours beside llama-cpp-python's own, with the same model.

A row is right when the call's name is the truth's and every argument has one of the allowed values (an argument whose
values allow "" may be left out), as the leaderboard's own checker has it; in the irrelevance categories, when nothing
is called. Strings are compared without case, blanks and punctuation. `live_` rows count to their category.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assistant.choosing.functions import Function, FunctionCaller
from assistant.errors import SchemaError
from evals.tools_homes import rows

CATEGORIES: Final = {
    "simple": ("simple_python", "live_simple"),
    "multiple": ("multiple", "live_multiple"),
    "irrelevance": ("irrelevance", "live_irrelevance"),
}
_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array", "any": "string", "list": "array"}
Caller = Callable[[str, Sequence[Function]], "tuple[str, Mapping[str, Any]] | None"]


@dataclass(slots=True)
class Called:
    """Right or wrong by row, and in words what was wrong."""

    right: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def for_development(row_id: str) -> bool:
    """Half of the rows, by their names: prompts and thresholds were chosen on these, and none of them is measured."""
    return hashlib.sha256(row_id.encode()).digest()[0] % 2 == 0


def sample(data: Path, category: str, n: int, seed: int) -> list[dict[str, Any]]:
    """`n` rows of a category of the half that is measured, both kinds in equal parts, the same for the same seed."""
    all_rows = rows(data / "tools" / "bfcl.jsonl")
    picked: list[dict[str, Any]] = []
    for kind in CATEGORIES[category]:
        mine = [r for r in all_rows if r["cat"] == kind and not for_development(r["id"])]
        draw = random.Random(f"{seed} {kind}")  # noqa: S311 - a sample, not a secret
        picked += draw.sample(mine, min(len(mine), (n + 1) // 2))
    return picked


def measure(picked: Sequence[dict[str, Any]], caller: Caller) -> Called:
    called = Called()
    for row in picked:
        request = "\n".join(m["content"] for m in row["question"][0] if m["role"] == "user")
        functions = [Function(f["name"], f.get("description", ""), schema(f["parameters"])) for f in row["function"]]
        call = caller(request, functions)
        right = _right(call, row["truth"])
        called.right.append(float(right))
        if not right:
            called.wrong.append(f"{row['id']} {request[:100]!r}: {call} not {row['truth']}")
    return called


def ours(caller: FunctionCaller) -> Caller:
    def call(request: str, functions: Sequence[Function]) -> tuple[str, Mapping[str, Any]] | None:
        try:
            made = caller.call(request, functions)
        except SchemaError:
            return None
        return (made.name, made.arguments) if made else None

    return call


def schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The leaderboard's notation as a JSON schema of our subset."""
    kind = _TYPES.get(str(parameters.get("type")), str(parameters.get("type", "string")))
    made: dict[str, Any] = {"type": kind}
    if parameters.get("description"):
        made["description"] = parameters["description"]
    if "enum" in parameters:
        values = [v for v in parameters["enum"] if isinstance(v, (str, int, float, bool))]
        return {"enum": values, "description": made.get("description", "")} if kind != "array" else made | {
            "items": {"enum": values}}  # fmt: skip
    if kind == "array":
        made["items"] = schema(parameters.get("items") or {"type": "string"})
    if kind == "object":
        properties = parameters.get("properties") or {}
        made["properties"] = {n: schema(of) for n, of in properties.items()}
        made["required"] = [r for r in parameters.get("required", ()) if r in properties]
    return made


def _right(call: tuple[str, Mapping[str, Any]] | None, truth: list[dict[str, Any]] | None) -> bool:
    if not truth or call is None:
        return not truth and call is None
    name, arguments = call
    (wanted, allowed), *_ = truth[0].items()
    if name != wanted or any(a not in allowed for a in arguments):
        return False
    return all(_allowed(arguments[a], values) if a in arguments else "" in values for a, values in allowed.items())


def _allowed(value: Any, values: Sequence[Any]) -> bool:
    if isinstance(value, dict):
        return any(isinstance(v, dict) and _same_object(value, v) for v in values)
    return any(_plain(value) == _plain(v) for v in values)


def _same_object(value: Mapping[str, Any], allowed: Mapping[str, Any]) -> bool:
    if not set(value) <= set(allowed):
        return False
    lists = {k: v if isinstance(v, list) else [v] for k, v in allowed.items()}
    return all(_allowed(value[k], v) if k in value else "" in v for k, v in lists.items())


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return re.sub(r"[ ,./\-_*^'\"]", "", str(value)).casefold()
