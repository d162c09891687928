"""What a matched sentence means as a call, and how far it is to be believed beside a rule."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from assistant.home.sentences import Match
from assistant.rules.follow_up_list import OTHER_REQUEST
from assistant.rules.several import AND
from assistant.rules.table import is_question, plain
from assistant.tools.calls import Call
from assistant.tools.home_tools import BY_INTENT


def call_of(match: Match, language: str = "") -> Call | None:
    """The call of a sentence in a language ("" is English); None for one that no tool serves."""
    tool = BY_INTENT.get(match.intent)
    if match.intent == "HassNevermind":
        return Call("nevermind", source=match.intent)
    if tool is None:
        return None
    arguments = dict(match.slots)
    if is_question(str(arguments.get("conversation_command", ""))):
        return None  # "what time will it be in 90 minutes" is nothing to do in 90 minutes
    if tool == "home.state" and match.response:
        arguments["response"] = match.response
    if match.intent.startswith("HassShopping"):
        arguments["name"] = "shopping"
    confidence = {1: 1.0, 2: 0.95, 3: 0.8}[match.reading] * (0.97 if match.free_text else 1.0)
    return Call(tool, arguments, confidence, match.intent, language)


def one_meant(call: Call, text: str) -> Call:
    """ "turn on the lamp" means one of them, "turn on the lights" all."""
    alone = call.tool in ("home.turn_on", "home.turn_off") and call.arguments == {"domain": "light"}
    if (
        alone
        and re.search(r"\b(?:light|lamp)\b", text, re.I)
        and not re.search(r"\b(?:all|every|each|any)\b", text, re.I)
    ):
        return replace(call, arguments={**call.arguments, "one": True})
    return call


def less_sure(sentence: Call, rule: Call) -> bool:
    """Whether a sentence took words as free text that a rule understands ("remind me to call mum in an hour")."""
    if rule.tool.startswith("timer.") and sentence.tool.startswith("timer."):
        return "conversation_command" in sentence.arguments and "duration" not in sentence.arguments
    return sentence.confidence < 1.0


def stop_word(text: str) -> list[Call]:
    """ "stop" with nothing that rings and nothing that plays still is a word for us, not for the model."""
    words = plain(text).casefold().split()
    if words == ["stop"]:
        return [Call("timer.stop", source="rules")]
    return [Call("timer.snooze", source="rules")] if words[:1] == ["snooze"] else []


_WRITTEN_DOWN: Final = frozenset({"note.add", "fact.remember"})
_ASKED_TOO: Final = re.compile(
    r"(?:please )?(?:turn|switch|set|add|put|remind|wake|start|open|close|lock|play|cancel|dim|tell|what|note"
    r"|remember)\b",
    re.IGNORECASE,
)


def took_too_much(call: Call) -> bool:
    """Whether a free-text argument may hold a second request; "milk and eggs" on a list are two items."""
    if call.tool in ("list.add", "list.complete", "list.remove") and not OTHER_REQUEST.search(
        str(call.arguments.get("item", ""))
    ):
        return False
    if call.tool in _WRITTEN_DOWN and not any(
        map(_ASKED_TOO.match, AND.split(str(call.arguments.get("text", "")))[1:])
    ):
        return False  # "note: the plumber comes between 8 and 12"
    free = [
        str(v)
        for k, v in call.arguments.items()
        if k in ("item", "message", "text", "conversation_command", "search_query", "words", "expression", "name")
    ]
    return any(AND.search(f" {text} ") for text in free) and call.tool not in ("calculator",)  # fmt: skip
