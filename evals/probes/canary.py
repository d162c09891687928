"""Looks for words that were said, in every file they could have ended up in: as text, encoded, or as token ids."""

from __future__ import annotations

import base64
import mmap
import os
import secrets
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_BEGINNING = 8  # bytes


def new_word() -> str:
    """A word that nobody ever wrote: lower-case letters only, so that search indexes do not change it.

    All begin alike, so that one search finds whether any of them is there.
    """
    return "qzjxwkvq" + "".join(secrets.choice("abcdefghijkmnopqrstuvwxyz") for _ in range(8))


def patterns(words: Iterable[str], token_ids: Iterable[Sequence[int]] = ()) -> dict[str, bytes]:
    """What the words look like in files, by a name for each look."""
    looks: dict[str, bytes] = {}
    for word in words:
        plain = word.encode()
        looks[f"{word} as text"] = plain
        looks[f"{word} as UTF-16"] = word.encode("utf-16-le")
        looks[f"{word} as UTF-32"] = word.encode("utf-32-le")
        looks[f"{word} in hexadecimal"] = plain.hex().encode()
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + plain)
            clean_start = (8 * shift + 5) // 6  # characters that the bytes before the word take part in
            clean_end = (shift + len(plain)) * 8 // 6
            looks[f"{word} in base64, shifted by {shift}"] = encoded[clean_start:clean_end]
    for ids in token_ids:
        for size, code in ((2, "<H"), (4, "<I"), (8, "<Q")):
            if max(ids) < 1 << (8 * size):
                looks[f"token ids {list(ids)} in {size} bytes each"] = b"".join(struct.pack(code, i) for i in ids)
    return looks


def sweep(
    folders: Iterable[Path], looks: dict[str, bytes], *, leave_out: Iterable[Path] = (), since_s: float = 0.0
) -> list[str]:
    """Every hit, as "file: what", in files that were changed at or after `since_s`; names of files count too."""
    excluded = [path.resolve() for path in leave_out]
    beginnings: dict[bytes, list[str]] = {}
    for name, look in looks.items():
        beginnings.setdefault(look[:_BEGINNING], []).append(name)
    hits = []
    for folder in folders:
        for path in _files(folder, excluded):
            its_name = os.fsencode(path)
            hits += [f"{path}: {name}, in its name" for name, look in looks.items() if look in its_name]
            hits += [f"{path}: {name}" for name in _found(path, looks, beginnings, since_s)]
    return hits


def _files(folder: Path, excluded: list[Path]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        folders[:] = [name for name in folders if (here / name).resolve() not in excluded]
        yield from (here / name for name in names if (here / name) not in excluded)


def _found(path: Path, looks: dict[str, bytes], beginnings: dict[bytes, list[str]], since_s: float) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # a link, a socket, or gone
        return []
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0 or status.st_ctime < since_s:
            return []
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
            likely = [name for start, names in beginnings.items() if content.find(start) >= 0 for name in names]
            return [name for name in likely if content.find(looks[name]) >= 0]
    finally:
        os.close(descriptor)
