"""Arguments of sums, conversions, places and days. Each returns None to decline."""

from __future__ import annotations

import re
from typing import Final

from assistant.quantities import find
from assistant.quantities.asked import Arguments, Asked
from assistant.tools import calculator, units
from assistant.tools.calendar_tools import knows_place


def sum(asked: Asked, match: re.Match[str]) -> Arguments | None:
    text = _POWER_OF.sub(r"\2 \1d", match.group("sum").strip(" ?=."))
    return {"expression": text} if re.search(r"\d|\b[a-z]+\b", text) and calculator.calculates(text) else None


_POWER_OF: Final = re.compile(r"\b(?:the )?(square|cube) of (\d[\d.,]*)", re.IGNORECASE)


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


def bill(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """A sum with a tip or a tax, or less a discount, shared where that is asked: what each pays."""
    groups = {name: (value or "").casefold() for name, value in match.groupdict().items()}
    by, sign = groups.get("by", ""), "-" if groups["what"] in ("discount", "off", "rebate") else "+"
    if sign == "+" and groups.get("sign") in ("minus", "less"):  # what was before the tax is another sum
        return None
    people = _SMALL.index(by) + 2 if by in _SMALL else by
    whole = f"{match.group('sum').replace(',', '')} * (100 {sign} {match.group('percent')}) / 100"
    return {"expression": f"{whole} / {people}" if by else whole}


_SMALL: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def several_numbers(asked: Asked, match: re.Match[str]) -> Arguments:
    """the average of 4, 8 and 15; add 15 and 27."""
    written = re.findall(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?", match.group("numbers"))
    numbers = [n.replace(",", "") for n in written]
    added = " + ".join(numbers)
    averaged = (match.groupdict().get("what") or "").casefold() in ("average", "mean")
    return {"expression": f"({added}) / {len(numbers)}" if averaged else added}


_SHARES: Final = {"half": (1, 2), "third": (1, 3), "thirds": (1, 3), "quarter": (1, 4), "quarters": (1, 4),
                  "fifth": (1, 5), "fifths": (1, 5), "tenth": (1, 10)}  # fmt: skip


def share(asked: Asked, match: re.Match[str]) -> Arguments:
    """half of 37; a third of 90; two thirds of 12."""
    *many, name = match.group("share").casefold().split()
    over, under = _SHARES[name]
    over *= {"two": 2, "three": 3}.get("".join(many), 1)
    of = match.group("of").replace(",", "")
    return {"expression": f"{of} / {under}" if over == 1 else f"{of} * {over} / {under}"}


def later(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """A moment told from now or by the clock, here or in another place."""
    when, place = match.group("when").strip(), (match.group("place") or "").strip()
    found = find(when, asked.now, ("time", "datetime"))
    whole = found and found[0].start == 0 and found[0].end >= len(when) - 1
    return {"when": when, "place": place} if whole and (not place or knows_place(place)) else None


def place(asked: Asked, match: re.Match[str]) -> Arguments | None:
    place = match.group("place").strip()
    return {"place": place} if knows_place(place) else None


def until(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """`unit` where weeks are asked for; `since` where the day is past."""
    found = find(match.group("end"), asked.now, ("date", "datetime"))
    since = match.group("which").casefold() == "since"
    return {"end": match.group("end"), "unit": _weeks(match), "since": since or None} if found else None


def _weeks(match: re.Match[str]) -> str:
    return "weeks" if (match.groupdict().get("unit") or "").casefold() == "weeks" else ""


def between(asked: Asked, match: re.Match[str]) -> Arguments | None:
    both = [find(match.group(g), asked.now, ("date", "datetime")) for g in ("start", "end")]
    return {"start": match.group("start"), "end": match.group("end"), "unit": _weeks(match)} if all(both) else None


def day(asked: Asked, match: re.Match[str]) -> Arguments | None:
    found = find(match.group("day"), asked.now, ("date", "datetime"))
    whole = found and found[0].start == 0 and found[0].end >= len(match.group("day").rstrip()) - 1
    return {"day": match.group("day")} if whole else None


def day_from_now(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """45 days from now; the word "now" at the end is taken for politeness and gone."""
    told = f"{match.group('day')} {'ago' if match.groupdict().get('ago') else 'from now'}"
    return {"day": told} if find(told, asked.now, ("date", "datetime")) else None


def until_time(asked: Asked, match: re.Match[str]) -> Arguments | None:
    found = find(match.group("day"), asked.now, ("time", "datetime"))
    return {"day": match.group("day")} if found else None
