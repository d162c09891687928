"""Completing one part file from one address: ranges on several connections, resuming, starting over.

What can happen on the way: the server ignores ranges (one stream from the start), has another version than last time
(start over), a signed link expires (ask for a new one), breaks off or stalls (ask again, a few times), or has a file of
another size (give up).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assistant.models import http_rules
from assistant.models.catalogue import Entry
from assistant.models.http_rules import Failed, Interrupted, Limits, Source
from assistant.models.parallel import in_order
from assistant.models.partfile import PIECE_BYTES, PartFile
from assistant.models.progress import Meter, Report
from assistant.models.store import Store

_MAX_PAGE_BYTES = 64 << 20


class Answer(Protocol):
    """An HTTP answer whose body is still to be read; fetch.py has the real one."""

    status: int
    url: str

    @property
    def headers(self) -> Mapping[str, str]: ...

    def __enter__(self) -> Answer: ...

    def __exit__(self, *_: object) -> None: ...

    def pieces(self, most_bytes: int, stop: threading.Event | None = None) -> Iterator[bytes]: ...


class Web(Protocol):
    """Who can send requests."""

    limits: Limits

    def ask(self, source: Source, url: str, headers: dict[str, str]) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Job:
    """One pull: which model, with which connections, into which store; `folder` holds what is on its way."""

    web: Web
    store: Store
    entry: Entry
    folder: Path
    report: Report


class Transfer:
    """One part file on its way from one source.

    `stop` shows that the caller fetches several files at once; then this one keeps to a single connection.
    """

    def __init__(
        self, web: Web, source: Source, part: PartFile, meter: Meter, stop: threading.Event | None = None
    ) -> None:
        self._web, self._source, self._part, self._meter = web, source, part, meter
        self._stop = stop or threading.Event()
        self._n_connections = 1 if stop else web.limits.n_connections

    def run(self, url: str) -> None:
        """Complete the part. Raises Failed after `n_attempts` in a row without progress, Stopped when told so."""
        failures = 0
        while not self._part.complete:
            before = self._part.done_bytes
            try:
                self._attempt(url)
            except Interrupted as interrupted:
                failures = failures + 1 if self._part.done_bytes <= before else 1
                if failures >= self._web.limits.n_attempts:
                    raise Failed(f"{interrupted} ({failures} times)") from interrupted
                time.sleep(0.3 * failures)

    def _attempt(self, url: str) -> None:
        """The first missing range tells where the file really is and which version; then the others, in parallel."""
        begin, end = self._part.missing(self._web.limits.request_bytes)[0]
        with self._web.ask(self._source, url, self._range_headers(begin, end)) as answer:
            http_rules.refuse_status(answer.status)
            before = self._part.done_bytes
            if answer.status == 200:  # no ranges here, or the file changed: from the start, in one go
                begin, end = 0, self._part.size
                self._part.reset()
            self._refuse_other_file(answer, begin)
            self._part.begin_source(self._source.label, http_rules.strong_etag(answer.headers))
            self._meter.add(self._part.done_bytes - before)
            self._save(answer, begin, end, self._stop)
            real_url = answer.url
        for _ in in_order(
            lambda span, stop: self._fetch_range(real_url, span, stop),
            self._part.missing(self._web.limits.request_bytes),
            self._n_connections,
        ):
            pass

    def _fetch_range(self, url: str, span: tuple[int, int], stop: threading.Event) -> None:
        begin, end = span
        with self._web.ask(self._source, url, self._range_headers(begin, end)) as answer:
            if answer.status in (401, 403, 410):
                raise Interrupted("the link to the file expired")  # content networks sign theirs for an hour
            http_rules.refuse_status(answer.status)
            if answer.status == 200:
                raise Interrupted("the file changed while it was fetched")
            self._refuse_other_file(answer, begin)
            self._save(answer, begin, end, self._stop if self._n_connections == 1 else stop)

    def _save(self, answer: Answer, begin: int, end: int, stop: threading.Event) -> None:
        """Write a body in whole pieces. What does not fill a piece when the connection breaks is lost."""
        position, held = begin, bytearray()
        for received in answer.pieces(end - begin, stop):
            held += received
            while len(held) >= PIECE_BYTES or (held and position + len(held) == self._part.size):
                piece = bytes(held[:PIECE_BYTES])
                self._part.write_piece(position, piece)
                self._meter.add(len(piece))
                position += len(piece)
                del held[: len(piece)]
        if position < end:
            raise Interrupted("the connection broke off")

    def _range_headers(self, begin: int, end: int) -> dict[str, str]:
        headers = {"Range": f"bytes={begin}-{end - 1}"}
        if etag := self._part.etag_of(self._source.label):
            headers["If-Range"] = etag
        return headers

    def _refuse_other_file(self, answer: Answer, begin: int) -> None:
        if answer.status == 206:
            span = http_rules.content_range(answer.headers)
            if span is None or span[0] != begin:
                raise Failed("answers with another part of the file than was asked for")
            found: int | None = span[2]
        else:
            found = http_rules.content_length(answer.headers)
        if found is not None and found != self._part.size:
            raise Failed(f"has a file of {found:,} bytes where {self._part.size:,} are expected")


def page(web: Web, source: Source, url: str, accept: str) -> tuple[bytes, str, str]:
    """Body, content type and final address of a page. Raises Failed."""
    with web.ask(source, url, {"Accept": accept}) as answer:
        http_rules.refuse_status(answer.status)
        body = b"".join(answer.pieces(_MAX_PAGE_BYTES))
        return body, answer.headers.get("Content-Type", ""), answer.url


def size_of(web: Web, source: Source, url: str) -> int:
    """Bytes of a file whose size nobody told. Raises Failed."""
    with web.ask(source, url, {"Range": "bytes=0-0"}) as answer:
        http_rules.refuse_status(answer.status)
        span = http_rules.content_range(answer.headers)
        size = span[2] if span else http_rules.content_length(answer.headers)
        if not size:
            raise Failed("does not say how large the file is")
        return size
