"""The home as tools: one for each command of the sentence templates. Locks and garages are never moved unconfirmed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec

from assistant.home.answers import reading
from assistant.home.kinds import kind_of
from assistant.home.model import Entity, Home, key
from assistant.home.states import change, refused, targets
from assistant.tools import Level, Missing, Outcome, Surroundings, Tool, ToolError
from assistant.tools.players import everywhere, for_one_player, one_player

Words = Annotated[str, msgspec.Meta(max_length=120)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
MAX_NAMED: Final = 4
MAX_ASKED: Final = 30  # a question names what it moves


class Where(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which devices: by name, else by area or floor, kind (domain) and class."""

    name: Words = ""
    area: Words = ""
    floor: Words = ""
    domain: Words | list[Words] = ""
    device_class: Words | list[Words] = ""
    one: bool = False  # a single device is meant: where several fit, it is asked which
    but: list[Words] = []  # names, rooms, floors and kinds that are left alone


class Light(Where, frozen=True, kw_only=True, omit_defaults=True):
    brightness: Percent | None = None
    color: Words = ""
    temperature: Annotated[float, msgspec.Meta(ge=1000, le=12000)] | None = None


class Position(Where, frozen=True, kw_only=True, omit_defaults=True):
    position: Percent


class Speed(Where, frozen=True, kw_only=True, omit_defaults=True):
    percentage: Percent


class Temperature(Where, frozen=True, kw_only=True, omit_defaults=True):
    temperature: Annotated[float, msgspec.Meta(ge=-100, le=1000)]
    fahrenheit: bool = False  # said so; else in the degrees of the device


class FanMode(Where, frozen=True, kw_only=True, omit_defaults=True):
    fan_mode: Words = ""


class Play(Where, frozen=True, kw_only=True, omit_defaults=True):
    search_query: Annotated[str, msgspec.Meta(max_length=200)]
    media_class: Words = ""


class Volume(Where, frozen=True, kw_only=True, omit_defaults=True):
    volume_level: Percent


class VolumeStep(Where, frozen=True, kw_only=True, omit_defaults=True):
    """`volume_step`: up, down, or percent to change by."""

    volume_step: float | Words


def slots_of(arguments: Where) -> dict[str, Any]:
    """The arguments that were given, as slots."""
    return {k: v for k, v in msgspec.to_builtins(arguments).items() if v not in ("", None, []) and k not in _OURS}


_OURS: Final = frozenset({"one", "outside"})
_OF_HEATING: Final = frozenset({"HassClimateSetTemperature", "HassTurnOn", "HassTurnOff"})
_HEATING: Final = frozenset({"heating", "the heating", "heat", "thermostat", "thermostats", "radiators", "heaters"})


def meant(home: Home, intent: str, slots: dict[str, Any]) -> list[Entity]:
    """The devices that are meant; "the heating" is all of it where nothing has this name, and a song is for one player.
    Raises ToolError where something is to be left alone that this home does not have."""
    if for_one_player(intent, slots):
        return one_player(targets(home, intent, slots))
    if "but" in slots:
        alone = {e.id for told in slots["but"] for e in left_alone(home, told)}
        rest = {k: v for k, v in slots.items() if k != "but"}
        return [e for e in meant(home, intent, rest) if e.id not in alone]
    found = targets(home, intent, slots)
    if not found and "name" in slots and "area" not in slots:  # "the bedroom" may be the answer to "Which one?"
        rest = {k: v for k, v in slots.items() if k != "name"}
        area = key(str(slots["name"])).removeprefix("the ")
        found = targets(home, intent, {**rest, "area": area}) if rest else []
        if not found and (kind := kind_of(re.sub(r"^(?:all (?:of )?)?(?:the |my )?", "", key(str(slots["name"]))))):
            found = targets(home, intent, {**rest, **kind})  # "the lamps" is a kind, where nothing has this name
    if found or intent not in _OF_HEATING or key(str(slots.get("name", ""))) not in _HEATING:
        return found
    return targets(home, intent, {**{k: v for k, v in slots.items() if k != "name"}, "domain": "climate"})


def left_alone(home: Home, told: str) -> list[Entity]:
    """What "except the kitchen" leaves alone: a device, a room, a floor or a kind. Raises ToolError if it is none."""
    wanted = key(told).removeprefix("the ")
    room, _, last = wanted.rpartition(" ")
    ways: list[dict[str, Any]] = [{"name": wanted}, {"area": wanted}, {"floor": wanted}]
    if kind := kind_of(wanted):
        ways += (kind,)
    if room and (kind := kind_of(last)):
        ways += ({"area": room, **kind}, {"floor": room, **kind})
    for slots in ways:
        if found := targets(home, "", slots):  # "the lamp" is whatever is called one, not every light
            return [e for e in found if key(e.name).rpartition(" ")[2] == wanted and wanted[-1:] != "s"] or found
    raise ToolError(f"There is no {told} in this home, so nothing was done.")


