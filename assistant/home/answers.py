"""What is said about a home's state. English; the state words are the home's own."""

from __future__ import annotations

from typing import Any, Final

from assistant.home.model import Entity, Home
from assistant.home.states import Slots, targets

MAX_NAMED: Final = 6
_CONTACTS: Final = frozenset({"door", "window", "garage_door", "opening", "lock"})
_TRUE: Final = {
    "door": "open", "window": "open", "garage_door": "open", "opening": "open", "lock": "unlocked",
    "motion": "detected",
    "occupancy": "detected", "moisture": "wet", "smoke": "detected", "battery": "low", "plug": "plugged in",
    "connectivity": "connected", "presence": "home", "battery_charging": "charging", "problem": "detected",
}  # fmt: skip
_FALSE: Final = {
    "door": "closed", "window": "closed", "garage_door": "closed", "opening": "closed", "lock": "locked",
    "moisture": "dry",
    "motion": "clear", "occupancy": "clear", "smoke": "clear", "battery": "normal", "plug": "unplugged",
    "connectivity": "disconnected", "presence": "away", "battery_charging": "not charging", "problem": "clear",
}  # fmt: skip


def state_answer(home: Home, slots: Slots, response: str = "") -> str:
    """Answer a question about states. `response` tells its kind: one, any, all, which, how_many (as in the
    templates)."""
    asked = {k: v for k, v in slots.items() if k != "state"}
    found = targets(home, "HassGetState", asked)
    if not found and "device_class" in asked:  # who asks after windows means their sensors as well as their motors
        found = targets(home, "HassGetState", {k: v for k, v in asked.items() if k != "domain"})
    if not found and asked.get("device_class") == "door":
        return _doors(home, asked, str(slots.get("state", "")))
    if not found:
        what = asked.get("name") or asked.get("device_class") or asked.get("domain") or "device"
        return f"There is no {what} like that."
    wanted = str(slots.get("state", ""))
    if not wanted:
        return " ".join(f"{e.name}: {reading(e)}." for e in found[:MAX_NAMED])
    if wanted in ("open", "closed") and all(e.domain == "lock" for e in found):
        return f"{'; '.join(f'{e.name}: {reading(e)}' for e in found[:MAX_NAMED])}. {_ONLY_LOCK}"
    yes = [e for e in found if _is(e, wanted)]
    if response in ("which", "how_many"):
        return str(len(yes)) if response == "how_many" else (_names(yes) or "None.")
    if response == "all":
        rest = [e for e in found if e not in yes]
        return "Yes." if not rest else f"No, {_names(rest)} {'is' if len(rest) == 1 else 'are'} not {wanted}."
    if len(found) == 1:
        return f"{'Yes' if yes else 'No'}, {found[0].name}: {reading(found[0])}."
    return f"Yes, {_names(yes)}." if yes else "No."


def _doors(home: Home, asked: Slots, wanted: str) -> str:
    """Where no sensor tells of a door: what the locks and the doors of garages tell, and what they do not."""
    elsewhere = {k: v for k, v in asked.items() if k not in ("device_class", "domain")}
    near = [e for e in targets(home, "HassGetState", elsewhere) if e.domain == "lock" or e.device_class in _DOORS]
    if not near:
        return "There is no door like that."
    told = "; ".join(f"{e.name}: {reading(e)}" for e in near[:MAX_NAMED])
    unknown = f" {_ONLY_LOCK}" if any(e.domain == "lock" for e in near) else ""
    moved = [e for e in near if e.domain != "lock" and _is(e, wanted)]
    known = f"Yes, {_names(moved)}. " if wanted == "open" and moved else ""
    return f"{known}{told}.{unknown}"


_ONLY_LOCK: Final = "A lock does not tell whether its door is open."
_DOORS: Final = frozenset({"garage", "garage_door", "gate", "opening"})


def temperature_answer(home: Home, slots: Slots) -> str:
    """The temperature where asked, else of the first thermometer."""
    found = targets(home, "HassClimateGetTemperature", slots)
    for entity in found:
        if entity.domain == "climate" and "current_temperature" in entity.attributes:
            return f"{entity.name}: {entity.attributes['current_temperature']} degrees."
        if entity.device_class == "temperature":
            return f"{entity.name}: {reading(entity)}."
    return "No thermometer or thermostat like that in this home."


def reading(entity: Entity) -> str:
    """A device's state for people."""
    if entity.domain == "binary_sensor":
        words = _TRUE if entity.state == "on" else _FALSE
        return words.get(entity.device_class, entity.state)
    unit = entity.attributes.get("unit_of_measurement") or entity.attributes.get("native_unit_of_measurement") or ""
    details = []
    for attribute, name, scale in _DETAILS.get(entity.domain, ()):
        value = entity.attributes.get(attribute)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            details.append(f"{name} {round(value * scale)} %" if name != "set to" else f"set to {value:g} degrees")
    if entity.domain == "light" and (colour := entity.attributes.get("color")):
        details.append(str(colour))
    state = entity.state or str(entity.attributes.get("native_value", "")) or "unknown"
    return f"{state} {unit}".strip() + (f" ({', '.join(details)})" if details and state != "off" else "")


_DETAILS: Final[dict[str, tuple[tuple[str, str, float], ...]]] = {
    "light": (("brightness", "brightness", 100 / 255),),
    "fan": (("percentage", "speed", 1),),
    "cover": (("current_position", "open", 1),),
    "media_player": (("volume_level", "volume", 100),),
    "climate": (("temperature", "set to", 1),),
}


def _is(entity: Entity, wanted: Any) -> bool:
    actual = entity.state.casefold()
    if entity.domain == "binary_sensor" and wanted not in ("on", "off"):
        return reading(entity).casefold() == str(wanted).casefold()
    if entity.domain in _ON_IN_MANY_WAYS and wanted in ("on", "off"):
        return (actual not in _NOT_ON) is (str(wanted) == "on")
    return actual == str(wanted).casefold()


_ON_IN_MANY_WAYS: Final = frozenset({"media_player", "climate", "water_heater"})  # playing, paused; heat, cool
_NOT_ON: Final = frozenset({"off", "standby", "unavailable", "unknown"})


def _names(entities: list[Entity]) -> str:
    names = [e.name for e in entities]
    rest = len(names) - MAX_NAMED
    shown = names[:MAX_NAMED] + ([f"{rest} more"] if rest > 0 else [])
    return ", ".join(shown[:-1]) + (" and " if len(shown) > 1 else "") + shown[-1] if shown else ""
