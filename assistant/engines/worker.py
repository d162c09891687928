"""The model worker: `python -m assistant.engines.worker FILE [ADAPTER]`. One model, one pair of pipes.

stdin and stdout are the pipes. Native code may print: what it writes to the usual descriptors goes nowhere, or, for
stderr, to a small pipe that the app reads when this process has died. The worker locks itself before it imports
anything that is not the standard library: no sockets, no programs, no files but the model's and the libraries'.

It never outlives the app: the kernel kills it with the app where it can, and the end of stdin ends it everywhere,
inside a long computation too, because the thread that reads does not wait for the thread that computes.
"""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import AssistantError, EngineError, NetworkLockError
from assistant.privacy import environment, sandbox
from assistant.turn import Turn

if TYPE_CHECKING:
    from assistant.engines import Prompt, wire
    from assistant.engines.embedding import EmbeddingModel
    from assistant.engines.llama import LlamaModel

UNLOCKED_FLAG = "--app-is-unlocked"  # the app runs without the lock: the worker locks itself if it can, and goes on
WAKE_EVERY_S = 0.04  # text that appears 25 times a second looks like text that flows
AT_ONCE = 12  # tokens at the beginning that are not held back: a voice begins with the first clause
_PR_SET_PDEATHSIG = 1


def main() -> int:
    incoming, outgoing = take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the app, which then cancels
    die_with_app()
    environment.apply()
    try:
        sandbox.enter_worker(tuple(Path(a) for a in sys.argv[1:] if a != UNLOCKED_FLAG))
    except NetworkLockError:
        if UNLOCKED_FLAG not in sys.argv:
            raise
    from assistant.engines import wire

    _serve(wire.Receiver(incoming, "worker"), wire.Sender(outgoing))
    return 0


def take_pipes() -> tuple[int, int]:
    """Move the pipes away from descriptors 0 and 1, so that nothing else reads or writes them."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return incoming, outgoing


def die_with_app() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if parent == 1 or os.getppid() != parent:  # it died before the kernel knew
            os._exit(0)


class _Inbox:
    """A thread reads the pipe: requests wait for the main thread, a cancel acts at once, the pipe's end ends us."""

    def __init__(self, receiver: wire.Receiver) -> None:
        self._receiver = receiver
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._turns: dict[int, Turn] = {}  # the requests that are queued or running
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def next(self) -> Any:
        return self._requests.get()

    def turn(self, request: int) -> Turn:
        """The turn of a request: cancelled already if the cancel came while the request was waiting."""
        with self._lock:
            return self._turns[request]

    def finished(self, request: int) -> None:
        with self._lock:
            del self._turns[request]

    def _read(self) -> None:
        from assistant.engines import wire

        while True:
            try:
                message = self._receiver.receive()
            except (EOFError, OSError, wire.WireError):
                os._exit(0)
            if isinstance(message, wire.Cancel):
                with self._lock:
                    turn = self._turns.get(message.id)
                if turn is not None:
                    turn.cancel()
                continue
            if isinstance(message, wire.Generate | wire.Score):
                with self._lock:
                    self._turns[message.id] = Turn()
            self._requests.put(message)


class _Heads:
    """StateStore over the pipe: holds the state that the app offered, sends a new one to the app."""

    def __init__(self, sender: wire.Sender) -> None:
        self._sender = sender
        self._states: dict[str, bytes] = {}

    def offer(self, key: str, state: bytes) -> None:
        self._states = {key: state}  # one at a time: they are megabytes

    def get(self, key: str) -> bytes | None:
        return self._states.get(key)

    def put(self, key: str, state: bytes) -> None:
        from assistant.engines import wire

        self.offer(key, state)
        self._sender.send(wire.HeadState(key, state))


def _serve(receiver: wire.Receiver, sender: wire.Sender) -> None:
    from assistant.engines import wire
    from assistant.engines.llama import LlamaModel

    inbox = _Inbox(receiver)
    heads = _Heads(sender)
    try:
        model = _load(inbox.next(), heads)
    except AssistantError as error:
        sender.send(wire.failure(0, error))
        return
    sender.send(wire.Loaded(model.n_context))
    while True:
        request = inbox.next()
        if isinstance(request, wire.HeadState):
            heads.offer(request.key, request.state)
            continue
        try:
            if isinstance(model, LlamaModel):
                _answer(request, model, inbox, sender)
            else:
                _embed(request, model, sender)
        except AssistantError as error:
            sender.send(wire.failure(request.id, error))


def _load(request: wire.Load, heads: _Heads) -> LlamaModel | EmbeddingModel:
    from assistant.engines.embedding import ARCHITECTURE, EmbeddingModel
    from assistant.engines.llama import LlamaModel
    from assistant.models.spec import ModelSpec

    spec = ModelSpec(
        name=request.name,
        file_name=request.file_name,
        path=Path(os.fsdecode(request.path)),
        sha256=request.sha256,
        size_bytes=request.size_bytes,
        family=request.family,
        n_context_train=request.n_context_train,
        architecture=request.architecture,
        adapter=Path(os.fsdecode(request.adapter)) if request.adapter else None,
    )
    if request.architecture == ARCHITECTURE:
        return EmbeddingModel(spec, request.plan)
    return LlamaModel(spec, request.plan, heads)


def _answer(request: Any, model: LlamaModel, inbox: _Inbox, sender: wire.Sender) -> None:
    from assistant.engines import wire

    match request:
        case wire.Generate(id=number, question=question):
            turn = inbox.turn(number)
            try:
                _send_pieces(number, model.stream(_prompt(question), turn), turn, sender)
            finally:
                inbox.finished(number)
            sender.send(wire.Done(number, turn.usage))
        case wire.Score(id=number, question=question, candidates=candidates):
            inbox.finished(number)
            sender.send(wire.Scored(number, model.likelihoods(_prompt(question), candidates)))
        case wire.Pick(id=number, request=text, menu=menu):
            sender.send(wire.Chosen(number, model.pick(text, menu)))
        case wire.Count(id=number, text=text):
            sender.send(wire.Counted(number, model.count_tokens(text)))
        case _:
            raise EngineError(f"the model process was asked for {type(request).__name__} twice")


def _send_pieces(number: int, texts: Iterator[str], turn: Turn, sender: wire.Sender) -> None:
    """The first texts at once, then no more often than the app has to be woken: whenever it runs, one of the cores that
    compute the next token waits for it."""
    from assistant.engines import wire

    held, sent_s = "", -WAKE_EVERY_S
    try:
        for n_before, text in enumerate(texts):
            held += text
            now_s = time.monotonic()
            if n_before < AT_ONCE or now_s - sent_s >= WAKE_EVERY_S:
                sender.send(wire.Piece(number, held, None if n_before else turn.usage.end_log_odds))
                held, sent_s = "", now_s
    finally:
        if held:
            sender.send(wire.Piece(number, held))


def _embed(request: Any, model: EmbeddingModel, sender: wire.Sender) -> None:
    from assistant.engines import wire

    if not isinstance(request, wire.Embed):
        raise EngineError(f"the embedding process was asked for {type(request).__name__}")
    sender.send(wire.Embedded(request.id, model.embed(request.texts).tobytes()))


def _prompt(question: wire.Question) -> Prompt:
    from assistant.conversation import Message, Role
    from assistant.engines import Prompt

    messages = [Message(Role(m.role), m.content, id=m.id) for m in question.messages]
    return Prompt(
        messages,
        question.sampling,
        question.prefix,
        question.schema,
        question.conversation,
        question.plain,
        question.judges_end,
    )


if __name__ == "__main__":
    sys.exit(main())
