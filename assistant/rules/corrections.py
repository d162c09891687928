"""What is taken back in mid-sentence: "set a timer for five, no wait, ten minutes" means ten minutes.

The words behind the correction take the place of what they correct: a quantity that of the last quantity, "the
bedroom light" that of the last words that begin with "the", a command that of the whole.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from assistant.quantities import Found, find
from assistant.rules.table import plain

_SURE: Final = (  # nothing else is ever meant by these in a command
    r"no,? wait(?: a (?:second|minute|moment))?|wait,? no|scratch that|strike that|correction|or rather|i mean|i meant"
    r"|no,? (?:actually,? )?(?:make|let'?s make) (?:it|that)|no,? sorry|sorry,? no|no,? actually|actually,? no"
)
_MAYBE: Final = r"no|sorry|oops|wait|actually(?:,? make (?:it|that))?|make (?:it|that)|rather"  # with a pause before
_FILLERS: Final = r"(?:(?:uh|um|er|erm|oh|oops|hmm|hang on|hold on)[,.]?\s+)*"
_MARK: Final = re.compile(
    rf"(?P<pause>\s*[,;:.–—-]+)?\s+{_FILLERS}(?:(?P<sure>{_SURE})|(?P<maybe>{_MAYBE}))\b(?P<behind>\s*[,:.–—-]+)?\s+",
    re.IGNORECASE,
)
_OWN_WORDS: Final = re.compile(  # what follows these is kept or said as it stands
    r"(?:note|remember|write|jot|dictate|translate|say|copy|tell|who|what|when|where|why|how|which|is|are|do|does|did)\b",
    re.IGNORECASE,
)
COMMAND: Final = re.compile(
    r"(?:turn|switch|set|open|close|shut|play|add|put|remind|wake|start|stop|lock|unlock|dim|pause|cancel|delete|remove"
    r"|make (?:the|my|an?)|create)\b",
    re.IGNORECASE,
)
_JOINS: Final = frozenset(["the", "my", "our", "a", "an", "in", "on", "to", "at", "for", "by"])
_KINDS: Final = ("duration", "time", "datetime", "date", "percent", "temperature", "number")


def as_meant(text: str, now: datetime) -> str | None:
    """The request as it was meant in the end; None if nothing in it is taken back."""
    words = plain(text)
    if _OWN_WORDS.match(words):
        return None
    meant: str | None = None
    while mark := _MARK.search(words):
        before, after = words[: mark.start()], words[mark.end() :].strip()
        quantity = _leading(after, now)
        surely = mark["sure"] or (mark["pause"] and (quantity or mark["behind"])) or (mark["behind"] and quantity)
        if not before or not after or not (surely or (quantity and _trailing(before, now))):
            return None
        replaced = _replaced(before, after, quantity, now)
        if replaced is None:
            return None
        meant = words = replaced
    return meant


def _replaced(before: str, after: str, quantity: Found | None, now: datetime) -> str | None:
    if COMMAND.match(after):
        return after
    if quantity is not None:
        old = _trailing(before, now) or next(
            (f for f in reversed(_found(before, now)) if f.kind == quantity.kind), None
        )
        if old is None:
            return None
        new, rest = after[: quantity.end], after[quantity.end :]
        joint = re.match(r"(?:at|on|in|for|to) ", before[old.start :], re.IGNORECASE)
        joint_of_new = re.match(r"(?:at|on|in|for|to) ", new, re.IGNORECASE)
        start = old.start + (joint.end() if joint and not joint_of_new else 0)
        head = re.sub(r"\b(?:at|on|in|for|to) $", "", before[:start]) if joint_of_new else before[:start]
        return f"{head}{new}{before[old.end :]}{rest}"
    first, last = after.split()[0].casefold(), after.split()[-1].casefold()
    told = before.split()
    same = [n for n, word in enumerate(told) if word.casefold() == first]
    if first in _JOINS and same:
        return " ".join([*told[: same[-1]], after])
    if told[-1].casefold() == last and len(told) > len(after.split()):  # the kitchen light, no wait, bedroom light
        return " ".join([*told[: -len(after.split())], after])
    verb = 2 if told[0].casefold() in ("turn", "switch", "put") and len(told) > 2 else 1
    return " ".join([*told[:verb], after]) if COMMAND.match(before) and len(told) > verb else None


def _found(text: str, now: datetime) -> list[Found]:
    return find(text, now, _KINDS)


def _leading(text: str, now: datetime) -> Found | None:
    """The quantity that a text begins with."""
    found = _found(text, now)
    begins = found and re.fullmatch(r"(?:(?:for|at|to|on|in|about) )?", text[: found[0].start], re.IGNORECASE)
    return found[0] if begins else None


def _trailing(text: str, now: datetime) -> Found | None:
    """The quantity that a text ends with."""
    found = _found(text, now)
    return found[-1] if found and not text[found[-1].end :].strip(" ,.") else None
