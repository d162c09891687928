"""Sentences about a home -> intent and slots, with hassil and the templates of home-assistant-intents.

Three readings, each only when the one before finds nothing:
  1. the names as the home has them;
  2. names made up from area and kind ("the entry lock"), plurals, and the name with its kind ("Rover vacuum");
  3. a device this home does not have, when the words clearly mean one: then the answer can say so.

Sentences that cannot match are put aside before hassil tries any: one that needs an area in a text without one, a
number
in a text without one, or a word that is not there. That is what keeps a rule within milliseconds.

`phrases/<language>.yaml` adds templates, and the words for kinds of devices.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hassil.expression import Sentence
from hassil.intents import Intent, IntentData, Intents, RangeSlotList, SlotList, WildcardSlotList
from hassil.recognize import RecognizeResult, recognize_all

from assistant.home.model import Home, key
from assistant.home.names import base_lists, folded, made_up_names, names, texts
from assistant.home.templates import HERE, Candidate, candidates, templates_table

MAX_NAME_WORDS: Final = 4
MAX_KEPT: Final = 8  # sets of sentences
MAX_CHARS: Final = 300  # a command is short; longer text is conversation
WHEREABOUTS: Final = frozenset({"home", "away", "not home", "out", "work", "school"})
UNKNOWN_NAMES: Final = 3  # the last reading
_DOMAIN: Final = "domain_of_name"  # metadata: what the name must be for the sentence to make sense
_NUMBER: Final = re.compile(r"\d|[零〇一二三四五六七八九十百千两半]")


@dataclass(frozen=True, slots=True)
class Match:
    """What a sentence means. `reading` 1 to 3 as in the module's head; `score` orders matches, smallest first."""

    intent: str
    slots: dict[str, Any]
    reading: int
    response: str = ""
    score: tuple[Any, ...] = ()
    here: bool = False
    free_text: tuple[str, ...] = ()  # slots that took whatever stood there


@dataclass(slots=True)
class Sentences:
    """The commands of one language in one home. Made by sentences_for()."""

    language: str
    intents: Intents
    candidates: tuple[Candidate, ...]
    readings: tuple[dict[str, SlotList], ...]
    known: tuple[dict[str, tuple[tuple[str, str], ...]], ...]  # per reading: list -> (folded text, domain)
    device_words: dict[str, frozenset[str]] = field(default_factory=dict)  # word -> domains
    number_words: frozenset[str] = field(default_factory=frozenset)
    fragments: frozenset[str] = field(init=False)  # of all candidates' clauses: each is looked for once

    def __post_init__(self) -> None:
        self.fragments = frozenset().union(*(clause for c in self.candidates for clause in c.clauses))

    def match(self, text: str, area: str = "") -> list[Match]:
        """All meanings of the first reading that has any, best first; `area` is where the speaker is."""
        text = text.strip()
        if not text or len(text) > MAX_CHARS:
            return []
        for reading in range(1, len(self.readings) + 1):
            found: dict[str, Match] = {}
            for result in self._recognise(text, reading):
                match = self._match(result, reading, area)
                if match is not None:
                    same = json.dumps([match.intent, match.slots], sort_keys=True, ensure_ascii=False, default=str)
                    if same not in found or match.score < found[same].score:
                        found[same] = match
            if found:
                return sorted(found.values(), key=lambda m: m.score)
        return []

    def _recognise(self, text: str, reading: int) -> Iterator[RecognizeResult]:
        possible = self._possible(text, reading)
        if not possible:
            return iter(())
        intents = Intents(
            self.language,
            possible,
            self.intents.slot_lists,
            self.intents.expansion_rules,
            self.intents.skip_words,
            self.intents.settings,
        )
        lists = self.readings[reading - 1]
        return iter(recognize_all(text, intents, slot_lists=lists, language=self.language))

    def _possible(self, text: str, reading: int) -> dict[str, Intent]:
        """The sentences that can match, by intent."""
        folded_text = text.casefold()
        spaceless = re.sub(r"\s+", "", folded_text)
        spaced = not self.intents.settings.ignore_whitespace
        looked_at = f" {key(text)} " if spaced else re.sub(r"\s+", "", key(text))
        has_number = bool(_NUMBER.search(folded_text)) or not self.number_words.isdisjoint(
            re.split(r"[\W_]+", folded_text)
        )
        domains: dict[str, set[str]] = {}
        for name, values in self.known[reading - 1].items():
            domains[name] = {domain for words, domain in values if words in looked_at}
        said = {f for f in self.fragments if f in folded_text or f in spaceless}
        kept: dict[str, dict[int, tuple[IntentData, list[Sentence]]]] = {}
        for candidate in self.candidates:
            if any(clause.isdisjoint(said) for clause in candidate.clauses):
                continue
            if any(name in domains and not domains[name] for name in candidate.lists):
                continue
            if reading == UNKNOWN_NAMES and "name" not in candidate.lists:
                continue
            possible = domains.get("name")
            if (
                "name" in candidate.lists
                and candidate.domains
                and possible is not None
                and candidate.domains.isdisjoint(possible)
            ):
                continue
            if not has_number and any(isinstance(self._list(n), RangeSlotList) for n in candidate.lists):
                continue
            blocks = kept.setdefault(candidate.intent, {})
            blocks.setdefault(id(candidate.data), (candidate.data, []))[1].append(candidate.sentence)
        return {
            intent: Intent(intent, [_with_sentences(*block, reading == UNKNOWN_NAMES) for block in blocks.values()])
            for intent, blocks in kept.items()
        }

    def _list(self, name: str) -> SlotList | None:
        return self.intents.slot_lists.get(name)

    def _match(self, result: RecognizeResult, reading: int, area: str) -> Match | None:
        entities = result.entities_list
        slots = {e.name: e.value for e in entities}
        free = tuple(e.name for e in entities if e.is_wildcard)
        domain = (result.intent_metadata or {}).get(_DOMAIN) or ""
        if reading == UNKNOWN_NAMES and not self._means_a_device(slots, domain):
            return None
        person = "person" in (domain, slots.get("domain"))
        if person and "state" in free and not self._is_whereabouts(str(slots["state"])):
            return None
        here = bool((result.intent_metadata or {}).get(HERE))
        if here and area and "area" not in slots and "floor" not in slots:
            slots["area"] = area
        bound = sum(len(e.text or "") for e in entities if not e.is_wildcard)
        score = (
            len(free),
            sum(len(str(slots[name])) for name in free) if reading == UNKNOWN_NAMES else 0,
            reading == UNKNOWN_NAMES and domain != "binary_sensor",  # who asks after a door means its contact
            "name" not in slots,
            -max((len(e.text or "") for e in entities if e.name == "name" and not e.is_wildcard), default=0),
            -result.text_chunks_matched,
            sum(len(str(slots[name])) for name in free),
            len(slots),
            -bound,
            here,
            result.intent.name,
        )
        return Match(result.intent.name, slots, reading, result.response or "", score, here, free)

    def _is_whereabouts(self, state: str) -> bool:
        """ "who is at work" asks after people at home or in a place of theirs; "who is the president" does not."""
        said = key(state)
        return said in WHEREABOUTS or any(said == words.strip() for words, _ in self.known[0]["area"])

    def _means_a_device(self, slots: Mapping[str, Any], domain: str | list[str]) -> bool:
        """Whether a name that is not in the home is that of a device, by its last word, or of somebody at home."""
        words = key(str(slots.get("name", ""))).split()
        if not 0 < len(words) <= MAX_NAME_WORDS:
            return False
        if domain == "person":
            return len(words) == 1 and slots.get("state") == "home"
        kinds = self.device_words.get(words[-1], frozenset())
        domains = {domain} if isinstance(domain, str) else set(domain)
        return bool(kinds) and (domain == "" or not kinds.isdisjoint(domains))


