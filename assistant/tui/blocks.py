"""Markdown as a flat list of blocks that know how to wrap themselves. Pure functions: no widget, no screen.

    parse("# Title\\n\\n- one\\n- two")  ->  [Block("heading"), Block("item"), Block("item")]

One block a list item and one block per 16 lines of code, so that streaming never lays out more than a screenful again:
a tree of widgets, one for each item, takes 100 ms and more for a long list (docs/decisions/0007). Everything shown
passes `safe()` here once more, because Markdown entities (`&#x202e;`) appear only after parsing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich._wrap import divide_line
from rich.cells import cell_len
from textual.content import Content, Span
from textual.highlight import highlight
from textual.strip import Strip

from assistant.text import safe

CHUNK_LINES = 16  # code is laid out and coloured this many lines at a time
CHUNK_ROWS = 8  # and tables this many rows
TAB_CELLS = 4
MAX_PARAGRAPH = 20_000  # characters; the parser needs quadratic time for a paragraph of nothing but brackets


@dataclass(slots=True)
class Line:
    """One row on the screen. `indent` is not part of what a selection copies; `joined` rows continue a longer line."""

    content: Content
    indent: str = ""
    joined: bool = False


@dataclass(slots=True)
class Block:
    """Something that is wrapped as a whole. `first` and `rest` stand before its first and its other rows."""

    kind: str  # paragraph | heading | item | quote | code | rule | table | plain
    content: Content
    first: str = ""
    rest: str = ""
    gap: bool = True  # an empty row before it
    first_line: int = 0  # where it starts in the source
    language: str = ""  # of code
    coloured: bool = False  # code that was lexed as a whole
    cells: list[list[Content]] = field(default_factory=list)  # of a piece of a table: rows of cells
    column_cells: tuple[int, ...] = ()  # of the whole table: how wide each column would like to be
    head: bool = False  # the piece begins with the table's head
    drawn: dict[int, Strip] = field(default_factory=dict)  # rows that were drawn, kept until the layout changes
    _rows: tuple[int, list[Line]] | None = None

    def rows(self, width: int) -> list[Line]:
        """The block's rows at this width, without the gap; computed once per width."""
        if self._rows is None or self._rows[0] != width:
            self._rows = (width, list(self._layout(width)))
            self.drawn.clear()
        return self._rows[1]

    @property
    def label(self) -> bool:
        """Whether a row with the language stands above the code."""
        return self.kind == "code" and self.gap and bool(self.language)

    def looks_like(self, new: Block) -> bool:
        """Whether `new` would be drawn the same, so that this block and its layout can stay."""
        ours = (self.kind, self.first, self.rest, self.language, self.column_cells, self.head)
        if ours != (new.kind, new.first, new.rest, new.language, new.column_cells, new.head):
            return False
        if self.kind == "code" and not new.coloured:
            return self.content.plain == new.content.plain
        if self.kind == "table":
            return _same_cells(self.cells, new.cells)
        return self.content.is_same(new.content)

    def colour(self) -> None:
        """Give a piece of code its colours, as far as they can be told from the piece alone."""
        if self.kind == "code" and self.language and not self.coloured:
            self.content, self.coloured, self._rows = coloured(self.content.plain, self.language), True, None

    def _layout(self, width: int) -> Iterator[Line]:
        first, rest = self.first, self.rest
        if cell_len(rest) > width // 2:  # too narrow for the indent: the text matters more
            first = rest = ""
        inner = max(2, width - cell_len(rest))
        if self.kind == "rule":
            yield Line(Content("─" * inner), first)
        elif self.kind == "table":
            yield from _table_rows(self, inner, rest)
        else:
            prefix = first
            for line in self.content.split("\n", allow_blank=True):
                for at, row in enumerate(_wrapped(line, inner)):
                    yield Line(row, prefix, joined=at > 0)
                    prefix = rest


def _wrapped(line: Content, width: int) -> list[Content]:
    offsets = divide_line(line.plain, width)
    return line.divide(offsets) if offsets else [line]


# -- parsing ------------------------------------------------------------------------------------------------------


