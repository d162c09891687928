"""The same request in words that rules know: tried where none takes it as it stands.

"did I lock the front door" asks whether it is locked; "whats" is "what's"; "trun on the kithcen light" has slips.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from assistant.home.model import Area, Entity, Floor, Home
from assistant.rules.german_words import is_german, says_not
from assistant.rules.table import plain
from assistant.spelling import LEAST_LETTERS, nearest
from assistant.tools.calls import Call

MAX_WRONG: Final = 3  # words that are corrected in one request
_DONE: Final = {"lock": "locked", "unlock": "unlocked", "close": "closed", "shut": "closed", "open": "open",
                "locked": "locked", "closed": "closed"}  # fmt: skip
_SOMEBODY: Final = r"(?:i|we|anyone|anybody|someone|somebody)"
_KEEP: Final = r"(?:leave|keep|make sure|ensure)(?: that)? (.+?)(?: is| are| stays?)?"
_MADE: Final = r"^(?:set|make|turn|change)"
_COLOURS: Final = "red|green|blue|yellow|orange|purple|pink|white|turquoise|cyan|magenta|violet"
_REWORDED: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"^(what|how|where|who|when|it)s\b", r"\1's"),
        (r"^(?:play|play (?:some |the )?music)$", "resume the music"),
        (rf"^{_KEEP} (on|off)$", r"turn \1 \2"),
        (rf"^{_KEEP} locked$", r"lock \1"),
        (rf"^{_KEEP} (?:closed|shut)$", r"close \1"),
        (rf"^{_KEEP} open$", r"open \1"),
        (r"\b(turn|switch) of\b(?! the (?:century|year|tide))", r"\1 off"),
        (r"^((?:turn|switch) (?:the |my |all )?[\w ]+) of$", r"\1 off"),
        (rf"^(?:did|have|has) {_SOMEBODY} (?:turn|switch|turned|switched) (on|off) (.+)$", r"is \2 \1"),
        (rf"^(?:did|have|has) {_SOMEBODY} (?:turn|switch|turned|switched) (.+) (on|off)$", r"is \1 \2"),
        (r"^set (?:the )?volume (?:of|on|for|in) (?:the |my )?(.+?) (?:to|at) (\d{1,3}) ?(?:%|percent)?$",
         r"set \1 volume to \2 percent"),
        (r"^(?:put|set) (?:the |my )?(.+?) (?:on|to|at) (\d{1,3})$", r"set \1 to \2%"),
        (r"^turn (?:the |my )?(.+?) (?:up|down) to (\d+.*)$", r"set \1 to \2"),
        (r"^turn (?:the |my )?(.+?) to (\d+ ?(?:degrees|°|%|percent).*)$", r"set \1 to \2"),
        (r"^(?:send|bring|return) (?:the |my )?(?:robot )?(?:vacuum|hoover|robot)(?: cleaner)? (?:back )?"
         r"(?:home|to (?:its|the) (?:base|dock))$", "dock the vacuum"),
        (r"^split (?:up )?[$€£]?([\d.,]+)(?: dollars| euros| pounds| bucks)? (?:(?:between|among|by|into|in) )?(\w+)"
         r"(?: ways| people| of us| parts)$", r"what is \1 divided by \2"),
        (r"^what did i (?:note|write down) about (.+)$", r"find my note about \1"),
        (rf"^(?:make|set|turn) (.+?) (?:to )?({_COLOURS}),? (?:at|and|with|to) (?:a brightness of )?(\d{{1,3}}) ?"
         r"(?:%|percent)(?: brightness)?$", r"set \1 to \2 and \3 percent"),
        (r"^turn (?:up|down) (?:the )?(?:heat|heating|temperature) (?:in|of|for) (?:the )?(.+?) to (\d+)(?: degrees)?$",
         r"set the temperature in the \1 to \2 degrees"),
        (rf"{_MADE} (.+?) (?:to )?(?:warm|soft) white$", r"set the color temperature of \1 to 2700"),
        (rf"{_MADE} (.+?) (?:to )?(?:neutral|natural) white$", r"set the color temperature of \1 to 4000"),
        (rf"{_MADE} (.+?) (?:to )?(?:cool|cold|bright) white$", r"set the color temperature of \1 to 5000"),
        (r"^(?:the )?(blinds|shutters|curtains) (?:down|closed)$", r"close the \1"),
        (r"^(?:the )?(blinds|shutters|curtains) (?:up|open)$", r"open the \1"),
        (r"^(?:let me know|tell me) (in .+?) (that .+)$", r"remind me \1 \2"),
        (r"^(?:let me know|tell me|ping me|beep)(?: again)? (?:when |after |in )(.+?)(?: have| has| are| is)?"
         r"(?: passed| gone by| up| over)?$", r"set a timer for \1"),
        (r"^(?:let me know|ping me|beep) (at .+)$", r"wake me \1"),
        (r"^(?:how long|when) (?:until|will|does|is) my timer (?:goes off|go off|rings|ends|is up|done)$",
         "how much time is left on the timer"),
        (r"^did (?:my|the) timer (?:go off|ring|end)$", "how much time is left on the timer"),
        (r"^(what.* on .*\blist) (?:today|now|right now|currently)$", r"\1"),
        (r"^start (?:vacuuming|hoovering) (.+)$", r"vacuum \1"),
        (r"^(?!(?:turn|set|make|put|change|heat|cool|bring|get|what|how|is|it)\b)(?:the )?"
         r"([a-z]+(?: (?!to\b|at\b|up\b|down\b)[a-z]+)?) (\d{2}) ?(?:degrees|°)$",
         r"set the temperature in the \1 to \2 degrees"),
        (r"^(?:is it|how) humid(?: is it)?(?: (in .+))?$", r"what is the humidity \1"),
        (r"^skip (?:this|that)(?: one| song| track)?$", "next song"),
        (r"^do i have (?:anything|something)(?: planned)? (?:on |for )?(.+)$", r"what do i have on \1"),
        (r"^(two|three|four) timers,? (?:for |of )?(.+)$", r"set \1 timers for \2"),
        (r"^(?:set|put|turn) (.*\bfan) (?:to|on|at) (?:speed|level|setting|stage) (\d)$", r"set \1 to \2"),
        (r"^what(?:'s| is)(?: still)? (open|on|unlocked)$", r"is anything \1"),
        (r"^(.+?) (?:to |at )?half(?:way|[ -]way)(?: (?:open|up|down|closed))?$", r"set \1 to 50%"),
    )
)  # fmt: skip
_DID: Final = re.compile(
    rf"^(?:did|have|has) {_SOMEBODY} (?P<verb>lock(?:ed)?|close[d]?|shut|unlock|open) (?P<what>.+)$", re.IGNORECASE
)
_COMMANDS: Final = """
turn switch timer timers alarm alarms remind minute minutes hour hours second seconds light lights lamp lamps blinds
curtains shopping list lock unlock open close volume temperature heating degrees brightness percent pause resume
cancel start snooze tomorrow tonight morning evening monday tuesday wednesday thursday friday saturday sunday window
eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty ninety three
four five seven eight please door doors everything locked closed what when where with from that this have
"""
_KNOWN: Final = frozenset(_COMMANDS.split())
# what was corrected acts only where a wrong guess is seen at once and free text is no part of it
_CORRECTED: Final = ("home.turn_", "home.light", "home.position", "home.state", "home.temperature", "home.read",
                     "timer.", "alarm.", "media.volume", "media.pause", "list.read")  # fmt: skip


_OWN_WORDS: Final = {"reminder.set": "message", "list.add": "item"}
_SHORT: Final = {"teh": "the", "hte": "the", "adn": "and", "nad": "and", "fro": "for", "ot": "to", "mintues": "minutes",
                 "minuets": "minutes"}  # fmt: skip


_NOT: Final = re.compile(
    r"(?:^|[,;.:!] ?|\b(?:and|but|please|so|you) )"
    r"(?:don'?t|do not|never|not|no need to|you (?:must|should)(?:n't| not))"
    r"(?! (?:forget|let me forget|you|we|i|they)\b) "
    r"|^(?:stop|quit|avoid) (?=(?:turning|switching|opening|closing|locking|unlocking|dimming)\b)"
    r"|\b(?:nicht|niemals)\b|\bne \w+ pas\b|^no [a-z]+(?:es|as)\b|别|不要",
    re.IGNORECASE,
)
_MOST_FORBIDDEN_WORDS: Final = 12
_COMMANDED: Final = re.compile(
    r"(?:ever )?(?:turn|switch|open|close|shut|lock|unlock|set|start|stop|play|pause|dim|raise|lower|mute|cancel|delete"
    r"|add|remove|clear|ring|wake|remind"
    r"|turning|switching|opening|closing|locking|unlocking|dimming)\b",
    re.IGNORECASE,
)


NO_NAME: Final = re.compile(
    r"(?:leave|keep|stop|quit|avoid|without|if|when)\b", re.IGNORECASE
)  # begins no device's name


NO_MUSIC: Final = re.compile(  # is played, and by no loudspeaker
    r"(?:(?:the )?(?:role|part) of|as |with |dead$|it |(?:a |some )?(?:games?|prank|joke|trick|chess|cards|hangman)\b"
    r"|tic.?tac.?toe|(?:20|twenty) questions|rock,? paper|devil's advocate|i spy|trivia)",
    re.IGNORECASE,
)


_IT: Final = re.compile(r"\b(?:it|that|this|them)\b", re.IGNORECASE)
_A_MATTER: Final = re.compile(
    r"degree|°|temperature|thermostat|heat|warm|cool|cold|hot|light|bright|dark|dim|lamp|volume|loud|quiet|mute|music|song"
    r"|track|percent|%|fan|blind|curtain|shutter|window|door|lock|play|pause",
    re.IGNORECASE,
)


def acts_on_it(tool: str, text: str) -> bool:
    """Whether a tool of the home would act on "it" where the text names no matter of the home: "make it 12" is not the
    heating of the whole house."""
    return tool.startswith(("home.", "media.")) and bool(_IT.search(text)) and not _A_MATTER.search(text)


def is_form(tool: str, text: str) -> bool:
    """Whether a list is how an answer is to be written, and none of the user's: "three fruits as a bulleted list"."""
    return tool.startswith("list.") and _FORM.search(text) is not None


