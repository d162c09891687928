"""Requests about devices that refer to the last one, or to all but some: which devices are meant.

The words for a device are understood by the sentences of the home, as in "turn on the WORDS".
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from assistant.home.kinds import kind_of
from assistant.home.model import key
from assistant.home.states import targets
from assistant.rules.device_words import One, device_of, moves, room_of, where_of
from assistant.rules.follow_up import WHERE
from assistant.rules.of_devices import Stepped, excepting, stepped
from assistant.rules.several import KNOWN
from assistant.rules.table import plain
from assistant.tools import Surroundings
from assistant.tools.calls import Call
from assistant.tools.home_steps import KINDS

_HOME: Final = ("home", "media", "vacuum", "mower")
_COMMANDS: Final = ("home.turn", "home.light", "home.position", "home.fan", "home.temperature", "media.")
_OWN: Final = frozenset({"name", "search_query"})  # a title may have "not" in it
_MORE: Final = re.compile(r"(?:(?:just |even )?(?:a (?:little |bit |little bit )?)?(?:more|further)|again|more)", re.I)
_LESS: Final = re.compile(r"(?:(?:just )?a (?:little |bit |little bit )?)?less|not (?:so|that|quite so) much", re.I)
_ALSO: Final = re.compile(r"(?:and|also|and also)(?: in)?(?: the| my)? (?P<what>[\w' ]+?)(?: too| as well)?", re.I)
_OTHER: Final = re.compile(
    r"(?:and|(?:and )?(?:what|how) about)(?: (?:in|on|at))?(?: the| my)? (?P<what>[\w' ]+?)\??", re.IGNORECASE
)
_COLOUR: Final = re.compile(r"(?:make|turn|set) (?:it|them|that) (?:to )?(?P<colour>[a-z]+)", re.I)
_DEGREES: Final = re.compile(
    r"(?:make|set|turn|put) (?:it|that)(?: to)? (?P<n>\d{1,2}(?:\.\d)?)(?: ?(?:degrees|°c?))?", re.I
)
_NEEDS_A_DEVICE: Final = frozenset({"brightness", "speed", ""})


def on_devices(last: Call | None, text: str, surroundings: Surroundings, one: One, area: str) -> Call | None:
    """The call; None if the request is of no such form, or its words name no device of this home. `last` is the action
    before, `one` understands a request, `area` is where the speaker is."""
    last = last if last is not None and last.tool.partition(".")[0] in _HOME else None
    if all_but := excepting(text):
        inner = on_devices(None, all_but[0], surroundings, one, area)
        found = [inner] if inner else one(all_but[0])
        fits = bool(found) and found[0].tool.startswith(_COMMANDS) and not found[0].arguments.keys() & _OWN
        return replace(found[0], arguments={**found[0].arguments, "but": all_but[1]}) if fits else None
    if last is not None and (following := _following(last, text, surroundings, one)):
        return following
    words = plain(text)
    asked = stepped(text, surroundings.clock())
    levelled, whole = _LEVEL.fullmatch(words), _WHOLE.fullmatch(words)
    if there := _STATE_THERE.fullmatch(words):  # "are the lights on in the bedroom"
        words = f"are the {there['where']} {there['what']} {there['state']}"
    state, partly = _STATE.fullmatch(words), _PARTLY.fullmatch(words)
    if not (asked or levelled or whole or state or partly):
        return None
    read = one(text)
    known = bool(read) and read[0].confidence >= KNOWN
    if known and ((asked and asked.what) or read[0].tool != "media.volume_step"):
        return None  # a sentence of the home knows better
    if partly:
        return _part_way(partly["verb"], partly["what"], bool(partly["half"]), one)
    if levelled:
        return _level(levelled["what"], levelled["n"] or "", levelled["word"] or "", surroundings, one)
    if whole:
        return _whole(whole["way"] or whole["way2"], whole["all"] or whole["all2"], whole["where"] or "", surroundings)
    if state and not (read and read[0].tool == "home.state" and _is_of_here(read[0], surroundings)):
        return _state(state["what"], state["state"].casefold(), surroundings, one)
    return _step(asked, last, surroundings, one, area) if asked else None


_PARTLY: Final = re.compile(
    r"(?P<verb>open|close|shut) (?:the |my )?(?P<what>.+?)"
    r" (?:(?P<half>half ?way|half)|a (?:little )?bit|a little|slightly)",
    re.IGNORECASE,
)


def _part_way(verb: str, what: str, half: bool, one: One) -> Call | None:
    """ "close the curtains halfway", "open the blinds a bit"."""
    read = one(f"{verb} the {what}")
    if not read or read[0].tool not in ("home.turn_on", "home.turn_off"):
        return None
    where = {k: v for k, v in read[0].arguments.items() if k in WHERE}
    if half:
        return Call("home.position", {**where, "position": 50.0}, source="rules")
    up = read[0].tool == "home.turn_on"
    return Call("home.step", {"quantity": "position", "up": up, **where}, source="rules")


_LEVEL: Final = re.compile(
    r"(?:(?:set|turn|switch|put|dim|brighten)(?: on| up| down)? )?(?:all (?:of )?)?(?:the |my )?(?P<what>.+?)(?: on)?"
    r" (?:to|at)"
    r" (?:(?P<n>\d{1,3}) ?(?:%|percent)(?: brightness)?|(?P<word>low|medium|high|max|maximum|full|half)(?: speed)?)",
    re.IGNORECASE,
)
_LEVELS: Final = {"low": 33.0, "medium": 66.0, "high": 100.0, "max": 100.0, "maximum": 100.0, "full": 100.0,
                  "half": 50.0}  # fmt: skip
_LEVELLED: Final = {"light": ("home.light", "brightness"), "fan": ("home.fan_speed", "percentage"),
                    "cover": ("home.position", "position"),
                    "media_player": ("media.volume", "volume_level")}  # fmt: skip


def _level(what: str, n: str, word: str, surroundings: Surroundings, one: One) -> Call | None:
    """ "set the living room lights to 30 %", "set the fan to high"."""
    where = where_of(what, one) or device_of(what, surroundings)
    domains = {e.domain for e in targets(surroundings.home(), "HassTurnOn", where)} if where else set()
    if len(domains) != 1 or (domain := domains.pop()) not in _LEVELLED:
        return None
    tool, argument = _LEVELLED[domain]
    return Call(tool, {**where, argument: min(100.0, float(n)) if n else _LEVELS[word.casefold()]}, source="rules")


_WHOLE: Final = re.compile(
    r"(?:turn|switch) (?:(?P<way>on|off) (?P<all>everything|all (?:the )?(?:devices|switches))?"
    r"|(?P<all2>everything|all (?:the )?(?:devices|switches)) (?P<way2>on|off))"
    r"(?:^| ?(?:(?:in|on|at) )?(?:the |my )?(?P<where>[\w' ]+))?",
    re.IGNORECASE,
)
_EVERYTHING: Final = ["light", "fan", "media_player", "switch"]


def _whole(way: str, all_of: str | None, where: str, surroundings: Surroundings) -> Call | None:
    """ "turn off the kitchen": its lights; "turn off everything upstairs"; "turn off all the switches"."""
    room = room_of(where, surroundings) if where else {}
    if (where and not room) or not (where or (all_of or "").endswith("switches")):
        return None  # "everything" alone has a rule
    switches = (all_of or "").endswith("switches")
    domain: str | list[str] = "switch" if switches else _EVERYTHING if all_of else "light"
    tool = "home.turn_on" if way.casefold() == "on" else "home.turn_off"
    return Call(tool, {**room, "domain": domain}, source="rules")


_STATE: Final = re.compile(
    r"(?:is|are|did (?:i|we|somebody|anybody|someone) (?:leave|forget)) (?:the |my )?(?P<what>.+?)(?: still)?"
    r" (?P<state>on|off|open|closed|shut|locked|unlocked|playing|running)(?: right)?\??",
    re.IGNORECASE,
)


_STATE_THERE: Final = re.compile(
    r"(?:is|are) (?:the |my |any )?(?P<what>[\w' ]+?) (?P<state>on|off|open|closed|playing|running) in (?:the |my )?"
    r"(?P<where>[\w' ]+?)\??",
    re.IGNORECASE,
)


def _is_of_here(call: Call, surroundings: Surroundings) -> bool:
    """Not "are the lights off", read as being about a device named "lights"."""
    name = str(call.arguments.get("name", ""))
    return not kind_of(key(name)) or bool(device_of(name, surroundings))


def _state(what: str, state: str, surroundings: Surroundings, one: One) -> Call | None:
    """ "is the TV on", "did I leave the garage open"."""
    state = {"shut": "closed", "running": "on"}.get(state, state)
    room = room_of(what, surroundings)
    where = device_of(what, surroundings) or ({**room, "domain": _OF_ROOM.get(state, "light")} if room else {})
    if not where:
        found = where_of(what, one)
        where = found if "name" not in found or device_of(found["name"], surroundings) else {}
    every = "any" if state in ("open", "on", "unlocked", "playing") else "all"
    if where and targets(surroundings.home(), "HassGetState", where):
        of_one = "name" in where
        return Call("home.state", {**where, "state": state, "response": "any" if of_one else every}, source="rules")
    if kind := kind_of(key(what)):
        return Call("home.state", {**kind, "state": state, "response": every}, source="rules")
    return None


_OF_ROOM: Final = {"open": "cover", "closed": "cover", "locked": "lock", "unlocked": "lock", "playing": "media_player"}


def _following(last: Call, text: str, surroundings: Surroundings, one: One) -> Call | None:
    """ "a bit more", "and the hallway light", "make it red", "make it 21 degrees"."""
    words = plain(text)
    raw = " ".join(text.split()).strip(" .!")  # plain() takes "and" away
    where = {k: v for k, v in last.arguments.items() if k in WHERE}
    if _MORE.fullmatch(words) and last.tool in ("home.step", "media.volume_step"):
        return replace(last, source="follow-up")
    if _LESS.fullmatch(words) and last.tool == "home.step":
        return replace(last, arguments={**last.arguments, "up": not last.arguments.get("up")}, source="follow-up")
    if _LESS.fullmatch(words) and last.tool == "media.volume_step":
        step = "up" if last.arguments.get("volume_step") == "down" else "down"
        return replace(last, arguments={**last.arguments, "volume_step": step}, source="follow-up")
    if _MORE.fullmatch(words) and last.tool == "home.position":
        return Call("home.step", {"quantity": "position", "up": True, **where}, source="follow-up")
    if (moved := _moved(last, words, where, surroundings)) is not None:
        return moved
    if (also := _ALSO.fullmatch(raw)) and last.tool.startswith(("home.turn", "home.light", "home.step")):
        kept = {k: v for k, v in last.arguments.items() if k not in (*WHERE, "one", "but")}
        named = where_of(also["what"], one) or device_of(also["what"], surroundings)
        if not named and "domain" in where and (room := room_of(also["what"], surroundings)):
            named = {**room, "domain": where["domain"]}  # "and in the kitchen", behind the lights of another room
        same = named and moves(named, surroundings) == moves(where, surroundings)
        return Call(last.tool, {**kept, **named}, source="follow-up") if same else None
    if last.tool in ("home.state", "home.read_temperature") and (other := _OTHER.fullmatch(raw)):
        kept = {k: v for k, v in last.arguments.items() if k not in WHERE}
        what = other["what"]
        named = device_of(what, surroundings) or where_of(what, one) or room_of(what, surroundings)
        if "area" in named and "domain" in last.arguments and "domain" not in named:
            named["domain"] = last.arguments["domain"]
        return Call(last.tool, {**kept, **named}, source="follow-up") if named else None
    if (colour := _COLOUR.fullmatch(words)) and last.tool in ("home.turn_on", "home.light", "home.step"):
        read = one(f"set the lights to {colour['colour']}")
        if read and read[0].tool == "home.light" and read[0].arguments.get("color"):
            return Call("home.light", {**where, "color": read[0].arguments["color"]}, source="follow-up")
    warmth = (
        last.tool in ("home.temperature", "home.read_temperature") or last.arguments.get("quantity") == "temperature"
    )
    if warmth and (degrees := _DEGREES.fullmatch(words)):
        return Call("home.temperature", {**where, "temperature": float(degrees["n"])}, source="follow-up")
    return None


def _moved(last: Call, words: str, where: dict[str, Any], surroundings: Surroundings) -> Call | None:
    """ "close it", "unlock it", "open them halfway", "mute it", "send it home": verbs that only some devices have."""
    if last.tool.startswith(("vacuum.", "mower.")):
        home = re.fullmatch(
            r"(?:stop|dock|park|send|bring) (?:it|him|her)(?: (?:home|back|to (?:its|the) base))*", words, re.I
        )
        return Call(f"{last.tool.partition('.')[0]}.dock", {}, source="follow-up") if home else None
    kinds = moves(where, surroundings) if where else set()
    told = _VERB.fullmatch(words)
    if told and (verb := told["verb"].casefold()) in _MEDIA_VERBS:
        named = {k: v for k, v in where.items() if k != "domain"}
        playing = last.tool.startswith("media.") or _have("volume", where, surroundings)
        return Call(_MEDIA_VERBS[verb], named, source="follow-up") if playing else None
    for domains, verbs in _VERBS_OF:
        if told and kinds and kinds <= domains and verb in verbs:
            return Call("home.turn_on" if verbs[verb] else "home.turn_off", where, source="follow-up")
    part = _PART.fullmatch(words)
    if part and kinds and kinds <= {"cover", "valve"}:
        position = 50.0 if part["half"] else min(100.0, float(part["n"]))
        return Call("home.position", {**where, "position": position}, source="follow-up")
    if part and part["n"] and not part["verb"] and last.tool in ("home.step", "home.light"):  # "20 percent"
        return Call("home.light", {**where, "brightness": min(100.0, float(part["n"]))}, source="follow-up")
    return None


_VERB: Final = re.compile(
    r"(?P<verb>open|close|shut|lock|unlock|mute|unmute|pause|resume|play) (?:it|them|that)(?: again| too| up)?",
    re.IGNORECASE,
)
_MEDIA_VERBS: Final = {"mute": "media.mute", "unmute": "media.unmute", "pause": "media.pause",
                       "resume": "media.resume", "play": "media.resume"}  # fmt: skip
_VERBS_OF: Final = (  # what "on" is for these
    (frozenset({"cover", "valve"}), {"open": True, "close": False, "shut": False}),
    (frozenset({"lock"}), {"lock": True, "unlock": False}),
)
_PART: Final = re.compile(
    r"(?:(?P<verb>open|close|make|set|put) (?:it|them|that) ?)?(?:to |at )?"
    r"(?:(?P<n>\d{1,3}) ?(?:%|percent)|(?P<half>half ?way|half|half open))",
    re.IGNORECASE,
)


def _step(asked: Stepped, last: Call | None, surroundings: Surroundings, one: One, area: str) -> Call | None:
    home = surroundings.home()
    amount = {"quantity": asked.quantity, "up": asked.up, **({"by": asked.by} if asked.by else {})}
    if asked.what:
        where = where_of(asked.what, one) or room_of(asked.what, surroundings)
        if asked.quantity == "temperature" and key(asked.what) in _HEATING:
            where = {"domain": "climate"}
        fits = where and _have(asked.quantity, where, surroundings)
        where = {k: v for k, v in where.items() if k != "domain" or not asked.quantity}
        return Call("home.step", {**amount, **where}, source="rules") if fits else None
    where = {k: v for k, v in last.arguments.items() if k in WHERE} if last else {}
    if last and _have(asked.quantity, where, surroundings) and (where or last.tool == "home.step"):
        where = {k: v for k, v in where.items() if k != "domain" or not asked.quantity}
        return Call("home.step", {**amount, **where}, source="follow-up")
    playing = asked.quantity == "volume" or (last is not None and not asked.quantity and last.tool.startswith("media."))
    if playing:
        size = (asked.by or 0) * (1 if asked.up else -1)
        step: float | str = size or ("up" if asked.up else "down")
        return Call("media.volume_step", {**where, "volume_step": step}, source="rules")
    if asked.quantity in _NEEDS_A_DEVICE and not (asked.here and asked.quantity):
        return None
    here = home.area_named(area) if area else None
    found = {"area": here.name} if here else {}
    return Call("home.step", {**amount, **found, "one": True}, source="rules")


def _have(quantity: str, where: dict[str, Any], surroundings: Surroundings) -> bool:
    """Whether any of these devices has something to change."""
    domains = {d for kind, (ds, _) in KINDS.items() if quantity in ("", kind) for d in ds}
    rest = {k: v for k, v in where.items() if k != "one" and (k != "domain" or not quantity)}
    return any(e.domain in domains for e in targets(surroundings.home(), "", rest))


_HEATING: Final = frozenset({"heating", "the heating", "heat", "heaters", "radiators", "thermostats"})
