"""What tools work with, made from a history and the home's file: records, clock, home."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from assistant import config, paths
from assistant.gateway import client, start
from assistant.gateway.client import RealHome
from assistant.history import History
from assistant.home.model import Entity, Home, load, simulated
from assistant.tools import Surroundings
from assistant.tools.records import HOME_STATE, REAL_DEVICE, Records

SECRET: Final = "secret"  # noqa: S105 - the kind of a record
SEEN: Final = "home seen"
TOKEN: Final = "home assistant"  # noqa: S105 - the id of a record


def home_file() -> Any:
    """Where the user describes the home; without it the simulated one is used."""
    return paths.home() / "home.yaml"


def described_home() -> Home:
    """The home as described, in its initial state. Raises UsageError for a file that is wrong."""
    path = home_file()
    return load(path) if path.exists() else simulated()


def surroundings_for(
    history: History,
    home: Home | None = None,
    rings: bool = False,
    changed_timers: Callable[[], None] = lambda: None,
    facts: Mapping[str, Callable[[], str]] | None = None,
) -> Surroundings:
    """The home's state is kept in the history's database; `rings`: timers ring in this process."""
    records = Records(history)
    described = home or described_home()

    def current() -> Home:
        kept = records.all(HOME_STATE, Entity)
        named = {e.id: e for e in described.entities}
        return described.changed({i: _with_state(named[i], e) for i, e in kept.items() if i in named})

    def change(changed: Mapping[str, Entity]) -> None:
        for entity_id, entity in changed.items():
            records.put(HOME_STATE, entity_id, entity)

    surroundings = Surroundings(
        records=records,
        clock=lambda: datetime.now().astimezone(),
        home=current,
        change_home=change,
        rings=rings,
        changed_timers=changed_timers,
        facts=facts or {},
    )
    if home is None and (real := real_home(records)) is not None:
        surroundings.home, surroundings.take_back = real.home, real.take_back
        surroundings.facts = {**surroundings.facts, "gateway": lambda: start.running.address if start.running else "it"}
        surroundings.change_home = lambda changes: real.change(
            changes, lambda was: records.note(REAL_DEVICE, was.entity.id, was)
        )
        surroundings.home_problem = lambda: real.problem
    return surroundings


class Seen(msgspec.Struct, frozen=True):
    """A home as Home Assistant told of it, so that its names are known while it cannot be reached."""

    table: dict[str, Any]


class Secret(msgspec.Struct, frozen=True):
    text: str


def real_home(records: Records) -> RealHome | None:
    """The home behind the gateway, logged in with the token that is kept; None where no gateway was started."""
    if start.running is None:
        return None
    settings = config.load(paths.settings_file())
    allowed = frozenset(settings.gateway.allowed) if settings.gateway else frozenset()
    secret = records.get(SECRET, TOKEN, Secret)
    seen = records.get(SEEN, TOKEN, Seen)
    return client.connect(
        start.running,
        client.Kept(
            token=secret.text if secret else "",
            allowed=allowed,
            table=seen.table if seen else None,
            keep=lambda table: records.put(SEEN, TOKEN, Seen(table)),
        ),
    )


def languages_for(home: Home) -> tuple[str, ...]:
    """The languages in which commands are understood, the likeliest first: the home's, the system's, English."""
    from assistant.home.templates import languages

    spoken = [home.language]
    system = re.match(r"([a-z]{2})(?:_([A-Z]{2}))?", os.environ.get("LC_ALL") or os.environ.get("LANG") or "")
    if system:
        spoken += [f"{system[1]}-{system[2]}", system[1]]
    known = languages()
    return tuple(dict.fromkeys(s for s in (*spoken, "en") if s in known))


def _with_state(described: Entity, kept: Entity) -> Entity:
    """The description may have changed since: names and places are its, the state is the kept one's."""
    return Entity(described.id, described.name, described.area_id, kept.state, kept.attributes, described.aliases)
