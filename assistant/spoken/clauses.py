"""clauses(): cut a stream of tokens into pieces that can be spoken, each as early as it can be known to be one.

The first clause is short, because the listener waits for it; later ones are longer, because they sound better and the
voice is ahead by then. It is also cut a token sooner: at a comma or before a joint that ends what is there, without
waiting for what follows. Nothing is lost or changed: the `written` parts put together are the reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assistant.spoken.speakable import speakable


@dataclass(frozen=True, slots=True)
class Clause:
    """`written` is a span of the reply, with the space after it; `spoken` is what to say for it, "" for nothing."""

    written: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Lengths:
    """When to cut, in words. Below `least` no comma cuts; from `wish` on a joint does; at `most` any space.

    `eager`: a comma or a joint need not be followed by anything.
    """

    least: int
    wish: int
    most: int
    eager: bool = False


FIRST = Lengths(least=2, wish=3, most=7, eager=True)
SECOND = Lengths(least=4, wish=8, most=16)  # the first is over in a second
LATER = Lengths(least=5, wish=14, most=30)

_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_ENDS = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s)|\n")
_PAUSES = re.compile(r"(?<=[^\W\d])[,;](?=\s)|(?<=\d)[,;](?=\s)|:(?=\s)|\s[—–-](?=\s)|—")
_EAGER_PAUSES = re.compile(rf"(?<=[^\W\d])[,;]$|{_PAUSES.pattern}")  # behind a digit it may be part of a number
_JOINT_WORDS = "and|but|or|because|so|which|that|who|when|where|while|if|then|with|from|for|to|in|on|at|by|as|than"
_VERBS = "is|are|was|were|has|have|had|can|could|will|would|should|may|might|must|means"  # what stood before is whole
_JOINTS = re.compile(rf"\s(?=(?:{_JOINT_WORDS})\s)", re.IGNORECASE)
_EAGER_JOINTS = re.compile(rf"(?<=\w)\s(?=(?:{_JOINT_WORDS}|{_VERBS})(?:\s|$))", re.IGNORECASE)
_TWO_VERBS = re.compile(rf"\b(?:{_VERBS})\s(?:{_VERBS})$", re.IGNORECASE)  # "should have": they belong together
_SPACE = re.compile(r"\s+(?=\S)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"“])(?:Mr|Mrs|Ms|Dr|Prof|St|Mt|No|Nos|vs|etc|[Ee]\.g|[Ii]\.e|approx|Jr|Sr|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Fig|fig|"
    r"[A-Z]|[ap]\.m|U\.S|a\.k\.a|cf|al)\.$"
)
_LIST_NUMBER = re.compile(r"(?:^|\n)[ \t]*\d{1,3}\.$")


def clauses(tokens: Iterable[str], language: str = "en") -> Iterator[Clause]:
    """Yield clauses while `tokens` arrive. A code block is one clause, of which only a note is spoken."""
    held = ""
    lengths = FIRST
    for token in tokens:
        held += token
        while (cut := _cut(held, lengths)) > 0:
            clause, held = _clause(held[:cut], language), held[cut:]
            if clause.spoken:
                lengths = SECOND if lengths is FIRST else LATER
            yield clause
    while held and (cut := _cut(held + "\n", lengths)) and 0 < cut < len(held):
        yield _clause(held[:cut], language)
        held = held[cut:]
    if held:
        yield _clause(held, language)


def _clause(written: str, language: str) -> Clause:
    return Clause(written, speakable(written, language))


def _cut(held: str, lengths: Lengths) -> int:
    """Where the first clause of `held` ends (spaces that follow included), or 0 when that cannot be known yet."""
    if _FENCE.match(held.lstrip("\n")):
        return _block_end(held)
    opening = re.search(r"\n {0,3}(?:```|~~~)", held)
    if opening:  # what stands before the block ends there
        found = _text_cut(held[: opening.start() + 1], lengths)
        return found or opening.start() + 1
    if re.search(r"\n {0,3}[`~]{0,2}$", held):  # a fence may be coming
        return _text_cut(held[: held.rindex("\n")], lengths)
    return _text_cut(held, lengths)


def _block_end(held: str) -> int:
    start = len(held) - len(held.lstrip("\n"))
    fence = held[start:].lstrip(" ")[:3]
    closing = re.compile(rf"\n {{0,3}}{re.escape(fence)}[`~]*[ \t]*\n").search(held, start + 3)
    return closing.end() if closing else 0


def _text_cut(held: str, lengths: Lengths) -> int:
    for match in _ENDS.finditer(held):
        end = match.end()
        if match[0].startswith(".") and len(match[0].rstrip("\"'”’)]*_")) == 1:
            upto = held[: match.start() + 1]
            if _ABBREVIATION.search(upto) or _LIST_NUMBER.search(upto):
                continue
        if not held[:end].strip():
            continue
        sentence = _with_space(held, end)
        return _inner_cut(held[:end], lengths) or sentence
    return _inner_cut(held, lengths)


def _inner_cut(held: str, lengths: Lengths) -> int:
    """A cut inside a sentence: at a pause, else before a joint, else at any space, once it is long enough."""
    n_words = len(held.split())
    if n_words < lengths.least + (not lengths.eager):
        return 0
    for match in (_EAGER_PAUSES if lengths.eager else _PAUSES).finditer(held):
        if _n_words(held, match.end()) >= lengths.least and not _breaks_markup(held[: match.end()]):
            return _with_space(held, match.end())
    if n_words > lengths.wish:
        for match in (_EAGER_JOINTS if lengths.eager else _JOINTS).finditer(held):
            if _TWO_VERBS.search(held[: match.end()] + held[match.end() :].split(" ")[0]):
                continue
            if _n_words(held, match.start()) >= lengths.wish and not _breaks_markup(held[: match.start()]):
                return match.start() + 1
    if n_words > lengths.most:
        for match in _SPACE.finditer(held):
            if _n_words(held, match.start()) >= lengths.most and not _breaks_markup(held[: match.start()]):
                return match.end()
    return 0


def _with_space(held: str, end: int) -> int:
    while end < len(held) and held[end] in " \t\n":
        end += 1
    return end


def _n_words(held: str, end: int) -> int:
    return len(held[:end].split())


def _breaks_markup(head: str) -> bool:
    """Whether a cut here would separate the two ends of a link, of bold or of code, or the cells of a table row."""
    line = head[head.rfind("\n") + 1 :]
    return (
        line.lstrip().startswith("|")
        or head.count("**") % 2 == 1
        or head.count("`") % 2 == 1
        or head.rfind("[") > head.rfind("]")
        or (head.rfind("](") >= 0 and head.rfind("](") > head.rfind(")"))
    )
