"""What is asked about the home: states, temperatures, the weather of its own station. Nothing here changes anything."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from assistant.home.answers import reading, state_answer, temperature_answer
from assistant.home.model import Entity, Home, key
from assistant.home.states import targets
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.home_tools import Where, Words, slots_of


class Ask(Where, frozen=True, kw_only=True, omit_defaults=True):
    state: Words = ""
    response: Words = ""


class Thermometer(Where, frozen=True, kw_only=True, omit_defaults=True):
    outside: bool = False


class Announcement(msgspec.Struct, frozen=True):
    message: Annotated[str, msgspec.Meta(max_length=500)] = ""


def announce(arguments: Announcement, surroundings: Surroundings) -> Outcome:
    """There are no other speakers: it is shown, and spoken where speech is on."""
    if not arguments.message:
        raise Missing("message", "What shall I announce?")
    return Outcome(f"Announcement: {arguments.message}")


def ask_state(arguments: Ask, surroundings: Surroundings) -> Outcome:
    slots = {k: v for k, v in slots_of(arguments).items() if k != "response"}
    return Outcome(state_answer(surroundings.home(), slots, arguments.response))


def ask_temperature(arguments: Thermometer, surroundings: Surroundings) -> Outcome:
    if arguments.outside:
        found = [e for e in surroundings.home().entities if _is_outside(e, surroundings.home())]
        if not found:
            raise ToolError("There is no thermometer outside that I could read.")
        return Outcome(f"{found[0].name}: {reading(found[0])}.")
    return Outcome(temperature_answer(surroundings.home(), slots_of(arguments)))


def _is_outside(entity: Entity, home: Home) -> bool:
    area = home.area(entity.area_id)
    words = set(key(f"{entity.name} {area.name if area else ''}").split())
    return entity.device_class == "temperature" and bool(
        words & {"outside", "outdoor", "outdoors", "garden", "balcony"}
    )


def ask_weather(arguments: Where, surroundings: Surroundings) -> Outcome:
    found = targets(surroundings.home(), "HassGetWeather", slots_of(arguments))
    if not found:
        raise ToolError("I cannot know the weather: it would need the internet or a weather station in this home.")
    entity = found[0]
    degrees = entity.attributes.get("temperature")
    unit = entity.attributes.get("temperature_unit", "°C")
    return Outcome(f"{entity.name}: {entity.state}{f', {degrees} {unit}' if degrees is not None else ''}.")


TOOLS: Final = (
    Tool("home.state", "tell the state of devices", Ask, ask_state, read_only,
         ("is the front door locked", "which lights are on")),
    Tool("home.announce", "announce something", Announcement, announce, read_only, ("announce that dinner is ready",)),
    Tool("home.read_temperature", "tell the temperature in the home", Thermometer, ask_temperature, read_only,
         ("how warm is it in the living room",)),
    Tool("home.weather", "tell the weather from a station in the home", Where, ask_weather, read_only,
         ("what's the weather",)),
)  # fmt: skip
