"""What an evaluation set is: a file with one JSON object a line, whose keys say how a row is scored.

| keys | a row is right when |
|---|---|
| query, choices, gold | the gold choice is the likeliest continuation of the query |
| context_options, continuation, gold | the continuation is likeliest behind the gold context |
| context, continuation | greedy decoding would write the continuation |
| context, answer, aliases | the reply to the context, continued, begins with the answer or an alias |
| context, answer | the last number in the reply is the answer |
| prompt, instruction_id_list, kwargs | the reply follows all instructions (instructions.py) |
| prompt, checks | the reply passes all checks (checks.py) |

`--data DIR` takes all such files of DIR and of DIR/lm; those that ship with the project are in evals/sets.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from assistant.errors import UsageError
from evals.checks import Checks

OWN_SETS = Path(__file__).parent / "sets"


class Choice(msgspec.Struct, frozen=True):
    query: str
    choices: list[str]
    gold: int


class ContextChoice(msgspec.Struct, frozen=True):
    context_options: list[str]
    continuation: str
    gold: int


class Cloze(msgspec.Struct, frozen=True):
    context: str
    continuation: str


class Named(msgspec.Struct, frozen=True):
    context: str
    answer: str
    aliases: list[str]


class Number(msgspec.Struct, frozen=True):
    context: str
    answer: str


class Instructed(msgspec.Struct, frozen=True):
    prompt: str
    instruction_id_list: list[str]
    kwargs: list[dict[str, Any]]


class Checked(msgspec.Struct, frozen=True):
    prompt: str
    checks: Checks
    good: str = ""  # a reply that passes, and one that does not: the tests hold the checks against them
    bad: str = ""


Row = Choice | ContextChoice | Cloze | Named | Number | Instructed | Checked
KINDS: tuple[type[Row], ...] = (Choice, ContextChoice, Cloze, Named, Number, Instructed, Checked)


@dataclass(frozen=True, slots=True)
class EvalSet:
    """Rows of one kind. `fingerprint` tells two samples apart."""

    name: str
    rows: tuple[Row, ...]
    own: bool

    @property
    def kind(self) -> type[Row]:
        return type(self.rows[0])

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.rows)).hexdigest()[:16]


def own_sets() -> list[EvalSet]:
    """The sets that ship with the project."""
    return [
        EvalSet(f"assistant_{path.stem}", tuple(read_rows(path)), True) for path in sorted(OWN_SETS.glob("*.jsonl"))
    ]


def data_sets(folder: Path, n: int, seed: int) -> list[EvalSet]:
    """The sets of a --data folder, at most `n` rows each, drawn with the seed.

    Raises UsageError if the folder has none, or one of them a row of no known kind.
    """
    files = sorted({f.stem: f for place in (folder, folder / "lm") for f in place.glob("*.jsonl")}.items())
    sets = [EvalSet(name, _draw(read_rows(file), n, f"{seed} {name}"), False) for name, file in files]
    if not sets:
        raise UsageError(f"{folder}: neither it nor its folder lm/ holds a .jsonl file; see docs/evals.md")
    return sets


def read_rows(path: Path) -> list[Row]:
    """All rows of a set. Raises UsageError with the line that is wrong."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    kind: type[Row] | None = None
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            kind = kind or _kind(msgspec.json.decode(line, type=dict[str, Any]))
            row = msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, ValueError) as error:
            raise UsageError(f"{path}, line {number}: {error}; the formats are in docs/evals.md") from error
        if isinstance(row, Choice | ContextChoice) and not 0 <= row.gold < _n_options(row):
            raise UsageError(f"{path}, line {number}: gold is {row.gold}, but there are {_n_options(row)} options")
        rows.append(row)
    if not rows:
        raise UsageError(f"{path}: holds no rows")
    return rows


def _kind(row: dict[str, Any]) -> type[Row]:
    """The kind whose required keys a row has; the kind with the most of them wins."""
    fitting = [kind for kind in KINDS if _required(kind) <= set(row)]
    if not fitting:
        raise ValueError(f"no kind of row has the keys {', '.join(sorted(row))}")
    return max(fitting, key=lambda kind: len(_required(kind)))


def _required(kind: type[Row]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind) if field.required}


def _n_options(row: Choice | ContextChoice) -> int:
    return len(row.choices if isinstance(row, Choice) else row.context_options)


def _draw(rows: Sequence[Row], n: int, seed: str) -> tuple[Row, ...]:
    if len(rows) <= n:
        return tuple(rows)
    chosen = sorted(random.Random(seed).sample(range(len(rows)), n))  # noqa: S311 - a sample, not a secret
    return tuple(rows[i] for i in chosen)
