"""Functions described by JSON schemas, called from a request: which one, or none, and with which arguments.

    caller = FunctionCaller(model)
    caller.call("roll two dice with 8 sides", [Function("dice.roll", "roll dice", schema)])  -> FunctionCall or None

For tools whose arguments we have no reader for: those of other packages. Three things have to agree before one is
called: its words are in the request, the model prefers its name to "none", and the request gives what it requires. The
names are scored by prefill, and what the model leans to anyway, asked nothing, is taken off: a small one prefers any
function to none. The arguments are written by the model under the grammar of the schema. A small model
fills whatever it is shown, so each value is then looked for in the request: an optional one that is not there is
dropped, and without a required one nothing is called. Only the request and the descriptions are in the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any, Final

import msgspec

from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Prompt, Sampling, Scorer
from assistant.engines.grammar import MAX_DEPTH
from assistant.tools import Tool
from assistant.tools.quantities import find
from assistant.tools.quantities.numbers import number_at
from assistant.tools.quantities.tokens import tokenise, word_at
from assistant.turn import Turn

NONE: Final = "none"
ABOUT_WEIGHT: Final = 5.0  # nats for a function all of whose words are in the request
ABOUT_NONE: Final = 0.30  # how much a request must be about a function before the model need not prefer its name
ABOUT_BARE: Final = 0.5  # the same where the request gives none of the arguments
SMALL_TALK: Final = "Hello, how are you?"  # what no function does
MAX_LEANS: Final = 64
MAX_REQUEST_CHARS: Final = 2000
MAX_STRING: Final = 120
MAX_PROPERTIES: Final = 8
_CHOOSE: Final = (
    "You choose the function that does what a request asks. Reply with its name alone. "
    "Reply none if no function does exactly that."
)
_FILL: Final = (
    "You call a function for a request. Reply with its arguments as JSON. "
    "Take every value from the request, in the form the description of the argument asks for."
)
_GREEDY: Final = Sampling(temperature=0.0, repeat_penalty=1.0, max_tokens=300)


@dataclass(frozen=True, slots=True)
class Function:
    """`parameters` is a JSON schema of an object, in the subset of engines/grammar.py."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def required(self) -> list[str]:
        return list(self.parameters.get("required", ()))

    @property
    def properties(self) -> dict[str, Any]:
        return dict(self.parameters.get("properties", {}))


def function_of(tool: Tool) -> Function:
    """A tool as a function: its schema, without references."""
    (schema,), components = msgspec.json.schema_components([tool.arguments], ref_template="#/$defs/{name}")
    named = {f"#/$defs/{name}": of for name, of in components.items()}
    return Function(tool.name, tool.summary, _resolved(schema, named, 0))


def _resolved(schema: Any, named: Mapping[str, Any], depth: int) -> Any:
    """References followed, and what the grammar has no use for left out."""
    if depth > MAX_DEPTH:
        return {"type": "string"}
    if isinstance(schema, Mapping):
        target = named.get(str(schema.get("$ref")), schema)
        return {k: _resolved(v, named, depth + 1) for k, v in target.items() if k not in ("default", "title")}
    return [_resolved(v, named, depth + 1) for v in schema] if isinstance(schema, list) else schema


@dataclass(frozen=True, slots=True)
class FunctionCall:
    name: str
    arguments: dict[str, Any]
    margin: float  # nats by which it beat "none"


