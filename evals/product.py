"""The two sides of every comparison: the assistant's own path, and llama.cpp alone with the same plan.

The product is what the app runs: `build.prepare` decides, `RemoteLanguageModel` streams from its child process, and the
clock stands on this side of the pipe, where the screen would be. The bare loop gets the same threads, flash attention,
mapping, layers and context; its batch sizes and its environment are llama.cpp's own, because choosing those is part of
the product.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assistant import build, paths
from assistant.config import Settings
from assistant.conversation import Message, Role
from assistant.engines import Prompt, Sampling
from assistant.engines.plan import Plan
from assistant.engines.remote import RemoteLanguageModel
from assistant.errors import EngineError
from assistant.models.spec import ModelSpec
from assistant.models.store import Store
from assistant.turn import Turn, Usage
from evals import machine
from evals.bare_client import BareLoop, BareSettings
from evals.bench import Timing

N_CONTEXT = 4608  # a reply of 4,096 tokens and its question fit
LLAMA_BATCH = 512  # llama.cpp's own default for what it computes at a time
GREEDY = Sampling(temperature=0.0, repeat_penalty=1.0)
FILLER = "The keeper of the lighthouse wrote down the weather, the ships and the birds of every day. "

_conversations = itertools.count()


@dataclass(frozen=True, slots=True)
class Reply:
    """One streamed reply as its reader saw it. `at_ms` are arrival times of the pieces, counted from the request,
    `n_chars` their lengths."""

    text: str
    at_ms: list[float]
    end_ms: float
    cpu_ms: float  # of all processes, from the first piece to the end
    usage: Usage
    n_chars: tuple[int, ...] = ()

    @property
    def ttft_ms(self) -> float:
        return self.at_ms[0] if self.at_ms else self.end_ms

    @property
    def per_token(self) -> Timing:
        """Cost of a token after the first. Raises EngineError for a reply too short to tell."""
        n = self.usage.reply_tokens - 1
        if n < 4 or not self.at_ms:
            raise EngineError(f"the reply has only {n + 1} tokens ({self.usage.finish_reason}): too short to time")
        return Timing((self.end_ms - self.ttft_ms) / n, self.cpu_ms / n)

    @property
    def new_tokens(self) -> int:
        """Tokens of the prompt that had to be computed."""
        return self.usage.prompt_tokens - self.usage.cached_tokens


@dataclass(slots=True)
class Product:
    """The running assistant model."""

    spec: ModelSpec
    plan: Plan
    model: RemoteLanguageModel
    load_ms: float

    def reply(self, prompt: Prompt, turn: Turn | None = None) -> Reply:
        """Stream one reply to its end."""
        turn = turn or Turn()
        pieces: list[str] = []
        at_ms: list[float] = []
        started_s = time.perf_counter()
        cpu_s = 0.0
        for piece in self.model.stream(prompt, turn):
            at_ms.append((time.perf_counter() - started_s) * 1000)
            if not pieces:
                cpu_s = self._cpu_s()
            pieces.append(piece)
        end_ms = (time.perf_counter() - started_s) * 1000
        return Reply(
            "".join(pieces), at_ms, end_ms, (self._cpu_s() - cpu_s) * 1000, turn.usage, tuple(map(len, pieces))
        )

    @property
    def pid(self) -> int:
        """The model process."""
        return self.model.pid

    def _cpu_s(self) -> float:
        return time.process_time() + machine.process_cpu_s(self.pid)


def ask(text: str, max_tokens: int, *, system: str = "", **fields: Any) -> Prompt:
    """A greedy question in a conversation of its own."""
    sampling = dataclasses.replace(GREEDY, max_tokens=max_tokens)
    head = [Message(Role.SYSTEM, system, id="system")] if system else []
    return Prompt([*head, Message(Role.USER, text)], sampling, conversation=f"evals-{next(_conversations)}", **fields)


def resolve(name: str) -> ModelSpec:
    """Raises ModelMissingError, ModelRefusedError."""
    return Store(paths.models_folder()).resolve(name)


@contextmanager
def open_product(spec: ModelSpec, n_context: int = N_CONTEXT, threads: int = 0) -> Iterator[Product]:
    """Start the model as the app would, with the product's default settings but for the context and the threads."""
    plan = build.prepare(spec, Settings(context_tokens=n_context, threads=threads)).plan
    started_s = time.perf_counter()
    model = RemoteLanguageModel(spec, plan)
    load_ms = (time.perf_counter() - started_s) * 1000
    try:
        yield Product(spec, plan, model, load_ms)
    finally:
        model.close()


@contextmanager
def open_bare(spec: ModelSpec, plan: Plan) -> Iterator[BareLoop]:
    """Start llama.cpp alone with the product's plan."""
    with BareLoop(bare_settings(spec, plan)) as bare:
        yield bare


def bare_settings(spec: ModelSpec, plan: Plan) -> BareSettings:
    return BareSettings(
        path=str(spec.path),
        n_context=plan.n_context,
        n_threads=plan.n_threads,
        n_threads_batch=plan.n_threads_batch,
        flash_attention=plan.flash_attention,
        use_mmap=plan.use_mmap,
        n_gpu_layers=plan.n_gpu_layers,
        n_batch=LLAMA_BATCH,
    )


@contextmanager
def pair(spec: ModelSpec, n_context: int = N_CONTEXT, threads: int = 0) -> Iterator[tuple[Product, BareLoop]]:
    """Both sides with one plan."""
    with open_product(spec, n_context, threads) as product, open_bare(spec, product.plan) as bare:
        yield product, bare


def filler(bare: BareLoop, n_tokens: int) -> list[int]:
    """Exactly `n_tokens` tokens of plain text. What they say does not change what they cost."""
    sentence = bare.tokenize(FILLER)
    return (sentence * (n_tokens // len(sentence) + 1))[:n_tokens]


def text_of(bare: BareLoop, n_tokens: int, first: str = "") -> str:
    """Plain text of about `n_tokens` tokens that begins with `first`, so that no two need share a cached beginning."""
    sentence = len(bare.tokenize(FILLER))
    room = n_tokens - len(bare.tokenize(first))
    words = (FILLER * (room // sentence + 2)).split(" ")
    low, high = 0, len(words)
    while low < high:  # the most words that fit
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(bare.tokenize(" ".join(words[:middle]))) <= room else (low, middle - 1)
    return first + " ".join(words[:low])


def chatml(messages: Sequence[Message]) -> str:
    """Our chatml template with its control tokens as text: lets the bare loop decode the very same tokens."""
    turns = "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages)
    return turns + f"<|im_start|>{Role.ASSISTANT}\n"
