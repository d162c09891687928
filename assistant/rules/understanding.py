"""What a request means by the rules, all of them in their order; the router acts on it, or asks the model.

    meanings = Understanding(surroundings, languages).of("turn on the lamp and set a timer for ten minutes")

Each meaning is a list of calls, the best first. What it depends on besides the words is in the fields, and none of it
changes here: the last actions, for what refers to them, and the question that was asked back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assistant.home.kinds import kind_of
from assistant.home.model import key
from assistant.home.sentences import Match, sentences_for
from assistant.rules.answered import answer_to_question
from assistant.rules.beside import with_words
from assistant.rules.corrections import as_meant
from assistant.rules.device_words import as_meant_here, is_here, of_garage, stands
from assistant.rules.devices_meant import on_devices
from assistant.rules.follow_up import INSTEAD, IT, WHERE, follow_up
from assistant.rules.german_words import forbids_in_german
from assistant.rules.meanings import call_of, less_sure, one_meant, stop_word, took_too_much
from assistant.rules.named_timers import no_such_timer, timer_said
from assistant.rules.out_of_reach import out_of_reach
from assistant.rules.sayings import sayings
from assistant.rules.several import AND, KNOWN, REFERS, deferred, joined, named_kind, unfolded
from assistant.rules.table import is_question, plain, ruled
from assistant.rules.wording import ANY, NO_MUSIC, NO_NAME, forbidden, in_digits, is_safe_guess, rewordings
from assistant.tools import Surroundings
from assistant.tools.calls import Call
from assistant.tools.notes import recalled
from assistant.tools.timekeeping import all_timers
from assistant.tools.unattended import routine

_ALL: Final = re.compile(r"\ball (?:of )?(?:the |my |our )?", re.IGNORECASE)
_QUIETENS: Final = ("timer.stop", "timer.snooze")
_OWN: Final = frozenset({"timer.rename", "timer.restart", "home.turn_off"})  # no sentence knows these better


@dataclass(frozen=True, slots=True)
class Understanding:
    """The rules for one request, as the conversation stands."""

    surroundings: Surroundings
    languages: Sequence[str] = ("en",)  # in which they are tried, in this order
    area: str = ""  # the room that is meant where none is named
    last: Call | None = None
    changed: Call | None = None  # the last action, where only questions were answered since
    asked: tuple[Call, str] | None = None  # a call and the argument that is missing

    def of(self, text: str) -> list[list[Call]]:
        """All meanings of the text, or where it has none of the text in other words, or what was told about it."""
        if forbids_in_german(text):  # a template takes "keine Milch" for an item
            return [[Call("nevermind", source="rules")]]
        for said in sayings(text, self.last, self.languages, self.surroundings):
            if found := self._by_rule(said):
                return found
        if meant := as_meant(text, self.surroundings.clock()):
            if both := with_words(meant, self.as_said):
                return [both]
            found = self._by_rule(meant)
            if found and all(call.confidence >= KNOWN for call in found[0]):
                return found
        if both := with_words(text, self.as_said):
            return [both]
        if found := self._by_rule(text):
            return found
        if no_such := no_such_timer(text, self.surroundings, self.last):
            return [[no_such]]
        for other, guessed in rewordings(text, self.surroundings.home()):
            found = self._by_rule(other)
            if found and (not guessed or is_safe_guess(found[0], text)):
                return found
        if forbidden(text):
            return [[Call("nevermind", source="rules")]]
        each_time = routine(plain(text))
        wanted = next(iter(self._one(each_time)), None) if each_time else None
        if wanted and wanted.tool.startswith(("home.turn", "home.light", "home.position", "home.temp", "media.")):
            return [[Call("system.no_routine", source="rules")]]
        if beyond := out_of_reach(text):
            return [[beyond]]
        tool = recalled(text, self.surroundings) if is_question(text) else None
        return [[Call(tool, {"text": text}, source="rules")]] if tool else []

    def as_said(self, text: str) -> list[Call]:
        """The best meaning of just these words, in no other wording; [] if they have none."""
        return next(iter(self._by_rule(text)), [])

    def _by_rule(self, text: str) -> list[list[Call]]:
        """All meanings the rules find, best first; each a list of calls."""
        now = self.surroundings.clock()
        if self.asked and (quiet := self._ends_ringing(text)):  # before it is taken for "no" to what was asked
            return [quiet]
        if answered := answer_to_question(self.asked, text, now):
            return [[answered]]
        for before in self._what_it_may_be(text):
            if following := follow_up(before, text, now):
                return [[following]]
            if on_devices := self._on_devices(before, text):
                return [[on_devices]]
        if unfolded_calls := unfolded(text, now):
            return [unfolded_calls]
        whole = self._one(text)
        if not whole and (put_off := deferred(text, now, self._each)):
            return [put_off]
        guessed = whole and whole[0].confidence < KNOWN and AND.search(text)  # "lights off, TV on" names no device
        if whole and not guessed and not took_too_much(whole[0]) and not self._leaves_out(whole[0], text):
            return [[call] for call in whole]
        several = joined(text, self._now_or_later, self._after, self._stands)
        return ([several] if several else []) + [[call] for call in whole]

    def _rings(self) -> bool:
        return any(t.ringing for t in all_timers(self.surroundings.records).values())

    def _ends_ringing(self, text: str) -> list[Call]:
        """ "stop", while something rings."""
        read = ruled(text, self.surroundings.clock())[:1]
        quiet = [Call(r.tool, r.arguments, source="rules") for r in read if r.tool in _QUIETENS]
        return quiet if quiet and self._rings() else []

    def _what_it_may_be(self, text: str) -> Sequence[Call | None]:
        """What a text refers to: the last action; where that only answered a question of another matter, "it" may be
        what was done before: "set an alarm for 7", "what day is it", "make it 8"."""
        if self.last is None or self.changed is None or self.changed is self.last or not IT.search(text):
            return [self.last]
        matters = [call.tool.partition(".")[0].replace("media", "home") for call in (self.last, self.changed)]
        return [self.last] if matters[0] == matters[1] else [self.last, self.changed]

    def _each(self, text: str) -> list[Call]:
        """The call of a text, or the calls of its parts."""
        one = self._part(text)[:1]
        return one or joined(text, self._part, self._after, self._stands) or []

    def _part(self, text: str) -> list[Call]:
        """Meanings of a part of a request; what it says of devices must be said there: "everything in the kitchen"."""
        on_devices = self._on_devices(None, text)
        said = on_devices and (
            on_devices.tool.startswith("media.")
            or on_devices.arguments.keys() & set(WHERE)
            or kind_of(key(plain(text).split()[-1]))  # "dim the lights"
        )
        return [on_devices] if on_devices and said else self._one(text)

    def _now_or_later(self, part: str) -> list[Call]:
        """The meanings of a part of a request; one of them may be put off by a time of its own."""
        if found := self._part(part):
            return found
        put_off = deferred(part, self.surroundings.clock(), lambda inner: self._part(inner)[:1])
        return put_off if len(put_off) == 1 else []

    def _stands(self, call: Call) -> bool:
        return stands(call, self.surroundings)

    def _after(self, last: Call | None, part: str) -> list[Call]:
        """What a part of a request means behind the part before it: "set a timer and call it pasta"."""
        if not REFERS.search(part):
            return []
        last = last or self.last
        found = follow_up(last, part, self.surroundings.clock()) or self._on_devices(last, part)
        return [found] if found else []

    def _on_devices(self, last: Call | None, text: str) -> Call | None:
        """A bit more or less than now, "and the lamp", and what is left alone; see devices_meant.py."""
        text = INSTEAD.sub("", in_digits(text)) if last is not None else in_digits(text)
        return on_devices(last, text, self.surroundings, self._one, self.area)

    def _leaves_out(self, call: Call, text: str) -> bool:
        """Whether a timer or an alarm was read from a request that goes on with another action."""
        if call.tool not in ("timer.start", "alarm.set", "alarm.cancel"):
            return False
        later = [named_kind(p, call) for p in AND.split(text)[1:] if p.strip()]
        return any(
            re.search(r"\b(?:timer|alarm)\b", p, re.IGNORECASE) or self._part(p) or self._after(call, p) for p in later
        )

    def _one(self, text: str) -> list[Call]:
        """Meanings of a text as one action; a timer that runs may be told by its name alone."""
        found = self._meanings(text)
        if (said := timer_said(text, self.surroundings.records)) is None:
            return found
        surely = found and found[0].confidence >= KNOWN
        surely = surely and (not found[0].tool.startswith("timer.") or bool(found[0].arguments.get("name")))
        of_timer = [] if surely else [c for c in self._meanings(said) if c.tool.startswith("timer.")]
        return of_timer + found

    def _meanings(self, text: str) -> list[Call]:
        """Rules that are surer than sentences, sentences, the other rules."""
        if plain(text).casefold() in ("undo", "undo that", "undo it", "take that back", "undo the last one"):
            return [Call("undo", source="rules")]
        by_rules = [Call(r.tool, r.arguments, source="rules") for r in ruled(text, self.surroundings.clock())]
        by_rules = [call for call in by_rules if not call.tool.startswith("home.") or is_here(call, self.surroundings)]
        if by_rules and by_rules[0].tool in _QUIETENS:
            if self._rings():
                return by_rules
            by_rules = by_rules[1:]
        if by_rules and (
            by_rules[0].tool in _OWN or not by_rules[0].tool.startswith(("timer.", "system.needs", "list.", "home."))
        ):
            return by_rules
        by_sentence = self._by_sentence(text)
        if by_rules and by_sentence and less_sure(by_sentence[0], by_rules[0]):
            return by_rules + by_sentence
        return by_sentence + by_rules or of_garage(text, self.surroundings) or stop_word(text)

    def _by_sentence(self, text: str) -> list[Call]:
        """Meanings of the home's sentences, in the first language that has any."""
        for language in self.languages:
            sentences = sentences_for(language, self.surroundings.home())
            matches = sentences.match(in_digits(plain(text) or text), self.area)
            if matches and _name(matches[0]).startswith("all "):  # the name of nothing: all of a kind
                matches = sentences.match(_ALL.sub("the ", plain(text), count=1), self.area) or matches
            matches = [m for m in matches if m.reading < 3 or key(_name(m)) != key(plain(text))]
            matches = [m for m in matches if m.reading < 3 or not NO_NAME.match(_name(m))]
            matches = [m for m in matches if not NO_MUSIC.match(str(m.slots.get("search_query", "")))]
            matches = [m for m in matches if m.intent != "HassTimerStatus" or not ANY.match(_name(m))]
            if is_question(text):  # "is the sauna on" is no command to "is the sauna"
                matches = [m for m in matches if m.reading < 3 or m.intent.startswith("HassGet")]
            calls = [call for match in matches if (call := call_of(match, language.removeprefix("en"))) is not None]
            if calls:
                return [as_meant_here(one_meant(call, text), text, self.surroundings) for call in calls]
        return []


def _name(match: Match) -> str:
    return str(match.slots.get("name", ""))
