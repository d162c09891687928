"""A JSON schema, from a small subset, as a grammar that llama.cpp enforces while the model writes.

llama.cpp's own converter crashes the process on some schemas and silently ignores parts of others. Here every keyword
is either enforced or refused with its name and place, and everything is bounded: strings, arrays, digits, white
space, nesting, the grammar itself. Its text is only ever made here, from escaped parts; rules never refer to
themselves.

Enforced: `type` (or a list of types) object with properties, required, additionalProperties false; array with items,
minItems, maxItems; string with minLength, maxLength or format (date, time, date-time, uuid); integer with minimum,
maximum; number, boolean, null; `enum` and `const` of scalars; `anyOf`. Ignored: title, description, default, examples,
deprecated, $schema, $comment. Objects are written in the order of `properties`, without others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from assistant.errors import SchemaError

MAX_DEPTH = 8
MAX_PROPERTIES = 64
MAX_ENUM = 256
MAX_ANY_OF = 16
MAX_ITEMS = 256
MAX_LENGTH = 2000
MAX_DIGITS = 15
DEFAULT_ITEMS = 64  # of an array without maxItems
DEFAULT_LENGTH = 1000  # of a string without maxLength
_MAX_RULES = 1000
_MAX_TEXT = 100_000  # characters of grammar
_MAX_REPETITIONS = 20_000  # llama.cpp makes a rule of each

_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "$schema", "$comment"})
_KEYWORDS = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "format"}),
    "integer": frozenset({"minimum", "maximum"}),
    "number": frozenset[str](),
    "boolean": frozenset[str](),
    "null": frozenset[str](),
}
_SHARED = {
    "ws": r"([ \n] [ ]{0,16})?",
    "hex": "[0-9a-fA-F]",
    # no \uD800 to \uDFFF: half a character is not valid text
    "char": r'[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" ([0-9a-ceA-CE-Ff] hex hex hex | [dD] [0-7] hex hex))',
    "number": r'"-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
    "integer": r'"-"? ("0" | [1-9] [0-9]{0,14})',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "day": r'[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
    "clock": r'([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? '
    r'("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
    "uuid": 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
}
_USES = {"char": ("hex",), "uuid": ("hex",)}
_FORMATS = {"date": ("day",), "time": ("clock",), "date-time": ("day", '"T"', "clock"), "uuid": ("uuid",)}


def compile_schema(schema: object) -> str:
    """The GBNF grammar of a schema, its start rule named `root`.

    Raises SchemaError naming the keyword and its path when the schema is outside the subset or too large.
    """
    compiler = _Compiler()
    root = compiler.value(schema, "$", 0)
    return compiler.text(root)


class _Compiler:
    """Collects rules; each method returns a reference or an expression for one schema at a path."""

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}  # body -> name
        self._shared: dict[str, str] = {}  # name -> body
        self._n_repetitions = 0
        self._n_characters = 0

    def text(self, root: str) -> str:
        lines = [f"root ::= {root}", *(f"{name} ::= {body}" for body, name in self._rules.items())]
        return "\n".join([*lines, *(f"{name} ::= {body}" for name, body in self._shared.items()), ""])

    def value(self, schema: object, path: str, depth: int) -> str:
        """Reference to the rule of any schema."""
        if not isinstance(schema, dict):
            raise SchemaError(f"schema at {path}: an object is needed, not {_shown(schema)}")
        if depth > MAX_DEPTH:
            raise SchemaError(f"schema at {path}: nested more than {MAX_DEPTH} deep")
        for keyword in ("anyOf", "const", "enum"):
            if keyword in schema:
                return self._choice(keyword, schema, path, depth)
        types = schema.get("type")
        types = types if isinstance(types, list) else [types]
        known = all(isinstance(t, str) and t in _KEYWORDS for t in types)
        if not types or not known or len(set(types)) != len(types):
            found = "missing" if "type" not in schema else _shown(schema["type"])
            raise SchemaError(f"schema at {path}: `type` is {found}; use one of {', '.join(_KEYWORDS)}")
        _refuse_others(schema, {"type"}.union(*(_KEYWORDS[t] for t in types)), path)
        write: dict[str, Callable[[dict[str, Any], str, int], str]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
        }
        parts = [write[t](schema, path, depth) if t in write else self._use(t) for t in types]
        return self._rule(" | ".join(parts), path) if len(parts) > 1 else parts[0]

    # -- the kinds of schema ----------------------------------------------------------------------------------------

    def _choice(self, keyword: str, schema: dict[str, Any], path: str, depth: int) -> str:
        """anyOf, enum or const."""
        allowed = {keyword} if keyword == "anyOf" else {keyword, "type"}
        _refuse_others(schema, allowed, path)
        options = [schema["const"]] if keyword == "const" else schema[keyword]
        limit = MAX_ANY_OF if keyword == "anyOf" else MAX_ENUM
        if not isinstance(options, list) or not 1 <= len(options) <= limit:
            raise SchemaError(f"schema at {path}: `{keyword}` must be a list of 1 to {limit}, not {_shown(options)}")
        if keyword == "anyOf":
            parts = [self.value(option, f"{path}.anyOf[{i}]", depth + 1) for i, option in enumerate(options)]
        else:
            parts = [_quoted(_scalar(option, schema, f"{path}.{keyword}")) for option in options]
        return self._rule(" | ".join(dict.fromkeys(parts)), path)

    def _object(self, schema: dict[str, Any], path: str, depth: int) -> str:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if schema.get("additionalProperties", False) is not False:
            raise SchemaError(f"schema at {path}: `additionalProperties` can only be false")
        if not isinstance(properties, dict) or len(properties) > MAX_PROPERTIES:
            raise SchemaError(f"schema at {path}: `properties` must be an object of at most {MAX_PROPERTIES} entries")
        if not isinstance(required, list) or any(not isinstance(r, str) or r not in properties for r in required):
            raise SchemaError(f"schema at {path}: `required` must be a list of names from `properties`")
        ws, comma = self._use("ws"), '","'
        first, more = "", ""  # what may follow while no property is written yet, and once one is
        for name, of in reversed(properties.items()):
            where = f"{path}.{name}" if isinstance(name, str) else path
            key = _quoted(_scalar(name, {"type": "string"}, where))
            pair = f'{key} {ws} ":" {ws} {self.value(of, where, depth + 1)}'
            begun, later = f"{pair} {more}", f"{ws} {comma} {ws} {pair}"
            if name in required:
                first, more = self._rule(begun, path), self._rule(f"{later} {more}", path)
            else:
                first = self._rule(f"{begun} | {first}" if first else f"({begun})?", path)
                more = self._rule(f"({later})? {more}", path)
        return self._rule(f'"{{" {ws} {first} {ws} "}}"' if first else f'"{{" {ws} "}}"', path)

    def _array(self, schema: dict[str, Any], path: str, depth: int) -> str:
        if "items" not in schema:
            raise SchemaError(f"schema at {path}: an array needs `items`")
        low, high = self._bounds(schema, ("minItems", "maxItems"), (DEFAULT_ITEMS, MAX_ITEMS), path)
        item, ws = self.value(schema["items"], f"{path}.items", depth + 1), self._use("ws")
        if high == 0:
            return self._rule(f'"[" {ws} "]"', path)
        following = self._rule(f'{ws} "," {ws} {item}', path)
        items = f"{item} {self._repeat(following, max(low - 1, 0), high - 1, path)}"
        return self._rule(f'"[" {ws} {items if low else f"({items})?"} {ws} "]"', path)

    def _string(self, schema: dict[str, Any], path: str, _depth: int) -> str:
        if "format" in schema:
            name = schema["format"]
            if not isinstance(name, str) or name not in _FORMATS:
                known = ", ".join(_FORMATS)
                raise SchemaError(f"schema at {path}: `format` is {_shown(name)}; known are {known}")
            if "minLength" in schema or "maxLength" in schema:
                raise SchemaError(f"schema at {path}: `format` and a length cannot be combined")
            parts = [part if part.startswith('"') else self._use(part) for part in _FORMATS[name]]
            return self._rule(f'"\\"" {" ".join(parts)} "\\""', path)
        low, high = self._bounds(schema, ("minLength", "maxLength"), (DEFAULT_LENGTH, MAX_LENGTH), path)
        return self._rule(f'"\\"" {self._repeat(self._use("char"), low, high, path)} "\\""', path)

    def _integer(self, schema: dict[str, Any], path: str, _depth: int) -> str:
        if "minimum" not in schema and "maximum" not in schema:
            return self._use("integer")
        largest = 10**MAX_DIGITS - 1
        low, high = schema.get("minimum", -largest), schema.get("maximum", largest)
        for keyword, bound in (("minimum", low), ("maximum", high)):
            if not _is_whole(bound) or abs(bound) > largest:
                raise SchemaError(
                    f"schema at {path}: `{keyword}` must be a whole number of at most {MAX_DIGITS} digits, "
                    f"not {_shown(bound)}"
                )
        if low > high:
            raise SchemaError(f"schema at {path}: `minimum` is above `maximum`")
        parts = []
        if low < 0:
            parts.append(f'"-" ({_digits(max(-high, 1), -low)})')
        if high >= 0:
            parts.append(_digits(max(low, 0), high))
        return self._rule(" | ".join(parts), path)

    # -- rules --------------------------------------------------------------------------------------------------------

    def _bounds(
        self, schema: dict[str, Any], keywords: tuple[str, str], limits: tuple[int, int], path: str
    ) -> tuple[int, int]:
        """(low, high) of a repetition; `limits` are the default and the largest high."""
        default, largest = limits
        low = schema.get(keywords[0], 0)
        high = schema.get(keywords[1], max(default, low) if _is_whole(low) else default)
        for keyword, bound in zip(keywords, (low, high), strict=True):
            if not _is_whole(bound) or not 0 <= bound <= largest:
                raise SchemaError(f"schema at {path}: `{keyword}` must be 0 to {largest}, not {_shown(bound)}")
        if low > high:
            raise SchemaError(f"schema at {path}: `{keywords[0]}` is above `{keywords[1]}`")
        return low, high

    def _repeat(self, rule: str, low: int, high: int, path: str) -> str:
        if high == 0:
            return ""
        self._n_repetitions += high
        if self._n_repetitions > _MAX_REPETITIONS:
            raise SchemaError(f"schema at {path}: too large; lower the sum of `maxLength` and `maxItems`")
        return self._rule(f"{rule}{{{low},{high}}}", path)

    def _rule(self, body: str, path: str) -> str:
        """Reference to the rule with this body, made once."""
        if body not in self._rules:
            self._n_characters += len(body)
            if len(self._rules) >= _MAX_RULES or self._n_characters > _MAX_TEXT:
                raise SchemaError(f"schema at {path}: too large; use fewer properties and alternatives")
            self._rules[body] = f"r{len(self._rules)}"
        return self._rules[body]

    def _use(self, name: str) -> str:
        for used in _USES.get(name, ()):
            self._use(used)
        self._shared[name] = _SHARED[name]
        return name


def _refuse_others(schema: dict[str, Any], allowed: set[str], path: str) -> None:
    for keyword in schema:
        if keyword not in allowed and keyword not in _ANNOTATIONS:
            raise SchemaError(f"schema at {path}: `{_shown(keyword)}` is not supported here")


def _scalar(value: object, schema: dict[str, Any], path: str) -> str:
    """A constant as JSON text, checked against the schema's `type` if it has one."""
    kinds: Sequence[tuple[str, bool]] = (
        ("string", isinstance(value, str)),
        ("boolean", isinstance(value, bool)),
        ("integer", _is_whole(value)),
        ("number", _is_whole(value) or (isinstance(value, float) and math.isfinite(value))),
        ("null", value is None),
    )
    kind = [name for name, holds in kinds if holds]
    if not kind:
        raise SchemaError(f"schema at {path}: {_shown(value)} is not a string, finite number, boolean or null")
    if _is_whole(value) and abs(value) >= 10**MAX_DIGITS:  # type: ignore[arg-type]
        raise SchemaError(f"schema at {path}: a number may have at most {MAX_DIGITS} digits")
    wanted = schema.get("type", kind[0])
    if not any(one in kind for one in (wanted if isinstance(wanted, list) else [wanted])):
        raise SchemaError(f"schema at {path}: {_shown(value)} is not of type {_shown(wanted)}")
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > MAX_LENGTH or any("\ud800" <= c <= "\udfff" for c in text):
        raise SchemaError(f"schema at {path}: a constant must be valid text of at most {MAX_LENGTH} characters")
    return text


