"""The teacher: a larger model that says requests in other words and must recognise what they ask for.

A paraphrase is kept where everything copied still stands in it, the numbers are the same, no rule of the assistant
reads it as another tool, and the teacher, asked several times, names the tool more often than all else.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from assistant.choosing.codes import CODES, NO_TOOL, normal
from assistant.rules.table import ruled
from assistant.tools.registry import registry
from quantize.packs import chatml
from quantize.runtime import Runtime, Sampler, Tokens
from quantize.situations import Request

N_ASKED: Final = 3  # how often the teacher is asked what a paraphrase wants
N_CHOICES: Final = 4
MAX_CHARS: Final = 120
_NUMBER: Final = re.compile(r"\d+(?:[.:]\d+)?")
_REWRITE: Final = "You rewrite what people say to an assistant at home. Answer with the new request and nothing else."
_NAME: Final = "You name the tool that a request needs. Answer with one name of the list and nothing else."


def paraphrased(teacher: Runtime, asked: Sequence[Request], seed: int) -> Iterator[Request]:
    """What is left of one paraphrase of each request."""
    prompts = [_prompt(teacher, _REWRITE, f"Say this in other words: {request.text}") for request in asked]
    said = teacher.sample(prompts, 40, Sampler(0.9, 0.05), seed)
    written = [_first_line(teacher, tokens) for tokens in said]
    candidates = [
        replace(request, text=text, origin="teacher")
        for request, text in zip(asked, written, strict=True)
        if same_request(request, text) and not contradicted(replace(request, text=text))
    ]
    chance = random.Random(seed)  # noqa: S311 - a reproducible draw
    questions = [_question(teacher, request, chance) for request in candidates for _ in range(N_ASKED)]
    answers = [_first_line(teacher, t) for t in teacher.sample(questions, 8, Sampler(0.7, 0.05), seed + 1)]
    for at, request in enumerate(candidates):
        told = answers[at * N_ASKED : (at + 1) * N_ASKED]
        if 2 * sum(_named(answer, request) for answer in told) > N_ASKED:
            yield request


def same_request(request: Request, text: str) -> bool:
    """Whether `text` may stand for the request: new words, the same numbers, all that is copied."""
    if not 3 <= len(text) <= MAX_CHARS or normal(text) == normal(request.text):
        return False
    if sorted(_NUMBER.findall(text)) != sorted(_NUMBER.findall(request.text)):
        return False
    return all(f"{normal(piece)} " in f"{normal(text)} " for piece in request.copied)


def contradicted(request: Request) -> bool:
    """Whether a rule of the assistant reads it as another tool. Where it is a command, the grammar knows better: rules
    take "add a minute to the timer" for a new timer; so only talk that a rule acts on is given up."""
    return request.code == NO_TOOL and bool(ruled(request.text, datetime(2026, 5, 4, 10, 0).astimezone()))


def _question(teacher: Runtime, request: Request, chance: random.Random) -> list[int]:
    own = CODES[request.code].tool or "none"
    others = sorted({*(t.name for t in registry() if t.trusted), "none"} - {own})
    names = [own, *chance.sample(others, N_CHOICES - 1)]
    chance.shuffle(names)
    lines = "\n".join(f"{n}: {registry()[n].summary if n != 'none' else 'talk or knowledge'}" for n in names)
    return _prompt(teacher, _NAME, f"{lines}\n\nRequest: {request.text}")


def _named(answer: str, request: Request) -> bool:
    return answer.strip().split(":")[0].split(" ")[0] == (CODES[request.code].tool or "none")


def _prompt(teacher: Runtime, system: str, text: str) -> list[int]:
    written = chatml([("system", system), ("user", text)]) + "<|im_start|>assistant\n"
    return [int(t) for t in teacher.tokenize(written, True)]


def _first_line(teacher: Runtime, tokens: Tokens) -> str:
    text = teacher.detokenize([int(t) for t in tokens if t != teacher.end_token])
    return text.strip().split("\n")[0].strip().strip('"')
