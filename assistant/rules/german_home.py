"""What people say in German of devices, as the English that rules know: switching, dimming, asking how they stand.

Names and rooms stay as they are said: they are those of the home.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from assistant.rules.german_words import NUMBERS, number

Put = str | Callable[[re.Match[str]], str | None]

THE: Final = r"(?:de[nrm]|die|das|einen?|einem|einer|mein(?:en?|er|em)?|unser(?:en?|er|em)?)"
IN: Final = r"(?:(?:im|in|am|auf|bei)(?: der| dem| den| die| das)?|ins|ans)"
_HOW: Final = {"heller": "brighter", "dunkler": "dimmer", "wärmer": "warmer", "kälter": "colder", "kühler": "colder",
               "lauter": "louder", "leiser": "quieter", "höher": "higher"}  # fmt: skip
_HOWS: Final = (
    rf"(?P<bit>(?:noch )?(?:etwas|ein (?:bisschen|wenig)|ein klein wenig) )?(?:noch )?(?P<how>{'|'.join(_HOW)})"
)
_UP: Final = ("wärmer", "mehr", "höher", "hoch")
_N: Final = rf"(?P<n>-?\d[\d.,]*|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"
MAKE: Final = r"(?:mache?|stelle?|setze?|drehe?|schalte?)"


def _how(match: re.Match[str]) -> str:
    where = match.groupdict().get("what") or ""
    return f"make {_devices(where) if where else 'it'}{' a bit' if match['bit'] else ''} {_HOW[match['how'].lower()]}"


def _devices(said: str) -> str:
    """ "das Licht in der Küche" as "the light in the Küche"."""
    said = re.sub(rf"^{THE} ", "", said, flags=re.IGNORECASE)
    said = re.sub(rf" {IN} ", " in the ", said, flags=re.IGNORECASE)
    for german, english in (("lichter", "lights"), ("licht", "light"), ("heizung", "heating"), ("musik", "music"),
                            ("rollläden", "shutters"), ("rollos", "blinds")):  # fmt: skip
        said = re.sub(rf"\b{german}\b", english, said, flags=re.IGNORECASE)
    return f"the {said}"


def _all_but(match: re.Match[str]) -> str:
    what = "everything" if match["what"].lower() == "alles" else "all the lights"
    but = re.sub(rf"^(?:{IN}|{THE}) ", "", match["but"], flags=re.IGNORECASE)
    return f"turn {match['way'].replace('aus', 'off').replace('an', 'on')} {what} except the {but}"


_STATES: Final = {"an": "on", "aus": "off", "offen": "open", "auf": "open", "zu": "closed", "geschlossen": "closed",
                  "abgeschlossen": "locked", "verriegelt": "locked", "eingeschaltet": "on", "ausgeschaltet": "off",
                  "angeschaltet": "on"}  # fmt: skip
_KINDS: Final = {"lichter": "lights", "licht": "light", "lampen": "lights", "lampe": "lamp", "fenster": "window",
                 "haustür": "front door", "wohnungstür": "front door", "garage": "garage door",
                 "garagentor": "garage door", "heizung": "heating", "fernseher": "tv", "ventilator": "fan",
                 "vorhänge": "curtains", "rollläden": "blinds", "rollos": "blinds", "jalousien": "blinds"}  # fmt: skip
_STILL: Final = r"(?: (?:noch|gerade|jetzt|denn|eigentlich|schon))*"
_ROOM: Final = rf"(?: {IN} (?P<room>[\w-]+))?"


def _lit(match: re.Match[str]) -> str:
    """ "brennt im Bad noch Licht" as "are any lights on in the Bad"."""
    room = match["room"] or match["room2"]
    return f"are any lights on{f' in the {room}' if room else ''}"


def _asked(match: re.Match[str]) -> str:
    """ "ist das Licht in der Küche an" as "is the light in the Küche on"."""
    what = match["what"].lower()
    kind = _KINDS.get(what, match["what"])
    where = f" in the {match['room']}" if match["room"] else ""
    state = _STATES[match["state"].lower()]
    if kind in ("light", "lights"):  # "das Licht" of a room is all of it
        return f"are the lights {state}{where}"
    return f"{'are' if kind.endswith('s') else 'is'} the {kind} {state}{where}"


DEVICES: Final[tuple[tuple[str, Put], ...]] = (
    (rf"(?:ist|sind){_STILL} (?:{THE} |alle )?(?P<what>[\w-]+){_STILL}{_ROOM}{_STILL}"
     rf" (?P<state>{'|'.join(_STATES)})", _asked),
    (rf"(?:ist|sind|brennt|brennen){_STILL}{_ROOM}{_STILL} (?:das |die )?(?:licht(?:er)?|lampen?){_STILL}"
     rf"(?: {IN} (?P<room2>[\w-]+))?{_STILL}(?: an)?", _lit),
    (rf"wie feucht ist es{_STILL}{_ROOM}",
     lambda m: f"what is the humidity{f' in the {room}' if (room := m['room']) else ''}"),
    (r"(?:mache?|schalte?|stelle?) die musik (?:aus|ab)|musik aus", "pause the music"),
    (r"(?:mache?|schalte?) alles aus|alles aus", "turn everything off"),
    (rf"(?:{MAKE} )?(?P<what>alles|(?:überall )?(?:das |alle )?lichte?r?) (?P<way>aus|an),? (?:außer"
     rf"|bis auf) (?P<but>[\w -]+)", _all_but),
    (rf"(?:{MAKE} )?(?P<what>überall das licht|alle lichter|alles),? (?:außer"
     rf"|bis auf) (?P<but>[\w -]+) (?P<way>aus|an)", _all_but),
    (rf"{MAKE} (?P<what>überall) das licht (?P<way>aus|an),? (?:außer|bis auf) (?P<but>[\w -]+)",
     _all_but),
    (rf"(?:{MAKE} )?(?:(?:es|das|sie|ihn|jetzt|bitte) )*(?:wieder |jetzt wieder )?(?P<way>aus|an)(?:schalten|machen)?",
     lambda m: f"turn it {'off' if m['way'].lower() == 'aus' else 'on'}"),
    (rf"(?:{MAKE} (?:es |das |sie |ihn )?)?(?:bitte )?{_HOWS}", _how),
    (rf"{MAKE} (?P<what>(?!(?:die )?musik\b|(?:den )?ton\b|es |das (?:etwas|ein|noch"
     rf"|{'|'.join(_HOW)})\b).+?) {_HOWS}", _how),
    (rf"{_N} grad (?P<way>wärmer|mehr|höher|kälter|weniger|kühler|runter|hoch)",
     lambda m: f"{number(m['n'])} degrees {'warmer' if m['way'].lower() in _UP else 'colder'}"),
    (rf"{MAKE} (?:die )?heizung auf (?P<n>\d{{1,2}}) grad", r"set the heating to \g<n> degrees"),
    (rf"{MAKE} (?:die )?heizung {IN} (?P<where>[\w-]+) auf (?P<n>\d{{1,2}}) grad",
     r"set the temperature to \g<n> degrees in the \g<where>"),
    (rf"{MAKE} (?:die )?heizung (?P<way>aus|an)",
     lambda m: f"turn {'off' if m['way'] == 'aus' else 'on'} the heating"),
    (r"dimme? (?P<what>.+?) auf (?P<n>\d{1,3}) ?(?:prozent|%)",
     lambda m: f"dim {_devices(m['what'])} to {m['n']} percent"),
    (rf"(?:(?:{MAKE}|fahre?) )?(?P<what>.+?) (?:halb|zur hälfte) (?P<way>zu|auf|runter|hoch)",
     lambda m: f"{'close' if m['way'] in ('zu', 'runter') else 'open'} {_devices(m['what'])} halfway"),
)  # fmt: skip
