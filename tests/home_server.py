"""A server that speaks Home Assistant's published WebSocket API, as far as the gateway uses it; or misbehaves."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
import socket
import ssl
import struct
import threading
from typing import Any

TOKEN = "right"
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
STATES: list[dict[str, Any]] = [
    {"entity_id": "light.sink", "state": "off", "attributes": {"friendly_name": "Sink Light", "secret": "x"}},
    {"entity_id": "light.evil", "state": "on", "attributes": {"friendly_name": "Evil\x1b]0;owned\x07 Lamp"}},
    {"entity_id": "lock.front", "state": "locked", "attributes": {"friendly_name": "Front Door"}},
    {"entity_id": "sensor.t", "state": "21.5", "attributes": {"friendly_name": "T", "device_class": "temperature"}},
    {"entity_id": "update.x", "state": "off", "attributes": {"friendly_name": "Not of a home"}},
]


class HomeServer:
    """Listens on 127.0.0.1 until close(). `calls` are the services that were called; `states` is what it tells of its
    devices, and no service changes it: a test does."""

    def __init__(self, *, misbehave: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.states = copy.deepcopy(STATES)
        self.connections = 0
        self.tokens: list[str] = []  # that were shown to it
        self._misbehave, self._tls = misbehave, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which would keep it open
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Break all connections off."""
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            self._talk(connection, connection.makefile("rb"))
        except (OSError, ValueError, struct.error):
            connection.close()

    def _talk(self, connection: socket.socket, reader: Any) -> None:
        key = b""
        while (line := reader.readline().strip()) != b"":
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.split(b":", 1)[1].strip()
        if self._misbehave == "no websocket":
            connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
            return
        accept = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        if self._misbehave == "huge":
            connection.sendall(b"\x81\x7f" + struct.pack(">Q", 1 << 40))
            return
        if self._misbehave == "noise":
            send(connection, b"{[not json")
            return
        send(connection, {"type": "auth_required"})
        self.tokens.append(receive(reader)["access_token"])
        if self.tokens[-1] != TOKEN:
            send(connection, {"type": "auth_invalid", "message": "no"})
            return
        connection.sendall(b"\x89\x02hi")  # a ping
        send(connection, {"type": "auth_ok", "ha_version": "2099.1"})
        while True:
            message = receive(reader)
            send(connection, {"id": message["id"], "type": "result", **self._answer(message)})

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        match message["type"]:
            case "get_states":
                result: Any = self.states
            case "config/entity_registry/list":
                result = [
                    {"entity_id": "light.sink", "device_id": "d1"},
                    {"entity_id": "lock.front", "area_id": "hall"},
                ]
            case "config/device_registry/list":
                result = [{"id": "d1", "area_id": "kitchen"}]
            case "config/area_registry/list":
                result = [{"area_id": "kitchen", "name": "Kitchen"}, {"area_id": "hall", "name": "Hall"}]
            case "call_service":
                if self._misbehave == "refuses":
                    return {"success": False, "error": {"message": "device \x1b[2Joffline"}}
                self.calls.append({k: message[k] for k in ("domain", "service", "service_data", "target")})
                result = {}
            case _:
                return {"success": False, "error": {"code": "unknown_command", "message": "unknown"}}
        return {"success": True, "result": result}


def send(connection: socket.socket, message: Any) -> None:
    """In two fragments, as a server may."""
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    for at, part in enumerate((raw[:7], raw[7:])):
        head = bytes([(0x80 if at else 0) | (0 if at else 1)])
        head += bytes([len(part)]) if len(part) < 126 else bytes([126]) + struct.pack(">H", len(part))
        connection.sendall(head + part)


def receive(reader: Any) -> dict[str, Any]:
    """The next text message; a client masks what it sends."""
    while True:
        first, second = reader.read(2)
        assert second & 0x80
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", reader.read(2))
        mask, masked = reader.read(4), reader.read(length)
        text = bytes(b ^ mask[i % 4] for i, b in enumerate(masked))
        if first & 0x0F == 1:
            return dict(json.loads(text))
        assert text == b"hi"  # the answer to our ping
