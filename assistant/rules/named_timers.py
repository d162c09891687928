"""A timer told by its name alone: "cancel the coffee", "pause the pasta", "how long on the eggs".

Which words are names is known from what runs. What names none of them is said so, and never another timer stopped.
"""

from __future__ import annotations

import re
from typing import Final

from assistant.rules.table import plain
from assistant.tools import Surroundings
from assistant.tools.calls import Call
from assistant.tools.records import Records
from assistant.tools.timekeeping import all_timers
from assistant.tools.timers import bare_name

_ABOUT_TIMERS: Final = re.compile(
    r"(?:cancel|stop|end|kill|delete|remove|pause|resume|continue|unpause|restart|extend|prolong|shorten|rename"
    r"|how (?:much|long)|(?:add|take|put) (?:another )?[\w ]+ (?:hours?|minutes?|mins?|seconds?|secs?))\b",
    re.IGNORECASE,
)
_DONE_YET: Final = re.compile(
    r"^(?:is|are) ((?:the |my )?[\w' -]+?) (?:done|ready|finished|cooked)(?: yet)?$"
    r"|^how(?:'s|'re| is| are) ((?:the |my )?[\w' -]+?) (?:doing|coming along|getting on)$",
    re.IGNORECASE,
)
_GIVE_MORE: Final = re.compile(
    r"^give ((?:the |my )?[\w' -]+?) (?:another )?([\w-]+(?: more)? (?:hours?|minutes?|mins?|seconds?|secs?))"
    r"(?: more| longer)?$",
    re.IGNORECASE,
)
_ORDER: Final = re.compile(
    r"(?:cancel|stop|end) (?:the|my) (?P<name>(?!(?:last|first|other|next)\b)[\w'-]+(?: [\w'-]+){0,2})", re.IGNORECASE
)


_LONG_ONE: Final = re.compile(r"\b([\w-]+[ -](?:hour|minute|min|second|sec)s?) one\b", re.IGNORECASE)


def timer_said(text: str, records: Records) -> str | None:
    """The request with the word "timer" behind the name of one that runs; None where it names none."""
    words = plain(text)
    words = _DONE_YET.sub(lambda m: f"how much time is left on {m[1] or m[2]}", words)
    words = _GIVE_MORE.sub(lambda m: f"add {m[2].replace(' more', '')} to {m[1]}", words)
    if not _ABOUT_TIMERS.match(words) or re.search(r"\btimers?\b", words, re.IGNORECASE):
        return None
    if (said := _LONG_ONE.sub(r"\1 timer", words)) != words and any(
        t.kind == "timer" for t in all_timers(records).values()
    ):
        return said
    for name in sorted((t.name for t in all_timers(records).values() if t.kind == "timer" and t.name), key=len)[::-1]:
        said = re.sub(rf"(?:\b(?:the|my) )?\b{re.escape(bare_name(name))}\b(?! timer)", f"the {name} timer", words,
                      count=1, flags=re.IGNORECASE)  # fmt: skip
        if said != words:
            return said
    return None


def no_such_timer(text: str, surroundings: Surroundings, last: Call | None) -> Call | None:
    """For "cancel the coffee" while timers run, or just ran, and none is called that: the call whose answer says so."""
    order = _ORDER.fullmatch(plain(text))
    of_timers = last is not None and last.tool.startswith("timer.")
    if order is None or not (of_timers or any(t.kind == "timer" for t in all_timers(surroundings.records).values())):
        return None
    return Call("timer.cancel", {"name": order["name"]}, source="rules")
