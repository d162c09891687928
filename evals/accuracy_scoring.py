"""Score one row through the product's engine: by likelihood where the answer is given, by generating where it is not.

Likelihoods are taken behind plain text without a chat template, as lm-evaluation-harness takes them (harness.py runs
the same engine inside it); replies are generated greedily the way a user would get them, system message included.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assistant.config import DEFAULT_SYSTEM
from assistant.conversation import Message, Role
from assistant.engines import Likelihood, Prompt, Sampling
from assistant.turn import Turn
from evals import instructions
from evals.accuracy_rows import Checked, Choice, Cloze, ContextChoice, Instructed, Named, Number, Row
from evals.checks import failed

CONTINUED = Sampling(temperature=0.0, repeat_penalty=1.0, max_tokens=24, stop=("\nQuestion:",))
NUMBER_TOKENS, CHECKED_TOKENS, INSTRUCTED_TOKENS = 200, 160, 512


class Engine(Protocol):
    """What is measured: the model in its child process, or one in this process."""

    def likelihoods(self, prompt: Prompt, candidates: Sequence[str]) -> list[Likelihood]: ...

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """`norm` also tells whether the choice is right when likelihoods are divided by the length of the text. `said` and
    `failed` are for the reader of a wrong answer."""

    right: bool
    norm: bool | None = None
    said: str = ""
    failed: tuple[str, ...] = ()


def score(model: Engine, row: Row) -> Scored | None:
    """None for a row that cannot be judged here. Raises PromptTooLong, EngineCrashed, EngineTimeout, EngineError."""
    return _SCORERS[type(row)](model, row)


def lead(query: str) -> str:
    """A query as the text that its choices continue: questions get a line for the answer."""
    text = query.rstrip()
    return f"{text}\nAnswer:" if text.startswith(("Question:", "Passage:")) and not text.endswith("Answer:") else text


def plain(text: str) -> Prompt:
    return Prompt([Message(Role.USER, text, id="text")], conversation="plain", plain=True)


def _choice(model: Engine, row: Choice) -> Scored:
    found = model.likelihoods(plain(lead(row.query)), [f" {choice}" for choice in row.choices])
    total = [f.log_probability for f in found]
    by_length = [t / max(1, len(choice)) for t, choice in zip(total, row.choices, strict=True)]
    chosen = _likeliest(total)
    return Scored(chosen == row.gold, _likeliest(by_length) == row.gold, row.choices[chosen])


def _context_choice(model: Engine, row: ContextChoice) -> Scored:
    behind = row.continuation if row.continuation[:1] in string.punctuation else f" {row.continuation}"
    found = [model.likelihoods(plain(context.rstrip()), [behind])[0] for context in row.context_options]
    chosen = _likeliest([f.log_probability for f in found])
    return Scored(chosen == row.gold, said=row.context_options[chosen])


def _cloze(model: Engine, row: Cloze) -> Scored:
    (found,) = model.likelihoods(plain(row.context.rstrip()), [f" {row.continuation}"])
    return Scored(found.is_greedy)


def _named(model: Engine, row: Named) -> Scored:
    prompt = Prompt([Message(Role.USER, row.context.rstrip(), id="text")], CONTINUED, conversation="plain", plain=True)
    said = next(iter("".join(model.stream(prompt, Turn())).strip().splitlines()), "")
    known = {normalised(name) for name in (row.answer, *row.aliases)} - {""}
    words = normalised(said).split()
    return Scored(any(words[: len(name.split())] == name.split() for name in known), said=said)


def _number(model: Engine, row: Number) -> Scored:
    question = f"{row.context}\nWork it out step by step and end with the answer as a number."
    said = _reply(model, question, NUMBER_TOKENS)
    numbers = re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", said))
    return Scored(bool(numbers) and float(numbers[-1]) == float(row.answer), said=said)


def _instructed(model: Engine, row: Instructed) -> Scored | None:
    judges = instructions.judges(row.instruction_id_list, row.kwargs)
    if judges is None:
        return None
    said = _reply(model, row.prompt, INSTRUCTED_TOKENS)
    followed = [bool(said.strip()) and judge(said) for judge in judges]
    missed = tuple(name for name, ok in zip(row.instruction_id_list, followed, strict=True) if not ok)
    return Scored(not missed, said=said, failed=missed)


def _checked(model: Engine, row: Checked) -> Scored:
    said = _reply(model, row.prompt, CHECKED_TOKENS)
    missed = tuple(failed(row.checks, said))
    return Scored(not missed, said=said, failed=missed)


def normalised(text: str) -> str:
    """Lower case, no articles, no punctuation: as TriviaQA compares answers."""
    bare = "".join(c if c.isalnum() else " " for c in text.lower())
    return " ".join(word for word in bare.split() if word not in ("a", "an", "the"))


def _reply(model: Engine, text: str, max_tokens: int) -> str:
    messages = [Message(Role.SYSTEM, DEFAULT_SYSTEM, id="system"), Message(Role.USER, text)]
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    return "".join(model.stream(Prompt(messages, sampling, conversation="reply"), Turn()))


def _likeliest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


_SCORERS: dict[type[Row], Callable[[Engine, Any], Scored | None]] = {
    Choice: _choice,
    ContextChoice: _context_choice,
    Cloze: _cloze,
    Named: _named,
    Number: _number,
    Instructed: _instructed,
    Checked: _checked,
}
