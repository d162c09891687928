"""The sentence templates of a language: those of home-assistant-intents with ours (phrases/<language>.yaml) added."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml
from hassil.expression import Alternative, Expression, Group, ListReference, RuleReference, Sentence
from hassil.intents import IntentData, Intents

from assistant.errors import UsageError

_PHRASES: Final = Path(__file__).with_name("phrases")
HERE: Final = "at_area"  # metadata of sentences that mean the area one is in


@dataclass(frozen=True, slots=True)
class Candidate:
    intent: str
    data: IntentData
    sentence: Sentence
    clauses: tuple[frozenset[str], ...]
    lists: frozenset[str]  # slot lists it cannot do without
    domains: frozenset[str]


def kinds_of(language: str) -> dict[str, list[str]]:
    """Words for each kind of device (domain, or domain.device_class)."""
    return dict(templates_table(language)[1]["kinds"])


@lru_cache(maxsize=4)
def templates_of(language: str) -> Intents:
    """All templates of a language, parsed."""
    return Intents.from_dict(templates_table(language)[0])


def languages() -> list[str]:
    """Languages with templates."""
    return sorted(p.name.removesuffix(".json") for p in files("home_assistant_intents").joinpath("data").iterdir())


@lru_cache(maxsize=8)
def templates_table(language: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The package's templates with ours added; area is not required from the surroundings."""
    source = files("home_assistant_intents").joinpath("data", f"{language}.json")
    if not re.fullmatch(r"[A-Za-z-]{2,12}", language) or not source.is_file():
        raise UsageError(f"there are no home sentences in {language!r}; there are {', '.join(languages())}")
    table = json.loads(source.read_text(encoding="utf-8"))
    own = _PHRASES / f"{language}.yaml"
    ours = yaml.safe_load(own.read_text(encoding="utf-8")) if own.is_file() else {}
    for name, blocks in (ours.get("intents") or {}).items():
        table["intents"].setdefault(name, {"data": []})["data"].extend(blocks)
    table["expansion_rules"].update(ours.get("expansion_rules") or {})
    table["lists"].update(ours.get("lists") or {})
    table["skip_words"] = [*table.get("skip_words", []), *(ours.get("skip_words") or [])]
    for intent in table["intents"].values():
        for block in intent["data"]:
            required = block.get("requires_context", {})
            if "area" in required:
                block["requires_context"] = {k: v for k, v in required.items() if k != "area"}
                block["metadata"] = {**(block.get("metadata") or {}), HERE: True}
    words = {"kinds": ours.get("kinds") or {}, "numbers": ours.get("numbers") or ()}
    return table, words


def candidates(intents: Intents) -> Iterator[Candidate]:
    for intent in intents.intents.values():
        for data in intent.data:
            rules = {**intents.expansion_rules, **data.expansion_rules}
            domain = data.requires_context.get("domain")
            domains = frozenset([domain] if isinstance(domain, str) else domain or ())
            for sentence in data.sentences:
                clauses = tuple(sentence.get_required_clauses(rules))
                lists = frozenset(_needed_lists(sentence.expression, rules))
                yield Candidate(intent.name, data, sentence, clauses, lists, domains)


def _needed_lists(expression: Expression, rules: Mapping[str, Sentence], depth: int = 0) -> set[str]:
    """Names of the slot lists without which the expression cannot match."""
    if depth > 20:
        return set()
    if isinstance(expression, ListReference):
        return {expression.list_name}
    if isinstance(expression, RuleReference):
        rule = rules.get(expression.rule_name)
        return _needed_lists(rule.expression, rules, depth + 1) if rule else set()
    if isinstance(expression, Alternative):
        branches = [_needed_lists(item, rules, depth + 1) for item in expression.items]
        return set.intersection(*branches) if branches and not expression.is_optional else set()
    if isinstance(expression, Group):
        return set().union(*(_needed_lists(item, rules, depth + 1) for item in expression.items))
    return set()
