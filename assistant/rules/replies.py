"""What tools say, in the language of the request: a table of their English sentences for each language.

`replies_<language>.toml` has `sentences`, tried in order on each line of a reply: a pattern, and what is said instead.
In it {0} is what the first group took, as it is (a name, the user's words); {0:t} the same in other words by `phrases`
(times, lengths, states); {0:n} that with the comma and the point of its numbers exchanged; {0:s} as a sentence of the
table. A line that is not in the table stays English.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from assistant.rules.german_words import is_german
from assistant.rules.other_languages import put_into_english
from assistant.tools.calls import Call
from assistant.tools.confirming import Confirmation

_SEPARATORS: Final = str.maketrans(".,", ",.")
_MORE: Final = re.compile(r" and (\d+) more$")


@dataclass(frozen=True, slots=True)
class _Table:
    sentences: tuple[tuple[re.Pattern[str], str], ...]
    phrases: tuple[tuple[re.Pattern[str], str], ...]
    more: str

    def line(self, said: str) -> str:
        for pattern, instead in self.sentences:
            if match := pattern.fullmatch(said):
                return instead.format(*(_Piece(group or "", self) for group in match.groups()))
        return said

    def phrase(self, said: str) -> str:
        for pattern, instead in self.phrases:
            said = pattern.sub(instead, said)
        return said


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a group took; format "t" puts it into the language."""

    said: str
    table: _Table

    def __format__(self, how: str) -> str:
        if how == "t":
            return self.table.phrase(self.said)
        if how == "n":  # a number, and what stands with it: 1,500.5 is 1.500,5
            return self.table.phrase(self.said).translate(_SEPARATORS)
        if how == "s":
            return self.table.line(self.said)
        return _MORE.sub(self.table.more, self.said)  # of the names of many devices


def language_of(calls: Sequence[Call], text: str, languages: Sequence[str]) -> str:
    """The language of a request, "" for English: that of the sentence that matched, or of the one put into English, or
    what its small words tell."""
    known = next((call.language for call in calls if call.language), "") or put_into_english(text, languages)[1]
    german = next((language for language in languages if language.startswith("de")), "")
    least = 1 if languages[0] == german else 2
    return known or (german if german and is_german(text, least) else "")


def in_language(text: str, language: str) -> str:
    """A reply in the language, such as de or zh-CN; what it has no words for stays as it is."""
    table = _table(language.partition("-")[0]) if language else None
    return "\n".join(map(table.line, text.split("\n"))) if table else text


def asked_in(confirmation: Confirmation, language: str) -> Confirmation:
    """The question in the language; the call that it is about is the same."""
    question, detail = (in_language(said, language) for said in (confirmation.question, confirmation.detail))
    return replace(confirmation, question=question, detail=detail)


@cache
def _table(language: str) -> _Table | None:
    path = Path(__file__).with_name(f"replies_{language}.toml")
    if not language.isalpha() or not path.is_file():
        return None
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    return _Table(
        tuple((re.compile(pattern), instead) for pattern, instead in rows["sentences"]),
        tuple((re.compile(rf"(?<!\w){pattern}(?!\w)"), instead) for pattern, instead in rows["phrases"]),
        rows["more"],
    )
