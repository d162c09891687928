"""What handles a request: a rule, a tool the model picks under a grammar, or the model's own words; and why.

    decision = router.decide("set a timer for ten minutes")      # no side effect: this is `assistant explain`
    reply = router.act(decision, confirm)                        # runs the tools, asks where a confirmation is needed

The order is fixed. Rules first: the home's sentences and the rules of rules/table.py, in milliseconds. Then, if a
model is there, it picks one of N tools, or none, with typed arguments (choosing/choice.py). Then the model answers.

A tool is chosen from the user's own words and nothing else: no document, note, file name, tool result or earlier reply
is ever in what decides. Confirmations are the user's key press; nothing a model writes can be one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from assistant.engines import LanguageModel
from assistant.errors import AssistantError
from assistant.home.kinds import kind_of
from assistant.home.model import key
from assistant.home.sentences import MAX_CHARS, sentences_for
from assistant.rules.beside import ANSWER, with_words
from assistant.rules.corrections import as_meant
from assistant.rules.device_words import as_meant_here, is_here, of_garage, stands
from assistant.rules.devices_meant import on_devices
from assistant.rules.follow_up import INSTEAD, IT, WHERE, answer_to_question, follow_up
from assistant.rules.german_words import forbids_in_german
from assistant.rules.meanings import call_of, less_sure, one_meant, stop_word, took_too_much
from assistant.rules.named_timers import no_such_timer, timer_said
from assistant.rules.other_languages import ANOTHER
from assistant.rules.out_of_reach import no_such_device, out_of_reach
from assistant.rules.replies import asked_in, in_language, language_of
from assistant.rules.sayings import sayings
from assistant.rules.several import AND, KNOWN, MAX_ACTIONS, REFERS, deferred, joined, named_kind, unfolded
from assistant.rules.table import is_question, plain, ruled
from assistant.rules.wording import (
    ANY,
    NO_MUSIC,
    NO_NAME,
    acts_on_it,
    forbidden,
    forbids,
    in_digits,
    is_safe_guess,
    rewordings,
)
from assistant.tools import Level, Missing, Outcome, Surroundings, read_only
from assistant.tools.calls import Call, Chooser, may_refer
from assistant.tools.confirming import Confirm, Confirmation, NotConfirmed, confirmation, refuse, take_back
from assistant.tools.decisions import MODEL, MODEL_TOOL, RULE, Decision, Reply
from assistant.tools.notes import recalled
from assistant.tools.registry import Registry, registry
from assistant.tools.timekeeping import all_timers
from assistant.tools.unattended import FOR_A_WHILE, attended, reminding, routine

__all__ = ["MODEL", "MODEL_TOOL", "RULE", "Call", "Chooser", "Confirm", "Confirmation", "Decision", "NotConfirmed",
           "Reply", "Router", "refuse"]  # fmt: skip
MAX_CONFIRMED_PER_MINUTE: Final = 10
_ALL: Final = re.compile(r"\ball (?:of )?(?:the |my |our )?", re.IGNORECASE)
_OWN: Final = frozenset({"timer.rename", "timer.restart", "home.turn_off"})  # no sentence knows these better


@dataclass(slots=True)
class Router:
    """One for each conversation: it knows the last action and what was asked back."""

    surroundings: Surroundings
    languages: Sequence[str] = ("en",)  # those tried on every request; another that a request is in is tried behind
    tools: Registry = field(default_factory=registry)
    use_rules: bool = True
    choosing: Callable[[LanguageModel], Chooser] | None = None  # how a model chooses; without, rules alone act
    last: Call | None = None
    changed: Call | None = None  # the last action, where only questions were answered since
    asked: tuple[Call, str] | None = None  # a call and the argument that is missing
    only_english: bool = False  # the replies: where they are spoken by an English voice
    heard: tuple[str, ...] = ()  # the other languages that requests were in
    undone: list[str] = field(default_factory=list)  # requests that were taken back, for "redo"
    _confirmed_s: list[float] = field(default_factory=list)

    def chooser_for(self, model: LanguageModel) -> Chooser | None:
        """The model's way to a tool, where it is switched on."""
        return self.choosing(model) if self.choosing else None

    def decide(self, text: str, chooser: Chooser | None = None, area: str = "") -> Decision:
        """What would handle `text`. No side effect."""
        started_s = time.perf_counter()
        text = self._again(text)
        self._listen(text)
        found = self._by_rules(text, area) if self.use_rules and len(text) <= MAX_CHARS else []
        handled_by = RULE
        if not found and chooser is not None and len(text) <= MAX_CHARS and not forbids(text):
            chosen = list(chooser.choose(text, self.surroundings.home(), self.tools))
            chosen = [call for call in chosen if call.arguments.keys() & set(WHERE) or not acts_on_it(call.tool, text)]
            found = [[c] for c in chosen]
            handled_by = MODEL_TOOL
        if not found and self.use_rules and (no_such := no_such_device(text)):
            found, handled_by = [[no_such]], RULE
        found = [[self._attended(call, area) for call in calls] for calls in found]
        ms = (time.perf_counter() - started_s) * 1000
        if not found:
            return Decision(MODEL, ms=ms, text=text)
        return Decision(handled_by, tuple(found[0]), tuple(c for calls in found[1:6] for c in calls), ms, text)

    def act(self, decision: Decision, confirm: Confirm = refuse) -> Reply:
        """Do it. Everything one request changes is one step for undo. Never raises for what a tool does."""
        if self.undone and decision.text == self.undone[-1]:
            self.undone.pop()
        if any(call.tool == "undo" for call in decision.calls):
            return self._act(decision, confirm)
        with self.surroundings.records.recording(decision.named):
            return self._act(decision, confirm)

    def _act(self, decision: Decision, confirm: Confirm) -> Reply:
        said, data, error = [], [], None
        writes: list[tuple[str, str]] = []
        self.asked = None
        language = "" if self.only_english else language_of(decision.calls, decision.text, self._spoken)

        def confirmed(asked: Confirmation) -> bool:
            return confirm(asked_in(asked, language))

        for call in decision.calls[:MAX_ACTIONS]:
            if (error and call.source == FOR_A_WHILE) or (self.asked and may_refer(call, self.asked[0])):
                continue
            call = reminding(call, self.surroundings.clock())
            try:
                if call.tool == "undo":
                    said.append(take_back(self.surroundings, confirmed, self._require_pace, self.undone))
                else:
                    with self.surroundings.records.recording(decision.named):
                        outcome = self._run(call, confirmed)
                    said.append(outcome.text)
                    data.append(outcome.data)
                    writes += [outcome.writes] if outcome.writes else []
                self._keep_in_mind(call)
            except Missing as missing:
                said.append(str(missing))
                self.asked = self.asked or (call, missing.argument)
            except AssistantError as failed:
                said.append(str(failed))
                error = error or failed
        text = in_language("\n".join(filter(None, said)), language)
        return Reply(text, decision, tuple(data), error, tuple(writes))

    def _keep_in_mind(self, call: Call) -> None:
        """What "it" is from now on."""
        if call.tool == ANSWER:
            return
        self.last = call
        asks = call.tool in self.tools and self.tools[call.tool].level is read_only
        self.changed = self.changed if asks else call

    def _what_it_may_be(self, text: str) -> Sequence[Call | None]:
        """What a text refers to: the last action; where that only answered a question of another matter, "it" may be
        what was done before: "set an alarm for 7", "what day is it", "make it 8"."""
        if self.last is None or self.changed is None or self.changed is self.last or not IT.search(text):
            return [self.last]
        matters = [call.tool.partition(".")[0].replace("media", "home") for call in (self.last, self.changed)]
        return [self.last] if matters[0] == matters[1] else [self.last, self.changed]

    def _again(self, text: str) -> str:
        """For "redo" the request that was undone last."""
        redo = plain(text).casefold() in ("redo", "redo it", "redo that", "undo the undo")
        return self.undone[-1] if redo and self.undone and self.use_rules else text

    @property
    def _spoken(self) -> tuple[str, ...]:
        return (*self.languages, *self.heard)

    def _listen(self, text: str) -> None:
        """A request in another language than those given, told by its words: from now on that one is tried too, behind
        the others, so that "und im Bad?" is understood and nothing English is taken for German."""
        for language, told in ANOTHER.items():
            if told(text) and not any(known.startswith(language[:2]) for known in self._spoken):
                self.heard = (*self.heard, language)

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _by_rules(self, text: str, area: str) -> list[list[Call]]:
        """All meanings of the text, or where it has none of the text in other words, or what was told about it."""

        def calls_of(part: str) -> list[Call]:
            return next(iter(self._by_rule(part, area)), [])

        if forbids_in_german(text):  # a template takes "keine Milch" for an item
            return [[Call("nevermind", source="rules")]]
        for said in sayings(text, self.last, self._spoken, self.surroundings):
            if found := self._by_rule(said, area):
                return found
        if meant := as_meant(text, self.surroundings.clock()):
            if both := with_words(meant, calls_of):
                return [both]
            found = self._by_rule(meant, area)
            if found and all(call.confidence >= KNOWN for call in found[0]):
                return found
        if both := with_words(text, calls_of):
            return [both]
        if found := self._by_rule(text, area):
            return found
        if no_such := no_such_timer(text, self.surroundings, self.last):
            return [[no_such]]
        for other, guessed in rewordings(text, self.surroundings.home()):
            found = self._by_rule(other, area)
            if found and (not guessed or is_safe_guess(found[0], text)):
                return found
        if forbidden(text):
            return [[Call("nevermind", source="rules")]]
        each_time = routine(plain(text))
        wanted = next(iter(self._one(each_time, area)), None) if each_time else None
        if wanted and wanted.tool.startswith(("home.turn", "home.light", "home.position", "home.temp", "media.")):
            return [[Call("system.no_routine", source="rules")]]
        if beyond := out_of_reach(text):
            return [[beyond]]
        tool = recalled(text, self.surroundings) if is_question(text) else None
        return [[Call(tool, {"text": text}, source="rules")]] if tool else []

    def _by_rule(self, text: str, area: str) -> list[list[Call]]:
        """All meanings the rules find, best first; each a list of calls."""
        now = self.surroundings.clock()
        if answered := answer_to_question(self.asked, text, now):
            return [[answered]]
        for before in self._what_it_may_be(text):
            if following := follow_up(before, text, now):
                return [[following]]
            if on_devices := self._on_devices(before, text, area):
                return [[on_devices]]
        if unfolded_calls := unfolded(text, now):
            return [unfolded_calls]
        whole = self._one(text, area)
        if not whole and (put_off := deferred(text, now, lambda part: self._each(part, area))):
            return [put_off]
        guessed = whole and whole[0].confidence < KNOWN and AND.search(text)  # "lights off, TV on" names no device
        if whole and not guessed and not took_too_much(whole[0]) and not self._leaves_out(whole[0], text, area):
            return [[call] for call in whole]
        several = joined(text, lambda part: self._now_or_later(part, area), self._behind(area), self._stands)
        return ([several] if several else []) + [[call] for call in whole]

    def _each(self, text: str, area: str) -> list[Call]:
        """The call of a text, or the calls of its parts."""
        one = self._part(text, area)[:1]
        return one or joined(text, lambda part: self._part(part, area), self._behind(area), self._stands) or []

    def _part(self, text: str, area: str) -> list[Call]:
        """Meanings of a part of a request; what it says of devices must be said there: "everything in the kitchen"."""
        on_devices = self._on_devices(None, text, area)
        said = on_devices and (
            on_devices.tool.startswith("media.")
            or on_devices.arguments.keys() & set(WHERE)
            or kind_of(key(plain(text).split()[-1]))  # "dim the lights"
        )
        return [on_devices] if on_devices and said else self._one(text, area)

    def _now_or_later(self, part: str, area: str) -> list[Call]:
        """The meanings of a part of a request; one of them may be put off by a time of its own."""
        if found := self._part(part, area):
            return found
        put_off = deferred(part, self.surroundings.clock(), lambda inner: self._part(inner, area)[:1])
        return put_off if len(put_off) == 1 else []

    def _behind(self, area: str) -> Callable[[Call | None, str], list[Call]]:
        return lambda last, part: self._after(last, part, area)

    def _stands(self, call: Call) -> bool:
        return stands(call, self.surroundings)

    def _attended(self, call: Call, area: str) -> Call:
        """What is put off and needs a confirmation is marked: it becomes a reminder."""
        then = Router(self.surroundings, self._spoken, self.tools)  # as it will be understood when the time comes

        def level(call: Call) -> Level:
            if call.tool not in self.tools:  # "undo" asks for itself when the time comes
                return Level.READ
            return self.tools.level(call.tool, self.tools.checked(call.tool, call.arguments), self.surroundings)

        def meanings(command: str) -> Sequence[Call]:
            return next(iter(then._by_rule(command, area)), [])

        return attended(call, meanings, level)

    def _after(self, last: Call | None, part: str, area: str) -> list[Call]:
        """What a part of a request means behind the part before it: "set a timer and call it pasta"."""
        if not REFERS.search(part):
            return []
        last = last or self.last
        found = follow_up(last, part, self.surroundings.clock()) or self._on_devices(last, part, area)
        return [found] if found else []

    def _on_devices(self, last: Call | None, text: str, area: str) -> Call | None:
        """A bit more or less than now, "and the lamp", and what is left alone; see rules/of_devices.py."""
        text = INSTEAD.sub("", in_digits(text)) if last is not None else in_digits(text)
        return on_devices(last, text, self.surroundings, lambda part: self._one(part, area), area)

    def _leaves_out(self, call: Call, text: str, area: str) -> bool:
        """Whether a timer or an alarm was read from a request that goes on with another action."""
        if call.tool not in ("timer.start", "alarm.set", "alarm.cancel"):
            return False
        later = [named_kind(p, call) for p in AND.split(text)[1:] if p.strip()]
        return any(
            re.search(r"\b(?:timer|alarm)\b", p, re.IGNORECASE) or self._part(p, area) or self._after(call, p, area)
            for p in later
        )

    def _one(self, text: str, area: str) -> list[Call]:
        """Meanings of a text as one action; a timer that runs may be told by its name alone."""
        found = self._meanings(text, area)
        if (said := timer_said(text, self.surroundings.records)) is None:
            return found
        surely = found and found[0].confidence >= KNOWN
        surely = surely and (not found[0].tool.startswith("timer.") or bool(found[0].arguments.get("name")))
        of_timer = [] if surely else [c for c in self._meanings(said, area) if c.tool.startswith("timer.")]
        return of_timer + found

    def _meanings(self, text: str, area: str) -> list[Call]:
        """Rules that are surer than sentences, sentences, the other rules."""
        if plain(text).casefold() in ("undo", "undo that", "undo it", "take that back", "undo the last one"):
            return [Call("undo", source="rules")]
        by_rules = [Call(r.tool, r.arguments, source="rules") for r in ruled(text, self.surroundings.clock())]
        by_rules = [call for call in by_rules if not call.tool.startswith("home.") or is_here(call, self.surroundings)]
        if by_rules and by_rules[0].tool in ("timer.stop", "timer.snooze"):
            if any(t.ringing for t in all_timers(self.surroundings.records).values()):
                return by_rules
            by_rules = by_rules[1:]
        if by_rules and (
            by_rules[0].tool in _OWN or not by_rules[0].tool.startswith(("timer.", "system.needs", "list.", "home."))
        ):
            return by_rules
        by_sentence = []
        for language in self._spoken:
            sentences = sentences_for(language, self.surroundings.home())
            matches = sentences.match(in_digits(plain(text) or text), area)
            if matches and str(matches[0].slots.get("name", "")).startswith(
                "all "
            ):  # the name of nothing: all of a kind
                matches = sentences.match(_ALL.sub("the ", plain(text), count=1), area) or matches
            matches = [m for m in matches if key(str(m.slots.get("name", ""))) != key(plain(text)) or m.reading < 3]
            matches = [m for m in matches if m.reading < 3 or not NO_NAME.match(str(m.slots.get("name", "")))]
            matches = [m for m in matches if not NO_MUSIC.match(str(m.slots.get("search_query", "")))]
            matches = [
                m for m in matches if m.intent != "HassTimerStatus" or not ANY.match(str(m.slots.get("name", "")))
            ]
            if is_question(text):  # "is the sauna on" is no command to "is the sauna"
                matches = [m for m in matches if m.reading < 3 or m.intent.startswith("HassGet")]
            calls = [
                one_meant(call, text)
                for match in matches
                if (call := call_of(match, language.removeprefix("en"))) is not None
            ]
            by_sentence = [as_meant_here(call, text, self.surroundings) for call in calls]
            if by_sentence:
                break
        if by_rules and by_sentence and less_sure(by_sentence[0], by_rules[0]):
            return by_rules + by_sentence
        return by_sentence + by_rules or of_garage(text, self.surroundings) or stop_word(text)

    # -- acting ------------------------------------------------------------------------------------------------------

    def _run(self, call: Call, confirm: Confirm) -> Outcome:
        if call.tool == "nevermind":
            return Outcome("All right.")
        arguments = self.tools.checked(call.tool, call.arguments)
        level = self.tools.level(call.tool, arguments, self.surroundings)
        if level >= Level.CONFIRM:
            self._require_pace()
            asked = confirmation(self.tools[call.tool], call.arguments, arguments, level, self.surroundings)
            if not confirm(asked):
                raise NotConfirmed(f"Not done: {asked.question} It needs your confirmation with a key press.")
        return self.tools.run(call.tool, arguments, self.surroundings)

    def _require_pace(self) -> None:
        """Confirmations come at a human pace, or something else is pressing the key."""
        now_s = time.monotonic()
        self._confirmed_s = [s for s in self._confirmed_s if now_s - s < 60]
        if len(self._confirmed_s) >= MAX_CONFIRMED_PER_MINUTE:
            raise NotConfirmed(f"more than {MAX_CONFIRMED_PER_MINUTE} such actions in a minute; wait a little")
        self._confirmed_s.append(now_s)
