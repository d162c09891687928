"""From passages to chunks: pieces that belong together, no longer than what the embedding model reads at once.

Neighbours under the same heading and on the same page are joined up to TARGET_CHARS; a longer passage is cut between
sentences, and the last sentence of a piece is repeated at the head of the next, so that no answer is cut in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from assistant.documents.parsers import Passage
from assistant.text import safe

TARGET_CHARS: Final = 900  # about 200 of the 256 tokens that the embedding model reads
_OVERLAP_CHARS: Final = 200  # the longest sentence that is repeated
_SENTENCE: Final = re.compile(  # the points of "no. 12" and "Dr. Feldmann" end none
    r"(?<=[.!?。！？])(?!(?<=\b[Nn][or]\.)\s+[A-Z\d-]*\d)(?!(?<=\b[DMS][rst]\.)\s)(?!(?<=\bMrs\.)\s)[\"'”’)\]]*\s+"
    r"|\n+|(?<=[。！？])"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text that is safe to show, and where it stands: page or slide from 1 (0: unknown), heading, line of a file."""

    text: str
    page: int = 0
    heading: str = ""
    line: int = 0


def chunks(passages: Iterable[Passage]) -> Iterator[Chunk]:
    """In reading order."""
    waiting: Chunk | None = None
    for passage in passages:
        for piece in _pieces(passage):
            if waiting is None:
                waiting = piece
            elif _belong_together(waiting, piece):
                waiting = replace(waiting, text=f"{waiting.text}\n{piece.text}")
            else:
                yield waiting
                waiting = piece
    if waiting is not None:
        yield waiting


def _belong_together(first: Chunk, second: Chunk) -> bool:
    same_place = (first.page, first.heading) == (second.page, second.heading)
    return same_place and len(first.text) + len(second.text) < TARGET_CHARS


def _pieces(passage: Passage) -> Iterator[Chunk]:
    text = safe(passage.text).strip()
    heading = safe(passage.heading, keep_newlines=False)[:300]
    if not text:
        return
    for piece in split(text):
        yield Chunk(piece, passage.page, heading, passage.line)


def split(text: str) -> list[str]:
    """Cut a text into pieces of at most TARGET_CHARS, between sentences where it has any."""
    if len(text) <= TARGET_CHARS:
        return [text]
    pieces: list[str] = []
    current: list[str] = []
    for sentence in sentences(text):
        if current and sum(map(len, current)) + len(current) + len(sentence) > TARGET_CHARS:
            pieces.append(" ".join(current))
            last = current[-1]
            current = [last] if len(current) > 1 and len(last) <= _OVERLAP_CHARS else []
        current.append(sentence)
    return [*pieces, " ".join(current)]


def sentences(text: str) -> list[str]:
    """The sentences of a text; one that is longer than a chunk is cut between words, or anywhere."""
    found: list[str] = []
    for sentence in _SENTENCE.split(text):
        rest = sentence.strip()
        while len(rest) > TARGET_CHARS:
            space = rest.rfind(" ", TARGET_CHARS // 2, TARGET_CHARS)
            cut = space if space > 0 else TARGET_CHARS
            found.append(rest[:cut].strip())
            rest = rest[cut:].strip()
        if rest:
            found.append(rest)
    return found
