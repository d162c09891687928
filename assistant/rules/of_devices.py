"""Requests about devices that no single sentence of the templates covers: what is left alone, and a bit more or less.

"turn off everything except the kitchen"    the request without its end, and what is left alone
"make the bedroom a bit warmer"             what changes, which way, by how much, and where
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assistant.quantities import find
from assistant.rules.table import plain


@dataclass(frozen=True, slots=True)
class Stepped:
    """`quantity` is brightness, temperature, speed, volume, or "" for whatever the device has. `by`: degrees or
    percent, None for a usual step. `what`: the words for the device, "" for the one spoken of last."""

    quantity: str
    up: bool
    by: float | None
    what: str
    here: bool = False  # "in here"


_HOW: Final = {
    "brighter": ("brightness", True), "lighter": ("brightness", True), "dimmer": ("brightness", False),
    "darker": ("brightness", False), "warmer": ("temperature", True), "hotter": ("temperature", True),
    "colder": ("temperature", False), "cooler": ("temperature", False), "faster": ("speed", True),
    "slower": ("speed", False), "louder": ("volume", True), "quieter": ("volume", False), "softer": ("volume", False),
    "higher": ("", True), "lower": ("", False),
}  # fmt: skip
_TOO: Final = {"cold": "warmer", "cool": "warmer", "hot": "colder", "warm": "colder", "dark": "brighter",
               "bright": "dimmer", "loud": "quieter", "quiet": "louder"}  # fmt: skip
_QUANTITIES: Final = {
    "brightness": "brightness", "temperature": "temperature", "heating": "temperature", "heat": "temperature",
    "thermostat": "temperature", "speed": "speed", "fan speed": "speed", "volume": "volume",
    "music": "volume", "sound": "volume", "audio": "volume", "song": "volume",
}  # fmt: skip
_SOME: Final = (
    r"(?:just )?(?:a (?:little|tiny|small) bit|a little|a bit|a tad|a touch|a lot|slightly|much|even|somewhat|some) "
)
_BY: Final = r"(?P<by>[\w.-]+(?: and a half)? ?(?:degrees?|°c?|percent|%|points?)) "
_BEHIND: Final = rf"(?: {_SOME.strip()}| (?:by )?{_BY.strip().replace('<by>', '<by2>')}| by (?P<by3>\d+))?"
_WAYS: Final = "|".join(_HOW)
_IT: Final = r"(?:it|them|that|this|things)"
_THE: Final = r"(?:the |my |all (?:of )?(?:the |my )?)?"
_PATTERNS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:(?:make|turn|set|get) {_IT} )?(?:{_BY}|{_SOME})?(?P<how>{_WAYS}){_BEHIND}"
        rf"(?: (?P<here>in here)| in {_THE}(?P<what>.+))?",
        rf"(?:make|turn|get) {_THE}(?P<what>.+?) (?:{_BY}|{_SOME})?(?P<how>{_WAYS}){_BEHIND}",
        rf"(?:turn|crank|put|bring) (?P<way>up|down) (?:{_IT}|{_THE}(?P<what>.+?)){_BEHIND}",
        rf"(?:turn|crank|put|bring) (?:{_IT}|{_THE}(?P<what>.+?)) (?P<way>up|down){_BEHIND}",
        rf"(?P<way>raise|increase|boost|lower|decrease|reduce) {_THE}(?P<quantity>{'|'.join(_QUANTITIES)})"
        rf"(?: (?:in|of|on|for) {_THE}(?P<what>.+?))?{_BEHIND}",
        rf"(?P<dim>dim) {_IT}(?: down)?{_BEHIND}",
        rf"(?P<brighten>brighten|darken|dim|warm|heat|cool)(?: up| down)? {_THE}(?P<what>.+?)(?: up| down)?{_BEHIND}",
        rf"(?:(?:it|that)(?:'s| is) )?(?:{_SOME}|way |far |much )?(?:too|so) (?P<too>{'|'.join(_TOO)})"
        rf"(?: (?P<here>in here)| in {_THE}(?P<what>.+))?",
    )
)
_QUANTITY: Final = re.compile(
    rf"(?P<quantity>{'|'.join(_QUANTITIES)})(?: (?:in|of|on|for) {_THE}(?P<what>.+))?", re.IGNORECASE
)
_VERBS: Final = {"brighten": ("brightness", True), "darken": ("brightness", False), "dim": ("brightness", False),
                 "warm": ("temperature", True),
                 "heat": ("temperature", True), "cool": ("temperature", False)}  # fmt: skip
_UP: Final = frozenset({"up", "raise", "increase", "boost"})


def stepped(text: str, now: datetime) -> Stepped | None:
    """What a request for a bit more or less asks for; None if it is no such request."""
    words = plain(text)
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(words):
            return _stepped({k: v or "" for k, v in match.groupdict().items()}, now)
    return None


def _stepped(told: dict[str, str], now: datetime) -> Stepped | None:
    how = told.get("how", "") or _TOO.get(told.get("too", "").casefold(), "")
    what = told.get("what", "")
    if how:
        quantity, up = _HOW[how.casefold()]
    elif verb := told.get("brighten", ""):
        quantity, up = _VERBS[verb.casefold()]
    elif told.get("dim"):
        quantity, up = "brightness", False
    else:
        quantity, up = _QUANTITIES.get(told.get("quantity", "").casefold(), ""), told["way"].casefold() in _UP
    named = _QUANTITY.fullmatch(what)
    said = _QUANTITIES[named["quantity"].casefold()] if named else ""
    if named and (said == quantity == "volume" or not quantity):  # "make the music louder", "turn the heating up"
        quantity, what = said, named["what"] or ""
    if told.get("way") and quantity == "temperature" and not what:
        what = "heating"
    if not quantity and re.search("degree|°", " ".join(told.values()), re.IGNORECASE):
        quantity = "temperature"  # "turn it down a degree" moves no blinds
    amount = told.get("by") or told.get("by2") or told.get("by3") or ""
    by = _number(amount, now) if amount else None
    if amount and by is None:
        return None
    return Stepped(quantity, up, by, what, bool(told.get("here")))


def _number(amount: str, now: datetime) -> float | None:
    found = find(amount, now, ("temperature", "percent", "number"))
    if not found:
        return 1.0 if re.match(r"an? |one ", amount, re.IGNORECASE) else None
    return float(getattr(found[0].value, "value", found[0].value))


_EXCEPT: Final = re.compile(
    r"(?P<all>.+?),?"
    r" (?:except|but not|but|besides|apart from|other than|excluding|not)"
    r"(?: for| those| the ones| that are)*(?: (?:in|on|at|of))? (?P<but>.+)",
    re.IGNORECASE,
)
_ELSE: Final = re.compile(
    r"(?:leave|keep) (?:the |my )?(?P<what>[\w' ]+?) (?:on|off)(?:,? (?:and|but))? (?:turn|switch) "
    r"(?:(?P<way>off|on) everything else|everything else (?P<way2>off|on))",
    re.IGNORECASE,
)
_KEPT: Final = re.compile(
    r"(?:keep|leave) (?P<what>.+?)(?: on| off| open| alone| running| as (?:it is|they are))?", re.I
)
_EACH: Final = re.compile(r",? and (?:not )?(?:the |in the )?|, (?:the )?", re.IGNORECASE)


def excepting(text: str) -> tuple[str, list[str]] | None:
    """("turn off everything", ["kitchen"]) of "turn off everything except the kitchen"; None without an exception."""
    words = plain(text)
    if rest := _ELSE.fullmatch(words):
        return f"turn {rest['way'] or rest['way2']} everything", [rest["what"]]
    match = _EXCEPT.fullmatch(words)
    if match is None:
        return None
    kept = _KEPT.fullmatch(match["but"])
    parts = _EACH.split(kept["what"] if kept else match["but"])
    but = [re.sub(r"^(?:the|my|in the|on the) ", "", part.strip(), flags=re.IGNORECASE) for part in parts]
    return match["all"], [part for part in but if part]
