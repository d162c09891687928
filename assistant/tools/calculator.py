"""A calculator: exact fractions, a parser of our own, bounded size. Understands "15% of 230" and "square root of 2".

Not covered: symbols, equations, complex numbers. What is no fraction (roots, pi) is computed to 30 digits and rounded.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Annotated, Final

import msgspec

from assistant.quantities.numbers import number_at
from assistant.quantities.tokens import Token, tokenise, word_at
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, read_only

MAX_DIGITS: Final = 2_000
MAX_DEPTH: Final = 60
_PRECISION: Final = 30
_SHOWN_DIGITS: Final = 12
_PI: Final = Fraction("3.14159265358979323846264338327950288")
_E: Final = Fraction("2.71828182845904523536028747135266250")


class Sum(msgspec.Struct, frozen=True):
    """`expression` in digits and signs or in words."""

    expression: Annotated[str, msgspec.Meta(max_length=500)] = ""


_WORDS: Final = (  # longest first; rewritten to signs before parsing
    (r"\bto the power of\b|\braised to(?: the)?\b|\*\*", "^"),
    (r"\bdivided by\b|\bover\b|÷|∕", "/"),
    (r"\bmultiplied by\b|\btimes\b|×|·|\bx(?=\s*[\d(])|(?<=[\d)])\s*\*\s*", "*"),
    (r"\bplus\b|\badded to\b", "+"),
    (r"\bminus\b|\bless\b|–|−", "-"),
    (r"\bmod(?:ulo)?\b", "mod"),
    (r"\bcube root of\b", "cbrt "),
    (r"\bsquare root of\b|\broot of\b|√", "sqrt "),
    (r"\bsquared\b", "^2"),
    (r"\bcubed\b", "^3"),
    (r"\bper ?cent\b", "%"),
    (r"\bfactorial\b", "!"),
)
_FUNCTIONS: Final = ("sqrt", "cbrt")
_OPERATION: Final = re.compile(
    r"[-+*/^!×÷√]|% ?of|\b(?:plus|minus|times|divided|over|root|sqrt|squared|cubed|percent of|power|mod|less|"
    r"multiplied|factorial)\b",
    re.IGNORECASE,
)


class ByZero(ToolError):
    """A sum that divides by zero."""


def evaluate(text: str) -> Fraction:
    """The value of an expression. Raises ToolError for one that is none, is too large, or divides by zero."""
    for pattern, sign in _WORDS:
        text = re.sub(pattern, f" {sign} " if sign not in ("^2", "^3", "!", "%") else sign, text, flags=re.IGNORECASE)
    tokens = tokenise(text)
    if not tokens:
        raise ToolError("there is nothing to calculate")
    parser = _Parser(tokens)
    value = parser.sum()
    if parser.at < len(tokens):
        raise ToolError(f"I cannot calculate {text.strip()!r}: {tokens[parser.at].word!r} does not fit there")
    return value


def calculates(text: str) -> bool:
    """Whether a text is an expression with something to do: at least one operation."""
    try:
        evaluate(text)
    except ByZero:  # it is a sum all the same, and the answer says what is wrong with it
        pass
    except ToolError:
        return False
    return bool(_OPERATION.search(text.strip().lstrip("-")))


def shown(value: Fraction) -> str:
    """The exact value if it is a short decimal, else rounded and marked so."""
    if value.denominator == 1:
        return f"{value.numerator:,}" if abs(value.numerator) < 10**15 else str(value.numerator)
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    with localcontext() as context:
        context.prec = 60
        decimal = Decimal(value.numerator) / Decimal(value.denominator)
        if denominator == 1 and len(text := f"{decimal:f}".rstrip("0")) <= 20:
            whole, _, part = text.partition(".")
            return f"{int(whole):,}.{part}" if int(whole) else text
        context.prec = _SHOWN_DIGITS
        rounded = +decimal
        text = f"{rounded:f}" if -6 < rounded.adjusted() < 15 else f"{rounded}"
    if "." in text and "E" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} (rounded)" if Fraction(text) != value else text


class _Parser:
    """sum := product (+|- product)*; product := power (*|/|mod power)*; power := unary (^ power)?; with x% of y."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self.at, self._depth = tokens, 0, 0

    def sum(self) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ToolError("that is nested too deeply")
        value = self._product()
        while (sign := self._next()) in ("+", "-"):
            self.at += 1
            term, percent = self._product(), self._last_was_percent()
            term = value * term if percent else term  # 200 + 10 %
            value = self._bounded(value + term if sign == "+" else value - term)
        self._depth -= 1
        return value

    def _product(self) -> Fraction:
        value = self._power()
        while (sign := self._next()) in ("*", "/", "mod", "of"):
            self.at += 1
            factor = self._power()
            if sign in ("/", "mod") and not factor:
                raise ByZero("that divides by zero")
            value = self._bounded(
                value * factor if sign in ("*", "of") else value / factor if sign == "/" else value % factor
            )
        return value

    def _power(self) -> Fraction:
        value = self._unary()
        if self._next() != "^":
            return value
        self.at += 1
        return self._bounded(_raised(value, self._power()))

    def _unary(self) -> Fraction:
        sign = self._next()
        if sign in ("-", "+"):
            self.at += 1
            value = self._power()  # -2^2 is -4
            return -value if sign == "-" else value
        return self._postfix(self._atom())

    def _postfix(self, value: Fraction) -> Fraction:
        while self._next() in ("%", "!"):
            if self._next() == "%":
                value /= 100
            else:
                if value.denominator != 1 or not 0 <= value <= 500:
                    raise ToolError("a factorial needs a whole number from 0 to 500")
                value = Fraction(math.factorial(int(value)))
            self.at += 1
        return value

    def _atom(self) -> Fraction:
        word = self._next()
        if word == "(":
            self.at += 1
            value = self.sum()
            if self._next() != ")":
                raise ToolError("a bracket is not closed")
            self.at += 1
            return value
        if word in _FUNCTIONS:
            self.at += 1
            return _root(self._unary(), 2 if word == "sqrt" else 3)
        if word in ("the", "what", "is"):
            self.at += 1
            return self._atom()
        if word in ("pi", "π", "e"):
            self.at += 1
            return _PI if word != "e" else _E
        number = number_at(self._whole(), self.at) if word not in ("-", "+") else None
        if number is None:
            raise ToolError(f"I cannot calculate that: {word!r} is no number" if word else "the calculation breaks off")
        self.at = number[1]
        return number[0]

    def _whole(self) -> list[Token]:
        """1/2 is a division here, not one number: cut the tokens before a slash."""
        end = next((i for i in range(self.at, len(self._tokens)) if self._tokens[i].word == "/"), len(self._tokens))
        return self._tokens[:end]

    def _next(self) -> str:
        return word_at(self._tokens, self.at)

    def _last_was_percent(self) -> bool:
        return word_at(self._tokens, self.at - 1) == "%"

    def _bounded(self, value: Fraction) -> Fraction:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_DIGITS * 3.33:
            raise ToolError(f"the result has more than {MAX_DIGITS} digits")
        return value


