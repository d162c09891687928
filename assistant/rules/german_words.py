"""German times, lengths, days, sums and units in English, and requests without their politeness.

Each returns None where a word is not known: nobody guesses a time.
"""

from __future__ import annotations

import re
from typing import Final

_UNDER_TWENTY: Final = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn",
                        "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn",
                        "neunzehn")  # fmt: skip
_TENS: Final = {20: "zwanzig", 30: "dreißig", 40: "vierzig", 50: "fünfzig", 60: "sechzig", 70: "siebzig",
                80: "achtzig", 90: "neunzig"}  # fmt: skip
NUMBERS: Final = {
    **{word: str(n) for n, word in enumerate(_UNDER_TWENTY)},
    **{word: str(n) for n, word in _TENS.items()},
    **{f"{'ein' if one == 1 else _UNDER_TWENTY[one]}und{ten}": str(n + one) for n, ten in _TENS.items()
       for one in range(1, 10)},
    "hundert": "100", "ein": "1", "eine": "1", "einer": "1", "einem": "1", "einen": "1", "zwo": "2",
}  # fmt: skip
_DAYS: Final = {
    "montag": "monday", "dienstag": "tuesday", "mittwoch": "wednesday", "donnerstag": "thursday", "freitag": "friday",
    "samstag": "saturday", "sonnabend": "saturday", "sonntag": "sunday",
}  # fmt: skip
_MONTHS: Final = {
    "januar": "january", "jänner": "january", "februar": "february", "märz": "march", "april": "april", "mai": "may",
    "juni": "june", "juli": "july", "august": "august", "september": "september", "oktober": "october",
    "november": "november", "dezember": "december",
}  # fmt: skip
WORDS: Final = {
    **NUMBERS, **_DAYS, **_MONTHS, "in": "in", "und": "and", "um": "at", "sekunde": "second", "sekunden": "seconds",
    "sek": "seconds", "minute": "minute", "minuten": "minutes", "min": "minutes", "stunde": "hour", "stunden": "hours",
    "std": "hours", "tag": "day", "tagen": "days", "tage": "days", "woche": "week", "wochen": "weeks",
    "heute": "today", "morgen": "tomorrow", "übermorgen": "the day after tomorrow", "am": "on", "jeden": "every",
    "werktags": "every weekday", "täglich": "every day", "mittags": "at noon", "früh": "morning",
    "morgens": "in the morning", "vormittags": "in the morning", "abends": "in the evening",
    "nachmittags": "in the afternoon", "nachts": "at night",
    **{f"{german}s": f"every {english}" for german, english in _DAYS.items()},
}  # fmt: skip
_PHRASES: Final = (
    (r"\b(?:einer? )?dreiviertelstunde\b", "45 minutes"),
    (r"\b(?:einer? )?viertelstunde\b", "15 minutes"),
    (r"\b(?:einer )halben stunde\b|\beine halbe stunde\b", "30 minutes"),
    (r"\b(?:anderthalb|eineinhalb)(?=(?:er)? stunden)\b", "einseinhalb"),
    (r"\b([a-zäöüß]+)einhalb stunden\b", lambda m: _and_a_half(m[1], "hours")),
    (r"\b([a-zäöüß]+)einhalb minuten\b", lambda m: _and_a_half(m[1], "minutes")),
    (r"\bheute (?:abend|nacht)\b", "this evening"),
    (r"\bheute (?:früh|morgen)\b", "this morning"),
    (r"\b(?:jeden|an jedem) (?:werktag|arbeitstag)\b|\ban werktagen\b", "every weekday"),
    (r"\bjeden (?:morgen|tag)\b", "every day"),
    (r"\b(?:um )?halb (\w+)(?: uhr)?\b", lambda m: _clock(m[1], -1, 30)),
    (r"\b(?:um )?viertel nach (\w+)\b", lambda m: _clock(m[1], 0, 15)),
    (r"\b(?:um )?viertel vor (\w+)\b", lambda m: _clock(m[1], -1, 45)),
    (r"\b(?:um )?(\w+) uhr (\w{1,20})\b", lambda m: _clock_and(m[1], m[2])),
    (r"\b(?:um )?(\w+) uhr\b", lambda m: _clock(m[1], 0, 0)),
    (r"(?<!at )\b(?:um )?(\d{1,2})[:.](\d\d)\b", r"at \1:\2"),
    (r"\bpunkt (?=at )", ""),
    (rf"\b(?:am |den |der |zum |dem )?(\d{{1,2}})\. ({'|'.join(_MONTHS)})\b", lambda m: f"{m[1]} {_MONTHS[m[2]]}"),
)  # fmt: skip
_ENGLISH: Final = frozenset(
    re.findall(r"\w+", "at this evening every weekday the after in noon day night morning afternoon minutes hours and")
) | {*WORDS.values()}
FEASTS: Final = {"weihnachten": "christmas", "heiligabend": "christmas eve", "silvester": "new year's eve",
                 "neujahr": "new year's day", "ostern": "easter"}  # fmt: skip
