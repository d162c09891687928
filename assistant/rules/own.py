"""Questions about the user's own things that nobody but the user can answer: "how much is my rent".

Where no fact, note or document answers one, a model would make an answer up, so it is said to be unknown instead. Only
questions are taken whose whole shape asks for a plain fact: "my back hurts, what can I do", "what should I cook for my
mother" and "how do I clean my oven" are the model's. English; German: german_beyond.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Final

from assistant.conversation import Message, Role
from assistant.home.model import key
from assistant.rules.german_beyond import own_in_german
from assistant.rules.table import plain
from assistant.tools import Surroundings
from assistant.tools.calls import Call
from assistant.tools.decisions import RULE, Decision, Reply
from assistant.tools.notes import FACT, NOTE, Kept

MAX_SHOWN: Final = 5
_THING: Final = r"(?:my|our) (?:[\w'&.-]+ ){0,3}?[\w'&.-]+"
_ATTRIBUTE: Final = (
    r"(?:(?:phone |account |serial |policy |contract |licen[cs]e |model |house |customer |tax |flight |booking |room )?"
    r"number|(?:licen[cs]e |number )?plate"
    r"|(?:full )?name|(?:email )?address|email|pass ?word|passcode|pin(?: code)?|code|combination|birth ?day"
    r"|date of birth|(?:exact |expiry |due |start |end |delivery )?date|price|cost|amount|balance|(?:monthly )?rent"
    r"|deposit|size|model|make|brand|colou?r|deadline|term|notice period|interest rate|warranty|guarantee|extension)"
)
_OF: Final = rf"(?:the {_ATTRIBUTE} (?:of|for|on|to|in) {_THING}|{_THING})"
_BE: Final = r"(?:'s|'re| is| are| was| were)"
_STATE: Final = (
    r"(?: (?:still )?(?:valid(?: until| till| for)?|good for|due|over|up|scheduled|called|again|insured(?: with)?"
    r"|registered|born|(?:last )?(?:serviced|repaired|replaced|renewed|built|bought|made|installed|paid|checked)))?"
)
_ENDS: Final = "expire|end|run out|start|begin|renew|finish|arrive|depart|take effect"
_DID: Final = "park|buy|put|leave|lend|pay|spend|book|order|sign|store|hide|save|move|start|meet|hire|rent|sell"
_TELL: Final = "(?:do you (?:know|remember) |tell me |remind me )"
_EACH: Final = "(?: (?:a|per|each|every) (?:month|year|week))?"
_SHAPES: Final = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        rf"{_TELL}?(?:what|who|where|when|till when|until when){_BE} (?P<what>{_OF}){_STATE}",
        rf"{_TELL}(?:what|who|where|when) (?P<what>{_OF}) (?:is|are|was|were){_STATE}",
        rf"{_TELL}when (?P<what>{_THING}) (?:expires|ends|runs out|starts|begins)",
        rf"how (?:much|many|high|big|old|long|tall|large|heavy|expensive){_BE} (?P<what>{_OF}){_STATE}",
        rf"(?:until |till )?when (?:does|do|did|will|must) (?P<what>{_THING}) (?:{_ENDS})",
        rf"how (?:much|long|many [\w' -]+?) (?:does|do|did) (?P<what>{_THING}) (?:cost|last|run|weigh)",
        rf"how much (?:do|did) (?:i|we) (?:pay|spend|owe){_EACH} (?:for|on) "
        rf"(?P<paid>{_THING}|(?:the )?[\w-]+(?: [\w-]+)?){_EACH}",
        rf"(?:what|which) [\w-]+(?: [\w-]+)? (?:is|are|was|were) (?P<what>{_THING})(?: (?:at|with|from|on))?",
        r"how many (?P<left>[\w-]+(?: [\w-]+)?) do (?:i|we) (?:still )?have left",
        rf"what (?:does|do|did) (?P<what>{_THING}) say(?: about (?:the )?[\w-]+(?: [\w-]+)?)?",
        rf"(?:what|which) (?:size|colou?r|brand|make|model|type) (?:do|does|did) (?P<what>{_THING}) (?:have|use)",
        rf"(?:what|which|who|where|when|how much) did (?:i|we) (?:{_DID}) (?P<what>{_THING})"
        r"(?: (?:to|for|in|from|with|at))?",
        rf"is (?P<what>{_THING}) still (?:valid|insured|under warranty)",
    )
)
_OF_ME: Final = {
    "how old am i": "age",
    "how tall am i": "height",
    "how much do i weigh": "weight",
    "how much do i earn": "salary",
    "how much do i make": "salary",
    "where do i live": "address",
    "where do i work": "workplace",
    "when was i born": "birthday",
    "where was i born": "place of birth",
}
# What is not the user's alone, or is a matter of advice, or stands in everyone's body: the model may know. What other
# tools tell (lights, timers, the calendar) is not here either.
_NOT_OWN: Final = frozenset(
    re.findall(
        r"\w+",
        "best worst ideal right wrong better next first main biggest greatest possible recommended average normal "
        "healthy typical option options chance chances odds rights duty duties problem problems mistake mistakes "
        "error errors fault bug purpose destiny fate future horoscope sign zodiac bmi point meaning alternatives "
        "choices obligations excuse sin role life planet world sun earth moon galaxy universe solar star stars "
        "species ancestors society economy country government president god lord savior saviour time nature history "
        "era age century continent climate system atmosphere currency body brain blood heart liver lung lungs kidney "
        "kidneys stomach appendix spleen pancreas bladder intestine skin bone bones muscle muscles eye eyes ear ears "
        "nose throat mouth tongue tooth teeth gums hair head neck back shoulder chest belly hip knee knees leg legs "
        "foot feet toe toes hand hands finger fingers nail nails arm arms thyroid vein veins artery arteries lip lips "
        "cheek spine rib ribs skull wrist ankle strengths weaknesses footprint tonsils question questions code essay "
        "text sentence sentences paragraph poem story answer grammar spelling translation computer battery memory ram "
        "disk cpu ip model timer timers alarm alarms reminder reminders list lists note notes calendar schedule "
        "agenda event events plan plans day week email emails mail mails message messages alert alerts notification "
        "notifications light lights lamp lamps thermostat tv music volume weather location documents document files "
        "file conversation conversations data",
    )
)
_OWN_ALL_THE_SAME: Final = re.compile(
    r"\bblood (?:type|group|pressure|sugar)\b|\b(?:eye|hair) colou?r\b|\bpin code\b"
    r"|\bnext (?:\w+ )?(?:appointment|exam|flight|payment|bill)\b"
)
_THINGS_IN_ING: Final = (
    "meeting|wedding|building|parking|ring|heating|clothing|training|painting|wiring|plumbing|hearing"
)
_GOES_ON: Final = re.compile(
    r"\b(?:if|when|than|because|as|so|and|or|but|in|on|at|to|do|does|doing|with|about|like|not|always|really|too|mean"
    r"|means|made|supposed|going|trying|thinking|saying|wrong|worth|safe|\w+n't)\b"
    rf"|\b(?!(?:{_THINGS_IN_ING})$)\w+ing$",
    re.IGNORECASE,
)
_TOLD_OF_ME: Final = re.compile(
    r"\b(?:i'?m|i am|i was|i live|i work|i weigh|i earn|call me|name is"
    r"|ich bin|ich wohne|ich lebe|ich arbeite|ich wiege|ich verdiene|ich heiße|nenn mich)\b",
    re.IGNORECASE,
)
_ME: Final = frozenset(
    re.findall(
        r"\w+",
        "name age height weight salary address workplace birthday birth job alter größe gewicht gehalt adresse "
        "geburtstag geburtsort arbeit",
    )
)
_MY: Final = re.compile(r"\b(?:my|our)\b", re.IGNORECASE)


def own_matter(question: str) -> str:
    """What of the user's own a question asks for, in the user's words: "my rent", "the name of my dentist"; "" if it
    asks for no such fact."""
    if german := own_in_german(question):
        return german
    words = plain(question).strip(" ?!.")
    if about := _OF_ME.get(words.casefold()):
        return f"my {about}"
    match = next(filter(None, (shape.fullmatch(words) for shape in _SHAPES)), None)
    if match is None:
        return ""
    found = match.groupdict()
    what = found.get("what") or (f"my {found['left']}" if "left" in found else f"the cost of {found['paid']}")
    owned = _MY.split(what)[-1]
    others = _NOT_OWN.intersection(_OWN_ALL_THE_SAME.sub("", key(owned)).split())
    return "" if others or _GOES_ON.search(owned) else what


def answer(question: str, conversation: Iterable[Message], surroundings: Surroundings) -> Reply | None:
    """What the user told about such a matter, or that it is unknown; None where the model may answer.

    Matters that nothing is kept about, but the user's other words in the conversation, are left to the model, which
    sees those. No side effect.
    """
    started_s = time.perf_counter()
    matter = own_matter(question)
    if not matter:
        return None
    records = surroundings.records
    kept = [k.text for kind in (FACT, NOTE) for k in records.all(kind, Kept).values() if _speaks_of(matter, k.text)]
    said = (m.content for m in conversation if m.role is not Role.ASSISTANT)
    if not kept and any(_speaks_of(matter, text) for text in said if not own_matter(text)):
        return None
    yours = _MY.sub("your", matter)
    told = [f"- {line}" for line in kept[:MAX_SHOWN]]
    if own_in_german(question):
        text = "\n".join(["Was du mir dazu gesagt hast:", *told]) if told else _UNKNOWN_IN_GERMAN.format(matter)
    elif told:
        text = "\n".join([f"What you told me about {yours}:", *told])
    else:
        verb = "are" if re.search(r"[^s']s$", matter) else "is"
        text = (
            f"I know nothing about {yours}: neither what you told me nor your documents answer that. "
            f"Add a document that does (assistant documents add), or tell me: “remember that {matter} {verb} ...”."
        )
    call = Call("fact.recall", {"text": matter}, source="rules")
    return Reply(text, Decision(RULE, (call,), ms=(time.perf_counter() - started_s) * 1000, text=question))


_UNKNOWN_IN_GERMAN: Final = (
    "Zu „{}“ weiß ich nichts: weder was du mir gesagt hast noch deine Dokumente beantworten das. Nimm ein Dokument "
    "auf, in dem es steht (assistant documents add), oder sag es mir: „Merk dir, dass ...“."
)


def _speaks_of(matter: str, text: str) -> bool:
    """Whether a text has the noun of the matter, or tells of the user who it is about."""
    noun = _stem(key(matter).split()[-1])
    return noun in map(_stem, key(text).split()) or (noun in _ME and bool(_TOLD_OF_ME.search(text)))


def _stem(word: str) -> str:
    return re.sub(r"(?<=\w{3})s$", "", word)
