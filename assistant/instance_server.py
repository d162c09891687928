"""Serves `ask`, `history` and the keys of `voice` of other processes, from the instance that owns model and history.

One thread a connection, at most MAX_QUEUED; the model answers one at a time and queues the rest. A client that goes
away cancels its turn.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from assistant import instance, instance_wire
from assistant.config import Settings
from assistant.documents.library import Library
from assistant.engines import LanguageModel
from assistant.engines.late import LateModel
from assistant.errors import EXIT_USAGE, AssistantError, EngineError, UsageError
from assistant.history import History, ephemeral_history
from assistant.instance_wire import Ask, Call, Done, Failed, Key, Notice, Piece, Press, Value
from assistant.oneshot import Handling, answer, stream_answer
from assistant.router import Router
from assistant.turn import Turn

# A peer that connects and then says nothing would keep one of the few places for ever.
REQUEST_S = 10.0

# The history's methods that another process may call: what `assistant history` needs and nothing else.
CALLABLE = frozenset({"list", "search", "load", "rename", "delete", "export", "import_json", "find_id", "backup"})


@dataclass(frozen=True)
class Served:
    """What the owner lends. `model()` is the loaded model, or None while it is loading or down."""

    settings: Callable[[], Settings]
    history: History
    model: Callable[[], LanguageModel | None]
    router: Callable[[History], Router] | None = None  # a new router over this history
    library: Library | None = None  # the user's documents
    press: Callable[[Key], None] | None = None  # a key for the spoken conversation; raises UsageError if there is none


def start(claim: instance.Claim, served: Served) -> None:
    """Accept connections until the claim is released."""
    threading.Thread(target=_accept, args=(claim.listener, served), name="instance", daemon=True).start()


def _accept(listener: socket.socket, served: Served) -> None:
    slots = threading.BoundedSemaphore(instance_wire.MAX_QUEUED)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # released
            return
        if instance.peer_uid(connection) != os.getuid() or not slots.acquire(blocking=False):
            connection.close()
            continue
        threading.Thread(target=_serve, args=(connection, served, slots), name="instance peer", daemon=True).start()


def _serve(connection: socket.socket, served: Served, slots: threading.BoundedSemaphore) -> None:
    try:
        with connection, contextlib.suppress(OSError):  # a peer that goes away needs no answer
            try:
                connection.settimeout(REQUEST_S)
                line = next(instance_wire.lines(connection), b"")
                connection.settimeout(None)
                request = msgspec.json.decode(line, type=instance_wire.Request)
                match request:
                    case Ask():
                        _ask(connection, request, served)
                    case Press(key=key):
                        instance_wire.send(connection, Value(_press(key, served)))
                    case _:
                        instance_wire.send(connection, Value(_call(request, served.history)))
            except msgspec.MsgspecError as error:
                instance_wire.send(connection, Failed(f"malformed request: {error}", EXIT_USAGE))
            except AssistantError as error:
                instance_wire.send(connection, Failed(str(error), error.exit_code))
    finally:
        slots.release()


def _ask(connection: socket.socket, request: Ask, served: Served) -> None:
    model = LateModel(lambda: _lent(served))
    turn = Turn()
    threading.Thread(target=_cancel_when_gone, args=(connection, turn), name="instance watch", daemon=True).start()
    history = ephemeral_history() if request.question.ephemeral else served.history
    handling = Handling(served.router(history) if served.router else None, library=served.library)
    reply = ""
    try:
        for piece in stream_answer(
            request.question,
            served.settings(),
            history,
            model,
            turn,
            lambda text: instance_wire.send(connection, Notice(text)),
            handling,
        ):
            reply += piece
            instance_wire.send(connection, Piece(piece))
        instance_wire.send(connection, Done(answer(reply, model, turn, handling)))
    finally:
        turn.cancel()
        if history is not served.history:
            history.close()


def _press(key: Key, served: Served) -> str:
    if served.press is None:
        raise UsageError("the running instance is not talking; open the chat and press Ctrl+T first")
    served.press(key)
    return key.value


def _lent(served: Served) -> LanguageModel:
    model = served.model()
    if model is None:
        raise EngineError("the running chat has no model loaded yet; try again in a moment")
    return model


def _cancel_when_gone(connection: socket.socket, turn: Turn) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass
    turn.cancel()


def _call(request: Call, history: History) -> Any:
    if request.method not in CALLABLE:
        raise instance_wire.InstanceGone(f"the running instance does not offer {request.method!r}")
    try:
        return msgspec.to_builtins(getattr(history, request.method)(*request.arguments))
    except TypeError as error:
        raise AssistantError(f"malformed call of {request.method}: {error}") from error
