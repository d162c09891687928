"""Parsers: a file object in, passages out. They run in the sandboxed worker and nowhere else.

A parser may raise Unreadable with words for the user; whatever else it raises is reported as damage of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO, Final

import msgspec

MAX_TEXT_CHARS: Final = 20_000_000  # of one document


class Passage(msgspec.Struct, frozen=True):
    """A paragraph, row or block. `page` counts from 1 (pages, slides), 0 where there are none; `line` likewise."""

    text: str
    page: int = 0
    heading: str = ""
    line: int = 0


class Found(msgspec.Struct, frozen=True, tag=True):
    passage: Passage


class Ended(msgspec.Struct, frozen=True, tag=True):
    """`problem` is why nothing was read, `warning` what the user should know about what was."""

    problem: str = ""
    warning: str = ""


class Unreadable(Exception):
    """The document cannot be read; the message says why, without the file's name: "is protected by a password"."""


_MODULES: Final = {
    "text": "plain",
    "markdown": "plain",
    "code": "plain",
    "csv": "plain",
    "html": "markup",
    "pdf": "pdf",
    "docx": "office",
    "pptx": "office",
    "xlsx": "sheets",
    "epub": "epub",
}


def parse(kind: str, file: BinaryIO) -> Iterator[Passage]:
    """The passages of a document in reading order."""
    module = import_module(f"assistant.documents.parsers.{_MODULES[kind]}")
    yield from getattr(module, kind)(file)