def parser() -> MarkdownIt:
    """CommonMark with tables and strike-through. HTML stays text: a model that writes `<b>` means to show it."""
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def parse(source: str, colour: bool = False) -> tuple[list[Block], int]:
    """Turn Markdown into blocks. `colour` lexes code as a whole, which takes about 10 ms a kilobyte.

    Also returns the line on which the last block or top-level list item starts: what comes before is final, so that
    a stream needs to parse only from there on.
    """
    if len(max(source.split("\n\n"), key=len)) > MAX_PARAGRAPH:
        return plain_blocks(source), 0
    tokens = parser().parse(source)
    last_line = 0
    for token in tokens:
        opens_block = token.level == 0 and token.nesting >= 0
        if token.map and (opens_block or (token.level == 1 and token.type == "list_item_open")):
            last_line = token.map[0]
    return list(_blocks(tokens, colour)), last_line


def plain_blocks(text: str) -> list[Block]:
    """Text shown as it is: what the user wrote, and anything that is not Markdown."""
    return [Block("plain", plain(text), gap=False)] if text else []


def plain(text: str) -> Content:
    """The one way from a string to the screen: no markup is interpreted, nothing can act on the terminal."""
    return Content(safe(text).expandtabs(TAB_CELLS))


@dataclass(slots=True)
class _Container:
    """A list item or quotation around the blocks: what stands before its first and its other rows."""

    first: str
    rest: str


def _blocks(tokens: Sequence[Token], colour: bool) -> Iterator[Block]:
    around: list[_Container] = []
    numbers: list[int | None] = []  # one per open list: the next number, None for bullets
    new_list = False
    heading = at = item_line = 0
    while at < len(tokens):
        token = tokens[at]
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                numbers.append(int(token.attrs.get("start", 1)) if token.type[0] == "o" else None)
                new_list = len(numbers) == 1
            case "bullet_list_close" | "ordered_list_close":
                numbers.pop()
            case "list_item_open":
                bullet = f"{safe(token.info)}. " if token.info else f"{'•◦▪'[(len(numbers) - 1) % 3]} "
                around.append(_Container(bullet, " " * len(bullet)))
                item_line = _line(token)
            case "blockquote_open":
                around.append(_Container("▎ ", "▎ "))
            case "list_item_close" | "blockquote_close":
                if (
                    token.type == "list_item_close" and around[-1].first != around[-1].rest
                ):  # an item without text still has its bullet
                    yield _placed(Block("item", Content(""), first_line=item_line), around, tight=True)
                    new_list = False
                around.pop()
            case "heading_open":
                heading = int(token.tag[1])
            case "inline":
                kind = f"heading-{min(heading, 3)}" if heading else "paragraph"
                tight = tokens[at - 1].hidden and not new_list
                heading, new_list = 0, False
                yield _placed(Block(kind, inline(token), first_line=_line(token)), around, tight)
            case "fence" | "code_block":
                yield from _code(token, around, colour)
            case "hr":
                yield _placed(Block("rule", Content(""), first_line=_line(token)), around)
            case "table_open":
                end = next(i for i in range(at, len(tokens)) if tokens[i].type == "table_close")
                yield from _table(tokens[at:end], around)
                at = end
        at += 1


def _line(token: Token) -> int:
    return token.map[0] if token.map else 0


def _placed(block: Block, around: list[_Container], tight: bool = False) -> Block:
    """Give the block the bullets and bars of what is around it; a bullet is shown only once."""
    block.first = "".join(c.first for c in around)
    block.rest = "".join(c.rest for c in around)
    block.gap = not tight
    if around and block.kind == "paragraph":
        block.kind = "quote" if any(c.first.startswith("▎") for c in around) else "item"
    for container in around:
        container.first = container.rest
    return block


def _code(token: Token, around: list[_Container], colour: bool) -> Iterator[Block]:
    language = re.split(r"[^\w+#.-]", safe(token.info).strip(), maxsplit=1)[0][:20]
    code = safe(token.content).rstrip("\n").expandtabs(TAB_CELLS)
    lines = (coloured(code, language) if colour else Content(code)).split("\n", allow_blank=True)
    for at in range(0, len(lines), CHUNK_LINES):
        chunk = Content("\n").join(lines[at : at + CHUNK_LINES])
        block = _placed(Block("code", chunk, first_line=_line(token), language=language, coloured=colour), around)
        block.gap = at == 0
        yield block