def _level(intent: str) -> Any:
    def level(arguments: Where, surroundings: Surroundings) -> Level:
        home = surroundings.home()
        slots = everywhere(slots_of(arguments))
        found = meant(home, intent, slots)
        if len(found) > 1 and (arguments.one or for_one_player(intent, slots)):
            return Level.READ  # nothing is done: it is asked which
        if any(e.guards for e in found):
            return Level.GUARD
        return Level.CHANGE if all(home.acts_freely(e) for e in found) else Level.CONFIRM

    return level


def _run(intent: str, said: str) -> Any:
    def run(arguments: Where, surroundings: Surroundings) -> Outcome:
        slots = everywhere(slots_of(arguments))
        found = meant(surroundings.home(), intent, slots)
        if not found:
            raise ToolError(_nothing(slots))
        if len(found) > 1 and (arguments.one or for_one_player(intent, slots)):
            raise Missing("name", f"Which one: {', '.join(e.name for e in found[:MAX_ASKED])}?")
        if intent == "HassLightSet" and not slots.keys() & {"brightness", "color", "temperature"}:
            raise Missing("brightness", "How bright, in percent?")
        changes = {e.id: changed for e in found if (changed := change(intent, e, slots)) is not None}
        if not changes:
            raise ToolError(f"{_names(found)} cannot do that.")
        if refusals := [why for e in found if e.id in changes and (why := refused(intent, e, slots))]:
            raise ToolError(refusals[0])
        surroundings.change_home(changes)
        names, first = _names(list(changes.values())), next(iter(changes.values()))
        if slots.get("fahrenheit"):
            slots = {**slots, "temperature": f"{slots['temperature']:g} °F, {first.attributes['temperature']:g}"}
        return Outcome(said.format(names=names, reading=reading(first), **_shown(slots)),
                       {"entities": sorted(changes)})  # fmt: skip

    return run


def _turn(intent: str) -> Any:
    on = intent == "HassTurnOn"
    words = {"cover": ("Opened", "Closed"), "valve": ("Opened", "Closed"), "lock": ("Locked", "Unlocked"),
             "scene": ("Activated", "Ended"), "script": ("Started", "Stopped"), "vacuum": ("Started", "Sent home"),
             "lawn_mower": ("Started", "Sent home")}  # fmt: skip
    act = _run(intent, "{names}")

    def run(arguments: Where, surroundings: Surroundings) -> Outcome:
        done = act(arguments, surroundings)
        domain = str(done.data["entities"][0]).partition(".")[0]
        verb = words.get(domain, ("Turned on", "Turned off"))[0 if on else 1]
        return Outcome(f"{verb}: {done.text}.", done.data)

    return run


_VERBS: Final = {"cover": ("Open", "Close"), "valve": ("Open", "Close"), "lock": ("Lock", "Unlock"),
                 "scene": ("Activate", "End"), "script": ("Start", "Stop"), "vacuum": ("Start", "Send home"),
                 "lawn_mower": ("Start", "Send home")}  # fmt: skip


def _asks(intent: str, summary: str) -> Any:
    """ "Unlock the Front Door?" and that it is locked now."""

    def asks(arguments: Where, surroundings: Surroundings) -> tuple[str, str]:
        slots = slots_of(arguments)
        found = meant(surroundings.home(), intent, slots)
        verb = summary[:1].upper() + summary[1:]
        if intent in ("HassTurnOn", "HassTurnOff"):
            off = intent == "HassTurnOff"
            pairs = {_VERBS.get(e.domain, ("Turn on", "Turn off"))[off] for e in found}
            verb = " / ".join(sorted(pairs)) or verb
        what = f"the {_names(found, MAX_ASKED)}" if found else "nothing here"
        values = ", ".join(f"{n.replace('_', ' ')} {v}" for n, v in _shown(slots).items() if n in _VALUES)
        joined = f"{verb} {what}" if "Turn" in intent else f"{verb}: {what}{f', {values}' if values else ''}"
        return f"{joined}?", states_now(found)

    return asks


def states_now(entities: list[Entity]) -> str:
    """ "Front Door is locked now." Of several, by state."""
    by_state: dict[str, list[Entity]] = {}
    for entity in entities:
        by_state.setdefault(entity.state, []).append(entity)
    told = [f"{_names(same, MAX_ASKED)} {'is' if len(same) == 1 else 'are'} {state} now"
            for state, same in by_state.items()]  # fmt: skip
    return f"{'; '.join(told)}." if told else ""


_VALUES: Final = frozenset({"brightness", "color", "temperature", "position", "percentage", "fan_mode", "search_query",
                            "volume_level", "volume_step"})  # fmt: skip


def _nothing(slots: dict[str, Any]) -> str:
    if "but" in slots:
        return "That leaves nothing to do."
    kind = "loudspeaker or screen" if slots.keys() & {"search_query", "volume_level", "volume_step"} else "device"
    what = slots.get("name") or slots.get("device_class") or slots.get("domain") or kind
    what = " or ".join(what) if isinstance(what, list) else str(what).replace("_", " ")
    where = slots.get("area") or slots.get("floor")
    return f"There is no {what}{f' in {where}' if where else ''} in this home."


