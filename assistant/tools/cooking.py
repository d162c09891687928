"""Kitchen measures: a cup of flour in grams, 200 g of rice in cups. A model gets these wrong with confidence."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Final

import msgspec

from assistant.tools import Outcome, Surroundings, Tool, ToolError, read_only, units
from assistant.tools.calculator import shown

Name = Annotated[str, msgspec.Meta(max_length=60)]
_STICK_CUPS: Final = Fraction(1, 2)  # butter is sold in sticks


class Measure(msgspec.Struct, frozen=True):
    """`value` as a decimal or a fraction in text."""

    value: Annotated[str, msgspec.Meta(max_length=40)]
    unit: Name
    ingredient: Name
    to: Name


@cache
def _tables() -> tuple[dict[str, int], dict[str, str]]:
    read = tomllib.loads((Path(__file__).parent / "ingredients.toml").read_text(encoding="utf-8"))
    return read["grams_in_a_cup"], read["other_names"]


def ingredient_called(name: str) -> str | None:
    """The ingredient of this name, as the table calls it; None for what is not in it."""
    grams, others = _tables()
    name = " ".join(name.casefold().split())
    return name if name in grams else others.get(name)


def convert(value: Fraction, unit: str, ingredient: str, to: str) -> Fraction:
    """Between a volume and a weight of an ingredient. Raises ToolError for an unknown ingredient or unit."""
    known = ingredient_called(ingredient)
    if known is None:
        raise ToolError(f"I do not know how much {ingredient} weighs")
    if unit.removesuffix("s") == "stick":
        value, unit = value * _STICK_CUPS, "cup"
    grams = _tables()[0][known]
    if _weighs(unit) == _weighs(to):
        return units.convert(value, unit, to)
    if _weighs(unit):
        return units.convert(units.convert(value, unit, "gram") / grams, "cup", to)
    return units.convert(units.convert(value, unit, "cup") * grams, "gram", to)


def _weighs(unit: str) -> bool:
    """Whether it is a unit of weight, not of volume. Raises ToolError for what is neither."""
    for measured, weighs in (("gram", True), ("cup", False)):
        try:
            units.convert(Fraction(1), unit, measured)
        except ToolError:
            continue
        return weighs
    raise ToolError(f"{unit} is neither a weight nor a volume")


def run(arguments: Measure, surroundings: Surroundings) -> Outcome:
    try:
        value = Fraction(arguments.value)
    except (ValueError, ZeroDivisionError):
        raise ToolError(f"{arguments.value!r} is no number") from None
    if value < 0:
        raise ToolError(f"there is no amount below zero: {arguments.value} {arguments.unit}")
    result = convert(value, arguments.unit, arguments.ingredient, arguments.to)
    told = shown(Fraction(f"{float(result):{'.3g' if result >= 100 else '.2g'}}"))  # how it is packed changes it more
    said = shown(value) if len(shown(value)) < 6 else str(value)  # 2/3, not 0.666
    return Outcome(
        f"{said} {arguments.unit} of {arguments.ingredient} is about {told} {arguments.to}.",
        {"value": told, "unit": arguments.to},
    )


TOOLS: Final = (
    Tool("cooking.convert", "weigh a kitchen measure", Measure, run, read_only, ("3 cups of flour in grams",),
         by_model=False),
)  # fmt: skip