def _quoted(text: str) -> str:
    """A literal of the grammar. Everything but harmless ASCII is written as its code point."""

    def escaped(character: str) -> str:
        if character.isascii() and character.isprintable() and character not in '"\\':
            return character
        code = ord(character)
        return f"\\x{code:02X}" if code < 0x100 else f"\\U{code:08X}"

    return f'"{"".join(map(escaped, text))}"'


def _digits(low: int, high: int) -> str:
    """Alternatives for the decimal numbers low to high, both >= 0."""
    parts = []
    for n in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (n - 1) if n > 1 else 0)
        parts.append(_between(str(first), str(min(high, 10**n - 1))))
    return " | ".join(parts)


def _between(low: str, high: str) -> str:
    """The digit strings low to high, of equal length, as one expression."""
    rest = len(low) - 1
    if low == high:
        return f'"{low}"'
    if set(low[1:]) <= {"0"} and set(high[1:]) <= {"9"}:
        return f"[{low[0]}-{high[0]}]" + (f" [0-9]{{{rest},{rest}}}" if rest else "")
    if low[0] == high[0]:
        return f'"{low[0]}" ({_between(low[1:], high[1:])})'
    parts = [f'"{low[0]}" ({_between(low[1:], "9" * rest)})', f'"{high[0]}" ({_between("0" * rest, high[1:])})']
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}] [0-9]{{{rest},{rest}}}")
    return " | ".join(parts)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """A value from the schema, short enough for a message."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a number too long to write"
    text = "".join(c if c.isprintable() else "?" for c in text[:60])
    return text if len(text) < 60 else f"{text}..."
