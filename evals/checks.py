"""Does a reply do what it was asked for? Checks that code decides, each named in a row of evals/sets.

A row holds `checks`, a table of the fields of Checks; a reply is right when all of them hold. Nothing here judges
style or truth beyond what stands in the row: a check can be passed by luck, but not by a reply that ignores the task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+\S", re.MULTILINE)
_MARKUP = re.compile(r"[*_#`|<>{}\[\]=+%$€^~\\]|https?://|^\s*\d+[.)]\s|^\s*-\s", re.MULTILINE)
_PICTURES = re.compile("[\U0001f000-\U0001ffff\u2600-\u27bf]")


class Json(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole reply is JSON: an object with these keys of these types and values, or an array of this length."""

    type: str = "object"
    keys: dict[str, str] = {}
    equal: dict[str, Any] = {}
    length: int | None = None


class Checks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be true of a reply. Texts are compared without regard to case; pairs are (at least, at most)."""

    exactly: list[str] = []  # one of these, but for punctuation around it
    any_of: list[str] = []
    all_of: list[str] = []
    none_of: list[str] = []
    matches: str = ""  # regular expression, found anywhere
    avoids: str = ""  # regular expression, found nowhere
    starts: str = ""
    ends: str = ""
    words: tuple[int, int] | None = None
    sentences: tuple[int, int] | None = None
    lines: tuple[int, int] | None = None
    bullets: tuple[int, int] | None = None
    case: str = ""  # "lower" or "upper"
    spoken: bool = False  # nothing that cannot be read aloud: no markup, no links, no pictures
    no_digits: bool = False
    json: Json | None = None


def failed(checks: Checks, reply: str) -> list[str]:
    """The names of the checks that the reply fails; all of them for an empty reply."""
    text = reply.strip()
    return [name for name, holds in _results(checks, text) if not (holds and text)]


def sentences(text: str) -> int:
    """How many sentences: what ends in . ! or ? before a space or the end; a rest without one counts too."""
    pieces = re.split(r"(?<=[.!?])[\"')]*\s+", text.strip())
    return sum(bool(re.search(r"\w", piece)) for piece in pieces)


def words(text: str) -> int:
    return len(re.findall(r"[^\W_][\w'’-]*", text))


def _results(checks: Checks, text: str) -> Iterator[tuple[str, bool]]:
    low = text.casefold()
    bare = low.strip(" \t\n\"'.,!?*`")
    if checks.exactly:
        yield "exactly", bare in {t.casefold() for t in checks.exactly}
    if checks.any_of:
        yield "any_of", any(t.casefold() in low for t in checks.any_of)
    if checks.all_of:
        yield "all_of", all(t.casefold() in low for t in checks.all_of)
    if checks.none_of:
        yield "none_of", not any(t.casefold() in low for t in checks.none_of)
    if checks.matches:
        yield "matches", re.search(checks.matches, text.replace("’", "'"), re.IGNORECASE) is not None
    if checks.avoids:
        yield "avoids", re.search(checks.avoids, text.replace("’", "'"), re.IGNORECASE) is None
    if checks.starts:
        yield "starts", low.startswith(checks.starts.casefold())
    if checks.ends:
        yield "ends", low.endswith(checks.ends.casefold())
    yield from _counts(checks, text)
    if checks.case:
        yield "case", text == (text.lower() if checks.case == "lower" else text.upper())
    if checks.spoken:
        yield "spoken", not _MARKUP.search(text) and not _PICTURES.search(text)
    if checks.no_digits:
        yield "no_digits", not re.search(r"\d", text)
    if checks.json:
        yield "json", _is_json(checks.json, text)


def _counts(checks: Checks, text: str) -> Iterator[tuple[str, bool]]:
    counted = {
        "words": (checks.words, words),
        "sentences": (checks.sentences, sentences),
        "lines": (checks.lines, lambda t: sum(bool(line.strip()) for line in t.splitlines())),
        "bullets": (checks.bullets, lambda t: len(_BULLET.findall(t))),
    }
    for name, (limits, count) in counted.items():
        if limits is not None:
            yield name, limits[0] <= count(text) <= limits[1]


def _is_json(wanted: Json, text: str) -> bool:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return False
    if wanted.type == "array":
        return isinstance(found, list) and wanted.length in (None, len(found))
    if not isinstance(found, dict):
        return False
    return all(key in found and _has_type(found[key], kind) for key, kind in wanted.keys.items()) and all(
        found[key] == value for key, value in wanted.equal.items()
    )


def _has_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"  # True is an int in Python, not in JSON
    return isinstance(value, _TYPES[kind])