def sentences_for(language: str, home: Home) -> Sentences:
    """The sentences of a language (such as en, de, zh-CN) about this home. Raises UsageError for an unknown one.

    Kept until the home gets other names: states do not matter here.
    """
    wanted = (language, home.vocabulary)
    with _making:
        if wanted not in _made:
            while len(_made) >= MAX_KEPT:
                del _made[next(iter(_made))]
            _made[wanted] = _make(language, home)
        return _made[wanted]


_made: Final[dict[Any, Sentences]] = {}
_making: Final = threading.Lock()


def _make(language: str, home: Home) -> Sentences:
    table, words = templates_table(language)
    intents = Intents.from_dict(table)
    lists = base_lists(home)
    made_up = [(alias, e) for e in home.entities for alias in made_up_names(e, home, words)]
    named = [(name, e) for e in home.entities for name in (e.name, *e.aliases)]
    readings = (
        {**lists, "name": names(named)},
        {**lists, "name": names(made_up)},
        {**lists, "name": WildcardSlotList(name="name")},
    )
    spaced = not intents.settings.ignore_whitespace
    areas = {n: [(v.casefold(), "") for v in texts(lists[n])] for n in ("area", "floor")}
    known = tuple(
        {n: folded(v, spaced) for n, v in [*areas.items(), *([("name", pairs)] if pairs is not None else [])]}
        for pairs in (
            [(n, e.domain) for n, e in named],
            [(n, e.domain) for n, e in made_up],
            None,
        )
    )
    device_words: dict[str, frozenset[str]] = {}
    for kind, kind_words in words["kinds"].items():
        for word in kind_words:
            device_words[word] = device_words.get(word, frozenset()) | {kind.partition(".")[0]}
    numbers = frozenset(words.get("numbers", ()))
    return Sentences(language, intents, tuple(candidates(intents)), readings, known, device_words, numbers)


def _with_sentences(data: IntentData, sentences: list[Sentence], any_name: bool) -> IntentData:
    """The block with these of its sentences; with `any_name`, what it requires of the name becomes metadata."""
    metadata = {**(data.metadata or {}), _DOMAIN: data.requires_context.get("domain")}
    required = {} if any_name else data.requires_context
    trimmed = replace(data, sentence_texts=[], metadata=metadata, requires_context=required)
    trimmed.__dict__["sentences"] = sentences  # fills the cached property: nothing is parsed again
    return trimmed
