"""Homes and rows of the intent sets: read from the files beside the data, never written in code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from assistant.errors import UsageError
from assistant.home.model import Area, Entity, Floor, Home, load
from assistant.home.templates import kinds_of

# German and Chinese come without a home: theirs is made of the names in the set itself. What kind of device a name is,
# the product's own words for kinds tell ("...ventil" is a valve); else the family of commands it is used with.
_FAMILIES: Final = {
    "HassVacuum": "vacuum", "HassLawn": "lawn_mower", "HassMedia": "media_player", "HassSetVolume": "media_player",
    "HassLight": "light", "HassFan": "fan", "HassClimate": "climate", "HassGetWeather": "weather", "HassList": "todo",
    "HassSetPosition": "cover",
}  # fmt: skip
_OTHERWISE: Final = ("light", "binary_sensor", "person")


def rows(path: Path) -> list[dict[str, Any]]:
    """Raises UsageError for a file that is not there or no JSON lines."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; give the folder with --data") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON lines: {error}") from error


def intent_home(data: Path, language: str, sentences: list[dict[str, Any]]) -> Home:
    """The home of a set of sentences, with the areas its rows name."""
    fixture = data / "intents" / f"ha_fixtures_{language}.yaml"
    home = load(fixture) if fixture.is_file() else _from_rows(language, sentences)
    named = {a for row in sentences for a in row["areas"]}
    named |= {row["slots"]["area"] for row in sentences if "area" in row["slots"]} if not fixture.is_file() else set()
    new = tuple(Area(a, a) for a in sorted(named) if home.area_named(a) is None)
    return replace(home, areas=home.areas + new)


def state_home(data: Path, row: Mapping[str, Any]) -> Home:
    """The home of a row of home_state, set up as the row says."""
    home = load(data / row["fixtures"])
    changed = {}
    for entity_id, setup in (row["setup"] or {}).items():
        entity = home.entity(entity_id)
        if entity is not None:
            attributes = {**entity.attributes, **setup.get("attributes", {})}
            changed[entity_id] = replace(entity, state=str(setup.get("state", entity.state)), attributes=attributes)
    return home.changed(changed)


def _from_rows(language: str, sentences: list[dict[str, Any]]) -> Home:
    floors = sorted({row["slots"]["floor"] for row in sentences if "floor" in row["slots"]})
    domains: dict[str, set[str]] = {}
    for row in sentences:
        name = row["slots"].get("name")
        if name and "Timer" not in row["intent"]:
            family = next((d for prefix, d in _FAMILIES.items() if row["intent"].startswith(prefix)), "")
            domains.setdefault(name, set()).update({family} - {""})
    entities = [
        Entity(f"{domain}.e{number}", name)
        for number, (name, used) in enumerate(domains.items())
        for domain in _domains(language, name, used)
    ]
    return Home(tuple(Floor(f, f) for f in floors), (), tuple(entities), language=language)


def _domains(language: str, name: str, used: set[str]) -> Iterator[str]:
    told = [(len(word), kind) for kind, words in kinds_of(language).items() for word in words
            if name.casefold().endswith(word.casefold())]  # fmt: skip
    if told:
        return iter([max(told)[1].partition(".")[0]])
    return iter(sorted(used) or _OTHERWISE)
