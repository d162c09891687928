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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Prompt, Sampling, Scorer
from assistant.engines.grammar import MAX_DEPTH
from assistant.tools import Tool
from assistant.tools.given import numbers, standing, stems
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
        schema = {
            "type": "object",
            "properties": {n: bounded(of) for n, of in wanted.items()},
            "required": [n for n in wanted if n in required],
        }
        messages = [
            Message(Role.SYSTEM, _FILL.format(tool=_shown(function, schema)), id="system"),
            Message(Role.USER, request, id="request"),
        ]
        opening = f'<tool_call>\n{{"name": {json.dumps(function.name)}, "arguments": '
        prompt = Prompt(messages, _GREEDY, opening, schema, conversation="functions fill")
        try:
            written = json.loads("".join(self.model.stream(prompt, Turn())))
        except ValueError:  # cut off
            return None
        found = {n: standing(request, written[n], of, n in required) for n, of in wanted.items() if n in written}
        kept = {n: value for n, value in found.items() if value is not None}
        return kept if required <= kept.keys() else None


def _shown(function: Function, schema: Mapping[str, Any]) -> str:
    """The function as models that were trained to call some have seen them."""
    told = {"name": function.name, "description": function.description, "parameters": schema}
    return json.dumps({"type": "function", "function": told}, ensure_ascii=False)


def _fillable(request: str, function: Function) -> bool:
    """Whether the request has a number, where the function requires any."""
    properties = function.properties
    numeric = [p for p in function.required if properties.get(p, {}).get("type") in ("integer", "number")]
    free = [p for p in numeric if "default" not in properties[p] and "enum" not in properties[p]]
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
