"""Undo for real devices: what a device was, and which commands make it that again. Pure data.

Most of it is the way there, from the state now to the one before (actions.py). What a scene or a script set going
cannot be taken back, and a device that was away has no state to go back to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from assistant.gateway.actions import Refused, actions_for
from assistant.gateway.messages import Act, Action
from assistant.home.model import Entity

_NO_WAY_BACK: Final = frozenset({"scene", "script", "automation"})
_AWAY: Final = frozenset({"", "unavailable", "unknown"})
_TRACKS: Final[dict[str, Action]] = {"next": "previous", "previous": "next"}
_MOVES_BY_ITSELF: Final = frozenset({"media_title", "media_track"})
_COLOURS: Final = frozenset({"hs", "rgb", "rgbw", "rgbww", "xy"})
_WITH_STATE: Final = frozenset({"climate", "media_player"})  # a state and a value at once, each a command of its own
_SETTLED: Final = {
    ("vacuum", "docked"): "returning", ("lawn_mower", "docked"): "returning",
    ("media_player", "idle"): "paused", ("media_player", "standby"): "paused", ("media_player", "buffering"): "playing",
    ("cover", "opening"): "open", ("cover", "closing"): "closed", ("valve", "opening"): "open",
    ("valve", "closing"): "closed", ("lock", "locking"): "locked", ("lock", "unlocking"): "unlocked",
}  # fmt: skip


class Was(msgspec.Struct, frozen=True):
    """A device as it was before the commands that `actions` names."""

    entity: Entity
    actions: tuple[str, ...] = ()


def actions_back(was: Was, now: Entity) -> list[Act]:
    """The commands that make the device what it was. Raises Refused where none do."""
    before = was.entity
    if before.domain in _NO_WAY_BACK:
        raise Refused("what it set going cannot be taken back")
    if before.state in _AWAY:
        raise Refused("it was away then, so there is nothing to go back to")
    if tracks := [_TRACKS[a] for a in was.actions if a in _TRACKS]:
        return [Act(before.id, track) for track in reversed(tracks)]
    told = {k: v for k, v in before.attributes.items() if k not in _MOVES_BY_ITSELF}
    state = _SETTLED.get((before.domain, before.state), before.state)
    acts = actions_for(now, replace(before, state=state, attributes=told))
    if before.domain in _WITH_STATE and before.state not in ("off", now.state):
        return _with_state(acts, now, replace(before, state=state), before.state)
    if before.domain == "light" and before.state == "on" and before.attributes.get("color_mode") in _COLOURS:
        acts = [act for act in acts if act.action not in ("kelvin", "on")] + [Act(before.id, "rgb", _rgb(before))]
    return acts


def _with_state(acts: Sequence[Act], now: Entity, before: Entity, exactly: str) -> list[Act]:
    """The state first: a heater that is off takes no temperature, a player that is off no volume."""
    bare = actions_for(replace(now, attributes={}), replace(before, attributes={}))
    if before.domain == "media_player" and now.state == "off":
        plays = exactly in ("playing", "paused", "buffering")
        bare = [Act(before.id, "on"), *(bare if plays else ())]
    return bare + [act for act in acts if act not in bare and act.action not in ("pause", "resume")]


def _rgb(light: Entity) -> str:
    """ "255,0,0". Raises Refused where the light does not say its colour."""
    told = light.attributes.get("rgb_color")
    if not isinstance(told, list) or len(told) != 3:
        raise Refused("it does not say which colour it had")
    return ",".join(str(part) for part in told)
