"""What the description of an argument tells about its values: codes, categories, the form of a date, short forms.

"1 represents Bangkok, 2 for Chiang Mai"       a request for Bangkok gives 1
"the type, e.g. dessert, main course"          a model may say dessert of brownies
"in the format YYYY-MM-DD"                     "10th December 2022" is 2022-12-10
"the abbreviation of the state"                NY stands for New York
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any, Final

from assistant.quantities import find

MAX_DESCRIPTION: Final = 1000
_CODE: Final = re.compile(
    r"(?<![\w.])(?:'(?P<single>[^']{1,30})'|\"(?P<double>[^\"]{1,30})\"|(?P<number>\d{1,6}))"
    r"(?: (?:represents|represent|stands for|for|is|means|denotes)|:| =|=) ?(?:the )?"
    r"(?P<name>[A-Za-z][\w' -]{1,40}?)(?=,|;|\.|\)|$| and ['\"\d]| or ['\"\d])"
)
_LISTED: Final = re.compile(r"(?:e\.g\.?|such as|for example|for instance|like|including),? ([^.()]{3,120})", re.I)
_QUOTED: Final = re.compile(r"(?<!\w)'([^']{2,30})'|\"([^\"]{2,30})\"")
_IS_CODE: Final = re.compile(r"\b(?:codes?|abbreviat\w+|symbols?|tickers?|acronyms?|short form)\b", re.IGNORECASE)
_CURRENCIES: Final = {"usd": "dollar", "eur": "euro", "gbp": "pound", "jpy": "yen", "cny": "yuan", "inr": "rupee",
                      "chf": "franc", "krw": "won", "mxn": "peso", "rub": "ruble"}  # fmt: skip


def coded(request: str, value: Any, schema: Mapping[str, Any]) -> Any:
    """The value whose meaning, as the description tells it, stands in the request; None if none does, or two do and
    the model's `value` is neither."""
    if schema.get("type") not in ("string", "integer", "number"):
        return None
    asked = {_plain(w) for w in re.findall(r"\w+", request.casefold())}
    codes, fits = _codes(str(schema.get("description", ""))[:MAX_DESCRIPTION]), {}
    meant = {code: {_plain(w) for w in re.findall(r"\w+", name.casefold())} for code, name in codes.items()}
    shared = set.intersection(*meant.values()) if meant else set()  # "service" of "1 for cleaning service, 2 for ..."
    for code, words in meant.items():
        if words - shared and words - shared <= asked:
            fits[code] = len(words)
    typed = {_as_type(code, schema): n for code, n in fits.items()}
    if value in typed:
        return value
    longest = [code for code, n in typed.items() if n == max(typed.values())]
    return longest[0] if len(longest) == 1 else None


def tells_codes(schema: Mapping[str, Any]) -> bool:
    """Whether the description tells what some values mean."""
    return bool(_codes(str(schema.get("description", ""))[:MAX_DESCRIPTION]))


@cache
def _codes(description: str) -> dict[str, str]:
    """{"1": "Bangkok", "2": "Chiang Mai"}; nothing where fewer than two are told."""
    found = {m["single"] or m["double"] or m["number"]: m["name"] for m in _CODE.finditer(description)}
    return found if len(found) > 1 else {}


def _as_type(code: str, schema: Mapping[str, Any]) -> Any:
    return int(code) if schema.get("type") in ("integer", "number") and code.isdigit() else code


def _plain(word: str) -> str:
    return word.removesuffix("s") if len(word) > 3 else word


def is_category(value: str, schema: Mapping[str, Any]) -> bool:
    """Whether the description lists the value among others, in small letters: a kind of thing that has to be inferred,
    no name that a model may have copied."""
    return value == value.casefold() and not re.search(r"\d", value) and is_listed(value, schema)


def is_listed(value: str, schema: Mapping[str, Any]) -> bool:
    """Whether the description names the value among others: ('miles' or 'kilometers')."""
    told = str(schema.get("description", ""))[:MAX_DESCRIPTION]
    listed = [a or b for a, b in _QUOTED.findall(told)]
    for part in _LISTED.findall(told):
        listed += re.split(r",? or |,? and |, ", part)
    listed = [item.strip(" '\"") for item in listed]
    return len(listed) > 1 and value in listed