_SUM_WORDS: Final = {"mal": "times", "plus": "plus", "minus": "minus", "durch": "divided by", "prozent": "percent",
                     "von": "of", "hoch": "to the power of", "wurzel": "square root", "quadratwurzel": "square root",
                     "aus": "of", "die": "the", "und": "plus"}  # fmt: skip
_IN_SUMS: Final = frozenset(" ".join(_SUM_WORDS.values()).split())
UNITS: Final = {
    "kilometer": "kilometers", "meter": "meters", "zentimeter": "centimeters", "millimeter": "millimeters",
    "meile": "miles", "meilen": "miles", "fuß": "feet", "zoll": "inches", "kilogramm": "kilograms", "kilo": "kilograms",
    "gramm": "grams", "milligramm": "milligrams", "tonne": "tonnes", "tonnen": "tonnes", "unze": "ounces",
    "unzen": "ounces", "liter": "liters", "milliliter": "milliliters", "fahrenheit": "fahrenheit",
    "celsius": "celsius", "grad fahrenheit": "degrees fahrenheit", "grad celsius": "degrees celsius",
    "sekunde": "seconds", "sekunden": "seconds", "minute": "minutes", "minuten": "minutes", "stunde": "hours",
    "stunden": "hours", "tag": "days", "tage": "days", "tagen": "days", "woche": "weeks", "wochen": "weeks",
    "km": "km", "m": "m", "cm": "cm", "mm": "mm", "kg": "kg", "g": "g", "l": "l", "ml": "ml",
}  # fmt: skip
UNIT: Final = "|".join(sorted(UNITS, key=len, reverse=True))


def _clock(hour: str, by: int, minute: int) -> str:
    number = NUMBERS.get(hour.lower(), hour)
    return f"at {(int(number) + by - 1) % 12 + 1 if by else int(number)}:{minute:02d}" if number.isdecimal() else hour


def _clock_and(hour: str, minute: str) -> str:
    """ "7 Uhr 30"; what stands behind "7 Uhr" may be another word: "7 Uhr morgens"."""
    number = NUMBERS.get(minute, minute)
    whole = number.isdecimal() and int(number) < 60
    return _clock(hour, 0, int(number)) if whole else f"{_clock(hour, 0, 0)} {minute}"


def _and_a_half(number: str, unit: str) -> str:
    n = NUMBERS.get(number, "")
    seconds = {"hours": 60, "minutes": 60}[unit]
    smaller = {"hours": "minutes", "minutes": "seconds"}[unit]
    return f"{int(n) * seconds + seconds // 2} {smaller}" if n else number


def when(words: str) -> str | None:
    """A German time, day or length in English; None if a word is not known."""
    said = words.lower()
    for pattern, instead in _PHRASES:
        said = re.sub(pattern, instead, said)
    put = [WORDS.get(w, w if w in _ENGLISH or re.fullmatch(r"[\d:.]+", w) else "") for w in said.split()]
    return " ".join(put) if put and all(put) else None


def length(words: str) -> str | None:
    """A German length in English: "10 minutes", "1 hour and 30 minutes"."""
    found = when(words)
    number = r"\d+ (?:seconds?|minutes?|hours?|days?)"
    return found if found and re.fullmatch(rf"{number}(?: (?:and )?{number})*", found) else None


def summed(words: str) -> str | None:
    """A German sum in English."""
    said = re.sub(r"(?<=\d),(?=\d)", ".", words.lower())
    said = re.sub(r"\bgeteilt durch\b", "durch", re.sub(r"(?<=\d) ?(?:euro|€)(?!\w)", "", said))
    put = [_SUM_WORDS.get(w, NUMBERS.get(w, w)) for w in said.split()]
    known = all(re.fullmatch(r"[-+*/^()\d.%:]+", part) or part in _IN_SUMS for w in put for part in w.split())
    return " ".join(put) if known and len(put) > 1 else None


def number(word: str) -> str:
    return re.sub(r"(?<=\d),(?=\d)", ".", NUMBERS.get(word.lower(), word))


# -- what is taken back in mid-sentence --------------------------------------------------------------------------------

