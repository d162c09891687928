"""Things that the reply before named, one a line: what "them" means in "add them to the shopping list"."""

from __future__ import annotations

import re
from typing import Final

from assistant.home.model import key

THEM: Final = frozenset(
    {
        *("them", "these", "those", "it", "that", "this", "all", "everything", "all of them", "all of these"),
        *("all of those", "all of it", "all of that", "all these", "all those", "all the ingredients"),
        *("the ingredients", "those ingredients", "these ingredients", "those things", "these things"),
        *("those items", "these items", "all the items", "them all", "both", "both of them"),
    }
)
MAX_CHARS: Final = 300  # of an item, as where one is named
MAX_WORDS: Final = 8  # a longer line is a sentence, and no thing to buy
_POINT: Final = re.compile(r"^\s*[-*•+]\s+(?:\[[ x]\]\s*)?(?P<thing>\S.*)$", re.MULTILINE)
_BOLD: Final = re.compile(r"\*\*|__|`")


def refers(item: str) -> bool:
    """Whether an item is only a word for what was named before."""
    return key(item) in THEM


def things_in(reply: str) -> list[str]:
    """The points of its list, in order, without marks; none where they are sentences. Numbered lines are steps."""
    found = []
    for match in _POINT.finditer(reply):
        thing = match["thing"]
        if title := re.match(r"\*\*(.+?):?\*\*:?\s", f"{thing} "):  # "**Flour:** 200 g, sifted"
            thing = title[1]
        found.append(_BOLD.sub("", thing).strip(" .;,")[:MAX_CHARS])
    return found if all(thing and len(thing.split()) <= MAX_WORDS for thing in found) else []
