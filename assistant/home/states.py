"""What a command does to a home: which devices are meant, and how their state changes. Pure: a home in, changes out.

States and attributes follow Home Assistant's: a light's `brightness` is 0 to 255, a cover's `current_position` and a
fan's `percentage` 0 to 100, a player's `volume_level` 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from assistant.home.model import Entity, Home, key

Slots = Mapping[str, Any]
Change = Callable[[Entity, Slots], Entity | None]  # None: this device cannot do that

VOLUME_STEP: Final = 0.1
BRIGHTNESS_MAX: Final = 255
_DEFAULT_DOMAINS: Final = {
    "HassLightSet": ("light",),
    "HassFanSetSpeed": ("fan",),
    "HassClimateSetTemperature": ("climate", "water_heater"),
    "HassClimateSetFanMode": ("climate",),
    "HassClimateGetTemperature": ("climate", "sensor"),
    "HassSetPosition": ("cover", "valve"),
    "HassSetVolume": ("media_player",),
    "HassSetVolumeRelative": ("media_player",),
    "HassMediaPause": ("media_player",),
    "HassMediaSearchAndPlay": ("media_player",),
    "HassMediaUnpause": ("media_player",),
    "HassMediaNext": ("media_player",),
    "HassMediaPrevious": ("media_player",),
    "HassMediaPlayerMute": ("media_player",),
    "HassMediaPlayerUnmute": ("media_player",),
    "HassVacuumStart": ("vacuum",),
    "HassVacuumCleanArea": ("vacuum",),
    "HassVacuumReturnToBase": ("vacuum",),
    "HassLawnMowerStartMowing": ("lawn_mower",),
    "HassLawnMowerDock": ("lawn_mower",),
    "HassGetWeather": ("weather",),
}
_PLAYING: Final = frozenset({"HassMediaPause", "HassMediaNext", "HassMediaPrevious", "HassSetVolume",
                             "HassSetVolumeRelative", "HassMediaPlayerMute"})  # fmt: skip
_SWITCHED: Final = frozenset({"light", "switch", "fan", "input_boolean", "humidifier", "siren", "remote", "automation",
                              "media_player", "climate", "water_heater", "camera"})  # fmt: skip


_BLINDS: Final = ("blind", "shutter", "shade")  # few people tell them apart: one stands for another that is not there


def targets(home: Home, intent: str, slots: Slots) -> list[Entity]:
    """The devices a command is about: by name, else by area, floor, kind and class."""
    found = [e for e in home.entities if _fits(home, e, slots)]
    if not found and _listed(slots.get("device_class", ""))[0] in _BLINDS:
        found = [e for e in home.entities if _fits(home, e, {**slots, "device_class": _BLINDS})]
    if domains := _DEFAULT_DOMAINS.get(intent):
        if intent != "HassVacuumCleanArea":
            found = [e for e in found if e.domain in domains]
        else:  # the area is where to clean, not where the robot stands
            found = [e for e in home.entities if e.domain == "vacuum" and _named(e, slots)]
    elif intent in ("HassTurnOn", "HassTurnOff"):
        found = [e for e in found if e.domain in _TURN]
    if intent in _PLAYING and "name" not in slots:
        found = [e for e in found if e.state not in ("off", "unavailable")] or found
    if intent == "HassMediaUnpause" and "name" not in slots:  # what is off was not playing
        found = [e for e in found if e.state == "paused"] or [e for e in found if e.state != "off"] or found
    return found


def change(intent: str, entity: Entity, slots: Slots) -> Entity | None:
    """The device after the command; None if it cannot do that."""
    if intent in ("HassTurnOn", "HassTurnOff"):
        return _TURN[entity.domain](entity, intent == "HassTurnOn") if entity.domain in _TURN else None
    action = _CHANGES.get(intent)
    return action(entity, slots) if action else None


def refused(intent: str, entity: Entity, slots: Slots) -> str:
    """Why the device is not set to a value that can only be a slip, in words; "" where it is."""
    if intent == "HassClimateSetTemperature":
        low, high = _temperatures(entity)
        if not low <= _degrees(entity, slots) <= high:
            return f"{entity.name} can be set to {low:g} to {high:g} degrees, so it was left as it is."
    return ""


def _fits(home: Home, entity: Entity, slots: Slots) -> bool:
    area = home.area(entity.area_id)
    if "name" in slots and not _named(entity, slots):
        return False
    if "area" in slots and (area is None or key(str(slots["area"])) not in map(key, (area.name, *area.aliases))):
        return False
    if "floor" in slots:
        floor = home.floor_named(str(slots["floor"]))
        if floor is None or area is None or area.floor_id != floor.id:
            return False
    if "domain" in slots and entity.domain not in _listed(slots["domain"]):
        return False
    return "device_class" not in slots or entity.device_class in _listed(slots["device_class"])


def _named(entity: Entity, slots: Slots) -> bool:
    return "name" not in slots or key(str(slots["name"])) in map(key, (entity.name, *entity.aliases))


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)


def _with(entity: Entity, state: str | None = None, **attributes: Any) -> Entity:
    new = entity.state if state is None else state
    return replace(entity, state=new, attributes={**entity.attributes, **attributes})


# -- on and off ------------------------------------------------------------------------------------------------------


def _switch(entity: Entity, on: bool) -> Entity:
    if entity.domain == "fan":
        return _with(entity, "on" if on else "off", percentage=100 if on else 0)
    if entity.domain == "light":
        dark = {} if on else {k: None for k in ("brightness", "color_mode") if k in entity.attributes}
        return _with(entity, "on" if on else "off", **dark)
    if entity.domain == "climate":
        modes = [str(m) for m in entity.attributes.get("hvac_modes") or () if str(m) != "off"]
        return _with(entity, (modes[0] if modes else "heat") if on else "off")
    return _with(entity, "on" if on else "off")


def _open(entity: Entity, on: bool) -> Entity:
    return _with(entity, "open" if on else "closed", current_position=100 if on else 0)


_TURN: Final[dict[str, Callable[[Entity, bool], Entity]]] = {
    **dict.fromkeys(_SWITCHED, _switch),
    "cover": _open,
    "valve": _open,
    "lock": lambda entity, on: _with(entity, "locked" if on else "unlocked"),
    "vacuum": lambda entity, on: _with(entity, "cleaning" if on else "returning"),
    "lawn_mower": lambda entity, on: _with(entity, "mowing" if on else "returning"),
    "scene": lambda entity, on: _with(entity, "active" if on else "inactive"),
    "script": lambda entity, on: _with(entity, "on" if on else "off"),
}

# -- the other commands ----------------------------------------------------------------------------------------------


def _light(entity: Entity, slots: Slots) -> Entity | None:
    attributes: dict[str, Any] = {}
    if "brightness" in slots:
        attributes["brightness"] = int(_bounded(slots["brightness"], 0, 100) * BRIGHTNESS_MAX / 100 + 0.5)
        attributes["color_mode"] = entity.attributes.get("color_mode") or "brightness"
    if "color" in slots:
        attributes["color"] = str(slots["color"])
    if "temperature" in slots:
        attributes["color_temp_kelvin"] = int(_bounded(slots["temperature"], 1000, 12000))
    off = attributes.get("brightness") == 0
    return _with(entity, "off" if off else "on", **attributes) if attributes else None


def _position(entity: Entity, slots: Slots) -> Entity:
    position = int(_bounded(slots["position"], 0, 100))
    return _with(entity, "open" if position else "closed", current_position=position)


def _fan(entity: Entity, slots: Slots) -> Entity:
    percentage = int(_bounded(slots["percentage"], 0, 100))
    return _with(entity, "on" if percentage else "off", percentage=percentage)


def _volume(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, volume_level=round(_bounded(slots["volume_level"], 0, 100) / 100, 2), is_volume_muted=False)


def _volume_step(entity: Entity, slots: Slots) -> Entity:
    step = slots["volume_step"]
    by = {"up": VOLUME_STEP, "down": -VOLUME_STEP}.get(str(step))
    by = float(step) / 100 if by is None else by
    return _with(entity, volume_level=round(_bounded(_number(entity, "volume_level", 0.5) + by, 0, 1), 2))


def _mute(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, volume_level=0.0, is_volume_muted=True, volume_before=_number(entity, "volume_level", 0.5))


def _unmute(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, volume_level=_number(entity, "volume_before", 0.5), is_volume_muted=False)


def _track(by: int) -> Change:
    return lambda entity, slots: _with(entity, media_track=max(1, int(_number(entity, "media_track", 1)) + by))


def _to(state: str) -> Change:
    return lambda entity, slots: _with(entity, state)


def _temperature(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, temperature=_bounded(_degrees(entity, slots), *_temperatures(entity)))


def _degrees(entity: Entity, slots: Slots) -> float:
    """What was said, in the degrees of the device."""
    said = float(slots["temperature"])
    return round((said - 32) / 1.8, 1) if slots.get("fahrenheit") and not _in_fahrenheit(entity) else said


def _in_fahrenheit(entity: Entity) -> bool:
    return "F" in str(entity.attributes.get("temperature_unit", ""))


def _temperatures(entity: Entity) -> tuple[float, float]:
    """The lowest and the highest a device takes, in its own degrees: what it says of itself, else Home Assistant's
    usual range for a room; water may be hotter."""
    fahrenheit = _in_fahrenheit(entity)
    usual = (45.0, 95.0) if fahrenheit else (7.0, 35.0)
    low, high = usual if entity.domain == "climate" else (5.0, 212.0 if fahrenheit else 100.0)
    return _number(entity, "min_temp", low), _number(entity, "max_temp", high)


def _clean(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, "cleaning", cleaning_area=str(slots.get("area", "")))


def _play(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, "playing", media_title=str(slots.get("search_query", "")))


def _fan_mode(entity: Entity, slots: Slots) -> Entity:
    return _with(entity, fan_mode=str(slots.get("fan_mode", "auto")))


_CHANGES: Final[dict[str, Change]] = {
    "HassLightSet": _light,
    "HassSetPosition": _position,
    "HassFanSetSpeed": _fan,
    "HassSetVolume": _volume,
    "HassSetVolumeRelative": _volume_step,
    "HassMediaPlayerMute": _mute,
    "HassMediaPlayerUnmute": _unmute,
    "HassMediaPause": _to("paused"),
    "HassMediaSearchAndPlay": _play,
    "HassMediaUnpause": _to("playing"),
    "HassMediaNext": _track(1),
    "HassMediaPrevious": _track(-1),
    "HassClimateSetTemperature": _temperature,
    "HassClimateSetFanMode": _fan_mode,
    "HassVacuumStart": _to("cleaning"),
    "HassVacuumCleanArea": _clean,
    "HassVacuumReturnToBase": _to("returning"),
    "HassLawnMowerStartMowing": _to("mowing"),
    "HassLawnMowerDock": _to("returning"),
}


def _bounded(value: Any, low: float, high: float) -> float:
    return min(high, max(low, float(value)))


def _number(entity: Entity, attribute: str, default: float) -> float:
    try:
        return float(entity.attributes.get(attribute, default))
    except (TypeError, ValueError):
        return default
