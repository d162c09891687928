"""Requests with their answers, made from our own grammar of situations (data/requests/*.toml).

A pattern is text with choices `(a|b|)`, words from a list `{rooms}`, and what the model shall copy `<item:{food}>`.
A request is drawn as words that remember which argument they belong to, so that politeness, slips of the tongue and
what a recogniser mishears can be put between them without losing the answer.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from assistant.choosing.codes import CODES, NO_TOOL, normal

FOLDER: Final = Path(__file__).parent / "data" / "requests"
MAX_DEPTH: Final = 6
_CUT: Final = re.compile(r"\\.|[(){}<>|]|[^\\(){}<>|]+")


@dataclass(frozen=True, slots=True)
class Request:
    """`text` as a user writes or says it, `code` from the adapters' table, `copied` in the order of the code."""

    text: str
    code: str
    copied: tuple[str, ...] = ()
    origin: str = "grammar"


@dataclass(slots=True)
class _Node:
    """kind: "text" (value), "choice" (branches), "list" and "field" (value is the name)."""

    kind: str
    value: str = ""
    branches: list[list[_Node]] = field(default_factory=list)


class Situations:
    """The patterns by code, and the lists. Raises ValueError for a pattern that cannot be read."""

    def __init__(self, tables: Mapping[str, Sequence[str]], lists: Mapping[str, Sequence[str]]) -> None:
        self.lists = {name: [_parsed(text) for text in words] for name, words in lists.items()}
        self.patterns = {code: [_parsed(text) for text in texts] for code, texts in tables.items()}

    def draw(self, code: str, chance: random.Random) -> Request:
        """One request for a code, without noise."""
        return _request(code, self.words(code, chance))

    def words(self, code: str, chance: random.Random) -> list[tuple[str, str]]:
        """One request as (word, argument it belongs to or "")."""
        pieces: list[tuple[str, str]] = []
        self._expand(chance.choice(self.patterns[code]), "", pieces, chance, 0)
        return _cut(pieces)

    def _expand(
        self, nodes: list[_Node], inside: str, out: list[tuple[str, str]], chance: random.Random, depth: int
    ) -> None:
        if depth > MAX_DEPTH:
            raise ValueError("lists that contain each other")
        for node in nodes:
            if node.kind == "text":
                out.append((node.value, inside))
            elif node.kind == "list":
                self._expand(chance.choice(self.lists[node.value]), inside, out, chance, depth + 1)
            elif node.kind == "choice":
                self._expand(chance.choice(node.branches), inside, out, chance, depth + 1)
            else:
                self._expand(node.branches[0], node.value, out, chance, depth + 1)


def _parsed(text: str) -> list[_Node]:
    cuts = _CUT.findall(text)
    nodes, at = _sequence(cuts, 0)
    if at != len(cuts):
        raise ValueError(f"unbalanced pattern: {text!r}")
    return nodes


def _sequence(cuts: list[str], at: int) -> tuple[list[_Node], int]:
    nodes: list[_Node] = []
    while at < len(cuts) and cuts[at] not in (")", "|", ">", "}"):
        cut = cuts[at]
        if cut == "(":
            node = _Node("choice")
            while cut != ")":
                branch, at = _sequence(cuts, at + 1)
                node.branches.append(branch)
                if at >= len(cuts) or cuts[at] not in ("|", ")"):
                    raise ValueError(f"unclosed choice: {''.join(cuts)!r}")
                cut = cuts[at]
            nodes.append(node)
        elif cut == "{":
            nodes.append(_Node("list", cuts[at + 1]))
            at += 2
        elif cut == "<":
            name, _, rest = cuts[at + 1].partition(":")
            branch, at = _sequence([*cuts[: at + 1], rest, *cuts[at + 2 :]], at + 1)
            nodes.append(_Node("field", name, [branch]))
        else:
            nodes.append(_Node("text", cut.removeprefix("\\")))
        at += 1
    return nodes, at


