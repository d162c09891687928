"""Lists: shopping, tasks, any name. A list whose device stands in the home keeps its count there."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Final

import msgspec

from assistant.home.model import Entity, key
from assistant.spelling import nearest
from assistant.tools import Level, Missing, Nothing, Outcome, Surroundings, Tool, ToolError, confirmed, read_only
from assistant.tools.mentioned import refers, things_in

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
    item, name = arguments.item, arguments.name
    told = _TO_LIST.fullmatch(item)
    if told and (key(told["name"]) in _GROCERIES or surroundings.records.get(KIND, key(told["name"]), ListOf)):
        item, name = told["item"], told["name"]  # "add socks to packing", where that is a list
    kept = _list(name, surroundings)
    new = things_in(surroundings.last_reply) if refers(item) else _split(item, kept.name)
    if not new:
        raise Missing("item", f"I cannot tell what you mean. What shall I put on the {kept.name} list?")
    if len(kept.items) + len(new) > MAX_ITEMS:
        raise ToolError(f"the {kept.name} list is full ({MAX_ITEMS} items)")
    _save(ListOf(kept.name, [*kept.items, *(Item(text) for text in new)]), surroundings)
    return Outcome(f"Added {', '.join(new)} to the {kept.name} list.", {"list": kept.name, "items": new})


_FROM_LIST: Final = re.compile(r"(?P<item>.+?) (?:from|off|on) (?:the |my )?(?P<name>[\w' -]+)", re.IGNORECASE)
_TO_LIST: Final = re.compile(r"(?P<item>.+?) (?:to|on|onto) (?:the |my )?(?P<name>[\w' -]+)", re.IGNORECASE)


def complete(arguments: OnList, surroundings: Surroundings) -> Outcome:
    return _change(arguments, surroundings, remove=False)


def remove(arguments: OnList, surroundings: Surroundings) -> Outcome:
    return _change(arguments, surroundings, remove=True)


def _change(arguments: OnList, surroundings: Surroundings, remove: bool) -> Outcome:
    if not arguments.item.strip():
        raise Missing("item", "Which item?")
    if (told := _FROM_LIST.fullmatch(arguments.item)) and surroundings.records.get(KIND, key(told["name"]), ListOf):
        arguments = OnList(told["item"], told["name"])  # "remove eggs from packing", where that is a list
    kept = _list(arguments.name, surroundings)
    if remove and key(arguments.item) in _EVERYTHING:
        return clear(Named(arguments.name), surroundings)
    whole = _on(kept, arguments.item, remove)
    if whole is None and not arguments.name:  # "mark stamps as done": on whatever list it is
        lists = surroundings.records.all(KIND, ListOf).values()
        kept = next((found for found in lists if _on(found, arguments.item, remove)), kept)
        whole = _on(kept, arguments.item, remove)
    wanted = [whole] if whole else [_on(kept, part, remove) for part in _split(arguments.item, kept.name)]
    missing = [part for part, item in zip(_split(arguments.item, kept.name), wanted, strict=False) if item is None]
    found = [item for item in wanted if item is not None]
    if not found:
        raise ToolError(f"There is no {arguments.item} on the {kept.name} list.")
    items = [Item(i.text, True) if i in found and not remove else i for i in kept.items if i not in found or not remove]
    _save(ListOf(kept.name, items), surroundings)
    done = ", ".join(item.text for item in found)
    lacking = f" There is no {' and no '.join(missing)} on it." if missing else ""
    return Outcome(
        f"{'Took' if remove else 'Ticked'} {done} {'off' if remove else 'off on'} the {kept.name} list.{lacking}"
    )


def _on(kept: ListOf, text: str, done_too: bool) -> Item | None:
    """The item that is called this, else the first that has it in its name."""
    wanted = re.sub(r"^(?:the|an?|some) ", "", key(text))
    items = [i for i in kept.items if done_too or not i.done]
    return next((i for i in items if key(i.text) == wanted), None) or next(
        (i for i in items if wanted and wanted in key(i.text)), None
    )


class Moved(msgspec.Struct, frozen=True):
    """`source` is the list it is taken from; where none is named, whatever list it is on."""

    item: Words = ""
    name: Words = ""
    source: Words = ""


def move(arguments: Moved, surroundings: Surroundings) -> Outcome:
    """From one list to another. Raises ToolError where it is on none."""
    target = _list(arguments.name, surroundings)
    lists = surroundings.records.all(KIND, ListOf).values()
    sources = [_list(arguments.source, surroundings)] if arguments.source else list(lists)
    where = next(
        (kept for kept in sources if key(kept.name) != key(target.name) and _on(kept, arguments.item, False)), None
    )
    item = _on(where, arguments.item, False) if where else None
    if where is None or item is None:
        on = f"the {sources[0].name} list" if arguments.source else "any other list"
        raise ToolError(f"There is no {arguments.item} on {on}.")
    # Added before it is taken off: killed between the two, it is on both lists, not on none.
    _save(ListOf(target.name, [*target.items, item]), surroundings)
    _save(ListOf(where.name, [i for i in where.items if i is not item]), surroundings)
    return Outcome(f"Moved {item.text} from the {where.name} list to the {target.name} list.")


def has(arguments: OnList, surroundings: Surroundings) -> Outcome:
    """Whether something is on a list."""
    if not arguments.item.strip():
        return read(Named(arguments.name), surroundings)
    kept = _list(arguments.name, surroundings)
    found = _on(kept, arguments.item, done_too=False)
    text = f"Yes, {found.text} is" if found else f"No, {arguments.item} is not"
    return Outcome(f"{text} on the {kept.name} list.", {"list": kept.name, "found": found is not None})


def read(arguments: Named, surroundings: Surroundings) -> Outcome:
    kept = _list(arguments.name, surroundings)
    left = [i.text for i in kept.items if not i.done]
    text = "\n".join(f"- {item}" for item in left) or f"The {kept.name} list is empty."
    return Outcome(text, {"list": kept.name, "items": left})


def create(arguments: Named, surroundings: Surroundings) -> Outcome:
    """Raises Missing without a name."""
    if not arguments.name.strip():
        raise Missing("name", "What shall I call the list?")
    kept = _list(arguments.name, surroundings, new=True)
    if surroundings.records.get(KIND, key(kept.name), ListOf) is not None:
        n = sum(not i.done for i in kept.items)
        return Outcome(f"There is a {kept.name} list already, with {n} item{'s' * (n != 1)}.", {"list": kept.name})
    _save(kept, surroundings)
    return Outcome(f"Made the {kept.name} list. What shall I put on it?", {"list": kept.name})


def delete(arguments: Named, surroundings: Surroundings) -> Outcome:
    """The list itself, with all that is on it. Raises ToolError if there is none."""
    kept = _list(arguments.name, surroundings)
    if surroundings.records.get(KIND, key(kept.name), ListOf) is None:
        raise ToolError(f"There is no {kept.name} list.")
    if _device(kept.name, surroundings):
        return clear(arguments, surroundings)
    surroundings.records.delete(KIND, key(kept.name))
    n = len(kept.items)
    return Outcome(f"Deleted the {kept.name} list ({n} item{'s' * (n != 1)}). Say undo to bring it back.")


def asks_delete(arguments: Named, surroundings: Surroundings) -> tuple[str, str]:
    kept = _list(arguments.name, surroundings)
    n = len(kept.items)
    return f"Delete the {kept.name} list ({n} item{'s' * (n != 1)})?", "You can undo it."


def clear(arguments: Named, surroundings: Surroundings) -> Outcome:
    kept = _list(arguments.name, surroundings)
    if not kept.items:
        return Outcome(f"The {kept.name} list is empty.", {"list": kept.name})
    _save(ListOf(kept.name), surroundings)
    return Outcome(f"Cleared the {kept.name} list ({len(kept.items)} items). Say undo to bring them back.")


def level_of_clearing(arguments: Named, surroundings: Surroundings) -> Level:
    return Level.CONFIRM if _list(arguments.name, surroundings).items else Level.READ


def asks_clear(arguments: Named, surroundings: Surroundings) -> tuple[str, str]:
    kept = _list(arguments.name, surroundings)
    n = len(kept.items)
    return f"Empty the {kept.name} list ({n} item{'s' * (n != 1)})?", "You can undo it."


def names(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    kept = surroundings.records.all(KIND, ListOf).values()
    if not kept:
        return Outcome("There are no lists yet.")
    return Outcome("\n".join(f"- {v.name}: {sum(not i.done for i in v.items)} open" for v in kept))


def _split(item: str, list_name: str) -> list[str]:
    """milk, eggs and bread -> three items. On a list of things to buy or pack "milk and eggs" are two, "mac and cheese"
    stays one; on other lists, where "call Bob and Alice" is one thing to do, only commas separate."""
    shops = bool(_THINGS & set(key(list_name).split()))
    if "," not in item and not shops:
        return [item.strip()]
    kept_whole = _ONE_THING.sub(lambda match: match[0].replace(" ", "\0"), item)
    parts = re.split(r",\s*(?:and\s+)?|\s+(?:and|&|plus|as well as)\s+", kept_whole)
    return [p.replace("\0", " ").strip() for p in parts if p.strip()] or [item.strip()]


_GROCERIES: Final = frozenset({"grocery", "groceries"})  # the shopping list, where no list has that name
_EVERYTHING: Final = frozenset({"everything", "all", "all items", "all of it", "every item", "all the items"})
_THINGS: Final = frozenset({"shopping", "grocery", "groceries", "food", "supermarket", "market", "packing", "camping"})
_ONE_THING: Final = re.compile(
    r"\b(?:mac(?:aroni)? and cheese|ham and cheese|salt and vinegar|sour cream and onion|cheese and onion|"
    r"fish and chips|gin and tonic|rum and coke|half and half|cookies and cream|peanut butter and jelly|sweet and sour|"
    r"rice and beans|pork and beans|m and m'?s|head and shoulders|arm and hammer|ben and jerry'?s|black and white|"
    r"salt and pepper)\b",
    re.IGNORECASE,
)


def _list(name: str, surroundings: Surroundings, new: bool = False) -> ListOf:
    """The list of that name, or an empty one; `new` is for one that is asked for by this very name."""
    device = _device(name, surroundings)
    named = re.sub(r"\bto ?dos?\b", "to do", key(name).removesuffix(" list").removeprefix("my "))
    if not new and named in _GROCERIES and surroundings.records.get(KIND, named, ListOf) is None:
        named = SHOPPING  # one list of what is to be bought, by either name
    wanted = device.name if device else SHOPPING if named in ("", "my", "the", "our", "that", "this", "it") else named
    if device is None and surroundings.records.get(KIND, key(wanted), ListOf) is None:  # "shoping" is no new list
        known = frozenset({SHOPPING, *surroundings.records.all(KIND, ListOf)})
        wanted = nearest(wanted, known) or wanted if wanted else wanted
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
    Tool("list.move", "move something to another list", Moved, move,
         examples=("move milk to the hardware list",), by_model=False),
    Tool("list.read", "read a list", Named, read, read_only, ("what is on my shopping list",)),
    Tool("list.has", "tell whether something is on a list", OnList, has, read_only,
         ("is milk on my shopping list",)),
    Tool("list.names", "tell which lists there are", Nothing, names, read_only, ("which lists do I have",)),
    Tool("list.create", "make a new list", Named, create, examples=("create a list called gifts",), by_model=False),
    Tool("list.delete", "delete a list", Named, delete, confirmed, ("delete the gifts list",), by_model=False,
         asks=asks_delete),
    Tool("list.clear", "empty a list", Named, clear, level_of_clearing, ("clear the shopping list",),
         asks=asks_clear),
)  # fmt: skip
