"""What a small model says it has done, where nothing was: the line that says so.

Behind the replies of tools a model takes up their manner: "make it like yesterday" is answered "Turned on: Kitchen
Light.", and nothing was switched. What a model writes can do nothing; so where it answers a command, and its answer
reads like an act, the reader is told. English and German.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from assistant.rules import german_beyond
from assistant.turn import Turn

NOTHING_DONE: Final = "(Nothing was done: that was not understood as a command.)"
_MAX_COMMAND_CHARS: Final = 160

_POLITE: Final = r"(?:(?:please|hey|ok|okay|now|then|and|can you|could you|would you|will you|i want you to)[, ]+)*"
_COMMAND: Final = re.compile(
    _POLITE + r"(?:turn|switch|set|put|start|stop|pause|open|close|shut|lock|unlock|dim|brighten|lower|raise|mute"
    r"|unmute|play|skip|cancel|delete|remove|erase|move|reschedule|snooze|remind|wake|schedule|book|order|buy|reserve"
    r"|call|phone|dial|text|message|send|e-?mail|pay|install|update|run|launch|charge|connect|disconnect|pair|restart"
    r"|reboot|add|save|store|log|water|feed|clean|vacuum|heat|cool|warm|activate|deactivate|enable|disable|arm|disarm"
    r"|make (?:it|them|that)|change (?:it|them|that))\b",
    re.IGNORECASE,
)
# A command about words: the answer is the act.
_ABOUT_WORDS: Final = re.compile(
    r"\b(?:words?|sentences?|paragraphs?|texts?|letters?|poems?|story|stories|essays?|lines?|titles?|names?|tone|style"
    r"|code|functions?|tests?|comments?|variables?|class|loop|json|csv|sql|python|markdown|bullets?|points?|examples?"
    r"|tables?|columns?|rows?|summary|answers?|questions?|explanations?|translations?|grammar|spelling|vowels?|verbs?"
    r"|commas?|jokes?|rhymes?|formal|informal|friendl\w+|polite\w*|shorter|longer|simpler|funn\w+|clear\w*|concise)\b"
    r"|[:\n`]",
    re.IGNORECASE,
)
_DONE: Final = (
    r"(?:turned|switched|set|booked|paid|payed|sent|added|removed|deleted|installed|updated|opened|closed|locked"
    r"|unlocked|dimmed|lowered|raised|started|stopped|paused|played|playing|cancel?led|moved|scheduled|ordered|called"
    r"|saved|stored|changed|made|adjusted|increased|decreased|activated|deactivated|enabled|disabled|connected|muted"
    r"|noted|logged|reminded|charged|reserved|restarted|done)"
)
_ACT: Final = re.compile(
    r"(?:(?:sure(?: thing)?|certainly|of course|ok(?:ay)?|all ?right|alright|yes|absolutely|great|got it)[,.!]*\s+)*"
    rf"(?:i(?:'ll|’ll| will| have|'ve|’ve| am|'m|’m| just| can do)\b(?! (?:sorry|not|unable|afraid|an? |only))"
    rf"|(?:it|that|this|they|the [\w' ]{{1,40}}?|your [\w' ]{{1,40}}?) (?:is|are|was|were|has been|have been|will be) "
    rf"(?:now |being |already )*(?:{_DONE}|on|off|open|closed)\b"
    rf"|{_DONE}\b"
    rf"|[A-Z][\w' ]{{2,50}}: [A-Z][\w', ]{{1,40}}\.?$"
    r"|(?:timer|alarm|reminder|lights?|volume|brightness|temperature)\b[\w ]{0,30}\b(?:set|on|off|changed|is now)\b)",
    re.IGNORECASE,
)


def is_command(text: str) -> bool:
    """Whether it tells the assistant to do something other than to write."""
    told = text.strip()
    if len(told) > _MAX_COMMAND_CHARS or told.endswith("?") or _ABOUT_WORDS.search(told):
        return False
    return bool(_COMMAND.match(told))


def told_apart(request: str, pieces: Iterator[str], turn: Turn) -> Iterator[str]:
    """The model's reply to `request`, and NOTHING_DONE behind it if it reads like an act that nothing carried out."""
    said = ""
    for piece in pieces:
        said += piece if len(said) < 200 else ""
        yield piece
    if turn.usage.finish_reason == "repetition":  # told already, and the copies at the end are to be found
        return
    if turn.cancelled:
        return
    answer = said.lstrip(' \n*"“„')
    acts = _ACT.match(answer) is not None
    if is_command(request) and acts:
        yield f"\n\n{NOTHING_DONE}"
    elif german_beyond.is_german_command(request) and (acts or german_beyond.says_it_acted(answer)):
        yield f"\n\n{german_beyond.NOTHING_DONE}"
