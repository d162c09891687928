"""Ask the running instance. Every function returns or raises what the same work in this process would."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from assistant import instance_wire
from assistant.errors import EXIT_MODEL, EXIT_REFUSED, EXIT_USAGE, AssistantError, ModelError, PolicyError, UsageError
from assistant.instance_wire import Ask, Call, Done, Failed, InstanceGone, Key, Notice, Piece, Press, Value
from assistant.oneshot import Answer, Question

_BY_EXIT_CODE = {EXIT_USAGE: UsageError, EXIT_REFUSED: PolicyError, EXIT_MODEL: ModelError}


def ask(connection: socket.socket, question: Question, notice: Callable[[str], None]) -> Iterator[str | Answer]:
    """Yield the pieces of the reply, then the Answer. Closing `connection` cancels the turn."""
    instance_wire.send(connection, Ask(question))
    for line in instance_wire.lines(connection):
        reply = msgspec.json.decode(line, type=instance_wire.Reply)
        if isinstance(reply, Piece):
            yield reply.text
        elif isinstance(reply, Notice):
            notice(reply.text)
        elif isinstance(reply, Done):
            yield reply.answer
            return
        elif isinstance(reply, Failed):
            raise _error(reply)
    raise InstanceGone("the running chat closed before it had answered; ask again")


def call(connection: socket.socket, method: str, *arguments: Any) -> Any:
    """Call a method of the running instance's history; returns plain lists and dictionaries."""
    return _value(connection, Call(method, list(arguments)))


def press(connection: socket.socket, key: Key) -> None:
    """Press a key of the spoken conversation. Raises UsageError when the running instance is not talking."""
    _value(connection, Press(key))


def _value(connection: socket.socket, request: instance_wire.Request) -> Any:
    with contextlib.suppress(ConnectionError):  # it ended before it had read the request
        instance_wire.send(connection, request)
        for line in instance_wire.lines(connection):
            reply = msgspec.json.decode(line, type=instance_wire.Reply)
            if isinstance(reply, Value):
                return reply.value
            if isinstance(reply, Failed):
                raise _error(reply)
    raise InstanceGone("the running assistant ended before it had answered; try again")


def _error(reply: Failed) -> AssistantError:
    return _BY_EXIT_CODE.get(reply.exit_code, AssistantError)(reply.message)
