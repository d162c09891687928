"""llama-cpp-python's own function calling (`chatml-function-calling`), the same file beside ours.

Used as its documentation shows: that system message (the template shows the functions only below one), the choice
"auto", temperature 0. What it writes at a time ends after as many tokens as ours, since its handler sets no limit and a
small model may go on until the context is full (SmolLM2-135M: minutes a row). Its handler has a fault where the model
begins with "message:": the grammar it then sets lets the message be nothing but a function's name, so a call ends as
the text "functions.NAME:" without arguments. `helped` asks
once more for the function that stands there, by name, as its documentation has it for a chosen function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from assistant.choosing.functions import Function
from assistant.engines import amx
from assistant.errors import EngineError

N_CONTEXT: Final = 4096
MAX_TOKENS: Final = 300  # of the arguments, or of a message, as ours
_SYSTEM: Final = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. The assistant calls functions with appropriate input when necessary"
)
Made = tuple[str, Mapping[str, Any]] | None


@dataclass(slots=True)
class Rival:
    """A loaded model of llama-cpp-python. Both callers share what was computed for a request."""

    llama: Any
    _said: dict[str, Any] = field(default_factory=dict)

    def call(self, request: str, functions: Sequence[Function]) -> Made:
        """As it comes. A prompt that its context does not hold counts as no call. Raises EngineError."""
        return _made(self._first(request, functions))

    def helped(self, request: str, functions: Sequence[Function]) -> Made:
        """With the call that its handler lost on the way. Raises EngineError."""
        message = self._first(request, functions)
        named = re.match(r"functions\.([\w.-]+):?", str(message.get("content") or ""))
        if message.get("tool_calls") or named is None:
            return _made(message)
        name = named[1] if any(f.name == named[1] for f in functions) else named[1].rstrip(".")
        choice = {"type": "function", "function": {"name": name}}
        return _made(self._ask(request, functions, choice))

    def _first(self, request: str, functions: Sequence[Function]) -> dict[str, Any]:
        asked = f"{request}\n{[f.name for f in functions]}"
        if asked not in self._said:
            self._said[asked] = self._ask(request, functions, "auto")
        return dict(self._said[asked])

    def _ask(self, request: str, functions: Sequence[Function], choice: Any) -> dict[str, Any]:
        tools = [
            {"type": "function", "function": {"name": f.name, "description": f.description, "parameters": f.parameters}}
            for f in functions
        ]
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": request}]
        try:
            reply = self.llama.create_chat_completion(messages, tools=tools, tool_choice=choice, temperature=0.0)
        except (ValueError, RuntimeError, KeyError) as error:
            if isinstance(error, RuntimeError) and "exceed" not in str(error).casefold():
                raise EngineError(f"llama-cpp-python failed: {error}") from error
            return {}
        return dict(reply["choices"][0]["message"])


@contextmanager
def rival(path: Path, n_threads: int) -> Iterator[Rival]:
    """A file through llama-cpp-python."""
    from llama_cpp import Llama

    amx.switch_off()
    llama: Any = Llama(
        str(path),
        n_ctx=N_CONTEXT,
        n_threads=n_threads,
        n_threads_batch=n_threads,
        verbose=False,
        seed=1,
        chat_format="chatml-function-calling",
    )
    llama.create_completion = _bounded(llama.create_completion)
    try:
        yield Rival(llama)
    finally:
        llama.close()


def _bounded(create: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with a limit where none is given."""

    def create_completion(*arguments: Any, **fields: Any) -> Any:
        return create(*arguments, **fields | {"max_tokens": fields.get("max_tokens") or MAX_TOKENS})

    return create_completion


def _made(message: Mapping[str, Any]) -> Made:
    calls = message.get("tool_calls") or []
    if not calls:
        return None
    made = calls[0]["function"]
    try:
        arguments = json.loads(made["arguments"])
    except ValueError:
        return made["name"], {"": None}  # cut off or no JSON: a call that cannot be made
    return made["name"], arguments if isinstance(arguments, dict) else {"": arguments}
