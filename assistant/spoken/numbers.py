"""English words for numbers: cardinals, ordinals, years, digits, decimals, fractions. Pure functions, no state.

American reading, without "and": 275 is "two hundred seventy-five". Numbers of 36 digits and more are read digit by
digit.
"""

from __future__ import annotations

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = (
    *("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion"),
    *("octillion", "nonillion", "decillion"),
)
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST = 3 * len(_SCALES) - 1  # digits


def cardinal(digits: str) -> str:
    """`digits` are 0-9, with or without thousands separators."""
    digits = digits.replace(",", "")
    stripped = digits.lstrip("0") or "0"
    if len(stripped) > _LONGEST:
        return one_by_one(digits)
    number = int(stripped)
    if number == 0:
        return "zero"
    groups: list[str] = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(_below_thousand(group) + (f" {scale}" if scale else ""))
        if not number:
            break
    return " ".join(reversed(groups))


def ordinal(digits: str) -> str:
    """23 -> twenty-third."""
    words = cardinal(digits)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def one_by_one(digits: str) -> str:
    """007 -> zero zero seven. Everything but digits is left out."""
    return " ".join(_ONES[int(d)] for d in digits if d.isdigit())


def decimal(text: str) -> str:
    """3.14 -> three point one four; 1.2.3 -> one point two point three."""
    whole, *parts = text.split(".")
    if len(parts) == 1:
        return f"{cardinal(whole or '0')} point {one_by_one(parts[0])}"
    return " point ".join(cardinal(part or "0") for part in (whole, *parts))


def year(digits: str) -> str:
    """1462 -> fourteen sixty-two, 1905 -> nineteen oh five, 2000 -> two thousand, 2024 -> twenty twenty-four."""
    number = int(digits)
    century, rest = divmod(number, 100)
    if not 1000 <= number <= 2999 or number % 1000 < 10:
        return cardinal(digits)
    if rest == 0:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {'oh ' if rest < 10 else ''}{_below_hundred(rest)}"


def code(digits: str) -> str:
    """The number of a model or a flight, as in A320 or C2766: three twenty, twenty-seven sixty-six."""
    if len(digits) not in (3, 4) or digits[0] == "0":
        return one_by_one(digits)
    head, rest = digits[:-2], int(digits[-2:])
    tail = "hundred" if rest == 0 else f"oh {_below_hundred(rest)}" if rest < 10 else _below_hundred(rest)
    return f"{_below_hundred(int(head))} {tail}"


def plural(words: str) -> str:
    """The plural of the last word of a number: nineteen eighty -> nineteen eighties."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith(("x", "s")) else "s")


def fraction(numerator: str, denominator: str) -> str:
    """1/2 -> one half, 3/4 -> three quarters, 5/8 -> five eighths, 22/105 -> twenty-two over one hundred five."""
    top, bottom = int(numerator), int(denominator)
    if bottom < 2 or bottom > 100:
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    name = {2: "half", 4: "quarter"}.get(bottom) or ordinal(denominator)
    if top != 1:
        name = "halves" if bottom == 2 else name + "s"
    return f"{cardinal(numerator)} {name}"


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = f"{_ONES[hundreds]} hundred" if hundreds else ""
    return f"{words} {_below_hundred(rest)}".strip() if rest else words


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
