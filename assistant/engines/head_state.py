"""The KV state of the constant prompt head, kept between runs so that a restart does not compute it again."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from typing import Protocol

from assistant.conversation import Message, Role
from assistant.engines.plan import Plan
from assistant.engines.templates import clean
from assistant.models.spec import ModelSpec

AT_LEAST_TOKENS = 16  # computing fewer is as fast as restoring them
AT_MOST_BYTES = 48 << 20  # reading and decrypting more would take longer than it saves


class StateStore(Protocol):
    """Keeps states by key. It must encrypt them: a KV state can be turned back into the text it was computed from."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, state: bytes) -> None: ...


def head_text(messages: Sequence[Message]) -> str:
    """The text of the constant head, "" without one."""
    return clean(messages[0].content) if messages and messages[0].role is Role.SYSTEM else ""


def head_key(spec: ModelSpec, plan: Plan, text: str) -> str:
    """Names the state of a head: the same file, template, settings, runtime and text give the same state."""
    runtime = importlib.metadata.version("llama-cpp-python")
    parts = (spec.sha256, spec.family, plan.flash_attention, str(plan.n_gpu_layers), runtime, text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
