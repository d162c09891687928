"""A bit more or less than now: brighter, warmer, faster, louder. What it comes to depends on the device's state."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from assistant.home.answers import reading
from assistant.home.model import Entity, Home
from assistant.home.states import BRIGHTNESS_MAX, change
from assistant.tools import Level, Missing, Outcome, Surroundings, Tool, ToolError
from assistant.tools.home_tools import MAX_ASKED, MAX_NAMED, Where, Words, meant, slots_of

# what changes -> the devices that have it, how much a step is
KINDS: Final[dict[str, tuple[tuple[str, ...], float]]] = {
    "brightness": (("light",), 20.0),  # percent
    "temperature": (("climate", "water_heater"), 1.0),  # degrees
    "speed": (("fan",), 25.0),  # percent
    "volume": (("media_player",), 10.0),  # percent
    "position": (("cover", "valve"), 25.0),  # percent open
}
LEAST_BRIGHT: Final = 5.0  # percent: dimming does not switch off
_OURS: Final = frozenset({"quantity", "up", "by"})


class Step(Where, frozen=True, kw_only=True, omit_defaults=True):
    """`quantity`: a key of KINDS, or "" for what each device has. `by`: degrees or percent, 0 for a usual step."""

    quantity: Words = ""
    up: bool = True
    by: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0


def step(arguments: Step, surroundings: Surroundings) -> Outcome:
    """Raises Missing where several fit and one was meant, ToolError where none does."""
    found = _chosen(arguments, surroundings.home())
    if not found:
        raise ToolError(f"There is nothing there whose {arguments.quantity or 'setting'} I could change.")
    changes = {e.id: after for e in found if (after := stepped_to(e, arguments.up, arguments.by)) is not None}
    if not changes:
        off = ", ".join(e.name for e in found[:MAX_NAMED])
        raise ToolError(f"{off} {'is' if len(found) == 1 else 'are'} off.")
    surroundings.change_home(changes)
    told = "; ".join(f"{e.name}: {reading(e)}" for e in list(changes.values())[:MAX_NAMED])
    more = f"; and {len(changes) - MAX_NAMED} more" if len(changes) > MAX_NAMED else ""
    return Outcome(f"{told}{more}.", {"entities": sorted(changes)})


def _chosen(arguments: Step, home: Home) -> list[Entity]:
    """Those that are meant. Raises Missing where that has to be asked, before anything is to be confirmed."""
    found = stepping(home, arguments)
    everywhere = not (arguments.name or arguments.area or arguments.floor) and len({e.area_id for e in found}) > 1
    if arguments.up and everywhere and all(e.state == "off" for e in found):
        raise Missing("area", "In which room?")  # "it's too dark in here" from somebody who may be anywhere
    if arguments.one and len(found) > 1:
        raise Missing("name", f"Which one: {', '.join(e.name for e in found[:MAX_ASKED])}?")
    return found


def stepping(home: Home, arguments: Step) -> list[Entity]:
    """The devices that are meant: without a name or a room those that are on, if any is."""
    kinds = [arguments.quantity] if arguments.quantity in KINDS else list(KINDS)
    domains = {domain for kind in kinds for domain in KINDS[kind][0]}
    slots = {k: v for k, v in slots_of(arguments).items() if k not in _OURS}
    if arguments.quantity:  # "make the bedroom warmer" is about its heating, whatever else was meant before
        slots.pop("domain", None)
    intent = "HassClimateSetTemperature" if arguments.quantity == "temperature" else ""
    found = [e for e in meant(home, intent, slots) if e.domain in domains]
    if "name" in slots or arguments.quantity == "temperature":
        return found
    return [e for e in found if e.state != "off"] or found


def stepped_to(entity: Entity, up: bool, by: float) -> Entity | None:
    """The device one step on; None where it is off and cannot be less."""
    kind = next(k for k, (domains, _) in KINDS.items() if entity.domain in domains)
    size = (by or KINDS[kind][1]) * (1 if up else -1)
    has = entity.attributes
    if kind == "temperature":
        now = has.get("temperature", has.get("current_temperature"))
        if not isinstance(now, (int, float)):
            return None
        return change("HassClimateSetTemperature", entity, {"temperature": now + size})
    if kind == "volume":
        return change("HassSetVolumeRelative", entity, {"volume_step": size})
    if kind == "position":
        now = _number(has.get("current_position"), 100.0 if entity.state == "open" else 0.0)
        return change("HassSetPosition", entity, {"position": min(100.0, max(0.0, now + size))})
    off = entity.state == "off"
    if off and not up:
        return None
    if kind == "speed":
        now = 0.0 if off else _number(has.get("percentage"), 100.0)
        return change("HassFanSetSpeed", entity, {"percentage": min(100.0, max(0.0, now + size))})
    now = 0.0 if off else _number(has.get("brightness"), BRIGHTNESS_MAX) * 100 / BRIGHTNESS_MAX
    return change("HassLightSet", entity, {"brightness": min(100.0, max(LEAST_BRIGHT, now + size))})


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float(default)


def _level(arguments: Step, surroundings: Surroundings) -> Level:
    home = surroundings.home()
    found = _chosen(arguments, home)
    if any(e.guards for e in found):
        return Level.GUARD
    return Level.CHANGE if all(home.acts_freely(e) for e in found) else Level.CONFIRM


def _asks(arguments: Step, surroundings: Surroundings) -> tuple[str, str]:
    found = stepping(surroundings.home(), arguments)
    names = ", ".join(e.name for e in found[:MAX_ASKED]) or "nothing here"
    now = "; ".join(f"{e.name}: {reading(e)}" for e in found[:MAX_ASKED])
    return f"{'Raise' if arguments.up else 'Lower'} the {arguments.quantity or 'setting'} of {names}?", f"{now}."


TOOLS: Final = (
    Tool("home.step", "a bit brighter, warmer, faster or louder than now, or less", Step, step, _level,
         ("make it brighter", "turn the heating up a bit"), by_model=False, asks=_asks),
)  # fmt: skip
