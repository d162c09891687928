"""From which probability on an adapter may act, chosen on requests that it was not trained on and that measure nothing.

Two kinds: requests that the grammar draws anew, which are easy, and the hand-written ones of data/unseen_en.toml. A
higher threshold misses more requests, a lower one starts tools where somebody only talks; the second is worse.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assistant.choosing.adapted import MENU, likeliest
from assistant.choosing.codes import CODES, normal
from assistant.engines import Picking
from quantize.situations import Request

WRITTEN: Final = Path(__file__).parent / "data" / "unseen_en.toml"
CANDIDATES: Final = tuple(n / 100 for n in range(50, 100, 5))
HARMLESS: Final = frozenset({"", "system.needs_network", "home.weather", "help"})  # start nothing


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and the tools that would be right for it; none for talk."""

    text: str
    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decided:
    """What the adapter made of a request: its likeliest tool ("" for none) and the probability of that."""

    asked: Asked
    tool: str
    probability: float


@dataclass(frozen=True, slots=True)
class Row:
    """Shares at one threshold: of requests with a tool, those that get it; of talk, that which starts one."""

    threshold: float
    served: float
    false: float
    n_served: int
    n_talk: int


def written() -> list[Asked]:
    """The requests written by hand."""
    found = tomllib.loads(WRITTEN.read_text("utf-8"))
    return [Asked(text, frozenset(tools.split())) for tools, texts in found.items() for text in texts]


def generated(drawn: Iterable[Request]) -> list[Asked]:
    """The requests of a draw of the grammar."""
    return [Asked(r.text, frozenset({CODES[r.code].tool} - {""})) for r in drawn]


def unseen(asked: Iterable[Asked], trained: Iterable[Request]) -> list[Asked]:
    """Those of the requests that were not trained on."""
    known = {normal(request.text) for request in trained}
    return [one for one in asked if normal(one.text) not in known]


def decided(model: Picking, asked: Iterable[Asked]) -> list[Decided]:
    """The model's decisions, without a threshold and without anything that is asked in doubt."""
    found = []
    for one in asked:
        picked = model.pick(normal(one.text), MENU)
        code, probability = likeliest(picked) if picked.codes else (CODES["talk"], 1.0)
        found.append(Decided(one, code.tool, probability))
    return found


def table(decisions: Sequence[Decided], candidates: Sequence[float] = CANDIDATES) -> list[Row]:
    """One row a threshold. Raises ValueError without a request of either kind."""
    wanted = [d for d in decisions if d.asked.tools]
    talk = [d for d in decisions if not d.asked.tools]
    if not wanted or not talk:
        raise ValueError("a threshold is chosen on requests with a tool and on talk; one of them is missing")
    rows = []
    for threshold in candidates:
        served = sum(d.tool in d.asked.tools and d.probability >= threshold for d in wanted)
        false = sum(d.tool not in HARMLESS and d.probability >= threshold for d in talk)
        rows.append(Row(threshold, served / len(wanted), false / len(talk), len(wanted), len(talk)))
    return rows


def chosen(tables: Sequence[Sequence[Row]], most_false: float) -> float:
    """The lowest threshold at which in every table at most `most_false` of the talk starts a tool, else the highest."""
    few = [rows[0].threshold for rows in zip(*tables, strict=True) if all(row.false <= most_false for row in rows)]
    return min(few, default=tables[0][-1].threshold)
