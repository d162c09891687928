"""What is said over the instance's socket: one JSON document a line, bounded, typed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from assistant.errors import AssistantError
from assistant.oneshot import Answer, Question

MAX_LINE_BYTES = 32 * 1024 * 1024  # an exported conversation is the largest thing sent
MAX_QUEUED = 8


class Ask(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    question: Question


class Call(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A method of the history, from the list in instance_server.py."""

    method: str
    arguments: list[Any] = []


class Key(StrEnum):
    """What a key pressed elsewhere asks of the conversation that is being spoken."""

    HOLD = "hold"  # push to talk: down
    RELEASE = "release"  # and up
    HUSH = "hush"  # stop the spoken answer
    MUTE = "mute"
    UNMUTE = "unmute"


class Press(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A key, such as a global shortcut of the desktop that runs `assistant voice hold`."""

    key: Key


class Piece(msgspec.Struct, frozen=True, tag=True):
    text: str


class Notice(msgspec.Struct, frozen=True, tag=True):
    text: str


class Done(msgspec.Struct, frozen=True, tag=True):
    answer: Answer


class Value(msgspec.Struct, frozen=True, tag=True):
    value: Any


class Failed(msgspec.Struct, frozen=True, tag=True):
    message: str
    exit_code: int


Request = Ask | Call | Press
Reply = Piece | Notice | Done | Value | Failed


class InstanceGone(AssistantError):
    """The running instance closed the connection in the middle of a request."""


def send(connection: socket.socket, message: Request | Reply) -> None:
    connection.sendall(msgspec.json.encode(message) + b"\n")


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Yield complete lines. Ends when the peer closes; raises InstanceGone for a line over the limit."""
    buffer = bytearray()
    while chunk := connection.recv(65536):
        buffer += chunk
        while (end := buffer.find(b"\n")) >= 0:
            yield bytes(buffer[:end])
            del buffer[: end + 1]
        if len(buffer) > MAX_LINE_BYTES:
            raise InstanceGone("a message on the instance socket is too long; the connection was closed")
