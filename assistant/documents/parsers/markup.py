"""HTML with the standard library: tolerant, without external entities, images or scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import BinaryIO, Final

from assistant.documents.parsers import Passage
from assistant.documents.parsers.plain import decoded

_HIDDEN: Final = frozenset({"script", "style", "template", "noscript", "svg", "head", "nav", "iframe", "object"})
_BLOCKS: Final = frozenset(
    re.findall(
        r"\w+",
        "p div section article main aside header footer li dt dd blockquote pre table tr figcaption form ul ol hr h1 "
        "h2 h3 h4 h5 h6 address details summary br body",
    )
)
_VOID: Final = frozenset({"br", "hr"})
_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}charset=["']?([A-Za-z0-9_-]{2,40})""", re.IGNORECASE)


def html(file: BinaryIO) -> Iterator[Passage]:
    """Paragraphs under the path of their headings."""
    yield from html_passages(html_text(file.read()))


def html_text(raw: bytes) -> str:
    declared = _CHARSET.search(raw[:4096])
    if declared and declared[1].lower() not in (b"utf-8", b"utf8"):
        try:
            return raw.decode(declared[1].decode(), "replace")
        except LookupError:
            pass
    return decoded(raw)


def html_passages(source: str) -> list[Passage]:
    reader = _Reader()
    reader.feed(source)
    reader.close()
    reader.end_block()
    return reader.passages


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.passages: list[Passage] = []
        self._headings: list[str] = []
        self._text: list[str] = []
        self._hidden = 0
        self._level = 0  # of the heading that is open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in ("td", "th"):
            self._text.append(" | " if self._text else "")
        elif tag in _BLOCKS and not (tag == "br" and self._level):
            self.end_block()
            if re.fullmatch("h[1-6]", tag):
                self._level = int(tag[1])

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS - _VOID:
            self.end_block()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text.append(data)

    def end_block(self) -> None:
        """What was collected is a heading or a passage."""
        joined = " ".join("".join(self._text).split()).strip(" |")
        self._text.clear()
        if self._level:
            if joined:
                above = self._headings[: self._level - 1]
                self._headings = [*above, *[""] * (self._level - 1 - len(above)), joined]
            self._level = 0
        elif joined:
            self.passages.append(Passage(joined, heading=" › ".join(h for h in self._headings if h)))