_FORM: Final = re.compile(
    r"\bas an? (?:[\w-]+ )?list\b|\b(?:bulleted|numbered|ordered|unordered) list\b|\bbullet(?:ed)? (?:points?|list)\b"
    r"|\b(?:as|in|with) bullets\b|\bin list form\b",
    re.IGNORECASE,
)
ANY: Final = re.compile(
    r"(?:eine?[nmr]?|man|ich) ", re.IGNORECASE
)  # "wie lange dauert ein Flug": no timer of that name


def forbids(text: str) -> bool:
    """Whether it says what is not to be done: no model shall choose a tool for that, as small ones do the thing."""
    return _NOT.search(plain(text)) is not None or (is_german(text) and says_not(text))


def forbidden(text: str) -> bool:
    """Whether all it says is that a command is not to be given: "don't turn off the lights yet"."""
    words = plain(text)
    match = _NOT.match(words)
    if text.rstrip().endswith("?") or len(words.split()) > _MOST_FORBIDDEN_WORDS:  # that is talk about it
        return False
    return match is not None and _COMMANDED.match(words, match.end()) is not None


def rewordings(text: str, home: Home) -> Iterator[tuple[str, bool]]:
    """(the text in other words, whether a typing error was guessed), the surest first."""
    words = plain(text)
    said = _reworded(words)
    if did := _DID.fullmatch(said):
        said = f"is {did['what']} {_DONE[did['verb'].casefold()]}"
    if said != words:
        yield said, False
    corrected = _corrected(said, frozenset(_names(home)))
    if corrected != said:
        yield _reworded(plain(corrected)), True


