"""The model's way to a tool: from a shortlist it picks one name or none, and fills in only what is the user's own text.

The shortlist comes from likeness.py. Where it leaves a doubt, the model scores the few names by prefill (nothing is
sampled); its log-probability and the likeness are added, and "none" competes. Devices, rooms, numbers and times are
read by code (slots.py). For free text the model writes under a grammar, and what it writes must stand in the request.
The prompt's head is constant, so that its KV state is kept; behind it stand the request and the names, and nothing
else: no document, no earlier message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from assistant.choosing.adapted import NEEDS_A_PLACE, PLACES, AdaptedChooser
from assistant.choosing.functions import FunctionCaller, function_of
from assistant.choosing.likeness import Likeness, masked, sampled
from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Picking, Prompt, Sampling, Scorer
from assistant.engines.late import LateModel
from assistant.errors import SchemaError
from assistant.home.model import Home, key
from assistant.home.templates import templates_of
from assistant.rules.slots import Vocabulary, read_slots
from assistant.tools.calls import Call
from assistant.tools.home_tools import BY_INTENT
from assistant.tools.registry import Registry
from assistant.turn import Turn

N_CANDIDATES: Final = 4
LEAST_LIKE: Final = 0.30  # below this no action is proposed at all
NOT_ASKED: Final = frozenset({"smollm2-135m"})  # measured: it chooses worse than the likeness alone
SURE: Final = 0.50  # the probability an action needs against the others and "none"
LIKENESS_WEIGHT: Final = 12.0  # nats for a likeness of 1: chosen on examples of our own, see docs/tools.md
NONE_LIKE: Final = 0.45  # how like a request must be before an action beats "none" without the model's help
CLEAR_LEAD: Final = 0.2  # what is this far behind in likeness is not put to the model: it would not win
NONE: Final = "none"
FREE_TEXT: Final = frozenset(
    {"item", "message", "text", "search_query", "conversation_command", "topic", "expression", "words"}
)
_HEAD: Final = (
    "You route requests to tools. Reply with the name of the one tool that does what the request asks. "
    "Reply none when it asks for knowledge, talk or anything else."
)
_GREEDY: Final = Sampling(temperature=0.0, repeat_penalty=1.0, max_tokens=60)


@dataclass(frozen=True, slots=True)
class Action:
    """What can be chosen: its name, the arguments it takes."""

    name: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class Choice:
    """What came out, with everything that was weighed: (name, likeness, log-probability, probability), best first."""

    name: str
    slots: dict[str, Any]
    probability: float
    weighed: list[tuple[str, float, float, float]] = field(default_factory=list)


@dataclass(slots=True)
class ModelChooser:
    """Chooses among `actions` with `model`."""

    model: LanguageModel
    actions: Mapping[str, Action]
    likeness: Likeness
    allow_none: bool = True
    scores: bool = True  # without the model's own scores the likeness alone decides

    def choose(self, text: str, home: Home, tools: Registry) -> Sequence[Call]:
        """See calls.Chooser. One call or none."""
        choice = self.pick(text, home, datetime.now().astimezone())
        if choice is None or choice.name not in tools:
            return []
        if choice.name in NEEDS_A_PLACE and not any(choice.slots.get(k) for k in PLACES):
            return []
        if not tools[choice.name].trusted:  # nothing here reads the arguments of another package's tool
            try:
                written = FunctionCaller(self.model).arguments(text, function_of(tools[choice.name]))
            except SchemaError:  # the model cannot be held to it: the tool is for rules of its own
                return []
            return [] if written is None else [Call(choice.name, written, choice.probability, "model")]
        return [Call(choice.name, choice.slots, choice.probability, "model")]

    def pick(self, text: str, home: Home, now: datetime) -> Choice | None:
        """The action for a request, or None. Raises nothing but what the model's process raises."""
        like = self.likeness.most_like(masked(text, Vocabulary.of(home).mapping()), N_CANDIDATES)
        like = [(name, score) for name, score in like if score >= LEAST_LIKE or not self.allow_none]
        if not like:
            return None
        weighed = self._weigh(text, like)
        best = weighed[0]
        if best[0] not in self.actions or (self.allow_none and best[3] < SURE):
            return None
        action = self.actions[best[0]]
        slots = read_slots(text, action.fields, home, now)
        slots.update(self._own_words(text, action, slots))
        return Choice(action.name, slots, best[3], weighed)

    def _weigh(self, text: str, like: list[tuple[str, float]]) -> list[tuple[str, float, float, float]]:
        both = sorted([*like, (NONE, NONE_LIKE)] if self.allow_none else like, key=lambda pair: -pair[1])
        names, scores = [name for name, _ in both], [score for _, score in both]
        near = [name for name, score in both if score > scores[0] - CLEAR_LEAD]
        told = self._told(text, near) if len(near) > 1 else [0.0]
        told += [max(told)] * (len(names) - len(near))  # as good as the best of the others: it cannot win by that
        totals = [LIKENESS_WEIGHT * s + t for s, t in zip(scores, told, strict=True)]
        top = max(totals)
        parts = [math.exp(t - top) for t in totals]
        rows = zip(names, scores, told, (p / sum(parts) for p in parts), strict=True)
        return sorted(rows, key=lambda row: -row[3])

    def _told(self, text: str, names: list[str]) -> list[float]:
        """The model's log-probability of each name, per token, so that long names are no worse."""
        if not self.scores or not isinstance(self.model, Scorer) or self.model.name in NOT_ASKED:
            return [0.0] * len(names)
        prompt = _prompt(f"Request: {text}\nTools: {', '.join(names)}", "router")
        scores = self.model.score(prompt, names)
        return [s / max(1, len(name) / 4) for s, name in zip(scores, names, strict=True)]

    def _own_words(self, text: str, action: Action, slots: Mapping[str, Any]) -> dict[str, str]:
        """The free text among the arguments, as the model copies it out of the request; what is not in it is
        dropped."""
        wanted = [f for f in action.fields if f in FREE_TEXT and f not in slots]
        if not wanted:
            return {}
        schema = {
            "type": "object",
            "properties": {f: {"type": "string", "maxLength": 120} for f in wanted},
            "required": wanted,
        }
        prompt = _prompt(f"Request: {text}\nCopy from it for {action.name}: {', '.join(wanted)}", "router words")
        written = "".join(
            self.model.stream(Prompt(prompt.messages, _GREEDY, schema=schema, conversation="router words"), Turn())
        )
        try:
            values = json.loads(written)
        except ValueError:  # cut off
            return {}
        return {f: v for f, v in values.items() if isinstance(v, str) and v.strip() and key(v) in key(text)}


