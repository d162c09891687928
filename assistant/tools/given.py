"""What of a value stands in a request: names, numbers in digits and words, dates in another form.

A small model fills in whatever it is shown; what it writes is looked for here before anything is called with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Any, Final

from assistant.tools.quantities import find
from assistant.tools.quantities.numbers import number_at
from assistant.tools.quantities.tokens import tokenise, word_at


def standing(request: str, value: Any, schema: Mapping[str, Any], required: bool) -> Any:
    """What of a value stands in the request; None if nothing does. Of a list the items that do, of a required one all
    where half of them do."""
    if isinstance(value, list):
        items = schema.get("items", {})
        kept = [v for v in value if given(request, v, items, required)]
        whole = required and len(kept) * 2 >= len(value)
        return (value if whole else kept) or None
    return value if given(request, value, schema, required) else None


def given(request: str, value: Any, schema: Mapping[str, Any], required: bool) -> bool:
    """Whether a value stands in the request, in whatever form. A required choice among few may be the model's own."""
    if isinstance(value, bool):
        words = f"{schema.get('description', '')}"
        return required or len(set(stems(words)) & set(stems(request))) >= 2
    if isinstance(value, (int, float)):
        one = value == 1 and required and bool(re.search(r"\ban?\b", request, re.IGNORECASE))
        return one or any(abs(float(n) - value) < 1e-6 for n in numbers(request)) or (required and "enum" in schema)
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
    words = [w for w in re.findall(r"[^\W_]+", value.casefold()) if w not in _COMMON]
    heads = {w[:4] for w in re.findall(r"[^\W_]+", folded)}
    return bool(words) and sum(w[:4] in heads for w in words) * 2 >= len(words)


def _same_moment(value: str, request: str) -> bool:
    """A date or a time in the form the schema asks for, of one that the request names in its own."""
    digits = [int(d) for d in re.findall(r"\d+", value)]
    if not digits or not re.search(r"\d[-/:.T ]\d", value):
        return False
    found = find(request, datetime.now(), ("date", "time", "datetime"))
    return any({f.value.at.day, f.value.at.month} <= set(digits) or f.value.at.hour in digits for f in found)


def numbers(text: str) -> list[Fraction]:
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
