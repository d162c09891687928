"""One worker process: started, loaded, spoken to, and what is known when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from assistant.engines import wire
from assistant.engines.plan import Plan
from assistant.engines.probe import CHILD_ENVIRONMENT
from assistant.engines.worker import UNLOCKED_FLAG
from assistant.errors import EngineError, EngineTimeout, ModelCrashed, ModelRefusedError
from assistant.models.quarantine import FAULT_SIGNALS
from assistant.models.spec import ModelSpec
from assistant.privacy import environment, sandbox

_LOAD_S = 60.0
_SLOWEST_DISK_BYTES_PER_S = 20e6
_LAST_WORDS = 1 << 16


class Gone(Exception):
    """The worker has died, or has sent what is no message and was killed for it."""


class Child:
    """A worker that has loaded its model when the constructor returns.

    `on_death(child)` is called in a thread of its own when the process has ended, for whatever reason. Raises
    ModelRefusedError, EngineError or EngineTimeout if the model does not load.
    """

    def __init__(self, spec: ModelSpec, plan: Plan, on_death: Callable[[Child], None]) -> None:
        self._file_name = spec.file_name
        self._on_death = on_death
        self._killed = False
        started: Future[subprocess.Popen[bytes]] = Future()
        threading.Thread(target=self._live, args=(spec, started), name="model worker", daemon=True).start()
        try:
            self._process = started.result()
        except OSError as error:
            raise EngineError(f"the model process cannot be started: {error.strerror}") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise EngineError("the model process has no pipes")
        self._sender = wire.Sender(self._process.stdin.fileno())
        self._receiver = wire.Receiver(self._process.stdout.fileno(), "app")
        self.heads: set[str] = set()  # keys of the head states it was offered or has computed
        self.n_context = self._load(spec, plan)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.poll() is None

    @property
    def peak_rss_bytes(self) -> int:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        return next((int(x.split()[1]) * 1024 for x in status.splitlines() if x.startswith("VmHWM:")), 0)

    def send(self, message: wire.ToWorker) -> None:
        """Raises Gone, EngineError if the message is too large."""
        try:
            self._sender.send(message)
        except OSError as error:
            raise Gone from error
        except wire.WireError as error:
            raise EngineError(f"the request does not fit: {error}; shorten it") from error

    def try_send(self, message: wire.Cancel) -> None:
        """Send to a worker that may have died: then there is nothing to cancel."""
        try:
            self._sender.send(message)
        except OSError:
            return

    def receive(self, timeout_s: float) -> Any:
        """The worker's next message. Raises TimeoutError, Gone."""
        try:
            return self._receiver.receive(timeout_s)
        except EOFError as error:
            raise Gone from error
        except wire.WireError as error:
            self.kill()
            raise Gone from error

    def kill(self) -> None:
        """End the process now. The second call does nothing."""
        self._killed = True  # it may take a moment to die, and must not be given another request meanwhile
        self._process.kill()

    def obituary(self) -> str:
        """How it died: the signal or exit code, and the last line that native code wrote."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        return cause_of_death(self._process, code)

    # -- parts --------------------------------------------------------------------------------------------------------

    def _live(self, spec: ModelSpec, started: Future[subprocess.Popen[bytes]]) -> None:
        """Start the process and wait for its end, in one thread: Linux kills it when that *thread* ends."""
        try:
            process = start_worker("assistant.engines.worker", *(str(p) for p in (spec.path, spec.adapter) if p))
        except BaseException as error:  # noqa: BLE001 - handed over to the constructor, which raises it
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()
        self._on_death(self)

    def _load(self, spec: ModelSpec, plan: Plan) -> int:
        try:
            self.send(_load_request(spec, plan))
            answer = self.receive(_LOAD_S + spec.size_bytes / _SLOWEST_DISK_BYTES_PER_S)
        except Gone:
            how = self.obituary()
            if -(self._process.returncode or 0) in FAULT_SIGNALS:
                raise ModelCrashed(spec.file_name, how) from None
            raise ModelRefusedError(
                f"the model process ended while it loaded {spec.file_name} ({how}); is the memory full? Try again, or "
                "choose a smaller model"
            ) from None
        except TimeoutError:
            self.kill()
            raise EngineTimeout(
                f"{spec.file_name} did not load in time and was given up; is the disk busy, or the file damaged?"
            ) from None
        if isinstance(answer, wire.Failed):
            raise wire.to_error(answer)
        if not isinstance(answer, wire.Loaded):
            self.kill()
            raise EngineError(f"{spec.file_name}: the model process answered out of turn; try again")
        return answer.n_context


def start_worker(module: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments` with pipes; it locks itself, and says in stderr why if it cannot start.

    Linux kills it when the *thread* that called this ends.
    """
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)  # nobody reads it meanwhile: when full, what native code writes is dropped
    # -P: a file named like one of our imports in the current folder must not be imported instead
    command = [sys.executable, "-P", "-m", module, *arguments]
    if not sandbox.status().locked:
        command.append(UNLOCKED_FLAG)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=writes,
            bufsize=0,
            pass_fds=pass_fds,
            env={**os.environ, **CHILD_ENVIRONMENT, **environment.QUIET},
        )
    finally:
        os.close(writes)
    process.stderr = os.fdopen(reads, "rb", buffering=0)
    return process


def _load_request(spec: ModelSpec, plan: Plan) -> wire.Load:
    return wire.Load(
        path=os.fsencode(spec.path),
        name=spec.name,
        file_name=spec.file_name,
        sha256=spec.sha256,
        size_bytes=spec.size_bytes,
        family=spec.family,
        architecture=spec.architecture,
        n_context_train=spec.n_context_train,
        plan=plan,
        adapter=os.fsencode(spec.adapter) if spec.adapter else b"",
    )


def cause_of_death(process: subprocess.Popen[bytes], code: int) -> str:
    """The signal or exit code of an ended worker, and the last line that native code wrote."""
    words = _last_line(process)
    how = _signal_name(-code) if code < 0 else f"exit code {code}"
    return f"{how}: {words}" if words else how


def _last_line(process: subprocess.Popen[bytes]) -> str:
    raw = process.stderr.read(_LAST_WORDS) if process.stderr else b""
    lines = [line for line in (raw or b"").decode(errors="replace").splitlines() if line.strip()]
    return "".join(c for c in lines[-1] if c.isprintable())[:200] if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
