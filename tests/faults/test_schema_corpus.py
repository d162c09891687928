"""Sixty hostile JSON schemas on the way of `ask --schema`: each is refused in words, or compiled and obeyed.

llama.cpp's own converter crashes on several of these and ignores parts of others; a grammar from our compiler is the
only kind that ever reaches it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.conversation import Message, Role
from assistant.engines import Prompt, Sampling
from assistant.engines.grammar import compile_schema
from assistant.engines.remote import RemoteLanguageModel
from assistant.errors import SchemaError
from assistant.turn import Turn
from engine_talks import PLAN, smollm2


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "boolean"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema, "maxItems": 2}
    return schema


def one(name: str, schema: object) -> dict[str, Any]:
    """An object with one property."""
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


TEXT = {"type": "string", "maxLength": 8}
SCHEMAS: dict[str, object] = {
    "nothing": {},
    "null": None,
    "true": True,
    "a list": [],
    "a text": "object",
    "a number": 7,
    "a type nobody knows": {"type": "banana"},
    "a type that is a number": {"type": 7},
    "no types": {"type": []},
    "a type twice": {"type": ["string", "string"]},
    "an empty enum": {"enum": []},
    "an enum that is no list": {"enum": "yes"},
    "an enum of objects": {"enum": [{}]},
    "an enum of 10,000": {"enum": [f"value {n}" for n in range(10_000)]},
    "an enum with control characters": {"enum": ["a\0b", "\x1b[2J"]},
    "an enum of grammar": {"enum": ['" | root | "', "::= ("]},
    "a constant with a line break": {"const": "a\nb"},
    "a constant with quotes": {"const": '"\\" )'},
    "a constant of a megabyte": {"const": "x" * (1 << 20)},
    "a constant that is no number": {"const": float("nan")},
    "an infinite constant": {"const": float("inf")},
    "half a character": {"const": "\ud83d"},
    "a million items": {"type": "array", "items": TEXT, "maxItems": 1_000_000},
    "fewer than no items": {"type": "array", "items": TEXT, "minItems": -1},
    "more items than at most": {"type": "array", "items": TEXT, "minItems": 5, "maxItems": 2},
    "items in words": {"type": "array", "items": TEXT, "maxItems": "many"},
    "an array of anything": {"type": "array"},
    "items that are a list": {"type": "array", "items": [TEXT]},
    "a text of a million": {"type": "string", "maxLength": 1_000_000},
    "a text shorter than nothing": {"type": "string", "minLength": -5},
    "a text of 2^64": {"type": "string", "maxLength": 2**64},
    "a text of 2.5": {"type": "string", "maxLength": 2.5},
    "a pattern": {"type": "string", "pattern": "(a+)+$"},
    "a bad pattern": {"type": "string", "pattern": "("},
    "a format nobody knows": {"type": "string", "format": "regex"},
    "a reference to itself": {"$ref": "#"},
    "a reference to a file": {"$ref": "file:///etc/passwd"},
    "a reference to the network": {"$ref": "https://example.net/schema.json"},
    "definitions": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "all of": {"allOf": [TEXT, TEXT]},
    "one of": {"oneOf": [TEXT]},
    "not": {"not": {}},
    "any of nothing": {"anyOf": []},
    "any of 500": {"anyOf": [TEXT] * 500},
    "any of any of": {"anyOf": [{"anyOf": [{"anyOf": [TEXT]}]}]},
    "nested 8 deep": nested(8),
    "nested 9 deep": nested(9),
    "nested 900 deep": nested(900),
    "an integer between 10 and 1": {"type": "integer", "minimum": 10, "maximum": 1},
    "an integer of 10^40": {"type": "integer", "minimum": 10**40},
    "an integer between fractions": {"type": "integer", "minimum": 0.5, "maximum": 0.7},
    "a multiple": {"type": "integer", "multipleOf": 7},
    "a name with a line break": one("a\nb", TEXT),
    "a name with quotes": one('a" | root | "', TEXT),
    "a name of nothing": one("", TEXT),
    "a name with control characters": one("\x1b]52;c;x\x07", TEXT),
    "a name of a megabyte": one("n" * (1 << 20), TEXT),
    "1,000 properties": {"type": "object", "properties": {f"p{n}": TEXT for n in range(1000)}},
    "properties that are a list": {"type": "object", "properties": [TEXT]},
    "required that is not there": {"type": "object", "properties": {"a": TEXT}, "required": ["b"]},
    "more of anything": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
    "a property that is anything": one("a", {}),
    "twenty thousand repetitions": {"type": "array", "items": {"type": "string", "maxLength": 2000}, "maxItems": 256},
}


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[RemoteLanguageModel]:
    started = RemoteLanguageModel(smollm2(smollm2_path), PLAN)
    yield started
    started.close()


def prompt(schema: Any, max_tokens: int) -> Prompt:
    return Prompt([Message(Role.USER, "Answer.")], Sampling(temperature=0, max_tokens=max_tokens), schema=schema)


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(SCHEMAS) >= 60


@pytest.mark.models
def test_every_schema_is_refused_or_obeyed(model: RemoteLanguageModel) -> None:
    worker, refused = model.pid, []
    for name, schema in SCHEMAS.items():
        try:
            compile_schema(schema)
        except SchemaError as error:
            assert str(error).isprintable(), name
            refused.append(name)
            if schema is not None:  # which is no schema at all
                with pytest.raises(SchemaError):
                    list(model.stream(prompt(schema, 6), Turn()))
            continue
        turn = Turn()
        list(model.stream(prompt(schema, 6), turn))
        assert turn.usage.finish_reason in ("stop", "length"), name
    assert model.pid == worker, "the model process died of a schema"
    print(f"{len(SCHEMAS)} schemas: {len(refused)} refused, {len(SCHEMAS) - len(refused)} obeyed")
    assert len(refused) > 30
    assert "nested 8 deep" not in refused


@pytest.mark.models
def test_the_runtimes_own_way_dies_of_some(smollm2_path: Path) -> None:
    """What the bounded compiler holds back: the same in a process of its own, as the library offers it."""
    code = (
        "import sys, llama_cpp\n"
        "llama_cpp.LlamaGrammar.from_json_schema(sys.argv[1], verbose=False) if sys.argv[1][0] == '{' else "
        "llama_cpp.LlamaGrammar.from_string(sys.argv[1], verbose=False)\n"
        "model = llama_cpp.Llama(sys.argv[2], n_ctx=64, verbose=False)\n"
        "g = llama_cpp.LlamaGrammar.from_string(sys.argv[1], verbose=False) if sys.argv[1][0] != '{' else "
        "llama_cpp.LlamaGrammar.from_json_schema(sys.argv[1], verbose=False)\n"
        "model('x', grammar=g, max_tokens=2)\n"
    )
    deaths = []
    for hostile in ("root ::= (", json.dumps(SCHEMAS["an empty enum"])):
        done = subprocess.run(
            [sys.executable, "-c", code, hostile, str(smollm2_path)], capture_output=True, check=False
        )
        deaths.append(done.returncode)
    assert any(code < 0 for code in deaths), deaths
