"""Excel: rows of each sheet, with the names of the columns and dates as dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import BinaryIO, Final

from assistant.documents.parsers import Passage, Unreadable
from assistant.documents.parsers.archives import Archive
from assistant.documents.parsers.office import relationships
from assistant.documents.parsers.plain import rows_as_passages

_WORKBOOK: Final = "xl/workbook.xml"
_DATE_FORMATS: Final = frozenset({*range(14, 23), *range(45, 48)})  # the built-in ones (ECMA-376, 18.8.30)
_MAX_COLUMNS: Final = 1_000


def xlsx(file: BinaryIO) -> Iterator[Passage]:
    """A passage a row; `heading` is the sheet."""
    archive = Archive(file)
    if _WORKBOOK not in archive:
        raise Unreadable("is not an Excel workbook, though its name says so")
    targets = relationships(archive, "xl/_rels/workbook.xml.rels", "xl")
    strings = _shared_strings(archive)
    dates = _date_styles(archive)
    since = datetime(1899, 12, 30)
    sheets = []
    for kind, name, attributes in archive.events(_WORKBOOK):
        if kind == "start" and name == "sheet":
            sheets.append((attributes.get("name", ""), targets.get(attributes.get("r:id", ""), "")))
        elif kind == "start" and name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            since = datetime(1904, 1, 1)
    for sheet, part in sheets:
        if part in archive:
            yield from rows_as_passages(_rows(archive, part, strings, dates, since), sheet)


def _rows(
    archive: Archive, part: str, strings: list[str], dates: frozenset[int], since: datetime
) -> Iterator[list[str]]:
    row: list[str] = []
    column, cell_type, is_date, value, reading = 0, "", False, "", False
    for kind, name, attributes in archive.events(part):
        if kind == "text":
            value += name if reading else ""
        elif name in ("v", "t"):
            reading = kind == "start"
        elif kind == "start" and name == "row":
            row = []
        elif kind == "end" and name == "row":
            yield row
        elif kind == "start" and name == "c":
            column = _column(attributes.get("r", ""), len(row))
            cell_type = attributes.get("t", "n")
            is_date = int(attributes.get("s", "0") or 0) in dates
            value = ""
        elif kind == "end" and name == "c" and column < _MAX_COLUMNS:
            row += [""] * (column - len(row))
            row.append(_shown(value, cell_type, strings, since if is_date else None))


def _shown(value: str, cell_type: str, strings: list[str], since: datetime | None) -> str:
    if cell_type == "s":
        return strings[int(value)] if value.isdigit() and int(value) < len(strings) else ""
    if cell_type == "b":
        return "yes" if value == "1" else "no"
    if since is not None and cell_type == "n" and value:
        try:
            moment = since + timedelta(days=float(value))
        except (ValueError, OverflowError):
            return value
        return f"{moment:%Y-%m-%d}" if moment.time() == datetime.min.time() else f"{moment:%Y-%m-%d %H:%M}"
    if cell_type == "n" and re.fullmatch(r"-?\d+\.\d{9,}", value):
        return f"{float(value):.10g}"  # 0.30000000000000004 is how 0.3 is stored
    return value


def _column(reference: str, following: int) -> int:
    """ "C7" is column 2; without a reference it is the next one."""
    letters = re.match(r"[A-Z]{1,3}", reference)
    if letters is None:
        return following
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _shared_strings(archive: Archive) -> list[str]:
    part = "xl/sharedStrings.xml"
    if part not in archive:
        return []
    strings: list[str] = []
    text, reading = "", False
    for kind, name, _ in archive.events(part):
        if kind == "text":
            text += name if reading else ""
        elif name == "t":
            reading = kind == "start"
        elif name == "si" and kind == "end":
            strings.append(text)
            text = ""
    return strings


def _date_styles(archive: Archive) -> frozenset[int]:
    """Which cell styles show a number as a date."""
    part = "xl/styles.xml"
    if part not in archive:
        return frozenset()
    own: dict[int, str] = {}
    styles: list[int] = []
    in_cells = False
    for kind, name, attributes in archive.events(part):
        if name == "cellXfs":
            in_cells = kind == "start"
        elif kind == "start" and name == "numFmt":
            own[int(attributes.get("numFmtId", "0") or 0)] = attributes.get("formatCode", "")
        elif kind == "start" and name == "xf" and in_cells:
            styles.append(int(attributes.get("numFmtId", "0") or 0))
    plain = {n: re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", code).lower() for n, code in own.items()}
    dated = {n for n, code in plain.items() if re.search(r"[ymdh]", code) and "general" not in code}
    return frozenset(at for at, number in enumerate(styles) if number in _DATE_FORMATS or number in dated)
