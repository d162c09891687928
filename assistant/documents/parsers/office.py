"""Word and PowerPoint: ZIP archives of XML, read directly. Text, headings, tables; pages and slides where known."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from assistant.documents.parsers import Passage, Unreadable
from assistant.documents.parsers.archives import Archive

_DOCUMENT: Final = "word/document.xml"
_STYLES: Final = "word/styles.xml"


def docx(file: BinaryIO) -> Iterator[Passage]:
    """Paragraphs under their headings. Pages are those of the last time Word laid the document out."""
    archive = Archive(file)
    if _DOCUMENT not in archive:
        raise Unreadable("is not a Word document, though its name says so")
    levels = _heading_levels(archive)
    headings: list[str] = []
    page, paged = 1, any(b"lastRenderedPageBreak" in p for p in archive.pieces(_DOCUMENT))
    paragraph = _Paragraph()
    cells: list[str] | None = None
    for kind, name, attributes in archive.events(_DOCUMENT):
        if kind == "text":
            paragraph.add(name)
        elif kind == "end" and name == "p":
            text = paragraph.text()
            if cells is not None:
                cells[-1] = f"{cells[-1]} {text}".strip()
            elif text and (level := levels.get(paragraph.style, 0)):
                above = headings[: level - 1]
                headings = [*above, *[""] * (level - 1 - len(above)), text]
            elif text:
                yield Passage(text, page if paged else 0, " › ".join(h for h in headings if h))
            paragraph = _Paragraph()
        elif kind == "end" and name == "tr" and cells:
            if row := " | ".join(cell for cell in cells if cell):
                yield Passage(row, page if paged else 0, " › ".join(h for h in headings if h))
            cells = None
        elif kind == "start" and name == "tr":
            cells = []
        elif kind == "start" and name == "tc" and cells is not None:
            cells.append("")
        elif kind == "start" and name == "lastRenderedPageBreak":
            page += 1
        else:
            paragraph.element(kind, name, attributes)


@dataclass(slots=True)
class _Paragraph:
    """A paragraph that is being read: only the text inside of `t` elements is text."""

    style: str = ""
    parts: list[str] = field(default_factory=list)
    inside: bool = False

    def element(self, kind: str, name: str, attributes: dict[str, str]) -> None:
        if name == "t":
            self.inside = kind == "start"
        elif kind == "start" and name == "pStyle":
            self.style = attributes.get("val", "")
        elif kind == "start" and name in ("tab", "br", "cr"):
            self.parts.append(" ")

    def add(self, text: str) -> None:
        if self.inside:
            self.parts.append(text)

    def text(self) -> str:
        return " ".join("".join(self.parts).split())


def _heading_levels(archive: Archive) -> dict[str, int]:
    """Level of each style that is a heading: styles are named in the user's language, but "heading 1" inside."""
    levels: dict[str, int] = {f"Heading{n}": n for n in range(1, 7)} | {"Title": 1}
    if _STYLES not in archive:
        return levels
    style = ""
    for kind, name, attributes in archive.events(_STYLES):
        if kind != "start":
            continue
        if name == "style":
            style = attributes.get("styleId", "")
        elif name == "name" and (match := re.fullmatch(r"heading ([1-6])|title", attributes.get("val", "").lower())):
            levels[style] = int(match[1] or 1)
    return levels


def pptx(file: BinaryIO) -> Iterator[Passage]:
    """The paragraphs of each slide under its title; `page` is the number of the slide."""
    archive = Archive(file)
    slides = _slides(archive)
    if not slides:
        raise Unreadable("is not a PowerPoint presentation, though its name says so")
    for number, slide in enumerate(slides, 1):
        title, others = "", []
        paragraph, is_title = _Paragraph(), False
        for kind, name, attributes in archive.events(slide):
            if kind == "text":
                paragraph.add(name)
            elif name == "sp":
                is_title = False
            elif kind == "start" and name == "ph":
                is_title = attributes.get("type") in ("title", "ctrTitle")
            elif kind == "end" and name == "p":
                text, paragraph = paragraph.text(), _Paragraph()
                if is_title:
                    title = f"{title} {text}".strip()
                elif text:
                    others.append(text)
            else:
                paragraph.element(kind, name, attributes)
        if others or title:
            yield Passage("\n".join(others) or title, number, title)


def _slides(archive: Archive) -> list[str]:
    """The slides' parts in the order of the presentation."""
    targets = relationships(archive, "ppt/_rels/presentation.xml.rels", "ppt")
    if "ppt/presentation.xml" not in archive:
        return []
    ordered = [
        targets.get(attributes.get("r:id", ""), "")
        for kind, name, attributes in archive.events("ppt/presentation.xml")
        if kind == "start" and name == "sldId"
    ]
    return [name for name in ordered if name in archive]


def relationships(archive: Archive, part: str, folder: str) -> dict[str, str]:
    """What the ids in a part of an office document stand for: other parts, by id."""
    if part not in archive:
        return {}
    targets = {}
    for kind, name, attributes in archive.events(part):
        if kind == "start" and name == "Relationship":
            target = attributes.get("Target", "")
            whole = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            targets[attributes.get("Id", "")] = whole
    return targets
