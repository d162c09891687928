"""Which addresses a home may have. Standard library only: the stub asks before the lock."""

from __future__ import annotations

import ipaddress


def own_network(address: str) -> bool:
    """Whether it is an IP address of this machine or a private network. Names are refused: they would need DNS."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (parsed.is_private or parsed.is_link_local or parsed.is_loopback) and not parsed.is_unspecified
