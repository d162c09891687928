"""Text that is safe to show. `safe()` is the one choke point between content and the terminal.

Model output, documents and file names can carry escape sequences that write the clipboard, set the title or hide text;
Textual passes them on. Removed: ESC and C1 sequences, all other control characters but newline and tab, bidirectional
overrides, invisible characters that can hide or reorder text. Kept: zero-width joiners, which emoji and several scripts
need. What is left of an unterminated sequence is shown as plain text, so that nothing can be hidden by opening one.
"""

from __future__ import annotations

import re

_MAX_SEQUENCE = 4096

_SEQUENCE = re.compile(
    r"""
    (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]                                      # CSI
    | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)  # OSC, DCS, SOS, PM, APC
    | \x1b[ -/]+[0-~]                                                     # charset and the like
    | \x1b[0-Z\\^_`-~]                                                    # two-byte sequences
    """,
    re.VERBOSE,
)
_INCOMPLETE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,4096}\x1b?\Z"
    r"|\x1b[ -/]*\Z"
)
# C0 but \t and \n, DEL, C1; bidi embeddings, overrides, isolates and marks; zero-width space, word joiner, invisible
# operators, BOM, soft hyphen, Hangul fillers, interlinear marks, tag characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_LINE_SEPARATORS = re.compile("\r\n?|[\u2028\u2029]")
_COPIES = 4
_WANTED = re.compile(r"\b(?:repeat|times|copies|again and again|over and over|\d{2,})\b", re.IGNORECASE)
_ENDING = re.compile(r"[.!?](?=\s)|\n")
_SURROGATES = re.compile("[\ud800-\udfff]")


def safe(text: str, keep_newlines: bool = True) -> str:
    """Return `text` without anything that could act on a terminal or hide what is shown."""
    text = _LINE_SEPARATORS.sub("\n", text)
    text = _SEQUENCE.sub("", text)
    text = _SURROGATES.sub("\ufffd", _HIDDEN.sub("", text))
    return text if keep_newlines else " ".join(text.split())


def without_repetition(text: str, asked: str = "") -> str:
    """`text` without the copies at its end, where it ends in the same four times or more: one is kept, to the end of a
    sentence, line or word. All stay if what was asked sounds as if they were wanted ("write it 20 times")."""
    if _WANTED.search(asked):
        return text
    for period in range(1, len(text) // _COPIES + 1):
        if text[-period:] != text[-2 * period : -period]:
            continue
        start = len(text) - period
        while start > 0 and text[start - 1] == text[start - 1 + period]:
            start -= 1
        if len(text) - start >= _COPIES * period:
            ending = _ENDING.search(text, max(0, start + period - 2), start + 2 * period)
            return text[: ending.end() if ending else start + period].rstrip()
    return text


class SafeStream:
    """`safe()` for text that arrives in pieces: a sequence split across pieces is still removed."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown; holds back a sequence, or a line ending, that may go on in the next piece."""
        text = self._held + piece
        match = _INCOMPLETE.search(text, max(0, len(text) - _MAX_SEQUENCE - 2))
        keep = match.start() if match else len(text) - text.endswith("\r")
        self._held = text[keep:]
        return safe(text[:keep])

    def finish(self) -> str:
        """Return what was held back, made safe."""
        held, self._held = self._held, ""
        return safe(held)
