"""How much a request is like the ways people ask for each action: words and word pairs, weighted by how telling they
are.

The examples are sampled from the sentence templates and taken from the tools. Names, rooms and numbers are masked on
both
sides, so that what is compared is the manner of asking. It shortlists for the model and gives it a prior; it decides
nothing alone.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hassil.expression import (
    Alternative,
    Expression,
    Group,
    ListReference,
    Permutation,
    RuleReference,
    Sentence,
    TextChunk,
)
from hassil.intents import Intents, TextSlotList

SAMPLES_PER_SENTENCE: Final = 12
MAX_EXAMPLE_WORDS: Final = 24
_MASK: Final = {"area": "{area}", "floor": "{area}", "name": "{name}"}
_CUT: Final = re.compile(r"\{\w+\}|[\w']+|[^\w\s]")


@dataclass(slots=True)
class Likeness:
    """Index of examples; `most_like` compares a masked text with them."""

    _names: list[str] = field(default_factory=list)  # example -> action
    _postings: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    _weights: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Iterable[tuple[str, str]]) -> Likeness:
        """`examples` are (action, masked text)."""
        unique = list(dict.fromkeys(examples))
        features = [(action, Counter(_features(text))) for action, text in unique]
        n_with = Counter(f for _, counted in features for f in counted)
        weights = {f: math.log((1 + len(features)) / n) for f, n in n_with.items()}
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        names = []
        for number, (action, counted) in enumerate(features):
            names.append(action)
            length = math.sqrt(sum((n * weights[f]) ** 2 for f, n in counted.items())) or 1.0
            for f, n in counted.items():
                postings[f].append((number, n * weights[f] / length))
        return cls(names, dict(postings), weights)

    def most_like(self, masked: str, n: int) -> list[tuple[str, float]]:
        """The `n` actions with the most similar example, and the similarity (0 to 1), best first."""
        counted = Counter(_features(masked))
        unknown = max(self._weights.values(), default=1.0)
        values = {f: c * self._weights.get(f, unknown) for f, c in counted.items()}
        length = math.sqrt(sum(v * v for v in values.values())) or 1.0
        scores: dict[int, float] = defaultdict(float)
        for f, value in values.items():
            for number, weight in self._postings.get(f, ()):
                scores[number] += value / length * weight
        best: dict[str, float] = {}
        for number, score in scores.items():
            action = self._names[number]
            best[action] = max(best.get(action, 0.0), score)
        return sorted(best.items(), key=lambda item: -item[1])[:n]


def masked(text: str, vocabulary: Mapping[str, Iterable[str]]) -> str:
    """The text with known names, areas and numbers replaced by {name}, {area} and {n}; longest names first."""
    text = " ".join(_CUT.findall(text.casefold()))
    pairs = [(word.casefold(), kind) for kind, words in vocabulary.items() for word in words if word]
    for word, kind in sorted(pairs, key=lambda p: -len(p[0])):
        pattern = rf"(?<![\w{{]){re.escape(' '.join(_CUT.findall(word)))}(?![\w}}])"
        text = re.sub(pattern, _MASK.get(kind, "{x}"), text)
    return re.sub(r"\b\d+(?: ?[.,] ?\d+)?\b", "{n}", text)


def sampled(intents: Intents, seed: int = 1) -> Iterable[tuple[str, str]]:
    """(intent, masked sentence) examples from the templates, the same ones every time."""
    chance = random.Random(seed)  # noqa: S311 - a sample of sentences, not a secret
    for intent in intents.intents.values():
        for data in intent.data:
            rules = {**intents.expansion_rules, **data.expansion_rules}
            lists = {**intents.slot_lists, **data.slot_lists}
            for sentence in data.sentences:
                for _ in range(SAMPLES_PER_SENTENCE):
                    text = " ".join(_one(sentence.expression, rules, lists, chance, 0).split())
                    if text and len(text.split()) <= MAX_EXAMPLE_WORDS:
                        yield intent.name, re.sub(r"\b\d+\b", "{n}", text.casefold())


def _one(expression: Expression, rules: Mapping[str, Sentence], lists: Mapping[str, object], chance: random.Random,
         depth: int) -> str:  # fmt: skip
    """One way to say it."""
    if depth > 20:
        return ""
    if isinstance(expression, TextChunk):
        return expression.text
    if isinstance(expression, ListReference):
        return _listed(expression, lists, chance)
    if isinstance(expression, RuleReference):
        rule = rules.get(expression.rule_name)
        return _one(rule.expression, rules, lists, chance, depth + 1) if rule else ""
    if isinstance(expression, Alternative):
        return _one(chance.choice(expression.items), rules, lists, chance, depth + 1) if expression.items else ""
    if isinstance(expression, Permutation):
        items = list(expression.items)
        chance.shuffle(items)
        return " ".join(_one(item, rules, lists, chance, depth + 1) for item in items)
    if isinstance(expression, Group):
        return "".join(_one(item, rules, lists, chance, depth + 1) for item in expression.items)
    return ""


def _listed(reference: ListReference, lists: Mapping[str, object], chance: random.Random) -> str:
    if reference.slot_name in _MASK or reference.list_name in _MASK:
        return _MASK.get(reference.list_name) or _MASK[reference.slot_name]
    slot_list = lists.get(reference.list_name)
    if isinstance(slot_list, TextSlotList):
        value = chance.choice(slot_list.values).text_in
        return value.text if isinstance(value, TextChunk) else _one(value, {}, {}, chance, 1)
    return "{x}" if type(slot_list).__name__.startswith("Wildcard") else "{n}"


def _features(text: str) -> list[str]:
    words = ["^", *_CUT.findall(text), "$"]
    return [w for w in words[1:-1] if w not in ".?!,"] + [f"{a} {b}" for a, b in itertools.pairwise(words)]
