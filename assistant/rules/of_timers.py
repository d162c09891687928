"""Arguments of timers, from what a rule matched. Each returns None to decline."""

from __future__ import annotations

import re
from typing import Final

from assistant.quantities.asked import Arguments, Asked, length


def timer(asked: Asked, match: re.Match[str]) -> Arguments | None:
    if _OTHER_TIMER.match(asked.text) or not _STARTS_TIMER.match(asked.text):
        return None
    durations = asked.find("duration")
    named = re.search(
        r"\b(?:called|named|labell?ed)\s+[\"']?([\w' -]{1,40}?)[\"']?(?:\s+for\b|$)", asked.text, re.IGNORECASE
    )
    name = named.group(1) if named else ""
    if not durations:
        bare = _BARE.fullmatch(asked.text)
        word = (bare.group("word") or "") if bare else ""
        if bare is None and (number := _BARE_MINUTES.fullmatch(asked.text)):
            word = "" if (number["word"] or "").casefold() in _NOT_A_NAME else number["word"] or ""
            return {"minutes": int(number["n"]), "name": name or word}
        return {"name": name or ("" if word.casefold() in _NOT_A_NAME else word)} if bare else None
    found = durations[0]
    if not name:
        before = re.search(r"\b([a-z]+(?: [a-z]+)?) timer\b", asked.text, re.IGNORECASE)
        after = re.match(
            r"\s*(?:timer\s+)?for (?:the |my )?([a-z][\w' -]{1,30})$", asked.text[found.end :], re.IGNORECASE
        )
        word = before.group(1).split()[-1].casefold() if before else ""
        if word and word not in _NOT_A_NAME and word not in asked.text[found.start : found.end].casefold().split():
            name = word
        elif after:
            name = after.group(1)
        elif between := _NAME_BETWEEN.search(asked.text[: found.start]):
            first = between["name"].casefold().split()[0]
            name = "" if first in _NOT_A_NAME or first in _ABOUT else between["name"]
    return {**length(found.value), "name": name}


_ABOUT: Final = frozenset([
    "about", "around", "roughly", "approximately", "exactly", "precisely", "like", "just", "only", "maybe", "say",
    "nearly", "almost", "at", "up", "next", "following", "coming", "perhaps", "some", "more",
])  # fmt: skip
_NAME_BETWEEN: Final = re.compile(  # "a timer for the eggs, 4 minutes"; "another for pasta for 8 minutes"
    r"\b(?:timer|another|one) for (?:the |my )?(?P<name>[a-z][a-z' -]{1,29}?)(?: for|,| -|:|,? and)?\s*$", re.IGNORECASE
)


_SET: Final = r"(?:set|start|create|make|give me|put on|put|begin|run|i need|add|new)\s+(?:me )?(?:up )?"
_BARE: Final = re.compile(
    _SET + r"(?:a |an |another |the |new )*(?:(?P<word>[a-z]+) )?timer(?: (?:called|named) .+| for)?", re.IGNORECASE
)
_BARE_MINUTES: Final = re.compile(
    rf"(?:{_SET})?(?:a |an |another |the |new )*(?:(?P<word>[a-z]+) )?timer (?:(?:for|of) )?(?P<n>\d{{1,3}})",
    re.IGNORECASE,
)
_STARTS_TIMER: Final = re.compile(
    _SET + r".*\btimer\b|(?:.* )?timer(?: for| of)?\b.*\d|(?:a |an )?[\w -]+ timer$|timer for\b|time me for\b",
    re.IGNORECASE,
)
_OTHER_TIMER: Final = re.compile(
    r"(?:cancel|stop|pause|resume|how|what|add .* to|is|delete|remove|increase|decrease|extend|reduce|take|change|check"
    r"|make (?:it|the|my)|set (?:the|my) timer (?:to|for)|status|unpause|continue|kill|end|turn)\b",
    re.IGNORECASE,
)
_NOT_A_NAME: Final = frozenset(["a", "an", "the", "my", "another", "new", "timer", "set", "start", "create", "minute",
"minutes", "hour", "hours", "second", "seconds", "min", "one", "two", "three", "four", "five", "ten", "make", "for",
"of", "half", "long", "short", "quick", "it", "this", "that"])  # fmt: skip


def only_duration(asked: Asked, match: re.Match[str]) -> Arguments | None:
    durations = asked.find("duration")
    return length(durations[0].value) if durations else None


def timer_change(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """What follows "add" or "take" must be the length: "add milk to the list and set a timer" changes none."""
    at_once = re.match(
        r"(?:add|give me|put|take|remove|subtract)\s+(?:(?:another|an extra|about|on)\s+)?", asked.text, re.I
    )
    durations = asked.find("duration")
    if at_once and durations and asked.text[at_once.end() : durations[0].start].strip():
        return None
    found = only_duration(asked, match)
    named = re.search(r"\b(?:the|my) ([a-z]+) timer\b", asked.text, re.IGNORECASE)
    name = named.group(1) if named and named.group(1).casefold() not in _NOT_A_NAME else ""
    return {**found, "name": name} if found is not None else None


def others(asked: Asked, match: re.Match[str]) -> Arguments:
    """all timers except the pasta and the sauce"""
    named = re.split(r",? and |, ", match.group("but"))
    return {
        "but": [re.sub(r"^(?:the|my) | timers?$|^(?:the )?one for ", "", n, flags=re.I) for n in named if n.strip()]
    }


def timer_named(asked: Asked, match: re.Match[str]) -> Arguments:
    name = (match.groupdict().get("name") or "").strip()
    return {"name": "" if name.casefold() in _NOT_A_NAME else name}


def snooze(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """snooze for 5 minutes; remind me again in an hour; five more minutes."""
    durations = asked.find("duration", "datetime")
    if not durations:
        return {} if not re.search(r"\bmore\b", asked.text, re.IGNORECASE) else _minutes_more(asked)
    if durations[0].kind == "duration":
        return length(durations[0].value)
    inner = Asked(asked.text.casefold().replace(" in ", " for "), asked.now).find("duration")
    return length(inner[0].value) if inner else None


def _minutes_more(asked: Asked) -> Arguments | None:
    """five more minutes: the number stands before "more"."""
    numbers = re.search(r"([\w-]+) more (?:minutes?|mins?)", asked.text, re.IGNORECASE)
    found = Asked(f"{numbers.group(1)} minutes", asked.now).find("duration") if numbers else []
    return length(found[0].value) if found else None


def renamed(asked: Asked, match: re.Match[str]) -> Arguments:
    return {**_which(match.group("name") or "", asked), "new_name": match.group("new_name").strip(" .\"'")}


def restarted(asked: Asked, match: re.Match[str]) -> Arguments:
    return _which(match.group("name") or match.group("name2") or "", asked)


def _which(words: str, asked: Asked) -> Arguments:
    """A timer told by its name, or by its length: "the 5 minute timer"."""
    found = Asked(words, asked.now).find("duration")
    if found:
        return {f"start_{unit}": n for unit, n in length(found[0].value).items()}
    return {"name": "" if words.casefold() in _NOT_A_NAME else words}
