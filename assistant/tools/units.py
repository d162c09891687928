"""Converting units, with pint: exact where the definitions are."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Final

import msgspec

from assistant.quantities.amounts import UNITS
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.calculator import shown

Unit = Annotated[str, msgspec.Meta(max_length=60)]
_SPELT: Final = {  # what people write -> what pint calls it
    "celsius": "degC", "centigrade": "degC", "c": "degC", "°c": "degC", "degrees celsius": "degC",
    "degree celsius": "degC",
    "fahrenheit": "degF", "f": "degF", "°f": "degF", "degrees fahrenheit": "degF", "degree fahrenheit": "degF",
    "kelvin": "kelvin", "k": "kelvin", "degrees kelvin": "kelvin", "mph": "mile/hour", "kph": "km/hour",
    "kmh": "km/hour",
    "km/h": "km/hour", "miles per hour": "mile/hour", "kilometers per hour": "km/hour",
    "kilometres per hour": "km/hour",
    "miles an hour": "mile/hour", "meters per second": "meter/second", "metres per second": "meter/second",
    "square feet": "foot**2", "square foot": "foot**2", "square meters": "meter**2", "square metres": "meter**2",
    "square miles": "mile**2", "square kilometers": "km**2", "square kilometres": "km**2", "cubic meters": "meter**3",
    "cubic metres": "meter**3", "cubic feet": "foot**3", "cubic centimeters": "cm**3", "fl oz": "fluid_ounce",
    "fluid ounces": "fluid_ounce", "fluid ounce": "fluid_ounce", "lbs": "pound", "stones": "stone", "kilos": "kilogram",
    "kilo": "kilogram", "kms": "kilometer", "tonnes": "metric_ton", "tonne": "metric_ton", "tons": "ton",
    "mb": "megabyte",
    "gb": "gigabyte", "kb": "kilobyte", "tb": "terabyte", "metres": "meter", "metre": "meter",
    "kilometres": "kilometer",
    "kilometre": "kilometer", "centimetres": "centimeter", "centimetre": "centimeter", "millimetres": "millimeter",
    "litres": "liter", "litre": "liter", "millilitres": "milliliter", "tbsp": "tablespoon", "tsp": "teaspoon",
    "kwh": "kilowatt_hour", "cal": "calorie", "kcal": "kilocalorie", "in": "inch", "m": "meter", "g": "gram",
    "l": "liter",
    "grams": "gram", "pt": "pint", "t": "metric_ton",
}  # fmt: skip


class Conversion(msgspec.Struct, frozen=True):
    """`value` as a decimal or a fraction in text, so that it stays exact."""

    value: Annotated[str, msgspec.Meta(max_length=40)] = "1"
    unit: Unit = ""
    to: Unit = ""


@cache
def _registry() -> Any:
    import pint  # 0.3 s: only when units are converted

    return pint.UnitRegistry(non_int_type=Fraction, autoconvert_offset_to_baseunit=True)


def may_be(unit: str) -> bool:
    """Whether it is worth loading the registry for: a word that is written like a unit people use."""
    name = " ".join(unit.casefold().split()).rstrip(".")
    words = name.replace("/", " ").split()
    common = {*_SPELT, *UNITS, *_MORE}
    return bool(words) and (
        name in common or all(w in common or w in ("per", "square", "cubic", "an", "degrees") for w in words)
    )


_MORE: Final = frozenset([  # written like a unit, and neither spelt above nor among the quantities
    "light", "years", "lightyears", "parsecs", "parsec", "furlong", "furlongs", "fathom", "fathoms", "rods",
    "chains", "psi", "atm", "atmospheres", "torr", "newton", "newtons", "horsepower", "hp", "btu", "ev", "angstrom",
    "radian", "radians", "degrees", "degree", "turn", "turns", "ounces", "minutes", "minute", "hours", "hour",
    "seconds", "second", "days", "day", "weeks", "week", "months", "month", "years", "year", "decades", "centuries",
    "nautical", "miles", "mile", "fps", "rpm", "lux", "candela", "dozen",
])  # fmt: skip


def known(unit: str) -> bool:
    """Whether this is a unit."""
    try:
        _parsed(unit)
    except ToolError:
        return False
    return True


def _parsed(unit: str) -> Any:
    import pint

    name = " ".join(unit.casefold().split()).rstrip(".")
    written = _SPELT.get(name)
    for attempt in filter(None, (written, unit.strip(), name, name.replace(" ", "_"), name.removesuffix("s"))):
        if (
            len(attempt) > 60
            or not attempt.replace("_", "").replace("/", "").replace("*", "").replace("°", "").isalnum()
        ):
            continue
        try:
            return _registry().Unit(attempt)
        except (pint.PintError, AttributeError, ValueError, TypeError, SyntaxError):
            continue
    raise ToolError(f"I do not know the unit {unit!r}")


def convert(value: Fraction, unit: str, to: str) -> Fraction:
    """Raises ToolError for units that are unknown or measure different things."""
    import pint

    if not to.strip():
        raise Missing("to", f"To what unit shall I convert {unit}?")
    source, target = _parsed(unit), _parsed(to)
    try:
        return Fraction(_registry().Quantity(value, source).to(target).magnitude)
    except pint.DimensionalityError:
        fluid = [_FLUID.get(u.casefold().strip(), u) for u in (unit, to)]
        if fluid != [unit, to]:  # the ounces in a gallon are no weight
            return convert(value, *fluid)
        raise ToolError(f"{unit} and {to} do not measure the same thing") from None


_FLUID: Final = dict.fromkeys(("ounce", "ounces", "oz"), "fluid ounces")


def run(arguments: Conversion, surroundings: Surroundings) -> Outcome:
    try:
        value = Fraction(arguments.value)
    except (ValueError, ZeroDivisionError):
        raise ToolError(f"{arguments.value!r} is no number") from None
    result = convert(value, arguments.unit, arguments.to)
    exact = shown(result)
    if "rounded" in exact or len(exact) > 12:  # nobody reads twelve digits
        rounded = shown(Fraction(f"{float(result):.6g}"))
        return Outcome(f"{shown(value)} {arguments.unit} is about {rounded} {arguments.to}.",
                       {"value": rounded, "unit": arguments.to})  # fmt: skip
    return Outcome(f"{shown(value)} {arguments.unit} = {exact} {arguments.to}", {"value": exact, "unit": arguments.to})


TOOLS: Final = (
    Tool("units.convert", "convert a measure to another unit", Conversion, run, read_only,
         ("how many miles is 10 km", "convert 100 fahrenheit to celsius")),
)  # fmt: skip
