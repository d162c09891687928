"""What the app and the gateway say to each other: JSON lines over a pipe, every shape and size checked on both sides.

app -> gateway   Login, Look, Act, Show    one at a time; each is answered by one of
gateway -> app   Ready, Seen, Done, Shown, Failed
"""

from __future__ import annotations

import os
import select
import socket
from typing import Annotated, Any, Final, Literal

import msgspec

MAX_LINE_BYTES: Final = 16 << 20  # a home of some thousand entities takes a tenth of it
EntityId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,64}\.[a-z0-9_]{1,200}$")]
Action = Literal[
    "on", "off", "open", "close", "position", "lock", "unlock", "brightness", "colour", "rgb", "kelvin", "speed",
    "temperature", "fan_mode", "hvac_mode", "volume", "mute", "unmute", "pause", "resume", "next", "previous",
    "start", "dock",
]  # fmt: skip


class Login(msgspec.Struct, frozen=True, tag=True):
    token: Annotated[str, msgspec.Meta(max_length=1000)]


class Look(msgspec.Struct, frozen=True, tag=True):
    """Ask for the whole home with its states."""


class Act(msgspec.Struct, frozen=True, tag=True):
    """One command: what to do with which device. `value` as the action needs it (actions.py)."""

    entity: EntityId
    action: Action
    value: float | str | None = None


class Show(msgspec.Struct, frozen=True, tag=True):
    """Ask for the certificate of the place; nothing is sent there."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    version: str


class Seen(msgspec.Struct, frozen=True, tag=True):
    """`table` is a home as home/model.py reads it."""

    table: dict[str, Any]


class Done(msgspec.Struct, frozen=True, tag=True):
    pass


class Shown(msgspec.Struct, frozen=True, tag=True):
    """The SHA-256 of the certificate, in hex."""

    fingerprint: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Failed(msgspec.Struct, frozen=True, tag=True):
    text: str


ToGateway = Login | Look | Act | Show
ToApp = Ready | Seen | Done | Shown | Failed


def write_all(connection: socket.socket, data: bytes) -> None:
    """Like sendall(), but with write(): the gateway's filter refuses what could name another address. OpenSSL writes
    so, too.

    Raises OSError; TimeoutError where the socket has a time and it passes.
    """
    encrypted = getattr(connection, "write", None)  # of an SSLSocket
    left = memoryview(data)
    while left:
        if not select.select([], [connection], [], connection.gettimeout())[1]:
            raise TimeoutError
        left = left[encrypted(left) if encrypted else os.write(connection.fileno(), left) :]


class Closed(Exception):
    """The other side is gone, or said something that is no message."""


class Channel:
    """One end of the pipe."""

    def __init__(self, connection: socket.socket, of: Literal["gateway", "app"]) -> None:
        self._connection = connection
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ToGateway if of == "gateway" else ToApp)
        self._rest = b""

    def send(self, message: ToGateway | ToApp) -> None:
        """Raises Closed."""
        try:
            write_all(self._connection, msgspec.json.encode(message) + b"\n")
        except OSError as error:
            raise Closed from error

    def receive(self, timeout_s: float | None = None) -> Any:
        """The next message. Raises Closed, also when none comes in time."""
        self._connection.settimeout(timeout_s)
        try:
            while b"\n" not in self._rest:
                piece = self._connection.recv(1 << 16)
                self._rest += piece
                if not piece or len(self._rest) > MAX_LINE_BYTES:
                    raise Closed
        except OSError as error:
            raise Closed from error
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            return self._decoder.decode(line)
        except msgspec.DecodeError as error:
            raise Closed from error
