"""Powers in digits."""

from __future__ import annotations

from fractions import Fraction

from assistant.quantities.tokens import Token, word_at

Parsed = tuple[Fraction, int]


def power_at(tokens: list[Token], at: int) -> Parsed | None:
    """2^10, -1.1^+23, 12.3e+14: a sign in front belongs to the result."""
    negative = word_at(tokens, at) in ("-", "−") and at + 1 < len(tokens) and tokens[at + 1].glued
    start = at + negative
    if start >= len(tokens) or not tokens[start].is_number:
        return None
    base, sign = Fraction(tokens[start].word.replace(",", "")), word_at(tokens, start + 1)
    if sign not in ("^", "e", "x") or not tokens[start + 1].glued:
        return None
    then = start + 2
    if sign == "x":  # 6.23x10^-4
        scaled = power_at(tokens, then)
        return (base * scaled[0] * (-1 if negative else 1), scaled[1]) if scaled else None
    down = word_at(tokens, then) == "-"
    then += word_at(tokens, then) in ("-", "+")
    exponent = word_at(tokens, then)
    if not exponent.isdecimal() or len(exponent) > 3 or (down and not base and sign == "^"):
        return None
    n = -int(exponent) if down else int(exponent)
    value = base**n if sign == "^" else base * Fraction(10) ** n
    return (-value if negative else value), then + 1