_TAKEN_BACK: Final = re.compile(
    r"(?P<before>.+?),? (?:(?:ach |äh |oh )?nein|quatsch|ich meine?|moment|halt|besser gesagt|sorry)(?:, | doch "
    r"| besser | lieber |,? )"
    r"(?:doch |lieber |besser )?(?P<after>.+)",
    re.IGNORECASE,
)
_JOINT: Final = r"(?:im|in|in der|in den|auf|um|am|an|für|die|der|den|das|dem)"


def as_meant_in_german(text: str) -> str | None:
    """ "stell einen Timer auf fünf, nein, zehn Minuten" as "... auf zehn Minuten"; None if nothing is taken back, or
    where it is not plain what takes whose place."""
    match = _TAKEN_BACK.fullmatch(text.strip(" .!"))
    if match is None or re.match(r"(?:was|wie|wer|wo|wann|warum|merk|notier|schreib)", text, re.IGNORECASE):
        return None
    before, after = match["before"].rstrip(" ,"), match["after"]
    first = after.split()[0].lower()
    words = before.split()
    numbers = [n for n, w in enumerate(words) if w.strip(",").lower() in NUMBERS or re.fullmatch(r"[\d:.]+", w)]
    articles = ("ein", "eine", "einen", "einer", "einem")
    numbers = [n for n in numbers if words[n].lower() not in articles]
    if first in NUMBERS or first[0].isdigit():
        return " ".join([*words[: numbers[-1]], after]) if numbers else None
    if re.fullmatch(_JOINT, first):
        same = [n for n, word in enumerate(words) if word.lower() == first]
        if not same:
            return None
        n = same[-1]
        return " ".join([*words[:n], after, *words[n + len(after.split()) :]])
    return None


# -- requests without their politeness --------------------------------------------------------------------------------

_OPENING: Final = re.compile(
    r"^(?:(?:hey|hallo|hi|ok|okay|bitte|also|jetzt|so|und jetzt|und dann|dann|ach|ja|computer|assistent)[, ]+)+(?=\S)",
    re.IGNORECASE,
)
_ENDING: Final = re.compile(r"(?:,? (?:bitte|danke|danke schön|mal bitte))+$", re.IGNORECASE)
_POLITE: Final = re.compile(r" (?:doch |mal )?bitte(?: mal)? ", re.IGNORECASE)
_FILLED: Final = re.compile(
    r"^(?P<verb>(?!(?:wie|was|wer|wo|wann|welche[rns]?|ist|sind|noch|plus)\b)[a-zäöüß]{3,})"
    r"(?: (?:bitte|mal|doch|eben|kurz|schnell|jetzt))+ (?=[^\W\d])",
    re.IGNORECASE,
)
_ASKED: Final = re.compile(
    r"^(?:kannst|könntest|würdest|magst|kann|könnte) (?:du|ich)(?: bitte| mal| mir bitte)* (?P<rest>.+)"
    r"|^(?:ich möchte|ich will|ich würde gern),? (?:dass du )?(?P<rest2>.+)",
    re.IGNORECASE,
)
_WISHED: Final = re.compile(
    r"^ich (?:hätte gerne?|möchte|brauche|will) (?P<what>(?:einen |noch einen )?(?:timer|wecker)\b.*)", re.IGNORECASE
)
_IMPERATIVES: Final = {
    "machen": "mach", "stellen": "stell", "schalten": "schalt", "drehen": "dreh", "setzen": "setz", "legen": "leg",
    "schreiben": "schreib", "packen": "pack", "streichen": "streich", "löschen": "lösche", "wecken": "weck",
    "erinnern": "erinnere", "dimmen": "dimm", "schließen": "schließ", "öffnen": "öffne", "fahren": "fahr",
    "halten": "halt", "brechen": "brich", "lesen": "lies", "nehmen": "nimm", "spielen": "spiel", "starten": "starte",
    "stoppen": "stopp", "zeigen": "zeig", "merken": "merk", "notieren": "notiere", "verschieben": "verschieb",
    "bestellen": "bestell", "buchen": "buch", "schicken": "schick", "senden": "sende", "anrufen": "ruf", "rufen": "ruf",
    "kaufen": "kauf", "bezahlen": "bezahl", "hinzufügen": "füge hinzu", "sagen": "sag", "rechnen": "rechne",
    "leeren": "leere", "bringen": "bring", "kochen": "koch", "drucken": "druck", "überweisen": "überweise",
}  # fmt: skip
_BEFORE_VERB: Final = r"aus|an|ein|auf|zu|ab|hoch|runter|herunter|herauf|vor|weiter|um"
_INFINITIVE: Final = re.compile(
    rf"(?P<rest>.+) (?P<part>{_BEFORE_VERB})?(?P<verb>{'|'.join(_IMPERATIVES)})", re.IGNORECASE
)


