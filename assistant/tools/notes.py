"""Notes, and facts to remember about the user: written, searched, shown, forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from assistant.conversation import new_id
from assistant.home.model import key
from assistant.tools import Level, Missing, Nothing, Outcome, Surroundings, Tool, ToolError, events, read_only

NOTE: Final = "note"
FACT: Final = "fact"
MAX_KEPT: Final = 5_000
MAX_SHOWN: Final = 20
Long = Annotated[str, msgspec.Meta(max_length=4_000)]
_STOP: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "my",
        "is",
        "are",
        "was",
        "do",
        "does",
        "did",
        "what",
        "which",
        "who",
        "where",
        "when",
        "i",
        "me",
        "of",
        "to",
        "in",
        "on",
        "about",
        "that",
        "welche",
        "welcher",
        "wer",
        "wo",
        "wann",
        "wie",
        "ist",
        "sind",
        "war",
        "hat",
        "habe",
        "ich",
        "mein",
        "meine",
        "meinen",
        "der",
        "die",
        "das",
        "den",
        "von",
        "zu",
    ]
)


class Kept(msgspec.Struct, frozen=True):
    """A note or a fact; `created` is its local time in ISO form."""

    text: str
    created: str = ""


class Text(msgspec.Struct, frozen=True):
    text: Long = ""


class Change(msgspec.Struct, frozen=True):
    """`text` finds the fact, `to` replaces it or what it says behind "is"."""

    text: Long = ""
    to: Long = ""


_STATED: Final = re.compile(r"(.+? (?:is|are|was|were)) \S.*", re.IGNORECASE)


def add_note(arguments: Text, surroundings: Surroundings) -> Outcome:
    return _keep(NOTE, arguments.text, surroundings, "What shall I note?", "Noted")


def remember(arguments: Text, surroundings: Surroundings) -> Outcome:
    return _keep(FACT, arguments.text, surroundings, "What shall I remember?", "I will remember")


def _keep(kind: str, text: str, surroundings: Surroundings, question: str, said: str) -> Outcome:
    if not text.strip():
        raise Missing("text", question)
    if len(surroundings.records.all(kind, Kept)) >= MAX_KEPT:
        raise ToolError(f"there are {MAX_KEPT} of them already; delete some first")
    surroundings.records.put(kind, new_id(), Kept(text.strip(), surroundings.clock().isoformat(timespec="minutes")))
    return Outcome(f"{said}: {text.strip()}")


def find_notes(arguments: Text, surroundings: Surroundings) -> Outcome:
    return _shown(_found(NOTE, arguments.text, surroundings), "note")


def list_notes(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    return _shown(list(surroundings.records.all(NOTE, Kept).items()), "note", asked=False)


def recall(arguments: Text, surroundings: Surroundings) -> Outcome:
    """What was told to be remembered about something. Raises ToolError if there is nothing."""
    found = _found(FACT, arguments.text, surroundings)
    if not found:
        raise ToolError("You have not told me that.")
    return Outcome("You told me: " + "; ".join(kept.text for _, kept in found[:3]), _data(found))


def recalled(question: str, surroundings: Surroundings) -> str:
    """The tool that reads what the user told and has all words of a question in it; "" if nothing has.

    What was told decides only whether it is read out, never what else is done.
    """
    words = [w for w in key(question).split() if not {w, w.removesuffix("s")} & (_STOP | {"i", "am", "me", "tell"})]
    if re.match(r"(?:when|what (?:time|day))\b", question.strip(), re.IGNORECASE):
        entries = surroundings.records.all(events.KIND, events.Event).values()
        if any(events.is_about(question, e.title) for e in entries):
            return "event.find"
    if not words or (len(words) == 1 and not {"my", "i"} & set(key(question).split())):
        return ""
    for kind, tool in ((FACT, "fact.recall"), (NOTE, "note.find")):
        kept = surroundings.records.all(kind, Kept).values()
        if any(all(_has(w, key(k.text).split()) for w in words) for k in kept):
            return tool
    return ""


def list_facts(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    return _shown(list(surroundings.records.all(FACT, Kept).items()), "fact")


def change(arguments: Change, surroundings: Surroundings) -> Outcome:
    """Another text for a fact. "My bike is green" changed to "red" is "my bike is red". Raises ToolError."""
    if not arguments.text.strip():
        raise Missing("text", "Which fact?")
    if not (to := arguments.to.strip(" .")):
        raise Missing("to", "What shall I remember instead?")
    found = _found(FACT, arguments.text, surroundings)
    if not found:
        raise ToolError("You have told me nothing about that.")
    row, was = found[0]
    whole = _STATED.match(was.text)
    text = f"{whole[1]} {to}" if whole and not _STATED.match(to) else to
    surroundings.records.put(FACT, row, Kept(text, surroundings.clock().isoformat(timespec="minutes")))
    return Outcome(f"I will remember: {text}. Before it was: {was.text}", {"was": was.text})


def clear_facts(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    facts = surroundings.records.all(FACT, Kept)
    for row in facts:
        surroundings.records.delete(FACT, row)
    if not facts:
        return Outcome("You have told me nothing to remember.")
    return Outcome(f"Forgotten: {_n_facts(len(facts))}. Conversations stay; `assistant history wipe` deletes those.")


def _asks_clear(arguments: Nothing, surroundings: Surroundings) -> tuple[str, str]:
    return f"Forget {_n_facts(len(surroundings.records.all(FACT, Kept)))} that you told me?", "You can undo it."


def _clear_level(arguments: Nothing, surroundings: Surroundings) -> Level:
    return Level.CONFIRM if surroundings.records.all(FACT, Kept) else Level.READ


def _n_facts(n: int) -> str:
    return "the one fact" if n == 1 else f"all {n} facts"


def delete_note(arguments: Text, surroundings: Surroundings) -> Outcome:
    return _delete(NOTE, arguments.text, surroundings)


def forget(arguments: Text, surroundings: Surroundings) -> Outcome:
    return _delete(FACT, arguments.text, surroundings)


def _delete(kind: str, text: str, surroundings: Surroundings) -> Outcome:
    if not text.strip():
        raise Missing("text", f"Which {kind}?")
    found = _found(kind, text, surroundings)
    if not found:
        raise ToolError(f"There is no {kind} about that.")
    surroundings.records.delete(kind, found[0][0])
    return Outcome(f"Deleted the {kind}: {found[0][1].text}")


def _asks_delete(kind: str) -> Callable[[Text, Surroundings], tuple[str, str]]:
    def asks(arguments: Text, surroundings: Surroundings) -> tuple[str, str]:
        found = _found(kind, arguments.text, surroundings) if arguments.text.strip() else []
        what = f": {found[0][1].text[:200]}" if found else f" about {arguments.text}"
        return f"Delete the {kind}{what}?", "You can undo it."

    return asks


def _level(kind: str) -> Callable[[Text, Surroundings], Level]:
    """Nothing has to be confirmed where there is nothing of the kind."""

    def level(arguments: Text, surroundings: Surroundings) -> Level:
        there = not arguments.text.strip() or _found(kind, arguments.text, surroundings)
        return Level.CONFIRM if there else Level.READ

    return level


def _found(kind: str, text: str, surroundings: Surroundings) -> list[tuple[str, Kept]]:
    """Those that share words with the question, best first; with no question, all."""
    kept = list(surroundings.records.all(kind, Kept).items())
    wanted = [w for w in key(text).split() if w not in _STOP]
    if not wanted:
        return kept
    scored = [(sum(_has(w, key(k.text).split()) for w in wanted) / len(wanted), i, k) for i, k in kept]
    best = max((score for score, _, _ in scored), default=0)
    needed = max(0.5, best - 0.01)
    return [(i, k) for score, i, k in sorted(scored, key=lambda s: -s[0]) if score >= needed]


def _has(word: str, words: list[str]) -> bool:
    return any(_stem(w) == _stem(word) for w in words)


def _stem(word: str) -> str:
    """ "parked", "parking", "parks" -> "park": what was told and what is asked differ in their endings."""
    return re.sub(r"(?<=\w{3})(?:ing|ed|s)$", "", word)


def _shown(found: list[tuple[str, Kept]], kind: str, asked: bool = True) -> Outcome:
    if not found:
        return Outcome(
            f"There are no {kind}s{' like that' if asked else ''}."
            if kind == "note"
            else "You have told me nothing to remember."
        )
    lines = [f"- {kept.text} ({kept.created[:10]})" for _, kept in found[-MAX_SHOWN:]]
    return Outcome("\n".join(lines), _data(found))


def _data(found: list[tuple[str, Kept]]) -> dict[str, object]:
    return {"found": [kept.text for _, kept in found[:MAX_SHOWN]]}


TOOLS: Final = (
    Tool("note.add", "write a note", Text, add_note, examples=("note that the spare key is at Anna's",)),
    Tool("note.find", "search the notes", Text, find_notes, read_only, ("find my note about the key",)),
    Tool("note.list", "show the notes", Nothing, list_notes, read_only, ("show my notes",)),
    Tool("note.delete", "delete a note", Text, delete_note, _level(NOTE), ("delete the note about the key",),
         asks=_asks_delete(NOTE)),
    Tool("fact.remember", "remember a fact about the user", Text, remember,
         examples=("remember that my bike is a 56",)),
    Tool("fact.recall", "recall a fact the user told", Text, recall, read_only, ("what size is my bike",)),
    Tool("fact.change", "change a fact", Change, change, by_model=False,
         examples=("change the fact that my bike is a 56 to my bike is a 58",)),
    Tool("fact.clear", "forget all facts", Nothing, clear_facts, _clear_level, ("forget everything you know about me",),
         by_model=False, asks=_asks_clear),
    Tool("fact.list", "show what is remembered", Nothing, list_facts, read_only, ("what do you know about me",)),
    Tool("fact.forget", "forget a fact", Text, forget, _level(FACT), ("forget my bike size",),
         asks=_asks_delete(FACT)),
)  # fmt: skip
