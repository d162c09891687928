"""Arguments of kitchen measures: an amount of an ingredient, and the unit it is wanted in."""

from __future__ import annotations

import re
from typing import Final

from assistant.quantities import find
from assistant.quantities.asked import Arguments, Asked
from assistant.tools import cooking, units

UNITS: Final = (  # {KITCHEN} in the rules
    r"(?:cups?|tablespoons?|tbsp|teaspoons?|tsp|grams?|g|kg|kilos?|kilograms?|fl oz|fluid ounces?|ounces?|oz|pounds?"
    r"|lbs?|ml|millilit(?:er|re)s?|lit(?:er|re)s?|dl|sticks?)"
)
_PART_OF_A: Final = {"half": "1/2", "third": "1/3", "quarter": "1/4", "two thirds": "2/3", "three quarters": "3/4"}
_PART: Final = re.compile(r"^(?:an? )?(half|third|quarter|two thirds|three quarters)(?: of)? an? ", re.IGNORECASE)
_UNIT: Final = re.compile(r"(?:fl(?:uid)?\.? )?[a-z]+$", re.IGNORECASE)
_STICKS: Final = re.compile(r"^(an?|\S+) sticks?$", re.IGNORECASE)


def kitchen(asked: Asked, match: re.Match[str]) -> Arguments | None:
    """The groups `amount` ("1 1/2 cups"), `ingredient` and, if said, `to`. Declined for ingredients that are not known.

    Where no unit is asked for it is grams. "3 cups of flour" alone is no question.
    """
    groups = match.groupdict()
    ingredient = re.sub(r"^(?:of )?(?:the )?", "", groups["ingredient"].strip(), flags=re.IGNORECASE)
    to = (groups.get("to") or "grams").strip()
    amount = _amount(groups["amount"].strip(), asked)
    if amount is None or cooking.ingredient_called(ingredient) is None or not (units.may_be(to) and units.known(to)):
        return None
    return {"value": amount[0], "unit": amount[1], "ingredient": ingredient.casefold(), "to": to}


def _amount(text: str, asked: Asked) -> tuple[str, str] | None:
    """A number and its unit, if the text is that alone."""
    text = _PART.sub(lambda m: f"{_PART_OF_A[m[1].casefold()]} ", text)
    if sticks := _STICKS.match(text):
        n = "1" if sticks[1].casefold() in ("a", "an") else _number(sticks[1], asked)
        return (n, "stick" if n == "1" else "sticks") if n else None
    found = find(text, asked.now, ("dimension",))
    if not found or (found[0].start, found[0].end) != (0, len(text)):
        return None
    said = _UNIT.search(text)
    return str(found[0].value.value), said[0] if said else found[0].value.unit


def _number(text: str, asked: Asked) -> str:
    found = find(text, asked.now, ("number",))
    return str(found[0].value) if found else ""
