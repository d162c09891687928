"""Text as words, numbers and signs with their places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 2_000
_TOKEN: Final = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\.\d+(?=\D|$)|\d+"  # 1,234.5  3.5  .5  42
    r"|[^\W\d_]+(?:'(?:s|t|re|ll|ve|d)\b)?"  # words
    r"|''|[^\w\s]"
)


@dataclass(frozen=True, slots=True)
class Token:
    """`word` is case-folded; `start` and `end` are places in the text; `glued`: nothing stands before it."""

    word: str
    start: int
    end: int
    glued: bool

    @property
    def is_number(self) -> bool:
        return self.word[0].isdecimal() or (self.word[0] == "." and len(self.word) > 1)


def tokenise(text: str) -> list[Token]:
    """The tokens of a text; none for a text above MAX_CHARS."""
    if len(text) > MAX_CHARS:
        return []
    found = list(_TOKEN.finditer(text.replace("’", "'")))
    ends = [-1, *(m.end() for m in found)]
    tokens = [Token(m.group().casefold(), m.start(), m.end(), m.start() == ends[i]) for i, m in enumerate(found)]
    return [part for token in tokens for part in _parts(token)]


_RUN_TOGETHER: Final = re.compile(
    "(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(one|two|three|four|five|six|seven|eight|nine)"
)


def _parts(token: Token) -> list[Token]:
    """twentyone as twenty and one."""
    match = _RUN_TOGETHER.fullmatch(token.word)
    if match is None:
        return [token]
    middle = token.start + match.end(1)
    return [Token(match[1], token.start, middle, token.glued), Token(match[2], middle, token.end, True)]


def word_at(tokens: list[Token], at: int) -> str:
    """The word there, "" past the end."""
    return tokens[at].word if 0 <= at < len(tokens) else ""


def phrase_at(tokens: list[Token], at: int, *words: str) -> int:
    """Where these words end if they stand there, else 0."""
    if all(word_at(tokens, at + i) == word for i, word in enumerate(words)):
        return at + len(words)
    return 0


def skip(tokens: list[Token], at: int, *words: str) -> int:
    """Past all of these words."""
    while word_at(tokens, at) in words and at < len(tokens):
        at += 1
    return at
