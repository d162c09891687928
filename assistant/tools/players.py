"""Which player a song is played on: the one that plays, else the one that was used last; all of them only if said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from assistant.home.model import Entity

PLAY: Final = "HassMediaSearchAndPlay"
_AWAKE: Final = ("on", "idle", "buffering")
_EVERYWHERE: Final = re.compile(
    r"(?<!\band) (?:everywhere|throughout the house|(?:in|on) (?:the whole|all of the|every|all the|all) "
    r"(?:house|home|rooms?|speakers?|players?|media players?))$",
    re.IGNORECASE,
)


def everywhere(slots: dict[str, Any]) -> dict[str, Any]:
    """The slots of "play jazz everywhere" without the last word; such slots mean all players."""
    query = str(slots.get("search_query", ""))
    match = _EVERYWHERE.search(query)
    return {**slots, "search_query": query[: match.start()], "everywhere": True} if match else slots


def for_one_player(intent: str, slots: dict[str, Any]) -> bool:
    """Whether a song or film is to be played, and not on all players."""
    return intent == PLAY and "everywhere" not in slots


def one_player(players: Sequence[Entity]) -> list[Entity]:
    """The only one that plays, else the only one that is paused, else the only one that is on; all, if none is."""
    for states in (("playing",), ("paused",), _AWAKE):
        in_use = [player for player in players if player.state in states]
        if len(in_use) == 1:
            return in_use
    return list(players)
