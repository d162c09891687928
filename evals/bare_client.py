"""BareLoop: the caller's side of the baseline process (bare_loop.py)."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from assistant.errors import EngineCrashed, EngineTimeout


@dataclass(frozen=True, slots=True)
class BareSettings:
    """How the baseline loads and runs the model: the same plan as the product's, or the comparison means nothing."""

    path: str
    n_context: int
    n_threads: int
    n_threads_batch: int
    flash_attention: bool | str  # True and "enabled" mean the same
    use_mmap: bool
    n_gpu_layers: int
    n_batch: int


@dataclass(frozen=True, slots=True)
class Timed:
    """What one request took inside the baseline process, and the tokens it chose."""

    ms: float
    cpu_ms: float
    tokens: list[int]


class BareLoop:
    """llama.cpp alone, in a process of its own. Use as a context manager.

    Raises EngineCrashed when the process ends, EngineTimeout when it does not answer in time.
    """

    def __init__(self, settings: BareSettings, timeout_s: float = 300.0) -> None:
        self._timeout_s = timeout_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", "evals.bare_loop", json.dumps(asdict(settings))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.load_ms = float(self._read()["ms"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def info(self) -> dict[str, Any]:
        return self._ask(op="info")

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        return list(self._ask(op="tokenize", text=text, special=special)["tokens"])

    def rewind(self, depth: int) -> None:
        """Keep the first `depth` tokens of the cache."""
        self._ask(op="rewind", depth=depth)

    def prefill(self, tokens: list[int]) -> Timed:
        """Append tokens; the one token returned is the greedy next."""
        reply = self._ask(op="prefill", tokens=tokens)
        return Timed(reply["ms"], reply["cpu_ms"], [reply["token"]])

    def decode(self, token: int, n: int) -> Timed:
        """Append `token` and n - 1 successors one by one; the n tokens returned are those chosen after each."""
        reply = self._ask(op="decode", token=token, n=n)
        return Timed(reply["ms"], reply["cpu_ms"], reply["tokens"])

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        stdin = self._process.stdin
        if stdin is None:
            raise EngineCrashed("the bare llama.cpp loop is closed")
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError as error:
            raise self._crashed() from error
        return self._read()

    def _read(self) -> dict[str, Any]:
        stdout = self._process.stdout
        if stdout is None:
            raise EngineCrashed("the bare llama.cpp loop is closed")
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([stdout], [], [], self._timeout_s)[0]:
                self._process.kill()
                raise EngineTimeout(f"the bare llama.cpp loop did not answer in {self._timeout_s:.0f} s")
            piece = stdout.read(65536)
            if not piece:
                raise self._crashed()
            line += piece
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _crashed(self) -> EngineCrashed:
        code = self._process.wait()
        return EngineCrashed(f"the bare llama.cpp loop ended with code {code}; its messages are above")
