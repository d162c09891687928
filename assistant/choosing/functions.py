"""Functions described by JSON schemas, called from a request: which one, or none, and with which arguments.

    caller = FunctionCaller(model)
    caller.call("roll two dice with 8 sides", [Function("dice.roll", "roll dice", schema)])  -> FunctionCall or None

For tools whose arguments we have no reader for: those of other packages. Its words are in the request, the model
prefers its name to "none" (it is not asked where the request is surely about one function and no other), and the
request gives what it requires: else nothing is called. The names are scored by prefill, and what the model leans to
anyway, asked nothing, is taken off: a small one prefers any function to none. The arguments are written by the model
under the grammar of the schema, in the form that models are trained with. A small model fills whatever it is shown, so
each value is then looked for in the request (given.py): an optional one that is not there is dropped. Only the request
and the descriptions are in the prompt.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from assistant.choosing.given import copyable, numbers, standing, stems
from assistant.choosing.given_described import tells_codes
from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Prompt, Sampling, Scorer
from assistant.engines.grammar import MAX_DEPTH
from assistant.tools import Tool
from assistant.turn import Turn

NONE: Final = "none"
ABOUT_WEIGHT: Final = 5.0  # nats for a function all of whose words are in the request
ABOUT_NONE: Final = 0.20  # how much a request must be about a function before the model need not prefer its name
ABOUT_BARE: Final = 0.5  # the same where the request gives none of the arguments
ABOUT_COPIED: Final = 0.1  # the same before a text that was made up is asked for again
SURELY_ABOUT: Final = 0.5  # how much, and no other near it, before the model is not asked which
CLEAR_LEAD: Final = 0.2  # what the request is this much less about than about the best is not put to the model
MAX_ASKED: Final = 4
SMALL_TALK: Final = "Hello, how are you?"  # what no function does
MAX_LEANS: Final = 64
MAX_REQUEST_CHARS: Final = 2000
MAX_STRING: Final = 120
MAX_PROPERTIES: Final = 8
_CHOOSE: Final = (
    "You choose the function that does what a request asks. Reply with its name alone. "
    "Reply none if no function does exactly that."
)
_FILL: Final = """You are a helpful assistant.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tool}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""  # the words that Qwen and others were trained with
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
        most = max(about)
        near = sorted((n for n, a in enumerate(about) if a > most - CLEAR_LEAD), key=lambda n: -about[n])[:MAX_ASKED]
        functions, about = [functions[n] for n in near], [about[n] for n in near]
        if len(near) == 1 and most >= SURELY_ABOUT:
            return functions[0], ABOUT_WEIGHT * (most - ABOUT_NONE)
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
        """What the request gives of the arguments; None if a required one is not in it.

        A required text that the model made up is asked for once more, as a piece of the request and nothing else.
        """
        required = set(function.required)
        optional = _spoken_of(request, function, max(0, MAX_PROPERTIES - len(required)))
        wanted = {n: of for n, of in function.properties.items() if n in required or n in optional}
        if not wanted:
            return {}
        written = self._written(request, function, wanted, required)
        if written is None:
            return None
        kept = _kept(request, written, wanted, required)
        lacking = {n: wanted[n] for n in wanted if n in required and n not in kept}
        spoken_of = relevance(request, function) >= ABOUT_COPIED
        if lacking and spoken_of and (pieces := copyable(request, _says(function))):
            lacking = {n: copied for n, of in lacking.items() if (copied := _of_pieces(of, pieces)) is not None}
            again = self._written(request, function, lacking, set(lacking)) if lacking else None
            taken = [v for v in [*kept.values(), *(again or {}).values()] if isinstance(v, str)]
            if len(set(taken)) < len(taken):  # the same words for two arguments: one of them is not there
                return None
            kept |= {n: v for n, v in (again or {}).items() if v}
        return {n: kept[n] for n in wanted if n in kept} if required <= kept.keys() else None

    def _written(
        self, request: str, function: Function, wanted: Mapping[str, Any], required: Set[str]
    ) -> dict[str, Any] | None:
        """The arguments as the model writes them under the grammar of their schemas; None if it came to no end."""
        schema = {
            "type": "object",
            "properties": {n: bounded(of) for n, of in wanted.items()},
            "required": [n for n in wanted if n in required],
        }
        messages = [
            Message(Role.SYSTEM, _FILL.format(tool=_shown(function)), id="system"),
            Message(Role.USER, request, id="request"),
        ]
        opening = f'<tool_call>\n{{"name": {json.dumps(function.name)}, "arguments": '
        prompt = Prompt(messages, _GREEDY, opening, schema, conversation="functions fill")
        try:
            written: dict[str, Any] = json.loads("".join(self.model.stream(prompt, Turn())))
        except ValueError:  # cut off
            return None
        return written


def _kept(request: str, written: Mapping[str, Any], wanted: Mapping[str, Any], required: Set[str]) -> dict[str, Any]:
    """What of the arguments stands in the request, and the choices that it names."""
    found = {
        n: standing(request, n, written.get(n, [] if of.get("type") == "array" else None), of, n in required)
        for n, of in wanted.items()
    }
    kept = {n: value for n, value in found.items() if value is not None}
    used: Counter[str] = Counter()
    for name in sorted(kept, key=lambda n: n not in required):
        value = kept[name][0] if isinstance(kept[name], list) and len(kept[name]) == 1 else kept[name]
        told = str(value).casefold()
        if name not in required and used[told] and used[told] >= request.casefold().count(told):
            del kept[name]  # what the request says once is one argument
        elif not isinstance(kept[name], (bool, dict)) and told not in _YES_NO:
            used[told] += 1
    return kept


_YES_NO: Final = frozenset({"true", "false"})


def _of_pieces(schema: Mapping[str, Any], pieces: list[str]) -> dict[str, Any] | None:
    """The schema of a text, or of a list of texts, with nothing allowed but pieces of the request; None for others."""
    if schema.get("type") == "string" and "enum" not in schema and "format" not in schema:
        return {"enum": pieces}
    of_texts = schema.get("type") == "array" and schema.get("items", {}).get("type") == "string"
    return {"type": "array", "items": {"enum": pieces}, "minItems": 1, "maxItems": 4} if of_texts else None


def _spoken_of(request: str, function: Function, limit: int) -> list[str]:
    """The optional arguments, of too many those that the request says most of."""
    asked, required = set(stems(request)), set(function.required)
    optional = {n: of for n, of in function.properties.items() if n not in required}
    said = {
        n: len(set(stems(f"{n} {of.get('description', '')} {' '.join(map(str, of.get('enum', ())))}")) & asked)
        for n, of in optional.items()
    }
    most = sorted(optional, key=lambda n: -said[n])[:limit]
    return [n for n in optional if n in most]


def _says(function: Function) -> str:
    return f"{function.name} {function.description} {' '.join(function.properties)}"


def _shown(function: Function) -> str:
    """The function as models that were trained to call some have seen them."""
    told = {"name": function.name, "description": function.description, "parameters": function.parameters}
    return json.dumps({"type": "function", "function": told}, ensure_ascii=False)


def _fillable(request: str, function: Function) -> bool:
    """Whether the request has a number, where the function requires any."""
    properties = function.properties
    numeric = [p for p in function.required if properties.get(p, {}).get("type") in ("integer", "number")]
    told = {p for p in numeric if "default" in properties[p] or "enum" in properties[p] or tells_codes(properties[p])}
    free = [p for p in numeric if p not in told]
    return not free or bool(numbers(request))


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