def _raised(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1:
        if abs(exponent) * max(base.numerator.bit_length(), base.denominator.bit_length(), 1) > MAX_DIGITS * 3.33:
            raise ToolError(f"the result has more than {MAX_DIGITS} digits")
        if not base and exponent < 0:
            raise ByZero("that divides by zero")
        return base ** int(exponent)
    if base < 0:
        raise ToolError("a root of a negative number is not real")
    return _decimal_power(base, exponent)


def _root(value: Fraction, degree: int) -> Fraction:
    """Exact for perfect powers."""
    if value < 0:
        if degree % 2 == 0:
            raise ToolError("a root of a negative number is not real")
        return -_root(-value, degree)
    upper, lower = _whole_root(value.numerator, degree), _whole_root(value.denominator, degree)
    if upper is not None and lower is not None:
        return Fraction(upper, lower)
    return _decimal_power(value, Fraction(1, degree))


def _whole_root(value: int, degree: int) -> int | None:
    guess = math.isqrt(value) if degree == 2 else round(value ** (1 / degree)) if value < 2**1000 else 0
    return next((g for g in (guess - 1, guess, guess + 1) if g >= 0 and g**degree == value), None)


def _decimal_power(base: Fraction, exponent: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = _PRECISION
        value = Decimal(base.numerator) / Decimal(base.denominator)
        power = Decimal(exponent.numerator) / Decimal(exponent.denominator)
        if not value:
            return Fraction(0)
        if abs(value.adjusted() * power) > MAX_DIGITS:
            raise ToolError(f"the result has more than {MAX_DIGITS} digits")
        return Fraction(value**power)


def run(arguments: Sum, surroundings: Surroundings) -> Outcome:
    if not arguments.expression.strip():
        raise Missing("expression", "What shall I calculate?")
    value = evaluate(arguments.expression)
    text = shown(value)
    return Outcome(f"{arguments.expression.strip()} = {text}", {"value": text.removesuffix(" (rounded)")})


TOOLS: Final = (
    Tool("calculator", "calculate", Sum, run, read_only, ("what is 17 times 23", "15% of 80")),
)  # fmt: skip
