"""Rules for what the home's sentences lack: alarms, reminders, sums, units, dates, lists, notes, facts, this machine.

A rule is a pattern and a function that makes arguments of what it matched, with the quantities of the text at hand. It
may decline (None): then the next rule is asked. English; the first rule that accepts wins, so they go from the more
particular to the more general.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from assistant.quantities.asked import Arguments, Asked
from assistant.rules import of_alarms as rules_of_alarms
from assistant.rules import of_cooking as rules_of_cooking
from assistant.rules import of_texts as rules_of_texts
from assistant.rules import of_timers as rules_of_timers
from assistant.rules import of_values as rules_of_values

MAX_CHARS: Final = 400
Build = Callable[["Asked", re.Match[str]], Arguments | None]


@dataclass(frozen=True, slots=True)
class Rule:
    tool: str
    pattern: re.Pattern[str]
    build: Build


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a rule makes of a request."""

    tool: str
    arguments: Arguments


_POLITE: Final = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|please|pls|plz|now|so|well|just|also|then|and|actually|oh|assistant|computer"
    r"|good ?(?:morning|evening|night))[,\s]+)*"
    r"(?:(?:can|could|would|will) you (?:(?:please|maybe|just|kindly) )*"
    r"|i(?:'d| would) like (?:you )?to |i (?:want|need) (?:you )?to "
    r"|please )?",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(r"(?:[\s,]+(?:please|pls|plz|thanks|thx|thank you|for me|now))*[\s.!?]*$", re.IGNORECASE)


def plain(text: str) -> str:
    """The request without politeness and final punctuation."""
    text = " ".join(text.replace("’", "'").split())
    return _TAIL.sub("", _POLITE.sub("", text, count=1))


_QUESTION: Final = re.compile(
    r"(?:who|what|when|where|which|whose|how|why|is|are|was|were|do|does|did|can|could|will|would|should|tell|show)\b",
    re.IGNORECASE,
)


def is_question(text: str) -> bool:
    """Whether it asks something, and so answers nothing."""
    return bool(_QUESTION.match(plain(text))) or text.rstrip().endswith("?")


def ruled(text: str, now: datetime) -> list[Ruled]:
    """What the rules make of it, the first rule first; usually one or none."""
    if len(text) > MAX_CHARS:
        return []
    asked = Asked(plain(text), now)
    found = []
    for rule in rules():
        match = rule.pattern.search(asked.text)
        arguments = rule.build(asked, match) if match else None
        if arguments is not None:
            found.append(Ruled(rule.tool, {k: v for k, v in arguments.items() if v not in ("", None)}))
    return found


def _about_timers(asked: Asked, match: re.Match[str]) -> Arguments | None:
    return {} if "timer" in asked.text.casefold() else None


def _weather(asked: Asked, match: re.Match[str]) -> Arguments:
    return {"topic": "the weather"}


def _everything(asked: Asked, match: re.Match[str]) -> Arguments:
    return {"domain": ["light", "fan", "media_player", "switch"]}


def _kind(domain: str) -> Build:
    return lambda asked, match: {"domain": domain}


