"""What handles a request: a rule, a tool the model picks under a grammar, or the model's own words; and why.

    decision = router.decide("set a timer for ten minutes")      # no side effect: this is `assistant explain`
    reply = router.act(decision, confirm)                        # runs the tools, asks where a confirmation is needed

The order is fixed. Rules first, in milliseconds (rules/understanding.py). Then, if a model is there, it picks one of N
tools, or none, with typed arguments (choosing/choice.py). Then the model answers.

A tool is chosen from the user's own words and nothing else: no document, note, file name, tool result or earlier reply
is ever in what decides. Confirmations are the user's key press; nothing a model writes can be one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from assistant.engines import LanguageModel
from assistant.errors import AssistantError
from assistant.home.sentences import MAX_CHARS
from assistant.rules.beside import ANSWER
from assistant.rules.follow_up import WHERE
from assistant.rules.other_languages import ANOTHER
from assistant.rules.out_of_reach import no_such_device
from assistant.rules.replies import asked_in, in_language, language_of
from assistant.rules.several import MAX_ACTIONS
from assistant.rules.table import plain
from assistant.rules.understanding import Understanding
from assistant.rules.wording import acts_on_it, forbids, is_form
from assistant.tools import Level, Missing, Outcome, Surroundings, read_only
from assistant.tools.calls import Call, Chooser, may_refer
from assistant.tools.confirming import Confirm, Confirmation, NotConfirmed, confirmation, refuse, take_back
from assistant.tools.decisions import MODEL, MODEL_TOOL, RULE, Decision, Reply
from assistant.tools.registry import Registry, registry
from assistant.tools.unattended import FOR_A_WHILE, attended, reminding

__all__ = ["MODEL", "MODEL_TOOL", "RULE", "Call", "Chooser", "Confirm", "Confirmation", "Decision", "NotConfirmed",
           "Reply", "Router", "refuse"]  # fmt: skip
MAX_CONFIRMED_PER_MINUTE: Final = 10


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
    heard: tuple[str, ...] = ()  # other languages in which something was done
    undone: list[str] = field(default_factory=list)  # requests that were taken back, for "redo"
    _confirmed_s: list[float] = field(default_factory=list)

    def chooser_for(self, model: LanguageModel) -> Chooser | None:
        """The model's way to a tool, where it is switched on."""
        return self.choosing(model) if self.choosing else None

    def decide(self, text: str, chooser: Chooser | None = None, area: str = "") -> Decision:
        """What would handle `text`. No side effect."""
        started_s = time.perf_counter()
        text = self._again(text)
        languages = self._languages(text)
        rules = Understanding(self.surroundings, languages, area, self.last, self.changed, self.asked)
        found = rules.of(text) if self.use_rules and len(text) <= MAX_CHARS else []
        handled_by = RULE
        if not found and chooser is not None and len(text) <= MAX_CHARS and not forbids(text):
            chosen = list(chooser.choose(text, self.surroundings.home(), self.tools))
            chosen = [call for call in chosen if call.arguments.keys() & set(WHERE) or not acts_on_it(call.tool, text)]
            found = [[c] for c in chosen if not is_form(c.tool, text)]
            handled_by = MODEL_TOOL
        if not found and self.use_rules and (no_such := no_such_device(text)):
            found, handled_by = [[no_such]], RULE
        then = Understanding(self.surroundings, languages, area)  # as it will be understood when the time comes
        found = [[self._attended(call, then) for call in calls] for calls in found]
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
        language = language_of(decision.calls, decision.text, self._languages(decision.text))
        if language and language not in self._languages(""):
            self.heard = (*self.heard, language)
        language = "" if self.only_english else language

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

    def _again(self, text: str) -> str:
        """For "redo" the request that was undone last."""
        redo = plain(text).casefold() in ("redo", "redo it", "redo that", "undo the undo")
        return self.undone[-1] if redo and self.undone and self.use_rules else text

    def _languages(self, text: str) -> tuple[str, ...]:
        """Those given; behind them, so that nothing English is taken for German, the others in which something was done
        in this conversation ("und im Bad?"), and the one that the words of the text tell."""
        known = (*self.languages, *self.heard)
        told = (language for language, tells in ANOTHER.items() if tells(text))
        return (*known, *(new for new in told if not any(old.startswith(new[:2]) for old in known)))

    def _attended(self, call: Call, then: Understanding) -> Call:
        """What is put off and needs a confirmation is marked: it becomes a reminder."""

        def level(call: Call) -> Level:
            if call.tool not in self.tools:  # "undo" asks for itself when the time comes
                return Level.READ
            return self.tools.level(call.tool, self.tools.checked(call.tool, call.arguments), self.surroundings)

        return attended(call, then.as_said, level)

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
