"""speakable(): written text, into words a voice can read. Nothing is read out that is only to be seen.

Order matters: first what is only layout goes (Markdown, links, emoji), then what has a form of its own (dates, times,
money), then what is left of numbers and symbols. English forms; for other languages only the layout is removed, and
numbers are left to the voice, which knows its language.
"""

from __future__ import annotations

import re
import unicodedata

from assistant.spoken.forms import said_in_english

CODE_NOTE = "The code is on the screen."  # said in place of a code block

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)+\|?[ \t]*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.MULTILINE)
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_LINK = re.compile(r"\[([^\]\n]+)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_FOOTNOTE = re.compile(r"\[\^?\d+\](?!\()")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^>\s]+)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+(.*?)[ \t#]*$", re.MULTILINE)
_QUOTE = re.compile(r"^[ \t]{0,3}(?:>[ \t]?)+", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?", re.MULTILINE)
_STRONG = re.compile(r"(\*{1,3}|_{2,3}|~~)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)")
_TICKS = re.compile(r"`+([^`\n]*)`+")
_LEFTOVER = re.compile(r"\*\*+|`+|~~|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)|^#{1,6}[ \t]*$", re.MULTILINE)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!~|>-])")
_LINE_END = re.compile(r"([^\s.!?:;,…])[ \t]*\n+")
_SPACES = re.compile(r"\s+")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]", re.IGNORECASE)
_EMAIL = re.compile(r"\b([\w.+-]+)@([\w-]+(?:\.[\w-]+)+)\b")

_KEPT_SYMBOLS = "°$€£¥%&+=<>^~|©®™"  # read by the forms, not pictures


def speakable(text: str, language: str = "en") -> str:
    """What to say for `text`, on one line; "" when there is nothing to say."""
    text = _without_layout(text)
    text = _URL.sub(lambda m: _address(m[0]), text)
    text = _EMAIL.sub(lambda m: f"{_dotted(m[1])} at {_dotted(m[2])}", text)
    text = _without_pictures(text)
    if language == "en":
        text = said_in_english(text)
    text = _SPACES.sub(" ", text).strip()
    text = re.sub(r"\s+([,.!?;:])", r"\1", text)
    return text if any(c.isalnum() for c in text) else ""


def _without_layout(text: str) -> str:
    text = _FENCE.sub(CODE_NOTE + "\n", text)
    text = _TABLE_RULE.sub("", text)
    text = _RULE.sub("", text)
    text = _TABLE_ROW.sub(lambda m: ", ".join(cell.strip() for cell in m[1].split("|") if cell.strip()) + ".", text)
    text = _IMAGE.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)
    text = _FOOTNOTE.sub("", text)
    text = _AUTOLINK.sub(lambda m: m[1].removeprefix("mailto:"), text)
    text = _TAG.sub("", text)
    text = _QUOTE.sub("", text)
    text = _HEADING.sub(r"\1", text)
    text = _BULLET.sub("", text)
    text = _TICKS.sub(r"\1", text)
    for _ in range(3):  # bold in italics in strike-through
        text = _STRONG.sub(r"\2", text)
    text = _EMPHASIS.sub(r"\1", text)
    text = _ESCAPE.sub(r"\1", _LEFTOVER.sub("", text))
    return _LINE_END.sub(r"\1. ", text + "\n") if "\n" in text.strip() else text


def _without_pictures(text: str) -> str:
    """Take emoji and other pictures out; a text of nothing else is read by their names."""
    kept = "".join(c for c in text if not _is_picture(c))
    if kept.strip() or not text.strip():
        return kept
    names = [unicodedata.name(c, "") for c in text if _is_picture(c) and unicodedata.category(c) == "So"]
    return ", ".join(name.lower() for name in names if name and "MODIFIER" not in name)


def _is_picture(c: str) -> bool:
    if c in _KEPT_SYMBOLS or ord(c) < 0x2000:
        return False
    category = unicodedata.category(c)
    return category in ("So", "Cn", "Co", "Cs") or c in "\u200d\ufe0e\ufe0f\u20e3" or 0x1F3FB <= ord(c) <= 0x1F3FF


def _address(url: str) -> str:
    """The site alone: nobody wants to hear a path."""
    host = re.sub(r"^(?:https?://)?(?:www\.)?", "", url, flags=re.IGNORECASE)
    host = re.split(r"[/?#:]", host, maxsplit=1)[0]
    return _dotted(host)


def _dotted(name: str) -> str:
    return name.replace(".", " dot ").replace("_", " underscore ").replace("-", " dash ").replace("+", " plus ")
