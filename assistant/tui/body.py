"""The text of one message on screen: grows at its end while streaming, is parsed once as a whole when it is complete.

A single widget that draws rows on demand (Textual's line API): appending costs the last block, not the message.
"""

from __future__ import annotations

import asyncio
import bisect
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from assistant.text import safe
from assistant.tui.blocks import CHUNK_LINES, Block, Line, parse, plain, plain_blocks

MAX_SHOWN = 100_000  # characters; more is kept in the history but not drawn
_LONG_PARAGRAPH = 2_000  # characters of one growing paragraph after which it is shown unstyled until it ends

_FENCES = ("```", "~~~")

_BLOCK_STYLES = {
    "heading-1": "body--heading",
    "heading-2": "body--heading",
    "heading-3": "body--subheading",
    "code": "body--code",
    "rule": "body--faint",
    "quote": "body--quote",
}


class Body(Widget):
    """Draws Markdown, or with `markdown=False` exactly the text it is given."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "body--heading",
        "body--subheading",
        "body--code",
        "body--code-label",
        "body--inline-code",
        "body--quote",
        "body--faint",
        "body--bullet",
    }

    def __init__(self, source: str = "", markdown: bool = True, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._markdown = markdown
        self._blocks: list[Block] = []
        self._starts: list[int] = []  # the row at which each block starts, for as many blocks as are laid out
        self._width = -1  # that they are laid out for
        self._n_rows = 0
        self._base: Style | None = None  # the style that drawn rows were drawn with
        self._source = ""
        self._tail_at = 0  # where in the source the part starts that is parsed again
        self._n_final = 0  # blocks before it
        self._opener = ""  # the fence to parse it with, when it starts inside of code
        if source:
            self.set_source(source)

    @property
    def source(self) -> str:
        return self._source

    # -- changing ---------------------------------------------------------------------------------------------

    def append(self, text: str) -> None:
        """Add streamed text that a SafeStream has made safe: only the last block or list item is parsed again."""
        self._source += text
        tail = self._opener + self._source[self._tail_at :]
        if not self._markdown or (len(tail) > _LONG_PARAGRAPH and "\n\n" not in tail and not self._ends_in_code()):
            self._replace_from(self._n_final, plain_blocks(tail.rstrip()))
            return
        blocks, last_line = parse(tail)
        if blocks and self._n_final:
            loose = self._source[: self._tail_at].endswith("\n\n")
            in_list = self._blocks[self._n_final - 1].kind == blocks[0].kind == "item"
            blocks[0].gap = not self._opener and (loose or not in_list)
        self._replace_from(self._n_final, blocks)
        if last_line:
            self._settle(sum(block.first_line < last_line for block in blocks), tail, last_line)
        elif len(blocks) > 1 and tail.startswith(_FENCES) and all(b.kind == "code" and not b.rest for b in blocks):
            opener = tail[: tail.index("\n") + 1]
            self._settle(len(blocks) - 1, tail, 1 + (len(blocks) - 1) * CHUNK_LINES, opener)

    def _settle(self, n_blocks: int, tail: str, line: int, opener: str = "") -> None:
        """Take the first `n_blocks` of the tail, up to its line `line`, as final. `opener` goes before what follows."""
        self._n_final += n_blocks
        self._tail_at += _offset_of_line(tail, line) - len(self._opener)
        self._opener = opener

    async def finish(self, source: str) -> None:
        """Parse the complete text once more, away from the screen's thread, and swap what looks different."""
        source = self._source = safe(source)
        if self._markdown and len(source) <= MAX_SHOWN:
            blocks = await asyncio.to_thread(_laid_out, source, self.size.width)
            if self._source == source:
                self._replace_from(0, blocks)
        else:
            self.set_source(source)

    def set_source(self, source: str) -> None:
        """Show another text at once."""
        source = safe(source)
        self._source, self._tail_at, self._n_final, self._opener = source, 0, 0, ""
        shown = source[:MAX_SHOWN]
        blocks = parse(shown)[0] if self._markdown and len(shown) == len(source) else plain_blocks(shown)
        if len(shown) < len(source):
            rest = f"… {len(source) - len(shown):,} more characters are kept but not shown; export the conversation"
            blocks.append(Block("quote", plain(rest)))
        self._replace_from(0, blocks)

    def _ends_in_code(self) -> bool:
        return bool(self._blocks) and self._blocks[-1].kind in ("code", "table")

    def _replace_from(self, at: int, blocks: list[Block]) -> None:
        """Put `blocks` in place of those from `at` on, keeping each old block that looks the same."""
        old = self._blocks[at:]
        for i, new in enumerate(blocks):
            if i < len(old) and old[i].looks_like(new):
                old[i].gap, old[i].first_line = new.gap, new.first_line
                blocks[i] = old[i]
        self._blocks = self._blocks[:at] + blocks
        if self._blocks:
            self._blocks[0].gap = False
        del self._starts[at:]
        self.refresh(layout=True)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._base = None

    # -- drawing ----------------------------------------------------------------------------------------------

    def _lay_out(self, width: int) -> int:
        """Lay out what is new at this width and return how many rows there are."""
        if self._width != width:
            self._width = width
            self._starts.clear()
        if len(self._starts) < len(self._blocks) or not self._blocks:
            row = 0
            if self._starts:
                last = self._blocks[len(self._starts) - 1]
                row = self._starts[-1] + last.gap + last.label + len(last.rows(width))
            for block in self._blocks[len(self._starts) :]:
                self._starts.append(row)
                row += block.gap + block.label + len(block.rows(width))
            self._n_rows = row
        return self._n_rows

    def _at(self, y: int) -> tuple[Block, int] | None:
        """Which block and which of its rows stands on row `y`; -1 is the label of code, None an empty row."""
        if not 0 <= y < self._n_rows:
            return None
        index = bisect.bisect_right(self._starts, y) - 1
        block = self._blocks[index]
        row = y - self._starts[index] - block.gap
        if block.label:
            return None if row < 0 else (block, row - 1)
        return (block, row) if row >= 0 else None

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, self._lay_out(max(width, 1)))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.visual_style
        if base != self._base:
            self._base = base
            for block in self._blocks:
                block.drawn.clear()
        self._lay_out(width)
        found = self._at(y)
        if found is None:
            return Strip.blank(width, base.rich_style)
        block, row = found
        block.colour()
        strip = block.drawn.get(row)
        if strip is None:
            segments, style = self._draw(block, row, width, base)
            strip = block.drawn[row] = Strip(segments).adjust_cell_length(width, style.rich_style)
        if (selection := self.text_selection) is not None and (span := selection.get_span(y)) is not None:
            strip = self._select(strip, span)
        return strip.apply_offsets(0, y)

    def _draw(self, block: Block, at: int, width: int, base: Style) -> tuple[list[Segment], Style]:
        style = self.get_visual_style(_BLOCK_STYLES[block.kind]) if block.kind in _BLOCK_STYLES else base
        faint = base + self._get_style(".body--faint")
        if at < 0:
            label = Segment(f" {block.language}", self.get_visual_style("body--code-label").rich_style)
            return [Segment(block.rest, faint.rich_style), label], style
        line = block.rows(width)[at]
        bullet = (base + self._get_style(".body--bullet")) if block.kind == "item" else faint
        segments = [Segment(line.indent, bullet.rich_style)] if line.indent else []
        if block.kind == "code":
            segments.append(Segment(" ", style.rich_style))
        content = line.content.rstrip() if block.kind not in ("code", "plain") else line.content
        segments += [
            Segment(text, (style + piece).rich_style)
            for text, piece in content.render(Style.null(), end="", parse_style=self._get_style)
        ]
        return segments, style

    # -- selecting --------------------------------------------------------------------------------------------

    def _select(self, strip: Strip, span: tuple[int, int]) -> Strip:
        text = strip.text
        start = cell_len(text[: span[0]])
        end = strip.cell_length if span[1] < 0 else cell_len(text[: span[1]])
        style = self.screen.get_component_rich_style("screen--selection")
        before, chosen, after = (
            strip.crop(0, start),
            strip.crop(start, max(start, end)),
            strip.crop(max(start, end), strip.cell_length),
        )
        return Strip.join([before, chosen.apply_style(style), after])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The chosen text; rows that were only wrapped for the screen are joined again."""
        width = self.size.width
        text = ""
        for y in range(self._lay_out(width)):
            if (span := selection.get_span(y)) is None:
                continue
            found = self._at(y)
            line, pad = Line(plain("")), ""
            if found is not None and found[1] >= 0:
                line, pad = found[0].rows(width)[found[1]], " " if found[0].kind == "code" else ""
            shown = line.indent + pad + line.content.plain
            chosen = shown[max(span[0], len(pad)) : None if span[1] < 0 else span[1]]
            text += chosen if line.joined else "\n" + chosen
        return text.removeprefix("\n"), "\n"


def _laid_out(source: str, width: int) -> list[Block]:
    """Parse, colour and wrap a complete text."""
    blocks, _ = parse(source, colour=True)
    for block in blocks[1:]:  # the first one will lose its gap, and with it the label of its language
        block.rows(max(1, width))
    return blocks


def _offset_of_line(text: str, line: int) -> int:
    """Where line number `line` starts, counting the newlines as the parser does."""
    at = 0
    for _ in range(line):
        at = text.index("\n", at) + 1
    return at