@dataclass(slots=True)
class FunctionCaller:
    """Calls with `model`; without one that scores, the words alone decide."""

    model: LanguageModel
    _leans: dict[tuple[tuple[str, str], ...], list[float]] = field(default_factory=dict)

    def call(self, request: str, functions: Sequence[Function]) -> FunctionCall | None:
        """The call, or None. Raises SchemaError for a schema outside the subset, else what the model raises."""
        request = request[:MAX_REQUEST_CHARS]
        callable_ = [f for f in functions if _fillable(request, f)]
        if not callable_:
            return None
        function, margin = self._best(request, callable_)
        if margin <= 0:
            return None
        arguments = self.arguments(request, function)
        if arguments is None or (function.properties and not arguments and relevance(request, function) < ABOUT_BARE):
            return None
        return FunctionCall(function.name, arguments, margin)

    def _best(self, request: str, functions: Sequence[Function]) -> tuple[Function, float]:
        about = [relevance(request, f) for f in functions]
        told = self._told(request, functions)
        totals = [ABOUT_WEIGHT * a + t for a, t in zip(about, told, strict=False)]
        best = max(range(len(functions)), key=totals.__getitem__)
        return functions[best], totals[best] - ABOUT_WEIGHT * ABOUT_NONE - told[-1]

    def _told(self, request: str, functions: Sequence[Function]) -> list[float]:
        """Log-probability of each name and of none, per part of a name, so that long names are no worse; beyond what
        they have where nothing is asked for."""
        offered = tuple((f.name, f.description) for f in functions)
        if offered not in self._leans:
            if len(self._leans) >= MAX_LEANS:
                self._leans.clear()
            self._leans[offered] = self._scores(SMALL_TALK, functions)
        return [s - lean for s, lean in zip(self._scores(request, functions), self._leans[offered], strict=True)]

    def _scores(self, request: str, functions: Sequence[Function]) -> list[float]:
        names = [f.name for f in functions] + [NONE]
        if not isinstance(self.model, Scorer):
            return [0.0] * len(names)
        listed = "\n".join(f"{f.name}: {f.description}" for f in functions)
        prompt = _prompt(_CHOOSE, f"Functions:\n{listed}\n{NONE}: nothing here does it\n\nRequest: {request}", "choose")
        scores = self.model.score(prompt, names)
        return [s / max(1.0, len(n) / 4) for s, n in zip(scores, names, strict=True)]

    def arguments(self, request: str, function: Function) -> dict[str, Any] | None:
        """What the request gives of the arguments; None if a required one is not in it."""
        required = set(function.required)
        optional = [n for n in function.properties if n not in required][: MAX_PROPERTIES - len(required)]
        wanted = {n: of for n, of in function.properties.items() if n in required or n in optional}
        if not wanted:
            return {}
        told = "\n".join(f"- {name}: {_told_of(of)}" for name, of in wanted.items())
        question = f"{function.name}: {function.description}\n{told}\n\nRequest: {request}"
        schema = {
            "type": "object",
            "properties": {n: bounded(of) for n, of in wanted.items()},
            "required": [n for n in wanted if n in required],
        }
        prompt = _prompt(_FILL, question, "fill")
        text = "".join(self.model.stream(Prompt(prompt.messages, _GREEDY, schema=schema, conversation="fill"), Turn()))
        try:
            written = json.loads(text)
        except ValueError:  # cut off
            return None
        if any(n in required and not given(request, written.get(n), of, True) for n, of in wanted.items()):
            return None
        return {n: v for n, v in written.items() if n in required or given(request, v, wanted[n], False)}


def given(request: str, value: Any, schema: Mapping[str, Any], required: bool) -> bool:
    """Whether a value stands in the request, in whatever form. A required choice among few may be the model's own."""
    if isinstance(value, bool):
        words = f"{schema.get('description', '')}"
        return required or len(set(stems(words)) & set(stems(request))) >= 2
    if isinstance(value, (int, float)):
        one = value == 1 and required and bool(re.search(r"\ban?\b", request, re.IGNORECASE))
        return one or any(abs(float(n) - value) < 1e-6 for n in _numbers(request)) or (required and "enum" in schema)
    if isinstance(value, str):
        if "enum" in schema:
            return required or _stands(value, request)
        return _stands(value, request) or _same_moment(value, request)
    if isinstance(value, list):
        items = schema.get("items", {})
        return bool(value) and all(given(request, v, items, required) for v in value)
    if isinstance(value, dict):
        return bool(value) or required
    return False


def _stands(value: str, request: str) -> bool:
    """Whether at least half of the words of a value begin as words of the request do."""
    folded = request.casefold()
    if value.strip() and value.casefold() in folded:
        return True
    words = [w for w in re.findall(r"\w+", value.casefold()) if w not in _COMMON]
    heads = {w[:4] for w in re.findall(r"\w+", folded)}
    return bool(words) and sum(w[:4] in heads for w in words) * 2 >= len(words)