def plainly(words: str) -> str:
    """The request as a plain command: "kannst du bitte das Licht ausmachen" as "mach das Licht aus"."""
    said = _POLITE.sub(" ", _ENDING.sub("", _OPENING.sub("", words)))
    said = re.sub(r"^knipse? (?=.+ (?:an|aus)$)", "schalte ", said, flags=re.IGNORECASE)
    if wished := _WISHED.match(said):
        said = f"stell {wished['what']}"
    if asked := _ASKED.match(said):
        rest = asked["rest"] or asked["rest2"]
        match = _INFINITIVE.fullmatch(rest.strip(" ?"))
        if match is None:
            return words
        part = f" {match['part']}" if match["part"] else ""
        said = f"{_IMPERATIVES[match['verb'].lower()]} {match['rest']}{part}"
    return _FILLED.sub(r"\g<verb> ", said)


_GERMAN: Final = frozenset(
    re.findall(
        r"\w+",
        "der die das den dem ein eine einen einem mein meine meinen meiner dein unser unsere und oder nicht ist sind "
        "wie wann warum wo wer welche welcher welches ich du mich mir dich dir wir uns ihr auf aus für mit von zu zum "
        "zur im mach stell schalte bitte bestell ruf kannst habe hast hat noch",
    )
)


_PUT_OFF: Final = re.compile(
    r"(?P<verb>mache?|schalte?|stelle?|drehe?|fahre?|öffne|schließe?|dimme?)(?P<before> .+?)??"
    r" (?P<when>um \w+(?:[:.]\d\d)?(?: uhr(?: \d{1,2})?)?|in \w+ (?:halben stunde|sekunden|minuten?|stunden?))"
    r"(?P<after> .+)",
    re.IGNORECASE,
)


def put_off(words: str) -> str | None:
    """ "mach um 22 Uhr das Licht aus" as "mach das Licht aus at 22:00"; None for what is not put off."""
    match = _PUT_OFF.fullmatch(words)
    moment = when(match["when"]) if match else None
    return f"{match['verb']}{match['before'] or ''}{match['after']} {moment}" if match and moment else None


_ENGLISH_TOO: Final = frozenset({"die", "hat", "den", "des", "ruf", "mit", "her", "am"})


def is_german(text: str, least: int = 2) -> bool:
    """Whether it is told by its small words to be German; `least` of them, or one where German is what one speaks."""
    found = _GERMAN.intersection(re.findall(r"\w+", text.lower()))
    return len(found) >= 2 or len(found - _ENGLISH_TOO) >= least


def may_be_german(text: str) -> bool:
    """Whether a command in it may be German, by one word that English lacks: then German sentences are tried too."""
    return is_german(text, 1) or _HOUSE.search(text) is not None


_HOUSE: Final = re.compile(
    r"[äöüß]|\b(?:licht(?:er)?|lampen?|heizung|steckdose|minuten|stunden?|sekunden?|uhr|wecker|erinnere|rolll?aden"
    r"|musik|fernseher|einkaufsliste|aus|auf|abbrechen|weiter|lauter|leiser|heller|dunkler|schalte?|mache?|stelle?|starte|stoppuhr"
    r"|weck|wecke|lösch|streiche?|schreibe?|setze|zeige?|wieviel|nochmal|eieruhr|rollos?|jalousien?|vorhänge?|haustür)\b",
    re.IGNORECASE,
)


def says_not(text: str) -> bool:
    """Whether it says in German what not to do, or that something is not so."""
    return bool(re.search(r"\b(?:nicht|kein(?:e[nmrs]?)?|nie(?:mals)?)\b", text, re.IGNORECASE))


_COMMAND: Final = re.compile(
    r"(?:bitte )?(?:(?:mache?|schalte?|stelle?|drehe?|öffne|schließe?|lösche?|setze?|fahre?|starte?|stoppe?|dimme?"
    r"|wecke?|streiche?|schreibe?|packe?)\b[^,]*? (?:nicht|keine?[nm]?)\b|erinnere? mich (?:\w+ )?nicht\b)",
    re.IGNORECASE,
)


def forbids_in_german(text: str) -> bool:
    """Whether it is a German command not to do something: "mach das Licht nicht aus"."""
    return bool(_COMMAND.match(text.strip())) and not text.rstrip().endswith("?") and len(text.split()) <= 12