def _shown(slots: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:g}" if isinstance(v, float) else v for k, v in slots.items() if k not in ("name",)}


def _names(entities: list[Entity], most: int = MAX_NAMED) -> str:
    """The first `most` by name, guarded ones before others, and how many more there are."""
    names = [e.name for e in sorted(entities, key=lambda e: not e.guards)]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


_COMMANDS: Final = (
    ("HassTurnOn", "home.turn_on", "turn devices on; open covers and valves; lock locks", Where, "",
     ("turn on the kitchen light", "open the curtains", "lock the front door")),
    ("HassTurnOff", "home.turn_off", "turn devices off; close covers and valves; unlock locks", Where, "",
     ("turn off the lights upstairs", "close the blinds", "unlock the front door")),
    ("HassLightSet", "home.light", "set brightness or colour of lights", Light, "{names}: {reading}.",
     ("dim the bedroom to 20%", "make the lights red")),
    ("HassSetPosition", "home.position", "open a cover or valve part of the way", Position, "{names}: {reading}.",
     ("open the blinds halfway",)),
    ("HassFanSetSpeed", "home.fan_speed", "set the speed of a fan", Speed, "{names}: {reading}.",
    ("set the fan to 50%",)),
    ("HassClimateSetTemperature", "home.temperature", "set a thermostat", Temperature,
    "{names}: set to {temperature} degrees.",
     ("set the heating to 21 degrees",)),
    ("HassClimateSetFanMode", "home.fan_mode", "set the fan of the air conditioning", FanMode,
    "{names}: fan {fan_mode}.",
     ("set the ac fan to auto",)),
    ("HassSetVolume", "media.volume", "set the volume", Volume, "{names}: volume {volume_level} %.",
    ("volume to 30%",)),
    ("HassSetVolumeRelative", "media.volume_step", "louder or quieter", VolumeStep, "{names}: {reading}.",
     ("turn it up", "make the tv quieter")),
    ("HassMediaSearchAndPlay", "media.play", "play a song, artist, film or podcast", Play,
    "Playing {search_query}: {names}.",
     ("play the album Thriller",)),
    ("HassMediaPause", "media.pause", "pause music or films", Where, "Paused: {names}.", ("pause the music",)),
    ("HassMediaUnpause", "media.resume", "play on", Where, "Playing on: {names}.", ("resume the music",)),
    ("HassMediaNext", "media.next", "next track", Where, "Next track: {names}.", ("skip this song",)),
    ("HassMediaPrevious", "media.previous", "previous track", Where, "Previous track: {names}.", ("previous song",)),
    ("HassMediaPlayerMute", "media.mute", "mute", Where, "Muted: {names}.", ("mute the tv",)),
    ("HassMediaPlayerUnmute", "media.unmute", "sound on again", Where, "Sound on: {names}.", ("unmute the tv",)),
    ("HassVacuumStart", "vacuum.start", "start vacuuming", Where, "Cleaning: {names}.", ("start the vacuum",)),
    ("HassVacuumCleanArea", "vacuum.clean", "vacuum a room", Where, "Cleaning {area}: {names}.",
    ("vacuum the kitchen",)),
    ("HassVacuumReturnToBase", "vacuum.dock", "send the vacuum home", Where, "Returning: {names}.",
    ("dock the vacuum",)),
    ("HassLawnMowerStartMowing", "mower.start", "start mowing", Where, "Mowing: {names}.", ("mow the lawn",)),
    ("HassLawnMowerDock", "mower.dock", "send the mower home", Where, "Returning: {names}.", ("dock the mower",)),
)  # fmt: skip

TOOLS: Final = (
    *(
        Tool(name, summary, arguments, _turn(intent) if "Turn" in intent else _run(intent, said), _level(intent),
        examples, asks=_asks(intent, summary))
        for intent, name, summary, arguments, said, examples in _COMMANDS
    ),
)  # fmt: skip

BY_INTENT: Final[dict[str, str]] = {
    **{intent: name for intent, name, *_ in _COMMANDS},
    "HassGetState": "home.state",
    "HassBroadcast": "home.announce",
    "HassClimateGetTemperature": "home.read_temperature",
    "HassGetWeather": "home.weather",
    "HassStartTimer": "timer.start",
    "HassCancelTimer": "timer.cancel",
    "HassCancelAllTimers": "timer.cancel_all",
    "HassIncreaseTimer": "timer.increase",
    "HassDecreaseTimer": "timer.decrease",
    "HassPauseTimer": "timer.pause",
    "HassUnpauseTimer": "timer.resume",
    "HassTimerStatus": "timer.status",
    "HassListAddItem": "list.add",
    "HassListCompleteItem": "list.complete",
    "HassListRemoveItem": "list.remove",
    "HassShoppingListAddItem": "list.add",
    "HassShoppingListCompleteItem": "list.complete",
    "HassGetCurrentTime": "clock.time",
    "HassGetCurrentDate": "clock.date",
}
