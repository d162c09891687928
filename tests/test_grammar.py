"""Schemas become bounded grammars: what they allow conforms, what conforms they allow, the rest is refused by name."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from assistant.engines.grammar import MAX_DIGITS, compile_schema
from assistant.errors import SchemaError
from gbnf import to_regex

SLOW_TO_DRAW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def matches(schema: object, text: str) -> bool:
    return re.fullmatch(to_regex(compile_schema(schema)), text) is not None


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """An independent reading of the supported subset."""
    if "anyOf" in schema:
        return any(conforms(value, option) for option in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        allowed = [schema["const"]] if "const" in schema else schema["enum"]
        return any(type(value) is type(a) and value == a for a in allowed)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return any(_conforms_to(value, kind, schema) for kind in kinds)


def _conforms_to(value: Any, kind: str, schema: dict[str, Any]) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return (
                isinstance(value, dict)
                and set(schema.get("required", [])) <= set(value) <= set(properties)
                and all(conforms(v, properties[k]) for k, v in value.items())
            )
        case "array":
            bounds = schema.get("minItems", 0), schema.get("maxItems", math.inf)
            return (
                isinstance(value, list)
                and bounds[0] <= len(value) <= bounds[1]
                and all(conforms(v, schema["items"]) for v in value)
            )
        case "string":
            bounds = schema.get("minLength", 0), schema.get("maxLength", math.inf)
            return isinstance(value, str) and bounds[0] <= len(value) <= bounds[1]
        case "integer":
            return whole and schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        case "number":
            return whole or isinstance(value, float)
        case "boolean":
            return isinstance(value, bool)
    return value is None


texts = st.text(st.characters(codec="utf-8"), max_size=6)
scalars = st.one_of(texts, st.integers(-1000, 1000), st.booleans(), st.none(), st.floats(-10, 10))


@st.composite
def bounded(draw: st.DrawFn, low: str, high: str, kind: str, largest: int) -> dict[str, Any]:
    a, b = sorted(draw(st.tuples(st.integers(0, largest), st.integers(0, largest))))
    return {"type": kind, low: a, high: b}


@st.composite
def integers_between(draw: st.DrawFn) -> dict[str, Any]:
    a, b = sorted(draw(st.tuples(*[st.integers(-(10**6), 10**6)] * 2)))
    return draw(st.sampled_from([{"type": "integer", "minimum": a, "maximum": b}, {"type": "integer"}]))


@st.composite
def objects_of(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(texts, inner, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


leaves = st.one_of(
    bounded("minLength", "maxLength", "string", 5),
    integers_between(),
    st.sampled_from([{"type": t} for t in ("number", "boolean", "null")]),
    st.lists(scalars, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    scalars.map(lambda value: {"const": value}),
    st.just({"type": ["integer", "null"]}),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        objects_of(inner),
        st.builds(lambda of, b: {**b, "items": of}, inner, bounded("minItems", "maxItems", "array", 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=4,
)


def instances(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that conform to a schema made by `schemas`."""
    if "anyOf" in schema:
        return st.one_of(*map(instances, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return st.sampled_from([schema["const"]] if "const" in schema else schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    largest = 10**MAX_DIGITS - 1
    return {
        "object": lambda: st.fixed_dictionaries(
            {k: instances(v) for k, v in schema["properties"].items() if k in schema["required"]},
            optional={k: instances(v) for k, v in schema["properties"].items() if k not in schema["required"]},
        ),
        "array": lambda: st.lists(instances(schema["items"]), min_size=schema["minItems"], max_size=schema["maxItems"]),
        "string": lambda: st.text(
            st.characters(codec="utf-8"), min_size=schema["minLength"], max_size=schema["maxLength"]
        ),
        "integer": lambda: st.integers(schema.get("minimum", -largest), schema.get("maximum", largest)),
        "number": lambda: st.one_of(st.integers(-1000, 1000), st.floats(-1000, 1000).map(lambda f: round(f, 6) + 0.0)),
        "boolean": st.booleans,
        "null": st.none,
    }[kinds[0]]()


@given(schema=schemas, data=st.data())
@SLOW_TO_DRAW
def test_everything_a_grammar_allows_conforms_to_its_schema(schema: dict[str, Any], data: st.DataObject) -> None:
    text = data.draw(st.from_regex(to_regex(compile_schema(schema)), fullmatch=True))
    assert conforms(json.loads(text), schema), text
    text.encode()  # valid Unicode


@given(schema=schemas, data=st.data())
@SLOW_TO_DRAW
def test_everything_that_conforms_is_allowed(schema: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(instances(schema))
    value = _in_order(value, schema)
    text = json.dumps(value, ensure_ascii=False)
    assume("\x7f" not in text)  # a model writes \u007f
    assert matches(schema, text), text


def _in_order(value: Any, schema: dict[str, Any]) -> Any:
    """Objects are written in the order of `properties`."""
    if isinstance(value, dict) and schema.get("type") == "object":
        properties = schema["properties"]
        return {k: _in_order(value[k], properties[k]) for k in properties if k in value}
    if isinstance(value, list) and schema.get("type") == "array":
        return [_in_order(v, schema["items"]) for v in value]
    if "anyOf" in schema:
        fitting = next((o for o in schema["anyOf"] if conforms(value, o)), None)
        return _in_order(value, fitting) if fitting else value
    return value


@given(
    low=st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1),
    high=st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1),
    value=st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1),
)
@settings(deadline=None)
def test_integer_bounds_are_exact(low: int, high: int, value: int) -> None:
    low, high = sorted((low, high))
    schema = {"type": "integer", "minimum": low, "maximum": high}
    for candidate in {value, low, high, low - 1, high + 1, 0}:
        assert matches(schema, str(candidate)) == (low <= candidate <= high)


any_json = st.recursive(
    st.one_of(
        scalars,
        st.sampled_from(["object", "array", "string", "integer", "$ref", "pattern", "enum", "const", "anyOf", "items"]),
        st.integers(),
        st.floats(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                texts,
                st.sampled_from(["type", "properties", "required", "items", "enum", "const", "anyOf", "maxItems"]),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


@given(schema=any_json)
@settings(deadline=None, max_examples=300)
def test_any_json_value_compiles_to_a_sound_grammar_or_is_a_schema_error(schema: Any) -> None:
    try:
        grammar = compile_schema(schema)
    except SchemaError as error:
        assert "schema at $" in str(error)
        assert "\n" not in str(error)
    else:
        re.compile(to_regex(grammar))


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


HOSTILE: list[tuple[Any, str]] = [
    ([], "object is needed"),
    (True, "object is needed"),
    ({}, "`type` is missing"),
    ({"type": []}, "`type`"),
    ({"type": "file"}, "`type` is file"),
    ({"type": ["string", "string"]}, "`type`"),
    ({"type": {"a": 1}}, "`type`"),
    ({"type": [None, ""]}, "`type`"),
    ({"type": [None, []]}, "`type`"),
    ({"type": [[]]}, "`type`"),
    ({"const": 1, "type": [[]]}, "is not of type"),
    ({"const": 1, "type": {}}, "is not of type"),
    ({"const": 10**400}, "digits"),
    ({"const": 10**5000}, "digits"),
    ({"type": "integer", "minimum": 10**5000}, "digits"),
    ({"type": [10**5000]}, "`type`"),
    ({"$ref": "#/definitions/x"}, "`type` is missing"),
    ({"type": "string", "$ref": "#"}, "`$ref` is not supported"),
    ({"type": "string", "pattern": "("}, "`pattern` is not supported"),
    ({"type": "string", "maxItems": 1}, "`maxItems` is not supported"),
    ({"type": "string", "format": "email"}, "`format` is email"),
    ({"type": "string", "format": "date", "maxLength": 3}, "cannot be combined"),
    ({"type": "string", "maxLength": 10**6}, "`maxLength` must be 0 to"),
    ({"type": "string", "maxLength": -1}, "`maxLength` must be 0 to"),
    ({"type": "string", "maxLength": 1.5}, "`maxLength` must be 0 to"),
    ({"type": "string", "maxLength": True}, "`maxLength` must be 0 to"),
    ({"type": "string", "minLength": 4, "maxLength": 3}, "is above"),
    ({"type": "array"}, "needs `items`"),
    ({"type": "array", "items": {"type": "null"}, "maxItems": 10**6}, "`maxItems` must be 0 to"),
    ({"type": "array", "items": {"type": "null"}, "uniqueItems": True}, "`uniqueItems` is not supported"),
    ({"enum": []}, "`enum` must be a list of 1"),
    ({"enum": "abc"}, "`enum` must be a list"),
    ({"enum": list(range(1000))}, "`enum` must be a list of 1"),
    ({"enum": [[1]]}, "is not a string"),
    ({"enum": [math.nan]}, "is not a string, finite number"),
    ({"const": math.inf}, "is not a string, finite number"),
    ({"const": {"a": 1}}, "is not a string"),
    ({"const": "\ud800"}, "valid text"),
    ({"const": "x" * 5000}, "at most"),
    ({"const": 1, "type": "string"}, "is not of type"),
    ({"enum": ["a"], "pattern": "a"}, "`pattern`"),
    ({"anyOf": []}, "`anyOf` must be a list"),
    ({"anyOf": [{"type": "null"}] * 50}, "`anyOf` must be a list"),
    ({"anyOf": [{"type": "null"}], "type": "object"}, "`type` is not supported here"),
    ({"oneOf": [{"type": "null"}]}, "`type` is missing"),
    ({"type": "object", "additionalProperties": True}, "`additionalProperties`"),
    ({"type": "object", "additionalProperties": {"type": "null"}}, "`additionalProperties`"),
    ({"type": "object", "patternProperties": {}}, "`patternProperties`"),
    ({"type": "object", "properties": []}, "`properties`"),
    ({"type": "object", "properties": {str(i): {"type": "null"} for i in range(100)}}, "`properties`"),
    ({"type": "object", "properties": {"a": {"type": "x"}}}, "$.a"),
    ({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]}, "`required`"),
    ({"type": "object", "properties": {"a": {"type": "null"}}, "required": [1]}, "`required`"),
    ({"type": "object", "properties": {"\udfff": {"type": "null"}}}, "valid text"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "above"),
    ({"type": "integer", "minimum": 10**30}, "`minimum` must be"),
    ({"type": "integer", "minimum": 0.5}, "`minimum` must be"),
    ({"type": "integer", "multipleOf": 2}, "`multipleOf`"),
    ({"type": "number", "minimum": 1}, "`minimum` is not supported"),
    (nested(50), "nested more than"),
]


@pytest.mark.parametrize(("schema", "reason"), HOSTILE)
def test_hostile_schema_is_refused_with_keyword_and_path(schema: Any, reason: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(reason)):
        compile_schema(schema)


def test_a_schema_nested_deeper_than_the_interpreter_recurses_is_refused() -> None:
    with pytest.raises(SchemaError, match="nested more than"):
        compile_schema(nested(100_000))


def test_a_large_schema_is_refused_and_not_multiplied() -> None:
    many: dict[str, Any] = {"type": "string", "maxLength": 1}
    for level in range(7):
        many = {"type": "object", "properties": {f"{level}-{i}": many for i in range(60)}}
    with pytest.raises(SchemaError, match="too large"):
        compile_schema(many)


def test_many_long_strings_are_refused() -> None:
    properties = {f"p{i}": {"type": "string", "maxLength": 1900 + i} for i in range(12)}
    with pytest.raises(SchemaError, match="too large"):
        compile_schema({"type": "object", "properties": properties})


AWKWARD = ['quo"te', "new\nline", "back\\slash", "\0", "::= root", '" | [^"]*', "é", "\x85", "😀", "{}[]()?*+", "\\x41"]


@pytest.mark.parametrize("text", AWKWARD)
def test_names_and_constants_are_literal_whatever_they_contain(text: str) -> None:
    schema = {"type": "object", "properties": {text: {"const": text}}, "required": [text]}
    allowed = to_regex(compile_schema(schema))
    assert re.fullmatch(allowed, json.dumps({text: text}, ensure_ascii=False))
    assert not re.fullmatch(allowed, json.dumps({text: text + "x"}, ensure_ascii=False))
    assert compile_schema(schema).isascii()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", "2026-11-24", "2026-13-01"),
        ("time", "23:59:59Z", "24:00:00Z"),
        ("date-time", "2026-11-24T10:00:00.5+01:00", "2026-11-24 10:00:00Z"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
    ],
)
def test_formats(kind: str, good: str, bad: str) -> None:
    schema = {"type": "string", "format": kind}
    assert matches(schema, f'"{good}"')
    assert not matches(schema, f'"{bad}"')


def test_half_characters_cannot_be_written() -> None:
    assert not matches({"type": "string"}, '"\\ud83d"')
    assert matches({"type": "string"}, '"\\u00e9"')


def test_annotations_are_ignored() -> None:
    schema = {"$schema": "x", "title": "t", "description": "d", "default": 1, "examples": [1], "type": "integer"}
    assert matches(schema, "42")
