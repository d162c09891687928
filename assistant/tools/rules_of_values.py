"""Arguments of sums, conversions, places and days. Each returns None to decline."""

from __future__ import annotations

import re

from assistant.tools import calculator, units
from assistant.tools.asked import Arguments, Asked
from assistant.tools.calendar_tools import knows_place
from assistant.tools.quantities import find


def sum(asked: Asked, match: re.Match[str]) -> Arguments | None:
    text = match.group("sum").strip(" ?=.")
    return {"expression": text} if re.search(r"\d|\b[a-z]+\b", text) and calculator.calculates(text) else None


def conversion(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """The groups `value`, `unit`, `to`; declined unless both are units."""
    groups = match.groupdict()
    unit, to = groups["unit"].strip(), groups["to"].strip()
    if not (units.may_be(unit) and units.may_be(to)):
        return None
    written = (groups.get("value") or "1").strip()
    numbers = find(written, asked.now, ("number",))
    if written in ("a", "an", "one", ""):
        value = "1"
    elif numbers and numbers[0].end == len(written):
        value = str(numbers[0].value)
    else:
        return None
    return {"value": value, "unit": unit, "to": to} if units.known(unit) and units.known(to) else None


def unit_missing(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """convert 5 miles: to what is asked back."""
    value, unit = match.group("value").strip(), match.group("unit").strip()
    return {"value": value.replace(",", ""), "unit": unit} if units.may_be(unit) and units.known(unit) else None


def measure(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """5 feet 7 in cm: a measure of several parts, and a unit."""
    feet = r"(\b(?:feet|foot|ft)|') (\d{1,2}(?:\.\d+)?) (?=(?:in|to|into|as) [a-z])"
    text = re.sub(feet, r"\1 \2 inches ", match.group("measure"), flags=re.IGNORECASE)
    found = find(text, asked.now, ("dimension",))
    rest = text[found[0].end :] if found and found[0].start == 0 else ""
    to = re.sub(r"^ ?(?:in|to|into|as)? ", "", rest).strip()
    if not to or not units.may_be(to) or not units.known(found[0].value.unit) or not units.known(to):
        return None
    return {"value": str(found[0].value.value), "unit": found[0].value.unit, "to": to}


def shared(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """split 86.40 by 4, split the bill of 90 between 3 people."""
    return {"expression": f"{match.group('sum').replace(',', '')} / {match.group('by')}"}


def discount(asked: Asked, match: re.Match[str]) -> Arguments:
    """20% off 80; a 15 percent tip on 64.50."""
    percent, of = match.group("percent"), match.group("of").replace(",", "")
    left = match.group("what").casefold() == "off"
    return {"expression": f"{of} * (100 - {percent}) / 100" if left else f"{percent}% of {of}"}


def place(asked: Asked, match: re.Match[str]) -> Arguments | None:
    place = match.group("place").strip()
    return {"place": place} if knows_place(place) else None


def until(asked: Asked, match: re.Match[str]) -> Arguments | None:
    found = find(match.group("end"), asked.now, ("date", "datetime"))
    return {"end": match.group("end")} if found else None


def between(asked: Asked, match: re.Match[str]) -> Arguments | None:
    both = [find(match.group(g), asked.now, ("date", "datetime")) for g in ("start", "end")]
    return {"start": match.group("start"), "end": match.group("end")} if all(both) else None


def day(asked: Asked, match: re.Match[str]) -> Arguments | None:
    found = find(match.group("day"), asked.now, ("date", "datetime"))
    whole = found and found[0].start == 0 and found[0].end >= len(match.group("day").rstrip()) - 1
    return {"day": match.group("day")} if whole else None


def until_time(asked: Asked, match: re.Match[str]) -> Arguments | None:
    found = find(match.group("day"), asked.now, ("time", "datetime"))
    return {"day": match.group("day")} if found else None
