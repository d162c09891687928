"""From tokens to text that can be shown: whole characters, no stop string, no endless loop. Constant cost a token."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

_LONGEST_PERIOD = 256  # tokens: a paragraph that repeats
_LOOP_TOKENS = 128  # a loop is this long at least
_LONG_LOOP_TOKENS = 512  # this long is enough for a line, or a verse that comes four times
_LOOP_TIMES, _LOOP_TIMES_OF_A_LINE = 4, 12  # a matrix has ten equal lines
LOOP_CHECK_INTERVAL = 32  # tokens between two checks


class Text:
    """Joins the bytes of tokens into text and watches for stop strings.

    `push` returns what may be shown: always valid Unicode, and never a part of a stop string. A character that is not
    complete yet is held back; bytes that are no UTF-8 become U+FFFD. `stopped` is true once a stop string was met; it
    and what follows are not shown.
    """

    def __init__(self, stop: Sequence[str] = (), *, strip_first_space: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(s for s in stop if s)
        self._held = ""
        self._strip_first_space = strip_first_space
        self.stopped = False

    def push(self, piece: bytes) -> str:
        return self._show(self._decoder.decode(piece))

    def finish(self) -> str:
        """What was still held back when the reply ended."""
        shown = self._show(self._decoder.decode(b"", final=True))
        if self.stopped:
            return shown
        held, self._held = self._held, ""
        return shown + held

    def _show(self, text: str) -> str:
        if self._strip_first_space and text:
            text = text.removeprefix(" ")
            self._strip_first_space = False
        if not self._stop or self.stopped:
            return "" if self.stopped else text
        text = self._held + text
        found = min((at for at in (text.find(s) for s in self._stop) if at >= 0), default=-1)
        if found >= 0:
            self.stopped, self._held = True, ""
            return text[:found]
        keep = max(_overlap(text, s) for s in self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-n:])), 0)


def loops(tokens: Sequence[int]) -> bool:
    """Whether the reply ends in the same tokens again and again: `loop_length()` of them.

    Long enough to let tables, rulers, matrices and lists of equal lines pass; a period of up to 256 tokens is found.
    """
    for period in range(1, _LONGEST_PERIOD + 1):
        length = loop_length(period)
        if len(tokens) < length:
            return False
        if tokens[-1] != tokens[-1 - period] or tokens[-2] != tokens[-2 - period]:
            continue  # the usual case, without copying
        if tokens[-length + period :] == tokens[-length:-period]:
            return True
    return False


def loop_length(period: int) -> int:
    """How many tokens of the same are a loop: 128, twelve copies, or four copies and 512."""
    return max(_LOOP_TOKENS, min(_LOOP_TIMES_OF_A_LINE * period, max(_LONG_LOOP_TOKENS, _LOOP_TIMES * period)))
