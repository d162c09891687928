"""Nothing that is measured on may be trained on: what of a set of texts occurs in evaluation sets at hand.

A request is held to occur there if it is a whole text of the set, or shares a run of RUN words with one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from assistant.errors import UsageError

RUN: Final = 6  # words in a row; commands are short, and shorter runs are how everybody asks
_WORD: Final = re.compile(r"[^\W_]+")


class Measured:
    """Hashes of the texts of evaluation sets, and of their runs of words. No text is kept."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._hashes: set[bytes] = set()
        self.n_texts = 0
        for text in texts:
            self.n_texts += 1
            words = _WORD.findall(text.lower())
            if words:
                self._hashes |= {_hash(words), *_runs(words)}

    def holds(self, text: str) -> bool:
        words = _WORD.findall(text.lower())
        return _hash(words) in self._hashes or any(run in self._hashes for run in _runs(words))


def _hash(words: list[str]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=12).digest()


def _runs(words: list[str]) -> Iterator[bytes]:
    return (_hash(words[i : i + RUN]) for i in range(len(words) - RUN + 1))


def measured(folder: Path) -> Measured:
    """All texts of all JSON lines files below a folder. Raises UsageError where there are none."""
    files = sorted(folder.rglob("*.jsonl"))
    if not files:
        raise UsageError(f"{folder} holds no evaluation set (*.jsonl): nothing could be excluded")
    return Measured(text for file in files for text in _texts(file))


def _texts(file: Path) -> Iterator[str]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                yield from _strings(msgspec.json.decode(line))
            except msgspec.DecodeError as error:
                raise UsageError(f"{file} line {number} is not JSON: {error}") from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