def in_digits(text: str) -> str:
    """ "fifty five percent" in digits, as the sentences of a home have it."""
    return _TWO_WORDS.sub(lambda m: str(_TENS.index(m[1].casefold()) * 10 + _ONES.index(m[2].casefold()) + 21), text)


_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ONES: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TWO_WORDS: Final = re.compile(
    rf"\b({'|'.join(_TENS)})[ -]({'|'.join(_ONES)})(?= ?(?:percent|per cent|%|degrees?))", re.IGNORECASE
)


def _reworded(words: str) -> str:
    for pattern, instead in _REWORDED:
        words = pattern.sub(instead, words)
    return words


def is_safe_guess(calls: Iterable[Call], text: str) -> bool:
    """Whether a corrected request may act: on what the home knows, or where the user's own words in it are as they
    were written in `text`."""
    return all(
        (call.tool.startswith(_CORRECTED) and call.confidence >= 0.9)
        or (call.tool in _OWN_WORDS and str(call.arguments.get(_OWN_WORDS[call.tool], "\0")) in text)
        for call in calls
    )


def _names(home: Home) -> Iterator[str]:
    things: tuple[Entity | Area | Floor, ...] = (*home.entities, *home.areas, *home.floors)
    for thing in things:
        for name in (thing.name, *thing.aliases):
            yield name.casefold()
            yield from name.casefold().split()


def _corrected(text: str, names: frozenset[str]) -> str:
    """`names` are words of the home's names, and names of several words."""
    joined = {name.replace(" ", ""): name for name in names if " " in name}  # "livingroom"
    known = frozenset(name for name in names if " " not in name) | _KNOWN
    wrong = 0

    def right(match: re.Match[str]) -> str:
        nonlocal wrong
        word = match[0].casefold()
        if word in _SHORT:
            wrong += 1
            return _SHORT[word]
        if word in joined and word not in known:
            return joined[word]
        if len(word) < LEAST_LETTERS or word in known:
            return match[0]
        near = nearest(word, known)
        wrong += near is not None
        return near or match[0]

    corrected = re.sub(r"[^\W\d_]+", right, text)
    return corrected if wrong <= MAX_WRONG else text
