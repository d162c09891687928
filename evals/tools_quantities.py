"""Quantities: is the value that a text means found. Rows of Recognizers-Text and duckling.

A row is claimed when anything of its kind is found in it, or when nothing is expected and nothing is found. It is right
when every expected value is found: numbers within a millionth, units by name, times to the second. Rows that give
only the
words (their values are null) are right when just these words are found. Ranges are not claimed: they have no single
value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from assistant.quantities import Amount, Bounds, Found, Moment, Recurring, Span, find
from assistant.quantities.amounts import UNITS

REFERENCE: Final = datetime(2016, 11, 7)
_KINDS: Final = {
    "number": ("number", "ordinal"), "percent": ("percent",), "currency": ("currency",),
    "temperature": ("temperature",),
    "dimension": ("dimension",), "duration": ("duration",), "time": ("time", "datetime"),
    "datetime": ("date", "time", "datetime", "duration", "span", "recurring"),
    "duckling-time": ("date", "time", "datetime", "span"),
    "duckling-numeral": ("number",), "duckling-duration": ("duration",),
    "duckling-temperature": ("temperature", "bounds"),
    "duckling-distance": ("dimension", "bounds"), "duckling-volume": ("dimension", "bounds"),
    "duckling-quantity": ("dimension", "bounds"),
}  # fmt: skip
_SPELT: Final = {"m": "metre", "centimetre": "centimetre", "litre": "litre", "gram": "gram"}
_SCALE: Final = {"gram": {"milligram": 0.001, "kilogram": 1000.0, "gram": 1.0}}


@dataclass(frozen=True, slots=True)
class Scored:
    """One row: of which kind, claimed or not, right or not."""

    kind: str
    claimed: bool
    right: bool


def score(row: dict[str, Any]) -> Scored | None:
    """None for a kind that is no quantity."""
    kind = row["kind"]
    if kind not in _KINDS:
        return None
    now = datetime.fromisoformat(row["ref"]) if row.get("ref") else REFERENCE
    try:
        found = find(row["text"], now, _KINDS[kind])
    except OverflowError:
        found = []
    if kind.startswith("duckling-"):
        return Scored(kind, bool(found), _duckling(row["value"], found))
    expected = row["results"]
    claimed = bool(found) or not expected
    if not expected:
        return Scored(kind, True, not found)
    return Scored(kind, claimed, all(_recognised(kind, wanted, found, row["text"]) for wanted in expected))


def _recognised(kind: str, wanted: dict[str, Any], found: Sequence[Found], text: str) -> bool:
    resolution = wanted.get("Resolution")
    if not resolution:
        said = wanted["Text"].casefold().strip()
        return any(_trimmed(text[f.start : f.end]) == _trimmed(said) for f in found)
    if kind == "datetime":
        values = resolution.get("values") or ()
        if values and values[0].get("type") == "set":  # it says of these only which words they are
            found = [f for f in found if _trimmed(text[f.start : f.end]) == _trimmed(wanted["Text"])]
        return any(_same_time(value, f) for value in values for f in found)
    value = resolution.get("value")
    if value is None or value == "null":
        return True  # a unit without a number
    number = float(str(value).rstrip("%"))
    return any(_close(_number(f), number) and _same_unit(kind, resolution, f) for f in found)


def _trimmed(words: str) -> str:
    return re.sub(r"^(?:in the |in |at |on |the |for |by )+", "", words.casefold()).strip(" .,'")


def _same_unit(kind: str, resolution: dict[str, Any], found: Found) -> bool:
    if kind not in ("dimension", "temperature", "currency"):
        return True
    wanted, unit = str(resolution.get("unit", "")).casefold(), found.value.unit.casefold()
    if kind == "temperature":
        return bool(
            {"c": "degree celsius", "f": "degree fahrenheit", "k": "degree kelvin"}.get(wanted, "degree") == unit
        )
    if kind == "currency":
        return bool(wanted.split()[-1].removesuffix("s") == unit.split()[-1].removesuffix("s"))
    return _normal(wanted) == _normal(unit)


def _normal(unit: str) -> str:
    words = unit.casefold().replace("meter", "metre").replace("liter", "litre").split()
    return " ".join(UNITS.get(w, w) for w in words)


def _number(found: Found) -> float:
    return float(getattr(found.value, "value", found.value))


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6 * max(1.0, abs(a), abs(b))


def _same_time(value: dict[str, Any], found: Found) -> bool:
    kind, given = value.get("type"), str(value.get("value", ""))
    if kind == "set":
        return isinstance(found.value, Recurring)
    if isinstance(found.value, Span):
        return _same_span(value, found.value)
    if kind == "duration":
        return (
            found.kind == "duration"
            and given not in ("", "not resolved")
            and _close(float(found.value.seconds), float(given))
        )
    if not isinstance(found.value, Moment) or not given:
        return False
    moments = (found.value.at, *found.value.others)
    if kind == "time":
        return any(f"{m:%H:%M:%S}" == given for m in moments)
    if kind == "date":
        return any(f"{m:%Y-%m-%d}" == given for m in moments) and not found.value.has_time
    return kind == "datetime" and any(f"{m:%Y-%m-%d %H:%M:%S}" == given for m in moments)


def _same_span(value: dict[str, Any], span: Span) -> bool:
    """Of a range from here to there this set gives where the last thing named begins."""
    if "start" not in value and "end" not in value:
        return False
    form = {"timerange": "%H:%M:%S", "daterange": "%Y-%m-%d"}.get(str(value.get("type")), "%Y-%m-%d %H:%M:%S")
    told = [(value.get("start"), span.start), (value.get("end"), span.last)]
    return all(
        (wanted is None and got is None) or (wanted and got and got.strftime(form) == wanted) for wanted, got in told
    )


# -- duckling: the expected value is written as in its tests ---------------------------------------------------------


def _duckling(written: str, found: Sequence[Found]) -> bool:
    reading, _, rest = written.partition(" ")
    return any(_READINGS[reading](rest, f) for f in found) if reading in _READINGS else False


def _moment(rest: str, found: Found) -> bool:
    match = re.match(r"\((\d+), (\d+), (\d+), (\d+), (\d+), ([\d.]+)\)", rest)
    if match is None or not isinstance(found.value, Moment | Span):
        return False
    *parts, second = match.groups()
    year, month, day, hour, minute = map(int, parts)
    wanted = datetime(year, month, day, hour, minute, int(float(second)))
    if isinstance(found.value, Span):
        return (
            found.value.start is not None
            and found.value.start.replace(tzinfo=None) == wanted
            and rest.split(") ")[-1].split()[0].casefold() in (found.value.grain, "quarter", "week", "year", "month")
        )
    return any(m.replace(tzinfo=None) == wanted for m in (found.value.at, *found.value.others))


def _interval(rest: str, found: Found) -> bool:
    """((start), (end)) grain: the end is behind all that was named."""
    numbers = [[int(float(n)) for n in re.findall(r"[\d.]+", part)] for part in re.findall(r"\([\d., ]+\)", rest)]
    if len(numbers) != 2 or not isinstance(found.value, Span) or not (found.value.start and found.value.end):
        return False
    wanted = [datetime(*parts) for parts in numbers]  # type: ignore[arg-type]
    return [found.value.start.replace(tzinfo=None), found.value.end.replace(tzinfo=None)] == wanted


def _duration(rest: str, found: Found) -> bool:
    seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000,
               "quarter": 7776000, "year": 31536000}  # fmt: skip
    amount, unit = rest.split()
    if found.kind == "duration" and unit == "Month" and found.value.months is not None:
        return _close(float(found.value.months), float(amount))
    return found.kind == "duration" and _close(float(found.value.seconds), float(amount) * seconds[unit.casefold()])


def _amount(rest: str, found: Found) -> bool:
    match = re.match(r"(\w+) \(?(-?[\d.]+)\)?", rest)
    if match is None or not isinstance(found.value, Amount):
        return False
    unit, number = match.group(1).casefold(), float(match.group(2))
    own = found.value.unit.casefold().replace("degree ", "")
    unit = _SPELT.get(unit, unit)
    scale = _SCALE.get(unit, {}).get(own)
    if scale is not None:
        return _close(float(found.value.value) * scale, number)
    return own == unit and _close(float(found.value.value), number)


def _bounds(reading: str) -> Callable[[str, Found], bool]:
    """between Kilometre (3, 5); under Gallon 6; above Inch 5."""

    def right(rest: str, found: Found) -> bool:
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", rest)]
        if not isinstance(found.value, Bounds) or not numbers:
            return False
        wanted = {"between": (numbers[0], numbers[-1]), "under": (None, numbers[0]), "above": (numbers[0], None)}[
            reading
        ]
        own = found.value.unit.casefold().replace("degree ", "")
        unit = rest.split()[0].casefold()
        got = (found.value.low, found.value.high)
        same = all(
            (w is None) == (g is None) and (g is None or _close(float(g), w or 0.0))
            for w, g in zip(wanted, got, strict=True)
        )
        return same and own == _SPELT.get(unit, unit)

    return right


_READINGS: Final[dict[str, Callable[[str, Found], bool]]] = {
    "NumeralValue": lambda rest, f: f.kind == "number" and _close(float(f.value), float(rest.strip("()"))),
    "datetime": _moment,
    "datetimeHoliday": _moment,
    "datetimeInterval": _interval,
    "DurationData": _duration,
    "simple": _amount,
    **{reading: _bounds(reading) for reading in ("between", "under", "above")},
}
