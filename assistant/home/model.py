"""A home read from YAML: the layout of Home Assistant's own test homes, so that real descriptions load unchanged.

    areas:     [{name, id, floor}]          floors: [{name, id}]
    entities:  [{name, id: "light.desk", area, state, attributes, aliases}]
    allowed:   [light, media_player.tv]     domains and entities that act without a confirmation (never locks,
    garages...)

Ids are `domain.object`. Everything is data: no name of a device or an area stands in the code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from assistant.errors import UsageError

MAX_FILE_BYTES: Final = 4_000_000
MAX_ENTITIES: Final = 5_000
SIMULATED: Final = Path(__file__).with_name("simulated.yaml")

_SAFETY: Final = frozenset({"lock", "alarm_control_panel", "siren", "valve"})
_SAFETY_CLASSES: Final = frozenset({"garage", "gate", "door"})


@dataclass(frozen=True, slots=True)
class Floor:
    id: str
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    id: str
    name: str
    floor_id: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """A device or a part of one. `state` is text as in Home Assistant: "on", "closed", "21.5"."""

    id: str
    name: str
    area_id: str = ""
    state: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return self.id.partition(".")[0]

    @property
    def device_class(self) -> str:
        return str(self.attributes.get("device_class", ""))

    @property
    def guards(self) -> bool:
        """Whether it keeps people or water in or out: acting on it is always confirmed by a key press."""
        return self.domain in _SAFETY or (self.domain == "cover" and self.device_class in _SAFETY_CLASSES)


@dataclass(frozen=True, slots=True)
class Home:
    """Immutable; a changed home is a new one (`changed`)."""

    floors: tuple[Floor, ...] = ()
    areas: tuple[Area, ...] = ()
    entities: tuple[Entity, ...] = ()
    allowed: frozenset[str] = frozenset()
    language: str = "en"

    @property
    def vocabulary(self) -> tuple[Any, ...]:
        """All that a sentence can name, hashable: what does not change with the state of things."""
        names = tuple((e.id, e.name, e.area_id, e.device_class, e.aliases) for e in self.entities)
        return self.floors, self.areas, names

    def entity(self, entity_id: str) -> Entity | None:
        return next((e for e in self.entities if e.id == entity_id), None)

    def area(self, area_id: str) -> Area | None:
        return next((a for a in self.areas if a.id == area_id), None)

    def area_named(self, name: str) -> Area | None:
        return next((a for a in self.areas if key(name) in map(key, (a.name, *a.aliases, a.id))), None)

    def floor_named(self, name: str) -> Floor | None:
        return next((f for f in self.floors if key(name) in map(key, (f.name, *f.aliases, f.id))), None)

    def changed(self, states: dict[str, Entity]) -> Home:
        """The home with these entities in the place of those with their ids."""
        return replace(self, entities=tuple(states.get(e.id, e) for e in self.entities))

    def acts_freely(self, entity: Entity) -> bool:
        """Whether the user has allowed this entity, or its kind, to act without asking."""
        return not entity.guards and bool({entity.id, entity.domain} & self.allowed)


def key(name: str) -> str:
    """What two spellings of a name have in common."""
    return re.sub(r"[^\w]+", " ", name.casefold().replace("'", "")).strip()


def load(path: Path) -> Home:
    """Read a home. Raises UsageError that says what is wrong with the file."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path} is larger than {MAX_FILE_BYTES // 1_000_000} MB; a home is a short description")
        table = yaml.load(path.read_text(encoding="utf-8"), Loader=_Plain)  # noqa: S506 - derived from the safe loader
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{path} is not valid YAML: {error}; correct it or delete it") from error
    if not isinstance(table, dict):
        raise UsageError(f"{path}: a home is a mapping with `areas` and `entities`")
    return from_table(table, str(path))


def from_table(table: dict[str, Any], where: str = "the home") -> Home:
    """A home from plain data. Raises UsageError for a missing id or name, or an id used twice."""
    floors = tuple(Floor(_id(f, where), _name(f), _aliases(f)) for f in _rows(table, "floors", where))
    areas = tuple(
        Area(_id(a, where), _name(a), str(a.get("floor") or ""), _aliases(a)) for a in _rows(table, "areas", where)
    )
    area_of_device = {str(d.get("id")): str(d.get("area") or "") for d in _rows(table, "devices", where)}
    entities = tuple(_entity(e, area_of_device, where) for e in _rows(table, "entities", where))
    if len(entities) > MAX_ENTITIES:
        raise UsageError(f"{where}: {len(entities)} entities; at most {MAX_ENTITIES} are supported")
    ids = [e.id for e in entities]
    if twice := next((i for i in ids if ids.count(i) > 1), ""):
        raise UsageError(f"{where}: two entities have the id {twice!r}; ids must differ")
    return Home(floors, areas, entities, frozenset(map(str, table.get("allowed") or ())), table.get("language") or "en")


@cache
def simulated() -> Home:
    """The built-in home."""
    return load(SIMULATED)


class _Plain(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not supported")
        return super().compose_node(parent, index)


def _rows(table: dict[str, Any], kind: str, where: str) -> list[dict[str, Any]]:
    rows = table.get(kind) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{where}: `{kind}` is a list of mappings")
    return rows


def _entity(row: dict[str, Any], area_of_device: dict[str, str], where: str) -> Entity:
    entity_id = _id(row, where)
    if "." not in entity_id:
        raise UsageError(f"{where}: the id {entity_id!r} needs a kind before a dot, such as light.{entity_id}")
    attributes = dict(row.get("attributes") or {})
    if "device_class" in attributes:  # Home Assistant's data sets write sensor.SensorDeviceClass.TEMPERATURE
        attributes["device_class"] = str(attributes["device_class"]).rpartition(".")[2].lower()
    area = str(row.get("area") or area_of_device.get(str(row.get("device")), ""))
    return Entity(entity_id, _name(row), area, _state(row.get("state")), attributes, _aliases(row))


def _id(row: dict[str, Any], where: str) -> str:
    if not row.get("id") or not row.get("name"):
        raise UsageError(f"{where}: every floor, area and entity needs `name` and `id`: {str(row)[:80]}")
    return str(row["id"])


def _name(row: dict[str, Any]) -> str:
    return re.sub(r"\[[^\]]*\]", "", str(row["name"])).strip()  # [optional] parts are for matching


def _aliases(row: dict[str, Any]) -> tuple[str, ...]:
    written = str(row["name"])
    with_optional = re.sub(r"[\[\]]", "", written)
    given = tuple(str(a) for a in row.get("aliases") or ())
    return (with_optional, *given) if with_optional != _name(row) else given


def _state(value: Any) -> str:
    if isinstance(value, dict):  # {in: spoken, out: stored}
        value = value.get("out", "")
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)