def coloured(code: str, language: str) -> Content:
    """Code with the colours of its language; an unknown language has none, and no language is guessed (slow, wrong)."""
    return highlight(code, language=language) if language else Content(code)


_STYLES = {"em_open": "italic", "strong_open": "bold", "s_open": "strike", "link_open": "underline"}


def inline(token: Token) -> Content:
    """The text of a paragraph with its styles. A link shows where it leads, because nothing here can be opened."""
    parts: list[str] = []
    spans: list[Span] = []
    open_styles: list[tuple[str, int, str]] = []
    length = 0

    def add(text: str, style: str = "") -> None:
        nonlocal length
        text = text if text == "\n" else safe(text).replace("\n", " ").expandtabs(TAB_CELLS)  # `&#10;` is a newline
        if style:
            spans.append(Span(length, length + len(text), style))
        parts.append(text)
        length += len(text)

    for child in token.children or ():
        if child.type in _STYLES:
            open_styles.append((_STYLES[child.type], length, str(child.attrs.get("href", ""))))
        elif child.type.endswith("_close") and open_styles:
            style, start, href = open_styles.pop()
            spans.append(Span(start, length, style))
            if href and href != "".join(parts)[start:]:
                add(f" ({href})", ".body--faint")
        elif child.type in ("softbreak", "hardbreak"):
            add("\n")
        elif child.type == "code_inline":
            add(child.content, ".body--inline-code")
        elif child.type == "image":
            add(f"[image: {child.content}] ({child.attrs.get('src', '')})", ".body--faint")
        else:
            add(child.content)
    return Content("".join(parts), spans)


# -- tables -------------------------------------------------------------------------------------------------------


def _table(tokens: Sequence[Token], around: list[_Container]) -> Iterator[Block]:
    """A table in pieces of a few rows, all with the same columns."""
    rows: list[list[Content]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(inline(token))
    n_columns = max((len(row) for row in rows), default=0)
    natural = tuple(max((r[c].cell_length for r in rows if c < len(r)), default=1) or 1 for c in range(n_columns))
    for at in range(0, len(rows), CHUNK_ROWS):
        piece = Block("table", Content(""), first_line=_line(tokens[0]), cells=rows[at : at + CHUNK_ROWS])
        piece.column_cells, piece.head = natural, at == 0
        _placed(piece, around)
        piece.gap = at == 0
        yield piece


def _table_rows(table: Block, width: int, indent: str) -> Iterator[Line]:
    n_columns = len(table.column_cells)
    widths = _column_widths(table.column_cells, width - 3 * (n_columns - 1))
    for at, row in enumerate(table.cells):
        wrapped = [_wrapped(cell, widths[c]) for c, cell in enumerate(row)]
        for y in range(max((len(w) for w in wrapped), default=0)):
            parts = [w[y].rstrip() if y < len(w) else Content("") for w in wrapped]
            padded = [part.pad_right(max(0, widths[c] - part.cell_length)) for c, part in enumerate(parts)]
            line = Content(" │ ").join(padded)
            yield Line(line.stylize("bold") if table.head and at == 0 else line, indent)
        if table.head and at == 0:
            yield Line(Content("─┼─".join("─" * w for w in widths)), indent)


def _column_widths(natural: Sequence[int], room: int) -> list[int]:
    """Natural widths if they fit; otherwise narrow columns keep theirs and the wide ones share what is left."""
    widths = [1] * len(natural)
    left, waiting = max(len(natural), room), sorted(range(len(natural)), key=lambda c: natural[c])
    while waiting:
        column = waiting.pop(0)
        widths[column] = max(1, min(natural[column], left // (len(waiting) + 1)))
        left -= widths[column]
    return widths


def _same_cells(ours: list[list[Content]], theirs: list[list[Content]]) -> bool:
    return len(ours) == len(theirs) and all(
        len(a) == len(b) and all(x.is_same(y) for x, y in zip(a, b, strict=True))
        for a, b in zip(ours, theirs, strict=True)
    )
