"""The same request as it is meant here: put into English, "it" by its name, an entry of the calendar as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assistant.tools import Surroundings
from assistant.tools.calls import Call
from assistant.tools.events import moved_by_title
from assistant.tools.follow_up import named_for_later
from assistant.tools.other_languages import in_english
from assistant.tools.rules import plain


def sayings(text: str, last: Call | None, languages: Sequence[str], surroundings: Surroundings) -> Iterator[str]:
    """Each way of saying it that is tried before the text itself."""
    for said in (
        in_english(text, languages),
        named_for_later(last, text, surroundings.clock()),
        moved_by_title(plain(text), surroundings),
    ):
        if said:
            yield said
