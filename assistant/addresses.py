"""Which addresses a home may have. Standard library only: the stub asks before the lock."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

LOOK_ONLY: Final = "?"  # in the place of a certificate's fingerprint: none is trusted yet, and nothing is sent
_PLACE: Final = re.compile(r"(?:(https?)://)?(?:\[([^\]]+)\]|([^:/]+))(?::(\d{1,5}))?/*", re.IGNORECASE)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


def own_network(address: str) -> bool:
    """Whether it is an IP address of this machine or a private network. Names are refused: they would need DNS."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (parsed.is_private or parsed.is_link_local or parsed.is_loopback) and not parsed.is_unspecified


def place(text: str) -> tuple[str, int, bool] | None:
    """(address, port or 0, whether by https) of "192.168.1.20", "https://[fd00::1]:8123"; None for another network."""
    match = _PLACE.fullmatch(text.strip())
    address, port, https = text.strip(), 0, False
    if match:
        address, port, https = match[2] or match[3], int(match[4] or 0), (match[1] or "").casefold() == "https"
    return (address, port, https) if own_network(address) and port < 65536 else None


def is_fingerprint(text: str) -> bool:
    """Whether it is a SHA-256 in small hex digits."""
    return _FINGERPRINT.fullmatch(text) is not None


def spelled(fingerprint: str) -> str:
    """As certificates' fingerprints are shown: "AB:CD:..."."""
    return ":".join(fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2)).upper()
