"""Recovery codes: 128 random bits as 28 characters to print or write down, with a check against slips of the pen."""

from __future__ import annotations

import hashlib
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread
_CHARS: Final = 28  # 128 bits of secret and 12 of check


def to_text(secret: bytes) -> str:
    """16 bytes as `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`."""
    bits = int.from_bytes(secret, "big") << 12 | _check(secret)
    chars = [_ALPHABET[bits >> 5 * at & 31] for at in reversed(range(_CHARS))]
    return "-".join("".join(chars[at : at + 4]) for at in range(0, _CHARS, 4))


def from_text(typed: str) -> bytes | None:
    """The 16 bytes, however the code was typed; None if it is not one or a character is wrong."""
    compact = "".join(c for c in typed.upper() if c not in "- \t").translate(str.maketrans("OIL", "011"))
    if len(compact) != _CHARS or any(c not in _ALPHABET for c in compact):
        return None
    bits = 0
    for char in compact:
        bits = bits << 5 | _ALPHABET.index(char)
    secret = (bits >> 12).to_bytes(16, "big")
    return secret if bits & 0xFFF == _check(secret) else None


def _check(secret: bytes) -> int:
    return int.from_bytes(hashlib.sha256(secret).digest()[:2], "big") >> 4