def _cut(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Words with their argument; a mark that stands without a space stays with its word unless the argument ends."""
    words: list[tuple[str, str]] = []
    glued = False
    for text, inside in pieces:
        for part in re.findall(r"\s+|[^\s]+", text):
            if part.isspace():
                glued = False
                continue
            if glued and words and words[-1][1] == inside:
                words[-1] = (words[-1][0] + part, inside)
            else:
                words.append((part, inside) if not glued else ("\0" + part, inside))
            glued = True
    return words


def _request(code: str, words: Sequence[tuple[str, str]], origin: str = "grammar") -> Request:
    copied = tuple(_joined([w for w, inside in words if inside == name]) for name in CODES[code].copied)
    return Request(_joined([w for w, _ in words]), code, copied, origin)


def _joined(words: Sequence[str]) -> str:
    """NUL in front of a word means: no space before it."""
    return " ".join(words).replace(" \0", "").replace("\0", "").strip(" ,:")


@cache
def situations(*names: str) -> Situations:
    """The shipped grammar: of the files named, all by default."""
    lists = tomllib.loads((FOLDER / "lists.toml").read_text("utf-8"))
    tables: dict[str, list[str]] = {}
    for name in names or ("home_en", "personal_en", "spoken_en", "talk_en", "beyond_en"):
        for code, texts in tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")).items():
            tables.setdefault(code, []).extend(texts)
    return Situations(tables, lists)


# -- how people say it -----------------------------------------------------------------------------------------------


@cache
def _speech() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "speech_en.toml").read_text("utf-8"))


_QUESTIONS: Final = frozenset(
    "what whats which who when where why how is are do does did will was tell".split()  # noqa: SIM905
)


def noisy(words: list[tuple[str, str]], code: str, chance: random.Random) -> list[tuple[str, str]]:
    """Politeness around it; a slip, a missing or misheard word in it. What is copied only gets slips of typing."""
    words, speech = list(words), _speech()
    if code != NO_TOOL and words and words[0][0].split("'")[0] not in _QUESTIONS and chance.random() < 0.35:
        words = [(w, "") for w in chance.choice(speech["before"]).split()] + words
    if code != NO_TOOL and chance.random() < 0.15:
        words += [(w, "") for w in chance.choice(speech["after"]).split()]
    if code == NO_TOOL and chance.random() < 0.08:
        words = [(w, "") for w in chance.choice(speech["before"]).split()] + words
    if chance.random() < 0.18 and len(words) > 2:
        at = chance.randrange(len(words))
        word, inside = words[at]
        if not inside and word in speech["misheard"]:
            words[at] = (speech["misheard"][word], "")
        elif not inside and word in ("the", "a", "my", "an", "please", "in"):
            del words[at]
        elif len(word) > 4 and word.isalpha() and chance.random() < 0.6:
            words[at] = (_typo(word, chance), inside)
        elif not inside and chance.random() < 0.3:
            words.insert(at, (word, ""))
    return words


def _typo(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at] + word[at:]


def requests(n: int, seed: int, talk_share: float = 0.3, other_languages: float = 0.06) -> Iterator[Request]:
    """`n` distinct requests, the same ones for the same seed; codes with more patterns come more often."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    english, others = situations(), situations("more_languages")
    codes = [c for c in english.patterns if c != NO_TOOL]
    weights = [len(english.patterns[c]) ** 0.6 for c in codes]
    seen: set[str] = set()
    tries = 0
    while len(seen) < n and tries < 20 * n:
        tries += 1
        grammar = others if chance.random() < other_languages else english
        if grammar is others:
            code = chance.choice(list(others.patterns))
        else:
            code = NO_TOOL if chance.random() < talk_share else chance.choices(codes, weights)[0]
        words = noisy(grammar.words(code, chance), code, chance)
        request = _request(code, words)
        if normal(request.text) in seen or not request.text or any(not c for c in request.copied):
            continue
        seen.add(normal(request.text))
        yield request


def counted(found: Sequence[Request]) -> dict[str, Any]:
    """How many of each code."""
    return {code: sum(r.code == code for r in found) for code in CODES if any(r.code == code for r in found)}
