"""Ordinals in digits and English words: 3rd, "twenty first", "two hundred and fifth", "three trillionth"."""

from __future__ import annotations

from typing import Final

from assistant.quantities.number_words import ORDINALS, SCALES, TENS
from assistant.quantities.numbers import digits_at, words_at
from assistant.quantities.tokens import Token, word_at


def ordinal_at(tokens: list[Token], at: int) -> tuple[int, int] | None:
    """3rd, third, twenty first, two hundred and fifth, three trillionth."""
    word = word_at(tokens, at)
    if word.isdecimal() and word_at(tokens, at + 1) in ("st", "nd", "rd", "th") and tokens[at + 1].glued:
        return int(word), at + 2
    if word in ORDINALS:
        return ORDINALS[word], at + 1
    cardinal = words_at(tokens, at) or (digits_at(tokens, at, suffixes=False) if word.isdecimal() else None)
    if cardinal is None and word in ("a", "an") and word_at(tokens, at + 1) in _SCALE_ORDINALS:
        return _SCALE_ORDINALS[word_at(tokens, at + 1)], at + 2
    if cardinal is None or cardinal[0] != int(cardinal[0]) or cardinal[0] < 0:
        return None
    value, end = int(cardinal[0]), cardinal[1]
    then = end + (word_at(tokens, end) in ("-", "and"))
    word = word_at(tokens, then)
    if word in _SCALE_ORDINALS and value:
        return _scaled(value, _SCALE_ORDINALS[word]), then + 1
    if word in TENS and value % 100 == 0:  # two hundred and twenty-fifth
        last = then + 1 + (word_at(tokens, then + 1) == "-")
        if 0 < ORDINALS.get(word_at(tokens, last), 0) < 10:
            return value + TENS[word] + ORDINALS[word_at(tokens, last)], last + 1
    n = ORDINALS.get(word, 0)
    room = 10 if value % 100 else 100
    fits = 0 < n < room and value and value % 10 == 0 and (value % 100 == 0 or n < 10)
    return (value + n, then + 1) if fits and not cardinal_isdigits_at(tokens, at) else None


def cardinal_isdigits_at(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].is_number


_SCALE_ORDINALS: Final = {f"{word}th": n for word, n in SCALES.items() if not word.endswith("s") and len(word) > 3}


def _scaled(value: int, scale: int) -> int:
    """two thousand three hundredth: the scale counts for what is smaller than it."""
    small = value % (scale * 10) if scale < 1000 else value % scale or value
    return value - small + small * scale if value > small else value * scale
