"""What of a value stands in a request: names, numbers in digits and words, dates in another form.

A small model fills in whatever it is shown; what it writes is looked for here before anything is called with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any, Final

from assistant.choosing.given_described import coded, dated, is_category, is_listed, is_short_form, moments
from assistant.quantities.numbers import number_at
from assistant.quantities.tokens import tokenise, word_at

MAX_PIECE: Final = 8  # words
MAX_PIECES: Final = 200


def standing(request: str, name: str, value: Any, schema: Mapping[str, Any], required: bool) -> Any:
    """What of a value for the argument `name` stands in the request; None if nothing does.

    Of a list the items that do, each as often as it is there, of an object what it requires and what does. Of a choice
    the one that the request names, of codes and dates what the description says that it means (given_described.py). A
    share of one where the request has it in percent.
    """
    if (named := named_option(request, schema.get("enum", ()))) is not None:
        return named
    if required or value is not None:
        said = isinstance(value, (int, float)) and any(n == value for n in numbers(request))
        read = None if said else coded(request, value, schema)  # "the limit is 20" is 20, whatever 100 stands for
        read = dated(request, name, value, schema) if read is None else read
        if read is not None:
            return read
    if isinstance(value, list):
        items = schema.get("items", {})
        if named_all := [o for o in items.get("enum", ()) if isinstance(o, str) and _named(o, request)]:
            return named_all
        kept = [v for n, v in enumerate(value) if given(request, v, items, required) and _as_often(request, value, n)]
        return kept or None
    if isinstance(value, dict) and value and schema.get("properties"):
        return _inside(request, value, schema)
    if not given(request, value, schema, required, name):
        return None
    if isinstance(value, str) and "enum" not in schema:
        return value if is_listed(value, schema) else _as_written(value, request)
    told = f"{name} {schema.get('description', '')}".casefold()
    if schema.get("type") == "number" and isinstance(value, (int, float)) and "percent" not in told:
        in_percent = re.search(rf"(?<![\d.]){re.escape(f'{value:g}')} ?(?:%|percent)", request)
        return value / 100 if in_percent else value
    return value


def _inside(request: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what it does not require and the request does not give."""
    required = set(schema.get("required", ()))
    found = {n: standing(request, n, v, schema["properties"].get(n, {}), n in required) for n, v in value.items()}
    return {n: value[n] if f is None else f for n, f in found.items() if f is not None or n in required}


def named_option(request: str, options: Sequence[Any]) -> Any:
    """The one option that stands in the request word for word, the longest of several within each other; or None."""
    words = [o for o in options if isinstance(o, str) and len(o) > 1 and _named(o, request)]
    longest = max(words, key=len, default=None)
    return longest if longest and all(w.casefold() in longest.casefold() for w in words) else None


def _named(option: str, request: str) -> bool:
    """Whether a choice stands in the request: a letter as written, words in the plural and without hyphens too."""
    if len(option) == 1:
        return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", request) is not None
    words = re.split(r"[\s_-]+", option.strip())
    return re.search(rf"(?<!\w){'[ _-]?'.join(map(re.escape, words))}s?(?!\w)", request, re.IGNORECASE) is not None


def _as_often(request: str, items: Sequence[Any], at: int) -> bool:
    """Whether the request has an item of words as often as the list up to and with this place."""
    item = items[at]
    if not isinstance(item, str):
        return True
    n = len(re.findall(rf"(?<!\w){re.escape(item)}(?!\w)", request, re.IGNORECASE))
    return items[: at + 1].count(item) <= max(1, n)


def copyable(request: str, beside: str) -> list[str]:
    """Pieces of the request that may be a value: up to MAX_PIECE words, what is quoted, what stands behind a colon.

    None that says no more than `beside`, the words of the function itself: "pizza" is no topping to order a pizza with.
    """
    words = [w.strip(".,;:!?()[]\"'") for w in request.split()]
    theirs, pieces = set(stems(beside)), [m[1].strip() for m in re.finditer(r"[\"'“]([^\"'“”]{2,120})[\"'”]", request)]
    if (colon := request.rpartition(": ")[2].strip()) != request.strip():
        pieces.append(colon)
    for length in range(1, MAX_PIECE + 1):
        for at in range(len(words) - length + 1):
            piece = words[at : at + length]
            inner = all(piece) and not {piece[0].casefold(), piece[-1].casefold()} & _COMMON
            if inner and (set(stems(" ".join(piece))) - theirs or any(c.isdigit() for c in "".join(piece))):
                pieces.append(" ".join(piece))
    return list(dict.fromkeys(p for p in pieces if p))[:MAX_PIECES]


