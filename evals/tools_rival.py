"""llama-cpp-python's own function calling (`chatml-function-calling`), the same file beside ours.

Its template shows the functions only below a system message, so it gets one; the choice is "auto", the temperature 0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from assistant.engines import amx
from assistant.errors import EngineError
from assistant.tools.functions import Function
from evals.tools_functions import Caller

N_CONTEXT: Final = 4096
_SYSTEM: Final = "You are a helpful assistant."


@contextmanager
def rival(path: Path, n_threads: int) -> Iterator[Caller]:
    """A caller through llama-cpp-python. A prompt that its context does not hold counts as no call."""
    from llama_cpp import Llama

    amx.switch_off()
    llama = Llama(str(path), n_ctx=N_CONTEXT, n_threads=n_threads, n_threads_batch=n_threads, verbose=False, seed=1,
                  chat_format="chatml-function-calling")  # fmt: skip

    def call(request: str, functions: Sequence[Function]) -> tuple[str, Mapping[str, Any]] | None:
        tools = [
            {"type": "function", "function": {"name": f.name, "description": f.description, "parameters": f.parameters}}
            for f in functions
        ]
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": request}]
        try:
            reply: Any = llama.create_chat_completion(messages, tools=tools, tool_choice="auto", temperature=0.0)  # type: ignore[arg-type]
        except (ValueError, RuntimeError, KeyError) as error:
            if isinstance(error, RuntimeError) and "exceed" not in str(error).casefold():
                raise EngineError(f"llama-cpp-python failed: {error}") from error
            return None
        calls = reply["choices"][0]["message"].get("tool_calls") or []
        if not calls:
            return None
        made = calls[0]["function"]
        try:
            arguments = json.loads(made["arguments"])
        except ValueError:
            return made["name"], {"": None}  # cut off or no JSON: a call that cannot be made
        return made["name"], arguments if isinstance(arguments, dict) else {"": arguments}

    try:
        yield call
    finally:
        llama.close()


def threads() -> int:
    return max(1, len(os.sched_getaffinity(0)))
