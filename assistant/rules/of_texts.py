"""Arguments of translations and of calendar entries. Each returns None to decline."""

from __future__ import annotations

import re

from assistant.quantities import find
from assistant.quantities.asked import Arguments, Asked
from assistant.rules.of_alarms import iso, merged
from assistant.tools.writing import LANGUAGES


def translation(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """Declined unless the last word is a language: "what is the capital in Italian law" is not about one."""
    language = match["language"].casefold()
    if language not in LANGUAGES:
        return None
    text = (match["text"] or "").strip(" :\"'")
    if not text and not asked.text.casefold().startswith("translate"):
        return None
    if asked.text.casefold().startswith(("what", "put")) and not re.search(r"[\"']", asked.text):
        return None  # "what is hello in French" may be about anything; with quotes it is a text
    return {"text": text, "language": language}


def event(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """The title without the words that told when."""
    return _entry(f"{match['title']} {match['rest']}".strip(), asked)


def timed(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """An entry for which nothing says "calendar": declined where no time is told."""
    entry = _entry(match["title"], asked)
    return entry if entry["at"] else None


def _entry(words: str, asked: Asked) -> Arguments:
    at, read = merged(Asked(words, asked.now))
    for found in sorted(read, key=lambda f: -f.start):
        words = words[: found.start] + words[found.end :]
    title = re.sub(r"\s+", " ", re.sub(r"\b(?:on|at|for)\s*(?=$|\s(?:on|at|for)\b)", "", words)).strip(" ,.")
    title = re.sub(r"^(?:an?|the|my)\s+|\s+(?:on|at|for|in)$", "", title, flags=re.IGNORECASE)
    timed = any(f.kind in ("time", "datetime", "duration") for f in read)
    when = iso(at) if timed else iso(at)[:10]
    return {"title": title, "at": when}


def stretch(asked: Asked, match: re.Match[str]) -> Arguments | None:
    when = match["when"].strip(" ?.").removesuffix("'s")
    when = re.sub(r"^(?:for|on|in|at|over)\s+", "", when)
    return {"when": when} if not when or find(when, asked.now, ("span", "date", "datetime", "time")) else None


def following(asked: Asked, match: re.Match[str]) -> Arguments:
    return {"first": True}


def moved(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """Another day or time for an entry; what is not said stays as it was."""
    at, read = merged(Asked(match["when"], asked.now))
    if at is None:
        return None
    groups = match.groupdict()
    title = groups.get("title") or groups.get("title2") or ""
    kinds = {f.kind for f in read}
    day, time = bool(kinds & {"date", "datetime"}), bool(kinds & {"time", "datetime"})
    return {"title": title, "day": iso(at)[:10] if day else "", "time": iso(at)[11:] if time else ""}
