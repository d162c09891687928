"""Words a slip of the fingers away from words that are known."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

LEAST_LETTERS: Final = 4  # in shorter words a slip makes another word


@lru_cache(maxsize=2048)
def nearest(word: str, known: frozenset[str]) -> str | None:
    """The one known word that is a single slip away (a letter wrong, missing, too many, or two swapped) and begins
    with the same letter; None if there is none, or more than one of which no single one ends with the same letter."""
    found = {k for k in known if k[0] == word[0] and len(k) >= LEAST_LETTERS and _one_slip(word, k)}
    if len(found) > 1:  # minuts: minutes, rather than minute
        found = {k for k in found if k[-1] == word[-1]}
    return found.pop() if len(found) == 1 else None


def _one_slip(a: str, b: str) -> bool:
    if abs(len(a) - len(b)) > 1:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[at:], b[at:]
    swapped = len(rest_a) > 1 and len(rest_b) > 1 and rest_a[0] == rest_b[1] and rest_a[1] == rest_b[0]
    return rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:] or (
        swapped and rest_a[2:] == rest_b[2:])  # fmt: skip
