"""Numbers in digits and English words, exact (Fraction)."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from assistant.quantities.number_words import COLLECTIVES, FRACTIONS, ONES, SCALES, SUFFIXES, TENS
from assistant.quantities.tokens import Token, phrase_at, word_at

Parsed = tuple[Fraction, int]


def number_at(tokens: list[Token], at: int, suffixes: bool = True) -> Parsed | None:
    """The number that stands there and where it ends. "a" alone is none; "a dozen" and "a hundred" are.

    With `suffixes`, 10k is ten thousand; without, the letter is left to be a unit.
    """
    word = word_at(tokens, at)
    if word in ("minus", "negative", "-", "−") and at + 1 < len(tokens):
        follows = tokens[at + 1].glued or word not in "-−"
        inner = number_at(tokens, at + 1, suffixes) if follows else None
        return (-inner[0], inner[1]) if inner else None
    if word == "+" and at + 1 < len(tokens) and tokens[at + 1].glued:
        return number_at(tokens, at + 1, suffixes)
    for words, part in _PARTS_OF_A_SCALE:  # half a million, a quarter million
        then = phrase_at(tokens, at, *words)
        if then and (scale := SCALES.get(word_at(tokens, then), 0)) > 1000:
            return part * scale, then + 1
    found = digits_at(tokens, at, suffixes) or _hundreds(tokens, at) or words_at(tokens, at)
    if found is None:
        return _fraction_alone(tokens, at)
    found = _and_fraction(tokens, *found)
    return _ratio(tokens, *found) or found


_PARTS_OF_A_SCALE: Final = (
    (("half", "a"), Fraction(1, 2)),
    (("half",), Fraction(1, 2)),
    (("a", "quarter", "of", "a"), Fraction(1, 4)),
    (("a", "quarter"), Fraction(1, 4)),
    (("quarter", "of", "a"), Fraction(1, 4)),
)


def digits_at(tokens: list[Token], at: int, suffixes: bool) -> Parsed | None:
    if at >= len(tokens) or not tokens[at].is_number:
        return None
    value, end = Fraction(tokens[at].word.replace(",", "")), at + 1
    while value == int(value) and len(tokens[at].word) <= 3 and _three_digits(tokens, end):  # 1 234 567
        value, end = value * 1000 + int(word_at(tokens, end)), end + 1
    slash = word_at(tokens, end) in ("/", "⁄")
    if slash and word_at(tokens, end + 1).isdecimal() and int(word_at(tokens, end + 1)):
        return value / int(word_at(tokens, end + 1)), end + 2
    mixed = word_at(tokens, end)
    if mixed.isdecimal() and word_at(tokens, end + 1) == "/" and word_at(tokens, end + 2).isdecimal():
        lower = int(word_at(tokens, end + 2))
        if 0 < int(mixed) < lower:
            return value + Fraction(int(mixed), lower), end + 3
    suffix = word_at(tokens, end)
    if suffixes and suffix in SUFFIXES and tokens[end].glued and word_at(tokens, end + 1) != "/":
        return value * SUFFIXES[suffix], end + 1
    while (scale := SCALES.get(word_at(tokens, end))) is not None:
        value, end = value * scale, end + 1
        if scale >= 1000 and word_at(tokens, end).isdecimal() and word_at(tokens, end + 1) == "hundred":
            value, end = value + 100 * int(word_at(tokens, end)), end + 2  # 4 thousand 3 hundred
        joined = end + 1 if word_at(tokens, end) == "and" else 0
        rest = (digits_at(tokens, joined, False) or words_at(tokens, joined)) if joined and scale >= 100 else None
        if rest and 0 < rest[0] < scale and not FRACTIONS.get(word_at(tokens, rest[1])):  # 3 hundred and 21
            value, end = value + rest[0], rest[1]
    if word_at(tokens, end) in ("dozen", "dozens"):
        value, end = value * 12, end + 1
    return value, end


def _three_digits(tokens: list[Token], at: int) -> bool:
    """Whether a group of three digits stands there, one blank behind the last and nothing glued to it."""
    here = word_at(tokens, at)
    if not (here.isdecimal() and len(here) == 3) or tokens[at].start != tokens[at - 1].end + 1:
        return False
    following = at + 1 < len(tokens) and tokens[at + 1].glued and tokens[at + 1].word not in (".", ",", "?", "!")
    return not following


def _ratio(tokens: list[Token], value: Fraction, end: int) -> Parsed | None:
    """one over twenty, two out of five hundred."""
    then = phrase_at(tokens, end, "over") or phrase_at(tokens, end, "out", "of")
    lower = words_at(tokens, then) or digits_at(tokens, then, suffixes=False) if then else None
    if lower is None or lower[0] <= 1 or abs(value) >= lower[0]:
        return None
    if word_at(tokens, lower[1]) in ("years", "days", "hours", "minutes", "%", "percent"):
        return None
    return value / lower[0], lower[1]


def words_at(tokens: list[Token], at: int) -> Parsed | None:
    """two hundred and five thousand; a dozen; twenty-one point five."""
    total, group, end, seen = Fraction(0), Fraction(0), at, False
    if word_at(tokens, at) in ("a", "an"):
        following = word_at(tokens, at + 1)
        if following in COLLECTIVES:
            value = Fraction(COLLECTIVES[following])
            return value, at + 2 + (word_at(tokens, at + 2) == "of")
        if following not in SCALES:
            return None
        group, end = Fraction(1), at + 1
    while True:
        word = word_at(tokens, end)
        joined = word == "and" and seen and _continues(word_at(tokens, end + 1)) and _after_scale(tokens, end)
        hyphen = word == "-" and seen and _hyphenated(word_at(tokens, end - 1), word_at(tokens, end + 1))
        if joined or hyphen:
            end += 1
            word = word_at(tokens, end)
        if word in ONES and (not seen or _fits_after(tokens, end, ONES[word])):
            group += ONES[word]
        elif word in TENS and (not seen or word_at(tokens, end - 1) in SCALES or word_at(tokens, end - 1) == "and"):
            group += TENS[word]
        elif word == "hundred" or (word == "hundreds" and seen):
            group = (group or Fraction(1)) * 100
        elif word in SCALES and (seen or group or word in ("thousand", "million", "hundred", "billion", "lakh")):
            total, group = total + (group or Fraction(1)) * SCALES[word], Fraction(0)
        elif word in COLLECTIVES and seen and word in ("dozen", "dozens"):
            group *= 12
        else:
            break
        seen, end = True, end + 1
    if not seen:
        return None
    value = total + group
    if word_at(tokens, end) == "point" and _digit(word_at(tokens, end + 1)):
        return _decimals(tokens, value, end + 1)
    return value, end


def _hyphenated(before: str, after: str) -> bool:
    """thirty-two, one-hundred, five-hundred-and."""
    return (before in TENS and after in ONES) or ((before in ONES or before in TENS) and after in SCALES)


def _hundreds(tokens: list[Token], at: int) -> Parsed | None:
    """one twenty two: as said of heights and rooms, 122; not "twenty five" nor "one two" nor "one twenty-fifth"."""
    first, tens, unit = (word_at(tokens, at + i) for i in range(3))
    if not (0 < ONES.get(first, 0) < 10 and tens in TENS):
        return None
    if FRACTIONS.get(word_at(tokens, at + 2 + (unit == "-")), 0) in range(3, 10):
        lower = TENS[tens] + FRACTIONS[word_at(tokens, at + 2 + (unit == "-"))]
        return Fraction(ONES[first], lower), at + 3 + (unit == "-")
    value, end = Fraction(ONES[first] * 100 + TENS[tens]), at + 2
    return (value + ONES[unit], end + 1) if 0 < ONES.get(unit, 0) < 10 else (value, end)


def _digit(word: str) -> str:
    return word if word.isdecimal() else str(ONES[word]) if word in ONES and ONES[word] < 10 else ""


def _decimals(tokens: list[Token], value: Fraction, at: int) -> Parsed:
    digits = ""
    while digit := _digit(word_at(tokens, at)):
        digits, at = digits + digit, at + 1
    value += Fraction(int(digits), 10 ** len(digits))
    while (scale := SCALES.get(word_at(tokens, at))) is not None:
        value, at = value * scale, at + 1
    return value, at


def _continues(word: str) -> bool:
    return word in ONES or word in TENS or word == "hundred"


def _after_scale(tokens: list[Token], at: int) -> bool:
    """Whether "and" goes on with the number: behind a scale, or "twenty and four", but not with a part of one, as in
    "twenty and three fifths" or "two hundred and fifty-four hundredths"."""
    before = word_at(tokens, at - 1)
    return (before in SCALES or before in TENS) and _part(tokens, at + 1) is None


def _fits_after(tokens: list[Token], at: int, value: int) -> bool:
    before = word_at(tokens, at - 1)
    if before in TENS or (before == "-" and word_at(tokens, at - 2) in TENS):
        return 0 < value < 10
    return before in SCALES or before == "and"


def _fraction_alone(tokens: list[Token], at: int) -> Parsed | None:
    """half, a half, a quarter of, one third, ½."""
    signs = {"½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3)}
    word = word_at(tokens, at)
    if word == "half" and (then := phrase_at(tokens, at, "half", "a", "dozen")):
        return Fraction(6), then
    if word in signs:
        return signs[word], at + 1
    if word == "half":
        return Fraction(1, 2), at + 1 + (word_at(tokens, at + 1) == "of")
    if word in ("a", "an") and word_at(tokens, at + 1) in ("half", "quarter", "third", "fifth", "tenth"):
        end = at + 2
        return Fraction(1, FRACTIONS[word_at(tokens, at + 1)]), end + (word_at(tokens, end) == "of")
    if word in ("quarter",):
        return Fraction(1, 4), at + 1 + (word_at(tokens, at + 1) == "of")
    return None


_SCALED_PARTS: Final = {f"{word}ths": n for word, n in SCALES.items() if not word.endswith("s")}


def _part(tokens: list[Token], at: int) -> Parsed | None:
    """three fifths, fifty-four hundredths: less than one."""
    upper = (Fraction(1), at + 1) if word_at(tokens, at) in ("a", "an") else words_at(tokens, at)
    if upper is None or upper[0] != int(upper[0]):
        return None
    then = upper[1] + (word_at(tokens, upper[1]) == "-")
    word = word_at(tokens, then)
    lower = FRACTIONS.get(word) or _SCALED_PARTS.get(word)
    if not lower or not 0 < upper[0] < lower or word.endswith("s") != (upper[0] != 1):
        return None
    return upper[0] / lower, then + 1


def _fraction_of_scale(tokens: list[Token], at: int) -> Parsed | None:
    """a half, a quarter, five ninths."""
    for words, part in ((("a", "half"), Fraction(1, 2)), (("a", "quarter"), Fraction(1, 4))):
        if then := phrase_at(tokens, at, *words):
            return part, then
    return _part(tokens, at)


def _compound_parts(tokens: list[Token], value: Fraction, end: int) -> Parsed | None:
    """one hundred thirty-fifths is 100/35: the tens belong to the denominator where something stands before them."""
    then = end + (word_at(tokens, end) == "-")
    word = word_at(tokens, then)
    ones = FRACTIONS.get(word, 0)
    tens = TENS.get(word_at(tokens, end - 1), 0)
    if not (3 <= ones < 10 and tens) or value == tens or value != int(value) or value % 100 < tens:
        return None
    upper = value - tens
    return (upper / (tens + ones), then + 1) if upper > 0 and word.endswith("s") == (upper != 1) else None


def _compound_denominator(tokens: list[Token], value: Fraction, end: int) -> Parsed | None:
    """twenty twenty-fifths is 20/25."""
    tens = TENS.get(word_at(tokens, end), 0)
    then = end + 1 + (word_at(tokens, end + 1) == "-")
    word = word_at(tokens, then)
    ones = FRACTIONS.get(word, 0)
    if not (tens and 3 <= ones < 10) or value != int(value) or word.endswith("s") != (value != 1):
        return None
    return value / (tens + ones), then + 1


def _and_fraction(tokens: list[Token], value: Fraction, end: int) -> Parsed:
    """two and a half; five ½; three quarters; one third."""
    scale = SCALES.get(word_at(tokens, end - 1), 0)
    if scale >= 10**6 and word_at(tokens, end) == "and" and (some := _fraction_of_scale(tokens, end + 1)):
        small = SCALES.get(word_at(tokens, some[1]), 0)  # one billion and a half million; 3 million and a quarter
        return value + some[0] * (small or scale), some[1] + (small > 0)
    if word_at(tokens, end) == "and" and value == int(value) and (less := _part(tokens, end + 1)):
        return value + less[0], less[1]
    for words, part in (
        (("and", "a", "half"), Fraction(1, 2)),
        (("and", "half"), Fraction(1, 2)),
        (("and", "a", "quarter"), Fraction(1, 4)),
        (("and", "quarter"), Fraction(1, 4)),
        (("and", "three", "quarters"), Fraction(3, 4)),
        (("and", "three", "quarter"), Fraction(3, 4)),
        (("½",), Fraction(1, 2)),
        (("¼",), Fraction(1, 4)),
        (("¾",), Fraction(3, 4)),
    ):
        if then := phrase_at(tokens, end, *words):
            value += part
            if (scale := SCALES.get(word_at(tokens, then), 0)) > 100:  # two and a half million
                value, then = value * scale, then + 1
            return value, then + (word_at(tokens, then) == "of" and words[0] == "and")
    if parts := _compound_parts(tokens, value, end) or _compound_denominator(tokens, value, end):
        return parts
    at = end + (word_at(tokens, end) == "-")
    if (tiny := _SCALED_PARTS.get(word_at(tokens, at))) and value:
        return value / tiny, at + 1
    lower = FRACTIONS.get(word_at(tokens, at))
    if lower and value == int(value) and value > 0 and word_at(tokens, at) not in ("second",):
        plural = word_at(tokens, at).endswith("s")
        if plural == (value != 1):
            of = phrase_at(tokens, at + 1, "of", "a")
            if of and (scale := SCALES.get(word_at(tokens, of), 0)) >= 1000:  # two thirds of a million
                return value / lower * scale, of + 1
            return value / lower, at + 1
    return value, end