def _prompt(question: str, conversation: str) -> Prompt:
    messages = [Message(Role.SYSTEM, _HEAD, id="system"), Message(Role.USER, question, id="request")]
    return Prompt(messages, _GREEDY, conversation=conversation)


@dataclass(frozen=True, slots=True)
class LateChooser:
    """That of a model which is not open yet and is opened only if something is to be chosen."""

    model: LateModel

    def choose(self, text: str, home: Home, tools: Registry) -> Sequence[Call]:
        """See calls.Chooser. Raises what opening raises."""
        return chooser_for(self.model.opened()).choose(text, home, tools)


def chooser_for(model: LanguageModel, language: str = "en") -> ModelChooser | AdaptedChooser:
    """The chooser over all tools: the model's adapter where it has one, else the shortlist and the model's scores."""
    from assistant.tools.registry import registry

    tools = registry()
    actions = {
        t.name: Action(t.name, tuple(f.encode_name for f in msgspec.structs.fields(t.arguments)))
        for t in tools
        if t.by_model
    }
    chooser = ModelChooser(model, actions, _tool_likeness(language))
    if not (isinstance(model, Picking) and model.has_adapter):
        return chooser
    own = {name: action for name, action in actions.items() if tools[name].trusted}
    foreign = {name: action for name, action in actions.items() if name not in own}  # no code stands for them
    otherwise = replace(chooser, actions=foreign) if foreign else None
    return AdaptedChooser(model, in_doubt=replace(chooser, actions=own, scores=False), otherwise=otherwise)


def prepare(language: str = "en") -> None:
    """Build the index of chooser_for() before it is needed."""
    _tool_likeness(language)


@lru_cache(maxsize=4)
def _tool_likeness(language: str) -> Likeness:
    from assistant.tools.registry import registry

    examples = [(t.name, masked(e, {})) for t in registry() if t.by_model for e in t.examples]
    for intent, text in sampled(templates_of(language)):
        if intent in BY_INTENT:
            examples.append((BY_INTENT[intent], text))
    return Likeness.of(examples)


def intents_chooser(model: LanguageModel, language: str = "en", allow_none: bool = False) -> ModelChooser:
    """The chooser over the home's own intents, for measuring the model path alone."""
    intents = templates_of(language)
    actions = {}
    for name, intent in intents.intents.items():
        fields: dict[str, None] = {}
        for data in intent.data:
            fields.update(dict.fromkeys(data.slots))
            for sentence in data.sentences:
                fields.update(dict.fromkeys(re.findall(r"\{(?:[^}:]*:)?@?(\w+)\}", sentence.text or "")))
        actions[name] = Action(name, tuple(fields))
    return ModelChooser(model, actions, Likeness.of(sampled(intents)), allow_none)
