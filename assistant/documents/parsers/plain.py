"""Plain text, Markdown, source code, CSV."""

from __future__ import annotations

import codecs
import csv as csv_module
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from assistant.documents.parsers import Passage, Unreadable

_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_HEADING: Final = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
_FENCE: Final = re.compile(r"\s*(```|~~~)")
_LINES_OF_CODE: Final = 40
_FIELD_CHARS: Final = 1_000_000
_MAX_CONTROLS: Final = 0.01  # share of control characters from which a file is no text


def decoded(raw: bytes) -> str:
    """Text of an unknown encoding: by its byte order mark, else UTF-8, else Windows-1252. Raises Unreadable."""
    for bom, encoding in _BOMS:
        if raw.startswith(bom):
            return raw.decode(encoding, "replace")
    if b"\0" in raw[:1_000_000]:
        raise Unreadable("is not text (it holds zero bytes); is it another kind of file with a wrong name?")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    sample = text[:100_000]
    controls = sum((c < " " and c not in "\t\n\r\f\x1b") or "\x80" <= c < "\xa0" or c == "\ufffd" for c in sample)
    if controls > _MAX_CONTROLS * len(sample):
        raise Unreadable("is not text in an encoding that is known here; save it as UTF-8 and add it again")
    return text


def text(file: BinaryIO) -> Iterator[Passage]:
    """Paragraphs, separated by blank lines; a form feed begins a page."""
    pages = decoded(file.read()).replace("\r\n", "\n").split("\f")
    for number, page in enumerate(pages, 1):
        for paragraph in re.split(r"\n[ \t]*\n", page):
            if paragraph.strip():
                yield Passage(paragraph.strip(), number if len(pages) > 1 else 0)


def markdown(file: BinaryIO) -> Iterator[Passage]:
    """Paragraphs under the path of their headings."""
    headings: list[str] = []
    block: list[str] = []
    fenced = False

    def passage() -> Iterator[Passage]:
        if joined := "\n".join(block).strip():
            yield Passage(joined, heading=" › ".join(h for h in headings if h))
        block.clear()

    for line in decoded(file.read()).splitlines():
        fenced ^= bool(_FENCE.match(line))
        match = None if fenced else _HEADING.match(line)
        if match:
            yield from passage()
            level = len(match[1])
            headings[level - 1 :] = [""] * max(0, level - 1 - len(headings)) + [match[2]]
        elif not line.strip() and not fenced:
            yield from passage()
        else:
            block.append(line)
    yield from passage()


def code(file: BinaryIO) -> Iterator[Passage]:
    """Blocks of lines, cut at blank lines where there are any."""
    block: list[str] = []
    first = 1
    lines = decoded(file.read()).splitlines()
    for number, line in enumerate(lines, 1):
        block.append(line)
        full = len(block) >= _LINES_OF_CODE // 2 and not line.strip()
        if full or len(block) >= _LINES_OF_CODE or number == len(lines):
            if joined := "\n".join(block).strip("\n"):
                yield Passage(joined, line=first)
            block, first = [], number + 1


def csv(file: BinaryIO) -> Iterator[Passage]:
    """Each row as "column: value", if the first row names the columns."""
    whole = decoded(file.read())
    csv_module.field_size_limit(_FIELD_CHARS)
    try:
        dialect: type[csv_module.Dialect] | csv_module.Dialect = csv_module.Sniffer().sniff(whole[:20_000], ",;\t|")
    except csv_module.Error:
        dialect = csv_module.excel
    try:
        yield from rows_as_passages(csv_module.reader(io.StringIO(whole), dialect))
    except csv_module.Error as error:
        raise Unreadable(f"is not a table in CSV form ({error})") from error


def rows_as_passages(rows: Iterator[list[str]], sheet: str = "") -> Iterator[Passage]:
    """Rows of a table; the first one names the columns where all its cells are words."""
    names: list[str] = []
    for number, row in enumerate(rows, 1):
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if not names:
            names = cells
            if all(re.search(r"[^\W\d_]", cell) for cell in cells if cell):
                yield Passage(" | ".join(cells), heading=sheet, line=number)
                continue
            names = [""] * len(cells)
        labelled = [
            f"{names[at]}: {cell}" if at < len(names) and names[at] else cell for at, cell in enumerate(cells) if cell
        ]
        yield Passage("; ".join(labelled), heading=sheet, line=number)
