"""What an engine is: small protocols, so that tests and evals can run one in-process or in a supervised child.

Only plain data here; importing this module loads no native library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from assistant.conversation import Message
from assistant.turn import Turn


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. `temperature` 0 is greedy. `top_k` 0 is not allowed: sorting 150 k candidates for
    every token costs more than the model itself on small models (docs/experiments.md).
    With a `seed` the same prompt gets the same reply: it is computed from its first token, whatever the cache holds."""

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.05
    repeat_last_n: int = 64
    seed: int | None = None
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    deadline_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything the model sees for one reply: append-only messages behind a constant head.

    `messages[0]` may be the system message; it is the head whose KV state is kept. `prefix` is the beginning of the
    reply, when a reply is continued. `schema` constrains the reply to JSON (the subset in engines/grammar.py).
    `conversation` names the KV slot: prompts of the same conversation reuse each other's prefix.
    `plain` leaves the chat template out: the messages are one text that the model continues, as benchmarks want it.
    `judges_end` asks how likely the last message ends where it does (Usage.end_log_odds).
    """

    messages: Sequence[Message]
    sampling: Sampling = field(default_factory=Sampling)
    prefix: str = ""
    schema: dict[str, Any] | None = None
    conversation: str = ""
    plain: bool = False
    judges_end: bool = False


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a text is as what comes next: natural logarithm summed over its tokens, and whether each of them is
    the one that greedy decoding would choose."""

    log_probability: float
    n_tokens: int
    is_greedy: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """What an adapter may answer: codes, and how many pieces of the request each copies. `separator` is the control
    token behind the request, `end` ends a piece; `fingerprint` must be the one the adapter was trained with."""

    codes: dict[str, int]
    separator: str
    end: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Picked:
    """(code, probability among all codes), likeliest first, and the pieces copied for the likeliest. Empty if the
    request is too long to be one."""

    codes: list[tuple[str, float]]
    pieces: list[str]


@runtime_checkable
class Picking(Protocol):
    """A model that may have an adapter for choosing tools."""

    @property
    def has_adapter(self) -> bool: ...

    def pick(self, request: str, menu: Menu) -> Picked:
        """Let the adapter choose. Raises EngineError where there is none or it is for something else."""
        ...


class LanguageModel(Protocol):
    """Streams a reply as pieces of text."""

    @property
    def name(self) -> str:
        """The alias asked for, such as `smollm2-135m`."""
        ...

    @property
    def file_name(self) -> str:
        """The true file behind the alias, such as `SmolLM2-135M-Instruct.Q4_1.gguf`."""
        ...

    @property
    def n_context(self) -> int:
        """Context size in tokens."""
        ...

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        """Yield the reply piece by piece, each a valid Unicode string; fill in `turn.usage` before the end.

        Ends without an error when the turn is cancelled. Raises PromptTooLong, EngineCrashed, EngineTimeout,
        SchemaError.
        """
        ...

    def close(self) -> None:
        """Free the model. The second call does nothing."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A model that also tells how likely it is to begin its reply with each of some texts (natural logarithms)."""

    def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]: ...
