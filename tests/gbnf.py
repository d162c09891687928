"""Our grammars as regular expressions: they never recurse, so Python can say what they match and make examples."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""\s*(?: "(?P<literal>(?:[^"\\]|\\.)*)"
             | (?P<set>\[(?:[^\]\\]|\\.)*\])
             | (?P<name>[a-z][a-z0-9-]*)
             | (?P<mark>[()|?]|\{\d+(?:,\d+)?\}) )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-F]{2})|u([0-9A-F]{4})|U([0-9A-F]{8})|(.))")


def to_regex(grammar: str) -> str:
    """The regular expression that matches what the grammar's rule `root` matches.

    Raises ValueError for what llama.cpp would refuse: an unknown rule, a character outside the notation, recursion.
    """
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())
    return _expand("root", rules, ())


def _expand(name: str, rules: dict[str, str], above: tuple[str, ...]) -> str:
    if name in above:
        raise ValueError(f"{name} refers to itself")
    if name not in rules:
        raise ValueError(f"there is no rule {name}")
    body, at, parts = rules[name].strip(), 0, []
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None:
            raise ValueError(f"not in the notation: {body[at : at + 20]!r}")
        at = token.end()
        if token["literal"] is not None:
            parts.append("(?:" + re.escape(_unescape(token["literal"])) + ")")
        elif token["set"]:
            parts.append(token["set"])
        elif token["name"]:
            parts.append(_expand(token["name"], rules, (*above, name)))
        else:
            parts.append(token["mark"].replace("(", "(?:"))
        if at < len(body) and body[at] == " ":
            at += 1
    return "(?:" + "".join(parts) + ")"


def _unescape(literal: str) -> str:
    def character(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        return chr(int(code, 16)) if code else found[4]

    return _ESCAPE.sub(character, literal)
