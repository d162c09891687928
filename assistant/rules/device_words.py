"""Which devices of the home the words of a request mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from assistant.home.model import key
from assistant.home.states import targets
from assistant.rules.follow_up import WHERE
from assistant.rules.slots import Vocabulary
from assistant.rules.table import plain
from assistant.tools import Surroundings
from assistant.tools.calls import Call

One = Callable[[str], list[Call]]


def as_meant_here(call: Call, text: str, surroundings: Surroundings) -> Call:
    """What a sentence of the templates means with the devices of this home."""
    for meant in (other_way, as_level, as_warmth):
        call = meant(call, text, surroundings)
    return call


def is_here(call: Call, surroundings: Surroundings) -> bool:
    """Whether this home has a device or a room of that name."""
    known = {key(n) for names in Vocabulary.of(surroundings.home()).mapping().values() for n in names}
    told = [str(call.arguments.get(k) or "") for k in ("name", "area")]
    return all(key(name) in known for name in told if name)


def other_way(call: Call, text: str, surroundings: Surroundings) -> Call:
    """ "Open the front door", where that is a lock, is to unlock it: what turns a cover on turns a lock off."""
    verb = re.match(r"(open|close|shut)\b", plain(text), re.IGNORECASE)
    if verb is None or call.tool not in ("home.turn_on", "home.turn_off"):
        return call
    where = {k: v for k, v in call.arguments.items() if k in WHERE}
    if moves(where, surroundings) != {"lock"}:
        return call
    return replace(call, tool="home.turn_off" if verb[1].casefold() == "open" else "home.turn_on")


def as_level(call: Call, text: str, surroundings: Surroundings) -> Call:
    """ "Set the fan to 3" is its third speed, not 3 %; a number above its speeds is asked about."""
    number = call.arguments.get("percentage")
    if call.tool != "home.fan_speed" or not isinstance(number, (int, float)) or not 0 < number <= MAX_LEVEL:
        return call
    if re.search(r"%|percent|prozent|百分", text, re.IGNORECASE):
        return call
    found = targets(surroundings.home(), "HassFanSetSpeed", {k: v for k, v in call.arguments.items() if k in WHERE})
    step = next((float(e.attributes["percentage_step"]) for e in found if e.attributes.get("percentage_step")), 100 / 3)
    others = {k: v for k, v in call.arguments.items() if k != "percentage"}
    level = {"percentage": float(round(number * step))} if number * step < 101 else {}
    return replace(call, arguments={**others, **level})


MAX_LEVEL: Final = 10


def as_warmth(call: Call, text: str, surroundings: Surroundings) -> Call:
    """ "Set the bedroom to 22" is how warm it shall be, where it has a thermostat; of its lights one says percent."""
    number, area = call.arguments.get("brightness"), call.arguments.get("area")
    if call.tool != "home.light" or not area or not isinstance(number, (int, float)) or number not in _ROOM_DEGREES:
        return call
    if call.arguments.get("name") or re.search(r"%|percent|bright|light|lamp|dim", text, re.IGNORECASE):
        return call
    if not targets(surroundings.home(), "HassClimateSetTemperature", {"area": area}):
        return call
    return replace(call, tool="home.temperature", arguments={"area": area, "temperature": float(number)})


_ROOM_DEGREES: Final = range(15, 29)


def of_garage(text: str, surroundings: Surroundings) -> list[Call]:
    """ "Open the garage" means its door, where this home has one."""
    match = re.fullmatch(r"(?:(open)|close|shut)(?: up)? (?:the |my |our )?garage", plain(text), re.IGNORECASE)
    doors = {"domain": "cover", "device_class": "garage"}
    if match is None or not targets(surroundings.home(), "HassTurnOn", doors):
        return []
    return [Call("home.turn_on" if match[1] else "home.turn_off", doors, source="rules")]


def where_of(words: str, one: One) -> dict[str, Any]:
    """Which devices words mean."""
    for verb in ("turn on", "open"):
        found = one(f"{verb} the {words}")
        if found and found[0].tool == "home.turn_on" and found[0].source.startswith("Hass"):
            return {k: v for k, v in found[0].arguments.items() if k in (*WHERE, "one")}
    return {}


def device_of(words: str, surroundings: Surroundings) -> dict[str, Any]:
    """The device of exactly this name."""
    wanted = key(words)
    found = [e for e in surroundings.home().entities if wanted in map(key, (e.name, *e.aliases))]
    return {"name": found[0].name} if found else {}


def moves(where: dict[str, Any], surroundings: Surroundings) -> set[str]:
    """What "on" does to these devices: it switches most, opens covers and locks locks, which one verb cannot mean."""
    domains = {e.domain for e in targets(surroundings.home(), "HassTurnOn", where)}
    return {d if d in _MOVED else "switched" for d in domains}


_MOVED: Final = frozenset({"lock", "cover", "valve", "scene", "script", "vacuum", "lawn_mower"})


def room_of(words: str, surroundings: Surroundings) -> dict[str, Any]:
    home = surroundings.home()
    if area := home.area_named(words):
        return {"area": area.name}
    floor = home.floor_named(words)
    return {"floor": floor.name} if floor else {}


def stands(call: Call, surroundings: Surroundings) -> bool:
    """Whether a device that is named stands in the room that is named with it; of other calls nothing is said."""
    named = {k: v for k, v in call.arguments.items() if k in ("name", "area", "floor")}
    return "name" not in named or len(named) == 1 or bool(targets(surroundings.home(), "", named))
