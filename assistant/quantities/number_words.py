"""The words numbers are made of."""

from __future__ import annotations

from typing import Final

ONES: Final = {
    w: n
    for n, w in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}


ONES["naught"] = ONES["nought"] = 0
TENS: Final = {
    w: 10 * n
    for n, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)
} | {"fourty": 40}


SCALES: Final = {
    "hundred": 100, "thousand": 1_000, "lakh": 100_000, "million": 10**6, "crore": 10**7, "billion": 10**9,
    "trillion": 10**12, "hundreds": 100, "thousands": 1_000, "millions": 10**6, "billions": 10**9, "trillions": 10**12,
    "mln": 10**6, "bn": 10**9, "lakhs": 100_000, "crores": 10**7,
}  # fmt: skip


SUFFIXES: Final = {"k": 10**3, "m": 10**6, "mil": 10**6, "g": 10**9, "b": 10**9, "bn": 10**9, "t": 10**12}


COLLECTIVES: Final = {"dozen": 12, "dozens": 12, "couple": 2, "pair": 2, "pairs": 2, "gross": 144, "score": 20}


_FIRST: Final = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)


ORDINALS: Final = {w: n for n, w in enumerate(_FIRST.split())} | {
    w: 10 * n
    for n, w in enumerate(["twentieth", "thirtieth", "fortieth", "fiftieth", "sixtieth", "seventieth", "eightieth",
    "ninetieth"], 2)
} | {"hundredth": 100, "thousandth": 1000, "millionth": 10**6, "billionth": 10**9, "trillionth": 10**12}  # fmt: skip


FRACTIONS: Final = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4, "third": 3, "thirds": 3} | {
    f"{w}{s}": n for w, n in ORDINALS.items() if n > 2 for s in ("", "s")
}
