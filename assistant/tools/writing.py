"""Texts: translate, copy to the clipboard, dictate into a file, read aloud. "This" and "that" mean the last reply.

A translation is written by the model, which gets the instruction and the text and nothing else of the conversation.
Dictation goes into ASSISTANT_HOME/dictation, in plain text: it leaves the encrypted store, so it is confirmed.
"""

from __future__ import annotations

import os
import re
from typing import Annotated, Final

import msgspec

from assistant import paths
from assistant.tools import Missing, Outcome, Surroundings, Tool, ToolError, confirmed, read_only, reversible

Text = Annotated[str, msgspec.Meta(max_length=8_000)]
Words = Annotated[str, msgspec.Meta(max_length=60)]
FOLDER: Final = "dictation"
LANGUAGES: Final = frozenset(
    ("english", "german", "french", "spanish", "italian", "portuguese", "dutch", "polish", "swedish", "danish",
     "norwegian",
     "finnish", "czech", "greek", "turkish", "russian", "ukrainian", "arabic", "hebrew", "hindi", "chinese", "mandarin",
     "japanese", "korean", "vietnamese", "indonesian", "romanian", "hungarian", "latin", "catalan")
)  # fmt: skip
_THAT: Final = frozenset({"", "this", "that", "it", "the last answer", "your answer", "your last answer", "the answer",
                          "the last reply", "your reply", "the reply", "what you said"})  # fmt: skip


class Translation(msgspec.Struct, frozen=True):
    text: Text = ""
    language: Words = ""


class Spoken(msgspec.Struct, frozen=True):
    text: Text = ""


class Dictation(msgspec.Struct, frozen=True):
    """`file` is a name without a folder."""

    text: Text = ""
    file: Words = ""


def translate(arguments: Translation, surroundings: Surroundings) -> Outcome:
    if not arguments.language:
        raise Missing("language", "Into which language?")
    text = _meant(arguments.text, surroundings, "What shall I translate?")
    told = f"Translate the user's text into {arguments.language.title()}. Reply with the translation alone."
    return Outcome("", {"language": arguments.language}, writes=(told, text))


def answer(arguments: Spoken, surroundings: Surroundings) -> Outcome:
    """What no tool does, asked for beside something that one does: the model's words behind it."""
    return Outcome("", writes=("You are a helpful assistant. Answer briefly.", arguments.text))


def left(arguments: Spoken, surroundings: Surroundings) -> Outcome:
    """Another part of a request, that nothing here understands."""
    return Outcome(f"I did not understand this, so it is not done: {arguments.text}.")


def copy(arguments: Spoken, surroundings: Surroundings) -> Outcome:
    text = _meant(arguments.text, surroundings, "What shall I copy?")
    if (clipboard := surroundings.hooks.get("clipboard")) is None:
        raise ToolError("There is no clipboard here; in the chat screen there is one.")
    clipboard(text)
    return Outcome(f"Copied {_n_words(text)} to the clipboard.")


def save(arguments: Dictation, surroundings: Surroundings) -> Outcome:
    """Append a paragraph to a file of the user's. Raises ToolError for a name that is none, or a full disk."""
    text = _meant(arguments.text, surroundings, "What shall I write?")
    path = paths.private_folder(paths.home() / FOLDER) / _file_name(arguments.file)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(f"{text.rstrip()}\n")
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}") from error
    return Outcome(f"Wrote {_n_words(text)} to {path}.", {"path": str(path)})


def asks_save(arguments: Dictation, surroundings: Surroundings) -> tuple[str, str]:
    text = arguments.text if _folded(arguments.text) not in _THAT else surroundings.last_reply
    return (f"Write {_n_words(text)} to {paths.home() / FOLDER / _file_name(arguments.file)}?",
            "The file is plain text, outside the encrypted history.")  # fmt: skip


def read_aloud(arguments: Spoken, surroundings: Surroundings) -> Outcome:
    text = _meant(arguments.text, surroundings, "What shall I read?")
    if (speak := surroundings.hooks.get("speak")) is None:
        raise ToolError("I have no voice here. `assistant voice` speaks, once a voice is pulled.")
    speak(text)
    return Outcome(text)


def _meant(text: str, surroundings: Surroundings, question: str) -> str:
    if _folded(text) not in _THAT:
        return text.strip()
    if not surroundings.last_reply.strip():
        raise Missing("text", question)
    return surroundings.last_reply.strip()


def _folded(text: str) -> str:
    return " ".join(text.casefold().strip(" .:'\"").split())


def _file_name(name: str) -> str:
    """Letters, digits, blanks and dashes, with .txt or .md behind; "notes" where nothing is left."""
    stem, dot, ending = name.strip().rpartition(".")
    plain = re.sub(r"[^\w -]+", "", stem if dot else name).strip()[:40] or "notes"
    return f"{plain}.{'md' if dot and ending.casefold() == 'md' else 'txt'}"


def _n_words(text: str) -> str:
    n = len(text.split())
    return f"{n} word{'s' * (n != 1)}"


TOOLS: Final = (
    Tool("text.translate", "translate a text", Translation, translate, read_only,
         ("translate good morning into French",)),
    Tool("text.answer", "answer in words what was asked beside an action", Spoken, answer, read_only,
         ("tell me a joke",), by_model=False),
    Tool("text.left", "say which part of a request was not understood", Spoken, left, read_only,
         ("and frobnicate",), by_model=False),
    Tool("text.copy", "copy a text to the clipboard", Spoken, copy, reversible, ("copy that to the clipboard",),
         by_model=False),
    Tool("text.save", "write a text into a file", Dictation, save, confirmed,
         ("dictate into file ideas: build a boat",), by_model=False, asks=asks_save),
    Tool("text.speak", "read a text aloud", Spoken, read_aloud, read_only, ("read that aloud",)),
)  # fmt: skip
