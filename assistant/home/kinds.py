"""The words that name a kind of device: "lights", "blinds"."""

from __future__ import annotations

from typing import Final

DOMAINS: Final = {"light": "light lights lamp lamps lighting", "fan": "fan fans", "cover": "cover covers",
"switch": "switches",
                   "lock": "locks"}  # fmt: skip
CLASSES: Final = {"curtain": "curtain curtains drapes", "blind": "blind blinds", "shade": "shade shades",
"garage": "garage",
                   "shutter": "shutter shutters", "window": "window windows", "awning": "awning awnings",
                   "gate": "gate gates",
                   "door": "door doors"}  # fmt: skip


def kind_of(words: str) -> dict[str, str]:
    """The kind of device that words such as "lights" or "blinds" name, as slots; none if they name none."""
    for domain, names in DOMAINS.items():
        if words in names.split():
            return {"domain": domain}
    for device_class, names in CLASSES.items():
        if words in names.split():
            return {"device_class": device_class}
    return {}
