"""The client's side of WebSocket (RFC 6455) over one TCP connection: text messages, pings answered, sizes bounded."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
from typing import Final

from assistant.gateway.messages import write_all

MAX_MESSAGE_BYTES: Final = 16 << 20
_MAX_HEAD_BYTES: Final = 16 << 10
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0, 1, 8, 9, 10


class WebSocketError(Exception):
    """The server does not speak WebSocket, or stopped to; the message says how."""


class WebSocket:
    """An open connection. Every method raises WebSocketError, and TimeoutError after the socket's time."""

    def __init__(self, connection: socket.socket, host: str, path: str) -> None:
        self._connection = connection
        self._rest = b""
        key = base64.b64encode(os.urandom(16))
        self._write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = self._head()
        accepted = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())
        if not head.startswith(b"HTTP/1.1 101") or accepted not in head:
            status = head.partition(b"\r")[0][:80].decode(errors="replace")
            raise WebSocketError(f"it answers {status!r}")

    def send(self, text: bytes) -> None:
        """One text message."""
        self._frame(_TEXT, text)

    def receive(self) -> bytes:
        """The next text message."""
        message = b""
        while True:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._take(8))
            if length + len(message) > MAX_MESSAGE_BYTES or second & 0x80:
                raise WebSocketError("it sends more than a home can be, or masks what it sends")
            content = self._take(length)
            match first & 0x0F:
                case 8:
                    raise WebSocketError("it closed the connection")
                case 9:
                    self._frame(_PONG, content)
                case 0 | 1:
                    message += content
                    if first & 0x80:
                        return message
                case _:
                    continue

    def close(self) -> None:
        self._connection.close()

    def _frame(self, code: int, content: bytes) -> None:
        size = len(content)
        head = bytes([0x80 | code])
        if size < 126:
            head += bytes([0x80 | size])
        else:
            head += (
                bytes([0x80 | 126]) + struct.pack(">H", size)
                if size < 65536
                else (bytes([0x80 | 127]) + struct.pack(">Q", size))
            )
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
        self._write(head + mask + masked)

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self._rest:
            if len(self._rest) > _MAX_HEAD_BYTES:
                raise WebSocketError("it answers without end")
            self._read_more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    def _take(self, n: int) -> bytes:
        pieces, missing = [self._rest[:n]], n - len(self._rest)
        self._rest = self._rest[n:]
        while missing > 0:
            self._read_more()
            pieces.append(self._rest[:missing])
            missing, self._rest = missing - len(self._rest), self._rest[missing:]
        return b"".join(pieces)

    def _read_more(self) -> None:
        try:
            piece = self._connection.recv(1 << 16)
        except TimeoutError:
            raise
        except OSError as error:
            raise WebSocketError(f"the connection broke off ({error.strerror})") from error
        if not piece:
            raise WebSocketError("it closed the connection")
        self._rest += piece

    def _write(self, data: bytes) -> None:
        try:
            write_all(self._connection, data)
        except TimeoutError:
            raise
        except OSError as error:
            raise WebSocketError(f"the connection broke off ({error.strerror})") from error