def given(request: str, value: Any, schema: Mapping[str, Any], required: bool, name: str = "") -> bool:
    """Whether a value stands in the request, in whatever form. A required choice among few may be the model's own."""
    if isinstance(value, bool):
        return required or _about(request, name, schema)
    if isinstance(value, (int, float)):
        one = value == 1 and required and bool(re.search(r"\ban?\b", request, re.IGNORECASE))
        return one or any(abs(float(n) - value) < 1e-6 for n in numbers(request)) or (required and "enum" in schema)
    if isinstance(value, str):
        if "enum" in schema:
            yes_or_no = {"true", "false"} <= {
                str(o).casefold() for o in schema["enum"]
            } and value.casefold() in _BOOLEAN
            counted = value.isdecimal() and Fraction(value) in numbers(request)
            return required or counted or _stands(value, request) or (yes_or_no and _about(request, name, schema))
        if _stands(value, request) or _same_moment(value, request) or is_short_form(value, request, name, schema):
            return True
        return required and is_category(value, schema)
    if isinstance(value, list):
        items = schema.get("items", {})
        return bool(value) and all(given(request, v, items, required) for v in value)
    if isinstance(value, dict):
        return bool(value) or required
    return False


_BOOLEAN: Final = frozenset({"true", "false"})
_OF_SWITCHES: Final = frozenset(["is", "has", "allow", "includ", "enabl", "flag", "need", "should", "requir", "show"])


def _about(request: str, name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a request speaks of what a yes or no is about: half of its name, or two words of its description."""
    asked = set(stems(request))
    named = set(stems(name)) - _OF_SWITCHES
    if named and len(named & asked) * 2 >= len(named):
        return True
    return len(set(stems(str(schema.get("description", "")))) & asked) >= 2


def _stands(value: str, request: str) -> bool:
    """Whether at least half of the words of a value begin as words of the request do."""
    if value.strip() and value.casefold() not in _COMMON and _whole(value, request):
        return True
    words = [w for w in re.findall(r"[^\W_]+", value.casefold()) if w not in _COMMON]
    heads = {w[:4] for w in re.findall(r"[^\W_]+", request.casefold())}
    return bool(words) and sum(w[:4] in heads for w in words) * 2 >= len(words)


def _whole(value: str, request: str) -> bool:
    """Whether the value stands in the request, not as a part of a word; where words are not parted, anywhere."""
    if _UNPARTED.search(value):
        return value.strip() in request
    return re.search(rf"(?<!\w){re.escape(value.strip())}(?!\w)", request, re.IGNORECASE) is not None


_UNPARTED: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


def _as_written(value: str, request: str) -> str:
    """The words of the request that begin as those of the value do, one by one: "Liverly F.C." is "Liverpool F.C.".
    A name that is longer than there the model knows (Philadelphia of "Philly"); a number is no beginning of a date."""
    words, told = value.split(), [w.strip(_MARKS) for w in request.split()]
    if not _whole(value, request) and (len(words) > 2 or not re.search(r"\d", value)):
        for at in range(len(told) - len(words) + 1):
            piece = told[at : at + len(words)]
            if all(_same_head(a, b) for a, b in zip(words, piece, strict=True)):
                known = value[:1].isupper() and len(value) > len(" ".join(piece))
                return value if known else " ".join(request.split()[at : at + len(words)]).strip(_MARKS)
    return value


def _same_head(word: str, other: str) -> bool:
    """Liverly, Liverpool; 221, 221B; but 2 and 20 are two numbers."""
    one, two = (w.casefold().strip(_MARKS) for w in (word, other))
    if re.search(r"\d", one + two):
        return one == two or re.sub(r"(?<=\d)[a-z]$", "", one) == re.sub(r"(?<=\d)[a-z]$", "", two)
    return one[:4] == two[:4]


_MARKS: Final = ".,;:!?\"'"


def _same_moment(value: str, request: str) -> bool:
    """A date or a time in the form the schema asks for, of one that the request names in its own."""
    digits = [int(d) for d in re.findall(r"\d+", value)]
    if not digits or not re.search(r"\d[-/:.T ]\d", value):
        return False
    found = moments(request, datetime.now(), with_time=False) + moments(request, datetime.now(), with_time=True)
    return any({at.day, at.month} <= set(digits) or (at.hour and at.hour in digits) for at in found)


def numbers(text: str) -> list[Fraction]:
    """The numbers of a text in digits and words; 15 % also as its share of one; digits as they stand too, since "298K"
    and "1.75m" may be kelvin and metres."""
    tokens, at = tokenise(text), 0
    found = [Fraction(n.replace(",", "")) for n in _DIGITS.findall(text)]
    found += [Fraction(n) for listed in _LISTED.findall(text) for n in listed.split(",")]
    while at < len(tokens):
        number = number_at(tokens, at)
        if number:
            found += [number[0], number[0] / 100] if word_at(tokens, number[1]) in ("%", "percent") else [number[0]]
        at = number[1] if number else at + 1
    return found


_LISTED: Final = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d.])")  # "[200,300]" are two numbers, or one
_DIGITS: Final = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.])\d+(?:\.\d+)?")


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
