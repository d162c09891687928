"""A model hub and a package index on loopback: a real HTTP server that can misbehave in every way seen in the wild.

The hub speaks the resolve protocol: GET /<repository>/resolve/<revision>/<path>, ranges, entity tags, redirects to a
content network. The index speaks PEP 691 (JSON) or PEP 503 (HTML).
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One address and how it behaves. `cut_after` closes the connection after so many bytes of each answer, `rate`
    sends so many bytes a second, `expires` lets an address answer only so many times before it says 403, `hangs` never
    answers."""

    content: bytes = b""
    content_type: str = "application/octet-stream"
    etag: str = ""
    ranges: bool = True
    status: int = 0
    redirect: str = ""
    cut_after: int | None = None
    rate: int | None = None
    expires: int | None = None
    hangs: bool = False
    honours_if_range: bool = True
    announces_length: bool = True


@dataclass
class Request:
    """What a client asked for, and how many bytes of body it was sent."""

    path: str
    headers: Mapping[str, str]
    sent: int = 0


@dataclass
class Hub:
    """The server. Use it in a `with`; `url` is its address."""

    addresses: dict[str, Served] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Hub:
        hub = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                _answer(hub, self)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.released = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bytes_sent(self) -> int:
        return sum(request.sent for request in self.requests)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def serve(self, path: str, served: Served) -> Served:
        self.addresses[path] = served
        return served

    def serve_wheel(self, package: str, version: str, members: Mapping[str, bytes], **page: object) -> Served:
        """Offer a wheel on the index; returns the wheel's address to make it misbehave. `html`, `file_url` and `sha256`
        change what the page says, `size` whether it tells the size."""
        wheel = wheel_of(members)
        file_name = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
        path = f"/files/{file_name}"
        digest = str(page.get("sha256") or hashlib.sha256(wheel).hexdigest())
        target = str(page.get("file_url") or f"../../files/{file_name}")
        if page.get("html"):
            body = f'<!DOCTYPE html><a href="{html.escape(target)}#sha256={digest}">{file_name}</a>'.encode()
            kind = "text/html"
        else:
            file: dict[str, object] = {"filename": file_name, "url": target, "hashes": {"sha256": digest}}
            if page.get("size", True):
                file["size"] = len(wheel)
            body, kind = json.dumps({"files": [file], "name": package}).encode(), "application/vnd.pypi.simple.v1+json"
        self.serve(f"/simple/{package}/", Served(body, content_type=kind))
        return self.serve(path, Served(wheel))


def wheel_of(members: Mapping[str, bytes]) -> bytes:
    """A zip archive with these members, as a wheel is one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed or give up are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def _answer(hub: Hub, handler: BaseHTTPRequestHandler) -> None:
    request = Request(handler.path, dict(handler.headers.items()))
    hub.requests.append(request)
    served = hub.addresses.get(handler.path, Served(status=404))
    if served.hangs:
        hub.released.wait(30)
        handler.close_connection = True
        return
    if served.expires is not None:
        served.expires -= 1
        if served.expires < 0:
            served = Served(status=403)
    if served.redirect:
        _send_head(handler, 302, {"Location": served.redirect, "Content-Length": "0"})
        return
    if served.status:
        _send_head(handler, served.status, {"Content-Length": "0"})
        return
    _send_content(hub, handler, request, served)


def _send_content(hub: Hub, handler: BaseHTTPRequestHandler, request: Request, served: Served) -> None:
    headers = {"Content-Type": served.content_type}
    if served.etag:
        headers["ETag"] = served.etag
    body, status = served.content, 200
    span = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
    stale = served.honours_if_range and request.headers.get("If-Range", served.etag) != served.etag
    if span and served.ranges and not stale:
        begin, end = int(span[1]), int(span[2]) + 1
        if begin >= len(body):
            _send_head(handler, 416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
            return
        end = min(end, len(body))
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(body)}"
        body, status = body[begin:end], 206
    if served.announces_length:
        headers["Content-Length"] = str(len(body))
    else:
        handler.close_connection = True
    _send_head(handler, status, headers)
    if served.cut_after is not None and len(body) > served.cut_after:
        body = body[: served.cut_after]
        handler.close_connection = True
    step = 64 << 10 if served.rate is None else max(1, served.rate // 50)
    try:
        for position in range(0, len(body), step):
            piece = body[position : position + step]
            handler.wfile.write(piece)
            request.sent += len(piece)
            if served.rate is not None and hub.released.wait(0.02):
                break
    except OSError:  # the client has gone
        handler.close_connection = True


def _send_head(handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def wait_until(condition: object, timeout_s: float = 30.0) -> None:
    """Wait for something another process does; fails the test if it never happens."""
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)
