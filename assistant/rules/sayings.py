"""The same request as it is meant here: put into English, "it" by its name, an entry of the calendar as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from assistant.rules.follow_up import named_for_later
from assistant.rules.of_alarms import only_times
from assistant.rules.other_languages import by_parts, in_english
from assistant.rules.table import plain
from assistant.tools import Surroundings
from assistant.tools.calls import Call
from assistant.tools.events import moved_by_title


def sayings(text: str, last: Call | None, languages: Sequence[str], surroundings: Surroundings) -> Iterator[str]:
    """Each way of saying it that is tried before the text itself."""
    for said in (
        in_english(text, languages),
        *by_parts(text, languages),
        named_for_later(last, text, surroundings.clock()),
        moved_by_title(plain(text), surroundings),
        _time_behind(plain(text), surroundings.clock()),
        _each_kind(plain(text)),
        _minded(text),
        "turn off everything" if _STILL_ON.fullmatch(plain(text)) else None,
        _ALL_ON.sub(r"turn \2 \1", plain(text)) if _ALL_ON.fullmatch(plain(text)) else None,
        _EVERYTHING_IN.sub(r"turn \3 \1 \2", plain(text)) if _EVERYTHING_IN.fullmatch(plain(text)) else None,
        "play some music" if _MUSIC_ON.fullmatch(plain(text)) else None,
        _TELLY.sub("tv", text) if _TELLY.search(text) else None,
        "pause the music" if _MUSIC_OFF.fullmatch(plain(text)) else None,
    ):
        if said:
            yield said


def _each_kind(words: str) -> str | None:
    """ "cancel all alarms and timers" as two requests: the rule for one would leave the other out."""
    match = _KINDS.fullmatch(words)
    return f"cancel all {match[1]} and cancel all {match[2]}" if match else None


_KINDS: Final = re.compile(
    r"(?:cancel|delete|clear|remove|stop|turn off) (?:all |every )?(?:of )?(?:my |the )?(alarms|timers|reminders)"
    r",? and (?:all )?(?:my |the )?(alarms|timers|reminders)",
    re.IGNORECASE,
)


def _time_behind(words: str, now: datetime) -> str | None:
    """ "in 20 minutes remind me to check the oven" as "remind me in 20 minutes to check the oven"."""
    match = _TIME_FIRST.fullmatch(words)
    if match is None:
        return None
    when = re.sub("^after ", "in ", match["when"], flags=re.IGNORECASE)
    if not only_times(when, now):
        return None
    verb = re.sub("^tell", "remind", match["verb"], flags=re.IGNORECASE)
    return f"{verb} {when}{match['rest']}"


_TIME_FIRST: Final = re.compile(
    r"(?P<when>(?:in|at|on|by|after|for|every|each|tomorrow|tonight|today|this|next|\w+day)\b.{0,60}?),? (?:please )?"
    r"(?P<verb>remind me|tell me(?= to\b)|wake me(?: up)?|set (?:me )?an? (?:alarm|reminder))(?P<rest>(?: .+)?)",
    re.IGNORECASE,
)


def _minded(text: str) -> str | None:
    """ "would you mind turning on the lamp" as "turn on the lamp"."""
    match = _MIND.fullmatch(plain(text)) or _MIND.fullmatch(text.strip(" .!?"))
    return f"{_VERBS[match['verb'].casefold()]} {match['rest']}" if match else None


_VERBS: Final = {"turning": "turn", "switching": "switch", "opening": "open", "closing": "close", "setting": "set",
                 "locking": "lock", "dimming": "dim", "starting": "start", "stopping": "stop", "pausing": "pause",
                 "playing": "play", "adding": "add", "reminding": "remind", "waking": "wake"}  # fmt: skip
_MIND: Final = re.compile(
    rf"(?:hey,? |please )?(?:would|do) you mind (?P<verb>{'|'.join(_VERBS)}) (?P<rest>.+)", re.IGNORECASE
)
_STILL_ON: Final = re.compile(
    r"(?:turn|switch) (?:off )?(?:whatever|everything|anything|all)(?: that)?(?:'s| is| are) (?:still )?on(?: off)?",
    re.IGNORECASE,
)
_ALL_ON: Final = re.compile(  # no question, though "are all lights off" has the same end
    r"(all (?:of )?(?:the |my |our )?(?:[\w' ]+ )?lights|everything) (on|off)", re.IGNORECASE
)
_EVERYTHING_IN: Final = re.compile(r"(?:turn|switch) (everything|all) (in .+?) (on|off)", re.IGNORECASE)
_MUSIC_ON: Final = re.compile(r"(?:turn|switch|put) (?:on )?(?:some |the )?music(?: on)?", re.IGNORECASE)
_TELLY: Final = re.compile(r"\b(?:telly|tele|television set)\b", re.IGNORECASE)
_MUSIC_OFF: Final = re.compile(r"(?:turn|switch|shut) (?:off (?:the |my )?music|(?:the |my )?music off)", re.IGNORECASE)
