"""PDF with pypdf: the text layer, page by page, under the bookmarks of the document."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from assistant.documents.parsers import Passage, Unreadable

_MAX_PAGES: Final = 10_000
_MAX_BOOKMARKS: Final = 5_000
_MAX_DEPTH: Final = 12
_FULL: Final = 0.7  # of the longest line of its page
_FULL_LEAST: Final = 40  # characters


def pdf(file: BinaryIO) -> Iterator[Passage]:
    """Paragraphs as far as a page shows them: a PDF has no paragraphs, only places of words."""
    logging.disable(logging.CRITICAL)  # pypdf reports each oddity of a file
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        reader = pypdf.PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("is protected by a password; save a copy without one and add that")
        n_pages = len(reader.pages)
        titles = _bookmarks(reader)
    except PyPdfError as error:
        raise Unreadable(f"is not a sound PDF file ({error}); open it in a viewer and save it again") from error
    if n_pages > _MAX_PAGES:
        raise Unreadable(f"has {n_pages:,} pages; up to {_MAX_PAGES:,} are read, so split it")
    heading, found = "", False
    for number in range(n_pages):
        heading = titles.get(number, heading)
        try:
            words = reader.pages[number].extract_text()
        except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            continue  # a damaged page; the others may be sound
        for paragraph in paragraphs(words):
            found = True
            yield Passage(paragraph, number + 1, heading)
    if not found:
        raise Unreadable(
            "holds no text, only pictures of pages; run a text recognition (OCR) over it and add the result"
        )


def paragraphs(words: str) -> list[str]:
    """Blank lines end a paragraph. A line goes on in the next one where it is full, or that one begins with a small
    letter; else it stands alone, as in the head of a letter or in an invoice. Hyphens at the ends of lines are gone.
    """
    words = re.sub(r"(\w)-\n(?=[a-zà-ÿ])", r"\1", words.replace("\r", "\n"))
    full = max(_FULL * max(map(len, words.split("\n"))), _FULL_LEAST)
    found = []
    for part in re.split(r"\n\s*\n", words):
        joined = ""
        n_before = 0  # characters of the line before
        for line in filter(None, (" ".join(line.split()) for line in part.split("\n"))):
            between = " " if n_before >= full or line[0].islower() else "\n"
            joined, n_before = f"{joined}{between if joined else ''}{line}", len(line)
        if joined:
            found.append(joined)
    return found


def _bookmarks(reader: Any) -> dict[int, str]:
    """The last bookmark that begins on each page, by page from 0."""
    titles: dict[int, str] = {}
    n_seen = 0

    def walk(entries: Any, depth: int) -> None:
        nonlocal n_seen
        for entry in entries:
            n_seen += 1
            if depth > _MAX_DEPTH or n_seen > _MAX_BOOKMARKS:
                return
            if isinstance(entry, list):
                walk(entry, depth + 1)
                continue
            page = reader.get_destination_page_number(entry)
            title = " ".join(str(entry.title or "").split())
            if page is not None and page >= 0 and title:
                titles[page] = title

    with contextlib.suppress(Exception):  # bookmarks only name places; damaged ones must not cost the text
        walk(reader.outline, 0)
    return titles