def _same_moment(value: str, request: str) -> bool:
    """A date or a time in the form the schema asks for, of one that the request names in its own."""
    digits = [int(d) for d in re.findall(r"\d+", value)]
    if not digits or not re.search(r"\d[-/:.T ]\d", value):
        return False
    found = find(request, datetime.now(), ("date", "time", "datetime"))
    return any({f.value.at.day, f.value.at.month} <= set(digits) or f.value.at.hour in digits for f in found)


def relevance(request: str, function: Function) -> float:
    """How much of what the function says of itself is in the request, 0 to 1: its name weighs most."""
    asked = set(stems(request))
    name = set(stems(function.name))
    says = set(stems(function.description)) - name
    fields = {
        s for p, of in function.properties.items() for s in stems(f"{p} {' '.join(map(str, of.get('enum', ())))}")
    }
    theirs = name | says | fields
    parts = (
        (0.45, len(name & asked) / max(1, len(name))),
        (0.25, len(says & asked) / max(1, len(says))),
        (0.30, len(theirs & asked) / max(1, len(asked))),
    )
    return sum(weight * share for weight, share in parts)


def stems(text: str) -> list[str]:
    """The telling words of a text or a name, without endings."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return [s for w in re.findall(r"[a-z]+", spaced.casefold()) if w not in _COMMON and len(s := _stem(w)) > 1]


_ENDINGS: Final = ("ations", "ation", "ating", "ators", "ator", "ates", "ated", "ate", "ings", "ing", "ies", "ied",
                   "ers", "er", "ions", "ion", "es", "ed", "ly", "s", "y", "e")  # fmt: skip


@cache
def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


_COMMON_WORDS: Final = """
a an the of for to in on at by with from and or is are was were be been being it its this that these those what which
who whom whose when where why how do does did can could will would should may might i me my you your we our us he she
they their there here as if so than then not no yes please want need like get give gets given use used using based into
over under between about tell show let some any all each function returns return value values specified specific
provided optional default one two have has had more most
"""
_COMMON: Final = frozenset(_COMMON_WORDS.split())


def _fillable(request: str, function: Function) -> bool:
    """Whether the request has as many numbers as the function requires, where it requires any."""
    properties = function.properties
    numbers = [p for p in function.required if properties.get(p, {}).get("type") in ("integer", "number")]
    free = [p for p in numbers if "default" not in properties[p] and "enum" not in properties[p]]
    return not free or bool(_numbers(request))


def _numbers(text: str) -> list[Fraction]:
    """The numbers of a text in digits and words; 15 % also as its share of one; digits as they stand too, since "298K"
    and "1.75m" may be kelvin and metres."""
    tokens, at = tokenise(text), 0
    found = [Fraction(n.replace(",", "")) for n in _DIGITS.findall(text)]
    while at < len(tokens):
        number = number_at(tokens, at)
        if number:
            found += [number[0], number[0] / 100] if word_at(tokens, number[1]) in ("%", "percent") else [number[0]]
        at = number[1] if number else at + 1
    return found


_DIGITS: Final = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.])\d+(?:\.\d+)?")


def _told_of(schema: Mapping[str, Any]) -> str:
    words = str(schema.get("description", "")).strip()
    values = schema.get("enum")
    return f"{words} One of {', '.join(map(str, values))}." if values else words or str(schema.get("type", ""))


def bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with the length of strings bounded."""
    kept = dict(schema)
    if kept.get("type") == "string" and "enum" not in kept and "format" not in kept:
        kept.setdefault("maxLength", MAX_STRING)
    if isinstance(kept.get("items"), Mapping):
        kept["items"] = bounded(kept["items"])
        kept.setdefault("maxItems", 16)
    if isinstance(kept.get("properties"), Mapping):
        kept["properties"] = {n: bounded(of) for n, of in kept["properties"].items()}
    return kept


def _prompt(head: str, question: str, purpose: str) -> Prompt:
    messages = [Message(Role.SYSTEM, head, id="system"), Message(Role.USER, question, id="request")]
    return Prompt(messages, _GREEDY, conversation=f"functions {purpose}")
