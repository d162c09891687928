"""How English reads dates, times, money, measures, ranges and symbols: a table of patterns, applied in order.

The words of units and abbreviations are data: en.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from assistant.spoken.numbers import cardinal, code, decimal, fraction, one_by_one, ordinal, plural, year

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = "(?:" + "|".join(f"{name[:3]}(?:{name[3:]}|t?\\.)?" if name != "May" else name for name in _MONTHS) + ")"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_ALONE = r"(?<![\w.,])"  # not inside a longer number or word
_HALF = r"(?P<half>[aApP]\.?\s?[mM]\b\.?)"
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_FRACTIONS = dict(
    zip("½⅓⅔¼¾⅕⅛⅜⅝⅞", ["1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "1/8", "3/8", "5/8", "7/8"], strict=True)
)
_ROMAN = {"I": 1, "V": 5, "X": 10}
_COUNTED = "War|Chapter|Part|Volume|Act|Section|Phase|Type|Level|Book|Class|Mark|Bowl|Title|Appendix|Figure|Table|Stage"

_Match = re.Match[str]
_Rule = tuple[re.Pattern[str], Callable[[_Match], str]]


def said_in_english(text: str) -> str:
    """Apply every form, in order."""
    for pattern, words in _rules():
        text = pattern.sub(words, text)
    return text


@cache
def _words() -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("assistant.spoken").joinpath("en.toml").read_text(encoding="utf-8"))


@cache
def _rules() -> tuple[_Rule, ...]:
    rules = (*_names(), *_dates(), *_times(), *_quantities(), *_numbers(), *_symbols())
    return tuple((re.compile(pattern), words) for pattern, words in rules)


_Forms = list[tuple[str, Callable[[_Match], str]]]


def _names() -> _Forms:
    abbreviations: dict[str, str] = _words()["abbreviations"]
    phone = r"\+?(?:\(?\d{1,4}\)?[ -])?\(?\d{3}\)?[ -]\d{3}[ -]\d{4}(?![\w-])"
    small_roman = r"X{0,3}(?:IX|IV|V?I{1,3}|V|(?<=X))"
    return [
        (r"[−﹣－]", lambda _: "-"),
        (rf"(?<!\w)(?:{'|'.join(map(re.escape, abbreviations))})(?!\w)", lambda m: abbreviations[m[0]]),
        (r"\band/or\b", lambda _: "and or"),
        (r"\b24/7\b", lambda _: "twenty-four seven"),
        (rf"\b(?P<name>{_COUNTED})\s(?P<roman>{small_roman})(?![\w-])", lambda m: f"{m['name']} {cardinal(_roman(m))}"),
        (
            r"\b(?P<name>[A-Z][a-z]{2,})\s(?P<roman>X{0,2}(?:IX|IV|VI{0,3}|II{1,2}))(?![\w-])",
            lambda m: f"{m['name']} the {ordinal(_roman(m))}",
        ),
        (
            r"(?<!\w)(?P<feet>[1-9])['′](?P<inches>1[01]|\d)(?:\"|″)",
            lambda m: f"{cardinal(m['feet'])} foot {cardinal(m['inches'])}",
        ),
        (
            rf"(?<![\w.,-]){phone}|(?<![\w.,-])\d{{3}}-\d{{4}}(?![\w-])",
            lambda m: ", ".join(one_by_one(group) for group in re.findall(r"\d+", m[0])),
        ),
        (r"\bNos?\.\s*(?=\d)", lambda m: "numbers " if m[0][2] == "s" else "number "),
        (r"(?<!\w)#\s?(?=\d)", lambda _: "number "),
    ]


def _dates() -> _Forms:
    return [
        (_ALONE + r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?=T?\b)", _numeric_date),
        (_ALONE + r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})\b", _numeric_date),
        (
            rf"\b(?P<month>{_MONTH})\s+{_DAY}(?:,?\s+(?P<year>\d{{4}}))?(?![\d:]|\.\d)",
            lambda m: f"{_month(m['month'])} {ordinal(m['day'])}{_of_year(m)}",
        ),
        (
            rf"\b(?:(?P<the>[Tt]he)\s+)?{_DAY}\s+(?:of\s+)?(?P<month>{_MONTH})(?:,?\s+(?P<year>\d{{4}}))?\b",
            lambda m: f"{m['the'] or 'the'} {ordinal(m['day'])} of {_month(m['month'])}{_of_year(m)}",
        ),
        (r"(?<!\w)['’]?(?P<year>\d0)['’]?s\b", lambda m: plural(cardinal(m["year"]))),
        (r"\b(?P<year>\d{3}0)['’]?s\b", lambda m: plural(year(m["year"]))),
    ]


def _times() -> _Forms:
    clock = r"(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?"
    return [
        (rf"{_ALONE}{clock}(?:\s*{_HALF})?(?![\d:])", _time),
        (
            rf"(?<![\w.,:])(?P<hour>1[0-2]|0?[1-9])\s*{_HALF}",
            lambda m: f"{cardinal(m['hour'])} {_half(m['half'])}",
        ),
    ]


def _quantities() -> _Forms:
    units: dict[str, list[str]] = _words()["units"]
    unit = "|".join(sorted(map(re.escape, units), key=len, reverse=True))
    inches_of = r"\.|,|;|$|\s(?:long|wide|high|tall|thick|deep|by|x)\b"  # elsewhere "in" is a preposition
    return [
        (
            rf"(?P<sign>[$€£¥₹])\s?(?P<number>{_NUMBER})"
            r"(?:\s?(?P<scale>thousand|million|billion|trillion|hundred|[kKmMbB]n?\b))?",
            _money,
        ),
        (rf"(?P<sign>-)?(?P<number>{_NUMBER})\s?°\s?(?P<scale>[CFK])?(?!\w)", _degrees),
        (
            rf"(?P<low>(?<![\w.,-]){_NUMBER})(?:-|\s?[–—]\s?)(?P<high>{_NUMBER}(?![\w-]*-\d)(?=\D|$))",
            lambda m: f"{m['low']} to {m['high']}",
        ),
        (
            rf"(?P<number>{_ALONE}{_NUMBER})[\s-]?(?P<unit>{unit})(?![\w/'’²³]|\.\w)",
            lambda m: _count(m["number"], units[m["unit"]][0], units[m["unit"]][1]),
        ),
        (
            rf"(?P<number>{_ALONE}{_NUMBER})[\s-]?in(?={inches_of})",
            lambda m: _count(m["number"], "inch", "inches"),
        ),
        (rf"(?P<number>(?<![\w,]){_NUMBER})\s?%", lambda m: f"{_number(m['number'])} percent"),
    ]


def _numbers() -> _Forms:
    return [
        ("[½⅓⅔¼¾⅕⅛⅜⅝⅞]", lambda m: (" " if _digit_before(m) else "") + _FRACTIONS[m[0]]),
        (r"\b(?P<n>\d[\d,]*)(?:st|nd|rd|th)\b", lambda m: ordinal(m["n"])),
        (r"(?<![\w/])(?P<whole>\d+\s(?:and\s)?)?(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?![\w/])", _fraction),
        (r"(?<=[A-Z])\d{3,}(?![\d.,]\d|\d)", lambda m: " " + code(m[0])),
        (r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", lambda _: " "),
        (r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)", lambda m: _number(m[0])),
        (r"(?<=\d)\s?[x×]\s?(?=\d)", lambda _: " by "),
        (r"(?<![\w.,)-])-(?=\.?\d)", lambda _: "minus "),
        (r"(?<![\d.])(?:0\d+|\d{8,})(?![\d.])", lambda m: one_by_one(m[0])),
        (r"\d+(?:\.\d+)+|(?<![\w.])\.\d+", lambda m: decimal(m[0])),
        (
            r"(?<![\d.,])\d{4}(?![\d,]\d|\d)",
            lambda m: year(m[0]) if 1100 <= int(m[0]) <= 2099 else cardinal(m[0]),
        ),
        (r"\d+", lambda m: _number(m[0])),
    ]


def _symbols() -> _Forms:
    return [
        (r"\s*(?:[→⇒➜]|[-=]>)\s*", lambda _: ", "),
        (r"\s*&\s*", lambda _: " and "),
        (r"\s+\+\s+|(?<=[a-z])\+(?=\s?[a-z])", lambda _: " plus "),
        (r"\s*≈\s*|(?<!\w)~\s?(?=\w)", lambda _: " about "),
        (r"\s+[*×]\s+", lambda _: " times "),
        (r"\s*÷\s*", lambda _: " divided by "),
        (r"\s*(?:≤|<=)\s*", lambda _: " at most "),
        (r"\s*(?:≥|>=)\s*", lambda _: " at least "),
        (r"\s*={1,2}\s*", lambda _: " equals "),
        (r"\s+<\s+", lambda _: " less than "),
        (r"\s+>\s+", lambda _: " greater than "),
        (r"(?<=[A-Za-z])/(?=[A-Za-z])", lambda _: " or "),
        (r"\s*(?:—|--+|\s–\s)\s*", lambda _: ", "),
        (r"…|\.\.\.+", lambda _: "."),
        (r"[\[\](){}<>|^~*_#\\]", lambda _: " "),
        (r"[\"“”«»]", lambda _: ""),
    ]


def _number(text: str) -> str:
    if "." in text:
        return decimal(text.replace(",", ""))
    return one_by_one(text) if len(text) > 1 and text[0] == "0" else cardinal(text)


def _count(number: str, one: str, many: str) -> str:
    return f"{_number(number)} {one if number.replace(',', '') == '1' else many}"


def _money(match: _Match) -> str:
    one, many, small_one, small_many = _MONEY[match["sign"]]
    number, scale = match["number"].replace(",", ""), match["scale"]
    if scale:
        return f"{_number(number)} {_SCALES.get(scale.lower(), scale)} {many}"
    whole, _, cents = number.partition(".")
    if not small_one or len(cents) != 2:
        return _count(number, one, many)
    minor = _count(str(int(cents)), small_one, small_many)
    if int(whole or 0) == 0:
        return minor
    return _count(whole, one, many) + (f" and {minor}" if int(cents) else "")


def _time(match: _Match) -> str:
    hour, minute, second, half = int(match["hour"]), match["minute"], match["second"], match["half"]
    words = cardinal(str(hour))
    if second:
        words = f"{words} {_minutes(minute)} and {_count(str(int(second)), 'second', 'seconds')}"
    elif minute != "00":
        words = f"{words} {_minutes(minute)}"
    elif not half:
        words += " o'clock" if 0 < hour < 13 else " hundred"
    return f"{words} {_half(half)}" if half else words


def _minutes(minute: str) -> str:
    return f"oh {cardinal(minute[1])}" if minute[0] == "0" else cardinal(minute)


def _half(half: str) -> str:
    return "a.m." if half.lower().startswith("a") else "p.m."


def _month(name: str) -> str:
    return next(month for month in _MONTHS if month.startswith(name[:3]))


def _of_year(match: _Match) -> str:
    return f", {year(match['year'])}" if match["year"] else ""


def _numeric_date(match: _Match) -> str:
    month, day = int(match["month"]), match["day"]
    if not 1 <= month <= 12 or not 1 <= int(day) <= 31:
        return match[0]
    return f"{_MONTHS[month - 1]} {ordinal(day)}, {year(match['year'])}"


def _degrees(match: _Match) -> str:
    scale = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin"}.get(match["scale"], "")
    return ("minus " if match["sign"] else "") + _count(match["number"], "degree", "degrees") + scale


def _digit_before(match: _Match) -> bool:
    return match.start() > 0 and match.string[match.start() - 1].isdigit()


def _fraction(match: _Match) -> str:
    part = fraction(match["top"], match["bottom"])
    if not match["whole"]:
        return part
    if part in ("one half", "one quarter"):
        part = "a" + part.removeprefix("one")
    return f"{cardinal(match['whole'].split()[0])} and {part}"


def _roman(match: _Match) -> str:
    values = [_ROMAN[c] for c in match["roman"]]
    return str(sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True)))
