"""What stands beside a command in one request: "set a timer for 5 minutes and tell me a joke".

What no tool does and what asks for words is left to the model, behind what was done. Another request that is not
understood is named. Nothing of it is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from assistant.rules.corrections import COMMAND
from assistant.rules.several import AND, KNOWN, REFERS
from assistant.rules.table import plain
from assistant.tools.calls import Call

ANSWER: Final = "text.answer"
LEFT: Final = "text.left"
_ASKS: Final = re.compile(  # not "tell me when it is done": that would have to be kept
    r"(?:(?:tell|give|write|sing|recite|read|suggest|recommend|find|teach|show)(?: to)? (?:me|us)\b"
    r"(?! (?:when|if|once|again|later|in|at|before|after)\b)"
    r"|(?:explain|describe|summari[sz]e|write|compose|recommend|suggest|define)\b"
    r"|(?:what|who|why|how|where|which)(?:'s|'re| is| are| was| were| do| does| did| can| could| would| should| many"
    r"| much| far| old| long| tall| big)\b)",
    re.IGNORECASE,
)
_ASKS_FIRST: Final = re.compile(  # "explain how to lock the door and open the gate" orders nothing
    r"(?:tell|give|write|sing|recite) (?:me|us) (?:an?|another|some|the|two|three) "
    r"(?!.*\b(?:how|who|what|that|where)\b)",
    re.IGNORECASE,
)
_ASKS_WHAT: Final = re.compile(r"(?:what|who|where|when)(?:'s| is| are| was| were)\b", re.IGNORECASE)
_ORDERS: Final = re.compile(  # what only a request begins with
    r"(?:ask|bake|book|bring|build|call|check|clean|connect|cook|download|draw|email|feed|fetch|find|fix|get me|help"
    r"|install|invite|let me know|look up|make (?:me|sure|an?)|message|open|order|pay|post|print|reply|ring|run|save"
    r"|search|sell|send|show|tell|text|update|upload|walk|warn|wash|watch|water)\b",
    re.IGNORECASE,
)
_KEEPS_WORDS: Final = ("reminder.", "note.", "fact.", "text.", "home.announce")  # what stands behind may be theirs
_OPEN_END: Final = ("list.", "event.")
_ANY_WORDS: Final = ("media.play",)
_CLOSED: Final = re.compile(r"\b(?:list|lists|calendar|schedule|agenda)$", re.IGNORECASE)


def with_words(text: str, calls_of: Callable[[str], list[Call]]) -> list[Call]:
    """The calls of a request of which one part asks for words, with that part for the model behind them; else none."""
    request = plain(text)
    for joint in AND.finditer(request):
        before, behind = request[: joint.start()].strip(), plain(request[joint.end() :])
        if _ASKS.match(behind):
            return _both(before, behind, calls_of)
    for joint in reversed(list(AND.finditer(request))):
        before, behind = request[: joint.start()].strip(), plain(request[joint.end() :])
        first = _ASKS_FIRST.match(before) or (_ASKS_WHAT.match(before) and COMMAND.match(behind))
        if first and (both := _both(behind, before, calls_of)):
            return both
    for joint in AND.finditer(request):
        before, behind = request[: joint.start()].strip(), plain(request[joint.end() :])
        if _ORDERS.match(behind) and not REFERS.search(behind) and (both := _both(before, behind, calls_of, LEFT)):
            return both
    return []


def _both(command: str, asks: str, calls_of: Callable[[str], list[Call]], tool: str = ANSWER) -> list[Call]:
    calls = calls_of(command) if command and asks else []
    keeps = () if _ASKS_FIRST.match(asks) else _KEEPS_WORDS + (_ANY_WORDS if tool == LEFT else ())
    if not calls or any(call.confidence < KNOWN or call.tool.startswith(keeps) for call in calls):
        return []
    if calls[-1].tool.startswith(_OPEN_END) and not _CLOSED.search(command):
        return []
    return [] if calls_of(asks) else [*calls, Call(tool, {"text": asks}, source="rules")]
