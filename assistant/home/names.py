"""What devices, areas and floors may be called, as hassil's slot lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hassil.intents import SlotList, TextSlotList

from assistant.home.model import Entity, Home, key


def made_up_names(entity: Entity, home: Home, words: Mapping[str, Any]) -> Iterator[str]:
    """What else a device may be called: area and kind, name and kind, singular and plural, area and name."""
    kinds = words["kinds"].get(f"{entity.domain}.{entity.device_class}") or words["kinds"].get(entity.domain, ())
    area = home.area(entity.area_id)
    bare = key(entity.name)
    others = [e for e in home.entities if e.area_id == entity.area_id and e.domain == entity.domain and e is not entity]
    names = [f"{bare}s", bare.removesuffix("s")]
    names += [f"{bare} {kind}" for kind in kinds]
    if area is not None:
        names.append(f"{key(area.name)} {bare}")
        if not others:
            names += [f"{key(area.name)} {kind}" for kind in kinds]
            names += [f"{kind} in the {key(area.name)}" for kind in kinds]
    if sum(e.domain == entity.domain for e in home.entities) == 1:
        names += list(kinds)
    last = bare.split()[-1:]
    several = last and last[0].endswith("s") and last[0].removesuffix("s") in kinds  # "the lights" are all of them
    if not several and len(bare.split()) > 1 and sum(key(e.name).split()[-1:] == last for e in home.entities) == 1:
        names += last
    return iter(dict.fromkeys(n for n in names if n and n != bare))


def base_lists(home: Home) -> dict[str, SlotList]:
    areas = [(n, a.name) for a in home.areas for n in (a.name, *a.aliases)]
    floors = [(n, f.name) for f in home.floors for n in (f.name, *f.aliases)]
    return {
        "area": TextSlotList.from_tuples(_spellings(areas), name="area", allow_template=False),
        "floor": TextSlotList.from_tuples(_spellings(floors), name="floor", allow_template=False),
    }


def names(pairs: Iterable[tuple[str, Entity]]) -> TextSlotList:
    """A list of names, each with what the templates may require of it."""
    tuples = []
    for name, entity in pairs:
        context = {"domain": entity.domain, "device_class": entity.device_class}
        tuples += [(n, entity.name, {k: v for k, v in context.items() if v}) for n in _variants(name)]
    return TextSlotList.from_tuples(tuples, name="name", allow_template=False)


def _spellings(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(variant, value) for text, value in pairs for variant in _variants(text)]


def _variants(name: str) -> Iterator[str]:
    """The name, and without apostrophes: speech and hasty typing leave them out."""
    return iter(dict.fromkeys([name, name.replace("'", "").replace("’", "")]))


def texts(slot_list: SlotList) -> list[str]:
    assert isinstance(slot_list, TextSlotList)  # noqa: S101 - _base_lists makes nothing else
    return [getattr(v.text_in, "text", "") for v in slot_list.values]


def folded(pairs: Iterable[tuple[str, str]], spaced: bool) -> tuple[tuple[str, str], ...]:
    """What to look for in a text: with blanks around, as words; and without blanks, for scripts that have none."""
    words = ((key(text), domain) for text, domain in pairs)
    return tuple(dict.fromkeys((f" {w} " if spaced else re.sub(r"\s+", "", w), d) for w, d in words if w))
