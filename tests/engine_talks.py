"""What the engine's tests say to the real model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assistant.config import DEFAULT_SYSTEM
from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Prompt, Sampling
from assistant.engines.plan import Plan
from assistant.models.spec import ModelSpec
from assistant.turn import Turn

# One thread: two of them on a busy machine wait for each other at every barrier. A small context fills soon.
PLAN = Plan(n_context=1024, n_threads=1, n_threads_batch=1)
LONG = "The keeper of the lighthouse wrote down the weather, the ships and the birds of every day. "
# The product's own: behind it SmolLM2's answers are far enough from their alternatives (1.6 nats before "The capital of
# France") that the rounding of a processor's kernels, and of batches against single tokens, does not change them.
SYSTEM = DEFAULT_SYSTEM
GREEDY = Sampling(temperature=0, max_tokens=24)


def smollm2(path: Path) -> ModelSpec:
    return ModelSpec(
        name="smollm2-135m",
        file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
        path=path,
        sha256=path.name.split(".")[0],
        size_bytes=path.stat().st_size,
        family="chatml",
        n_context_train=8192,
        architecture="llama",
    )


def question(text: str, *before: Message, system: str = SYSTEM) -> list[Message]:
    head = [Message(Role.SYSTEM, system, id="system")] if system else []
    return [*head, *before, Message(Role.USER, text)]


def say(
    model: LanguageModel, messages: Sequence[Message], sampling: Sampling = GREEDY, conversation: str = "a"
) -> tuple[str, Turn]:
    turn = Turn()
    text = "".join(model.stream(Prompt(messages, sampling, conversation=conversation), turn))
    return text, turn


class Memory(dict[str, bytes]):
    """A StateStore that forgets with the test."""

    def put(self, key: str, state: bytes) -> None:
        self[key] = state
