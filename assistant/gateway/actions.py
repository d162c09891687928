"""Which service of Home Assistant each action is, and how a device that changed becomes actions. Pure data.

The tables say all that can ever be asked of a home: no service, no key and no text but these leaves the gateway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from assistant.gateway.messages import Act, Action
from assistant.home.model import Entity


class Refused(Exception):
    """An action that the tables do not know for this device, or a value out of range."""


@dataclass(frozen=True, slots=True)
class _Service:
    """A service, the key of its value, and what the value must be: a range, a pattern or (for no value) None."""

    name: str
    key: str = ""
    allowed: tuple[float, float] | str | bool | None = None


_WORD: Final = r"[\w -]{1,40}"
_BYTE: Final = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_RGB: Final = rf"{_BYTE},{_BYTE},{_BYTE}"
_TURN: Final[dict[Action, _Service]] = {"on": _Service("turn_on"), "off": _Service("turn_off")}
_OPEN: Final[dict[Action, _Service]] = {
    "open": _Service("open_{}"), "close": _Service("close_{}"),
    "position": _Service("set_{}_position", "position", (0, 100)),
}  # fmt: skip
SERVICES: Final[dict[str, dict[Action, _Service]]] = {
    "light": _TURN | {
        "brightness": _Service("turn_on", "brightness_pct", (0, 100)),
        "colour": _Service("turn_on", "color_name", _WORD),
        "kelvin": _Service("turn_on", "color_temp_kelvin", (1000, 12000)),
        "rgb": _Service("turn_on", "rgb_color", _RGB),
    },
    **dict.fromkeys(("switch", "input_boolean", "humidifier", "remote", "siren", "script", "automation", "camera"),
                    _TURN),
    "scene": {"on": _Service("turn_on")},
    "fan": _TURN | {"speed": _Service("set_percentage", "percentage", (0, 100))},
    "cover": _OPEN,
    "valve": _OPEN,
    "lock": {"lock": _Service("lock"), "unlock": _Service("unlock")},
    "climate": {
        "hvac_mode": _Service("set_hvac_mode", "hvac_mode", _WORD),
        "temperature": _Service("set_temperature", "temperature", (5, 100)),
        "fan_mode": _Service("set_fan_mode", "fan_mode", _WORD),
    },
    "water_heater": _TURN | {"temperature": _Service("set_temperature", "temperature", (5, 100))},
    "media_player": _TURN | {
        "volume": _Service("volume_set", "volume_level", (0, 1)),
        "mute": _Service("volume_mute", "is_volume_muted", True),
        "unmute": _Service("volume_mute", "is_volume_muted", False),
        "pause": _Service("media_pause"), "resume": _Service("media_play"),
        "next": _Service("media_next_track"), "previous": _Service("media_previous_track"),
    },
    "vacuum": {"start": _Service("start"), "dock": _Service("return_to_base")},
    "lawn_mower": {"start": _Service("start_mowing"), "dock": _Service("dock")},
}  # fmt: skip


def service_call(act: Act) -> tuple[str, str, dict[str, Any]]:
    """Domain, service and data of an action. Raises Refused."""
    domain = act.entity.partition(".")[0]
    service = SERVICES.get(domain, {}).get(act.action)
    if service is None:
        raise Refused(f"{act.action} is nothing that a {domain} does")
    return domain, service.name.format(domain), {service.key: _value(service, act)} if service.key else {}


def _value(service: _Service, act: Act) -> Any:
    if isinstance(service.allowed, bool):
        return service.allowed
    if isinstance(service.allowed, tuple):
        low, high = service.allowed
        if isinstance(act.value, (int, float)) and low <= act.value <= high:
            return act.value
    elif isinstance(service.allowed, str) and isinstance(act.value, str) and re.fullmatch(service.allowed, act.value):
        return [int(part) for part in act.value.split(",")] if service.allowed == _RGB else act.value
    raise Refused(f"{act.action} cannot be {str(act.value)[:40]!r}")


_BY_ATTRIBUTE: Final[tuple[tuple[str, str, Action], ...]] = (
    ("light", "color", "colour"),
    ("light", "color_temp_kelvin", "kelvin"),
    ("fan", "percentage", "speed"),
    ("cover", "current_position", "position"),
    ("valve", "current_position", "position"),
    ("climate", "temperature", "temperature"),
    ("water_heater", "temperature", "temperature"),
    ("climate", "fan_mode", "fan_mode"),
    ("media_player", "volume_level", "volume"),
)
_BY_STATE: Final[dict[tuple[str, str], Action]] = {
    ("cover", "open"): "open", ("cover", "closed"): "close", ("valve", "open"): "open", ("valve", "closed"): "close",
    ("lock", "locked"): "lock", ("lock", "unlocked"): "unlock",
    ("media_player", "paused"): "pause", ("media_player", "playing"): "resume",
    ("vacuum", "cleaning"): "start", ("vacuum", "returning"): "dock",
    ("lawn_mower", "mowing"): "start", ("lawn_mower", "returning"): "dock", ("scene", "active"): "on",
}  # fmt: skip


def actions_for(before: Entity, after: Entity) -> list[Act]:
    """What to ask of the real device, so that it becomes what the simulated one became.

    Raises Refused for a change that no action makes, such as playing what was searched for.
    """
    domain, found = after.domain, list[Act]()

    def act(action: Action, value: float | str | None = None) -> None:
        found.append(Act(after.id, action, value))

    if "media_title" in _changed(before, after) or "cleaning_area" in _changed(before, after):
        raise Refused("that is not possible with real devices yet")
    if "brightness" in _changed(before, after) and after.state == "on" and after.attributes["brightness"] is not None:
        act("brightness", round(float(after.attributes["brightness"]) / 2.55))
    for kind, attribute, action in _BY_ATTRIBUTE:
        if domain == kind and attribute in _changed(before, after):
            act(action, after.attributes[attribute])
    if bool(after.attributes.get("is_volume_muted")) != bool(before.attributes.get("is_volume_muted")):
        found.clear()
        act("mute" if after.attributes["is_volume_muted"] else "unmute")
    track = float(after.attributes.get("media_track") or 0) - float(before.attributes.get("media_track") or 1)
    if "media_track" in _changed(before, after):
        act("next" if track >= 0 else "previous")
    whole = domain in ("cover", "valve") and after.attributes.get("current_position") in (0, 100)
    if whole or not found or after.state == "off":
        found.clear() if whole or after.state == "off" else None
        act(*_by_state(after))
    return found


def _changed(before: Entity, after: Entity) -> set[str]:
    return {k for k, v in after.attributes.items() if v != before.attributes.get(k)}


def _by_state(after: Entity) -> tuple[Action, float | str | None]:
    if (action := _BY_STATE.get((after.domain, after.state))) is not None:
        return action, None
    if after.domain == "climate":
        return "hvac_mode", after.state
    return ("off" if after.state == "off" else "on"), None