def is_short_form(value: str, request: str, name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a value is the short form of words of the request, or they are that of the value: LA, Los Angeles, CA.

    Initials always; NY, TSLA and en, by their first letter and the others in any order, where a code is asked for.
    """
    words = re.findall(r"[^\W\d_]+", value)
    theirs = re.findall(r"[^\W\d_]+", request)
    initials = "".join(w[0] for w in words)
    if any(w.isupper() and 1 < len(w) <= len(words) and initials.upper().startswith(w) for w in theirs):
        return True
    if len(words) != 1 or value != words[0] or not 2 <= len(value) <= 5:
        return False
    told = f"{name.replace('_', ' ')} {schema.get('description', '')}"
    if value.casefold() in _CURRENCIES and "currenc" in told.casefold():
        return any(w.casefold().startswith(_CURRENCIES[value.casefold()]) for w in theirs)
    if value.isupper() and any(
        "".join(w[0] for w in theirs[at : at + len(value)]) == value for at in range(len(theirs))
    ):
        return True
    letters = value.casefold()
    return bool(_IS_CODE.search(told)) and any(
        w[0].isupper() and w[0].casefold() == letters[0] and set(letters) <= set(w.casefold())
        for w in [*theirs, *(a + b for a, b in pairwise(theirs) if b[0].isupper())]
    )


_FORM: Final = re.compile(
    r"\b(?:(?:YYYY|DD|MM)(?P<s>[-/.])(?:MM|DD)(?P=s)(?:YYYY|DD)(?:(?:T| )HH:MM(?::SS)?)?|HH:MM(?::SS)?)\b",
    re.IGNORECASE,
)
_ISO_EXAMPLE: Final = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])")
_PARTS: Final = {"YYYY": "%Y", "DD": "%d", "HH:MM:SS": "%H:%M:%S", "HH:MM": "%H:%M", "MM": "%m"}
_DOTTED: Final = re.compile(r"(?<!\d)(\d{4})[./](\d{1,2})[./](\d{1,2})(?!\d)")
_TODAY: Final = re.compile(r"\btoday(?:'s date)? is\b", re.IGNORECASE)
_LATER: Final = re.compile(r"end|return|until|check_?out|before|\bto\b|last|finish|arriv", re.IGNORECASE)
_EARLIER: Final = re.compile(r"start|begin|depart|from|check_?in|after|since|first", re.IGNORECASE)


def dated(request: str, name: str, value: Any, schema: Mapping[str, Any]) -> str | None:
    """The date or time of the request in the form that the description tells; None where it tells none, or it is not
    clear which is meant. Of two, the first where the argument begins something, the second where it ends it; else the
    one that the model wrote."""
    form = _form(schema)
    if form is None:
        return None
    found = moments(request, datetime.now(), with_time="%H" in form, with_date="%d" in form)
    texts = list(dict.fromkeys(at.strftime(form) for at in found))
    if len(texts) == 2 and _LATER.search(name) and not _EARLIER.search(name):
        return texts[1]
    if len(texts) == 2 and _EARLIER.search(name) and not _LATER.search(name):
        return texts[0]
    if value in texts:
        return str(value)
    return texts[0] if len(texts) == 1 else None


def _form(schema: Mapping[str, Any]) -> str | None:
    """As strftime has it."""
    told = str(schema.get("description", ""))[:MAX_DESCRIPTION]
    if schema.get("type") != "string" or "enum" in schema:
        return None
    if match := _FORM.search(told):
        form = match[0].upper()
        for part, code in _PARTS.items():
            form = form.replace(part, code)
        return form
    return "%Y-%m-%d" if schema.get("format") == "date" or _ISO_EXAMPLE.search(told) else None


def moments(request: str, now: datetime, *, with_time: bool, with_date: bool = True) -> list[datetime]:
    """The dates or times that a request names, in order; from the day that it says is today, if it does."""
    text = _DOTTED.sub(r"\1-\2-\3", request)
    kinds = ("date", "datetime", "time") if with_time else ("date", "datetime")
    said = _TODAY.search(text)
    if said and (today := find(text[said.end() :], now, ("date",))) and today[0].start < 3:
        now = today[0].value.at
        text = text[: said.start()] + text[said.end() + today[0].end :]
    if (said := re.search(r"\btoday,? ", text, re.I)) and (day := find(text[said.end() :], now, ("date",))):
        text = text[: said.start()] + text[said.end() :] if day[0].start == 0 else text  # "today April 25th" is one
    found = [f.value for f in find(text, now, kinds)]
    if with_time:
        found = [m for m in found if m.has_time or m.time is not None]
    return [m.at for m in found if with_date or m.time is not None or m.has_time]
