"""Lists: shopping, tasks, any name. A list whose device stands in the home keeps its count there."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

import msgspec

from assistant.home.model import Entity, key
from assistant.tools import Missing, Nothing, Outcome, Surroundings, Tool, ToolError, confirmed, read_only

KIND: Final = "list"
SHOPPING: Final = "shopping"
MAX_ITEMS: Final = 2_000
Words = Annotated[str, msgspec.Meta(max_length=300)]


class Item(msgspec.Struct, frozen=True):
    text: str
    done: bool = False


class ListOf(msgspec.Struct, frozen=True):
    name: str
    items: list[Item] = []


class OnList(msgspec.Struct, frozen=True):
    """An item and the list it belongs to; the shopping list if none is named."""

    item: Words = ""
    name: Words = ""


class Named(msgspec.Struct, frozen=True):
    name: Words = ""


def add(arguments: OnList, surroundings: Surroundings) -> Outcome:
    if not arguments.item.strip():
        raise Missing("item", f"What shall I put on the {_list(arguments.name, surroundings).name} list?")
    kept = _list(arguments.name, surroundings)
    new = [part.strip() for part in _split(arguments.item)]
    if len(kept.items) + len(new) > MAX_ITEMS:
        raise ToolError(f"the {kept.name} list is full ({MAX_ITEMS} items)")
    _save(ListOf(kept.name, [*kept.items, *(Item(text) for text in new)]), surroundings)
    return Outcome(f"Added {', '.join(new)} to the {kept.name} list.", {"list": kept.name, "items": new})


def complete(arguments: OnList, surroundings: Surroundings) -> Outcome:
    return _change(arguments, surroundings, remove=False)


def remove(arguments: OnList, surroundings: Surroundings) -> Outcome:
    return _change(arguments, surroundings, remove=True)


def _change(arguments: OnList, surroundings: Surroundings, remove: bool) -> Outcome:
    if not arguments.item.strip():
        raise Missing("item", "Which item?")
    kept = _list(arguments.name, surroundings)
    wanted = key(arguments.item)
    open_items = [i for i in kept.items if not i.done] if not remove else kept.items
    match = next((i for i in open_items if key(i.text) == wanted), None)
    match = match or next((i for i in open_items if wanted in key(i.text)), None)
    if match is None:
        raise ToolError(f"There is no {arguments.item} on the {kept.name} list.")
    at = kept.items.index(match)
    middle = [] if remove else [Item(match.text, True)]
    _save(ListOf(kept.name, [*kept.items[:at], *middle, *kept.items[at + 1 :]]), surroundings)
    return Outcome(
        f"{'Took' if remove else 'Ticked'} {match.text} {'off' if remove else 'off on'} the {kept.name} list."
    )


def read(arguments: Named, surroundings: Surroundings) -> Outcome:
    kept = _list(arguments.name, surroundings)
    left = [i.text for i in kept.items if not i.done]
    text = "\n".join(f"- {item}" for item in left) or f"The {kept.name} list is empty."
    return Outcome(text, {"list": kept.name, "items": left})


def clear(arguments: Named, surroundings: Surroundings) -> Outcome:
    kept = _list(arguments.name, surroundings)
    _save(ListOf(kept.name), surroundings)
    return Outcome(f"Cleared the {kept.name} list ({len(kept.items)} items). Say undo to bring them back.")


def asks_clear(arguments: Named, surroundings: Surroundings) -> tuple[str, str]:
    kept = _list(arguments.name, surroundings)
    n = len(kept.items)
    return f"Empty the {kept.name} list ({n} item{'s' * (n != 1)})?", "You can undo it."


def names(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    kept = [v for v in surroundings.records.all(KIND, ListOf).values() if v.items]
    if not kept:
        return Outcome("There are no lists yet.")
    return Outcome("\n".join(f"- {v.name}: {sum(not i.done for i in v.items)} open" for v in kept))


def _split(item: str) -> list[str]:
    """milk, eggs and bread -> three items; "mac and cheese" stays one."""
    if "," not in item:
        return [item]
    return [p for p in item.replace(", and ", ",").replace(" and ", ",").split(",") if p.strip()]


def _list(name: str, surroundings: Surroundings) -> ListOf:
    device = _device(name, surroundings)
    named = key(name).removesuffix(" list").removeprefix("my ")
    wanted = device.name if device else SHOPPING if named in ("", "my", "the", "our", "that", "this", "it") else named
    return surroundings.records.get(KIND, key(wanted), ListOf) or ListOf(wanted)


def _device(name: str, surroundings: Surroundings) -> Entity | None:
    lists = [e for e in surroundings.home().entities if e.domain == "todo"]
    return next((e for e in lists if key(name) in map(key, (e.name, *e.aliases))), None)


def _save(kept: ListOf, surroundings: Surroundings) -> None:
    surroundings.records.put(KIND, key(kept.name), kept)
    if device := _device(kept.name, surroundings):
        n_open = str(sum(not i.done for i in kept.items))
        surroundings.change_home({device.id: replace(device, state=n_open)})


TOOLS: Final = (
    Tool("list.add", "put something on a list", OnList, add, examples=("add milk to the shopping list",)),
    Tool("list.complete", "tick something off on a list", OnList, complete, examples=("check off milk",)),
    Tool("list.remove", "take something off a list", OnList, remove, examples=("remove milk from my list",)),
    Tool("list.read", "read a list", Named, read, read_only, ("what is on my shopping list",)),
    Tool("list.names", "tell which lists there are", Nothing, names, read_only, ("which lists do I have",)),
    Tool("list.clear", "empty a list", Named, clear, confirmed, ("clear the shopping list",),
         asks=asks_clear),
)  # fmt: skip