def _currency(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """Declined unless money is asked for in other money: pounds are a weight, too."""
    first = match["first"] or ("dollars" if re.search(r"[$€£¥]", asked.text) else "")
    money = all(w.casefold().split()[-1] in _MONEY for w in (first, match["second"]) if w) and bool(first)
    return {"topic": "exchange rates"} if money else None


_MONEY: Final = frozenset([
    "dollar", "dollars", "euro", "euros", "pound", "pounds", "yen", "yuan", "franc", "francs", "rupee", "rupees",
    "peso", "pesos", "krona", "kronor", "krone", "kroner", "zloty", "won", "lira", "rubles", "roubles", "bitcoin",
    "usd", "eur", "gbp", "jpy", "chf", "inr",
])  # fmt: skip


_WHOLE_HOUSE: Final[dict[str, Arguments]] = {
    "locked": {"domain": "lock", "state": "locked"},
    "closed": {
        "domain": ["cover", "binary_sensor"],
        "device_class": ["door", "window", "garage", "garage_door", "gate", "opening"],
        "state": "closed",
    },
    "off": {"domain": ["light", "fan", "media_player", "switch"], "state": "off"},
}
_OPPOSITE: Final = {"unlocked": "locked", "open": "closed", "on": "off"}


def _whole_house(asked: Asked, match: re.Match[str]) -> Arguments:
    state = match["state"].casefold().replace("shut", "closed")
    if state in _OPPOSITE:  # "is anything on"
        return {**_WHOLE_HOUSE[_OPPOSITE[state]], "state": state, "response": "any"}
    return {**_WHOLE_HOUSE[state], "response": "all"}


def _dice(asked: Asked, match: re.Match[str]) -> Arguments:
    told = {k: v or "" for k, v in match.groupdict().items()}
    n = _HOW_MANY.get(told.get("n", "").casefold()) or int(told.get("n") or 1)
    sides = told.get("sides")
    return {"n": n, **({"sides": int(sides)} if sides else {})}


_HOW_MANY: Final = {"a": 1, "an": 1, "the": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


def _outside(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """Declined where nothing says "outside": a sentence may know better."""
    return {"outside": True} if re.search(r"\bout", asked.text, re.IGNORECASE) else None


def _fahrenheit(asked: Asked, match: re.Match[str]) -> Arguments:
    return {**_groups(asked, match), "fahrenheit": True}


def _humidity(asked: Asked, match: re.Match[str]) -> Arguments:
    return {"area": match.group("area"), "device_class": "humidity"}


def _none(asked: Asked, match: re.Match[str]) -> Arguments:
    return {}


def _groups(asked: Asked, match: re.Match[str]) -> Arguments:
    return {k: (v or "").strip(" .\"'") for k, v in match.groupdict().items()}


def _fact(asked: Asked, match: re.Match[str]) -> Arguments | None:
    text = match.group("text").strip()
    return None if re.match(r"to\b|when\b|me\b", text, re.IGNORECASE) or not text else {"text": text}


_LIST: Final = r"(?:my |the |our )?(?P<name>[\w' -]+?)(?: to-?do)? list"

_PIECES: Final = {
    "{LIST}": _LIST,
    "{FROM}": r"(?:my |the |our )?(?P<source>[\w' -]+?)(?: to-?do)?(?: list)?",
    "{KITCHEN}": rules_of_cooking.UNITS,
}

_MAKERS: Final[dict[str, Build]] = {
    "none": _none,
    "everything": _everything,
    "locks": _kind("lock"),
    "the_lock": lambda asked, match: {"domain": "lock", "one": True},
    "covers": _kind("cover"),
    "lights": _kind("light"),
    "currency": _currency,
    "whole_house": _whole_house,
    "dice": _dice,
    "groups": _groups,
    "reminder": rules_of_alarms.reminder,
    "alarm": rules_of_alarms.alarm,
    "cancelled": rules_of_alarms.cancelled,
    "moved": rules_of_alarms.moved,
    "fahrenheit": _fahrenheit,
    "others_reminded": rules_of_alarms.of_others,
    "no_such_time": rules_of_alarms.no_such_time,
    "unit_missing": rules_of_values.unit_missing,
    "measure": rules_of_values.measure,
    "bill": rules_of_values.bill,
    "discount": rules_of_values.discount,
    "shared": rules_of_values.shared,
    "timer": rules_of_timers.timer,
    "only_duration": rules_of_timers.only_duration,
    "timer_change": rules_of_timers.timer_change,
    "other_timers": rules_of_timers.others,
    "timer_named": rules_of_timers.timer_named,
    "snooze": rules_of_timers.snooze,
    "renamed": rules_of_timers.renamed,
    "restarted": rules_of_timers.restarted,
    "shifted": rules_of_alarms.shifted,
    "about_timers": _about_timers,
    "until_time": rules_of_values.until_time,
    "between": rules_of_values.between,
    "until": rules_of_values.until,
    "place": rules_of_values.place,
    "later": rules_of_values.later,
    "share": rules_of_values.share,
    "several_numbers": rules_of_values.several_numbers,
    "day": rules_of_values.day,
    "kitchen": rules_of_cooking.kitchen,
    "day_from_now": rules_of_values.day_from_now,
    "conversion": rules_of_values.conversion,
    "sum": rules_of_values.sum,
    "fact": _fact,
    "translation": rules_of_texts.translation,
    "event": rules_of_texts.event,
    "stretch": rules_of_texts.stretch,
    "next": rules_of_texts.following,
    "event_moved": rules_of_texts.moved,
    "event_timed": rules_of_texts.timed,
    "outside": _outside,
    "playing": lambda asked, match: {"domain": "media_player", "state": "playing", "response": "which"},
    "humidity": _humidity,
    "weather": _weather,
}


def _whole(pattern: str) -> str:
    for piece, instead in _PIECES.items():
        pattern = pattern.replace(piece, instead)
    return pattern


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of table_en.toml, in order."""
    table = tomllib.loads(Path(__file__).with_name("table_en.toml").read_text(encoding="utf-8"))
    return tuple(
        Rule(
            row["tool"],
            re.compile(_whole(row["pattern"]), re.IGNORECASE),
            _MAKERS[row.get("make", "none")],
        )
        for row in table["rules"]
    )
