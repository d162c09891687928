"""What a download may do and how its answers are read. No connection is opened here; fetch.py does that."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urljoin, urlsplit

from assistant.errors import UsageError

HUB = "https://huggingface.co"
INDEX = "https://pypi.org/simple"
_HUB_HOSTS = ("huggingface.co", "hf.co")  # and its content networks: cdn-lfs.huggingface.co, cas-bridge.xethub.hf.co
_INDEX_HOSTS = ("pypi.org", "pythonhosted.org")


class Failed(Exception):
    """A source did not deliver; the message says why, in words for the user."""


class Interrupted(Failed):
    """It may deliver when asked again: what has arrived is kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to give up on a source, how many connections to open, and how many bytes to ask for in one request."""

    connect_s: float = 3.0
    read_s: float = 20.0
    n_connections: int = 4
    request_bytes: int = 16 << 20
    n_attempts: int = 3
    least_bytes_per_s: float = 512.0


@dataclass(frozen=True, slots=True)
class Source:
    """A server to begin at, and where its redirects may lead: to hosts of `suffixes` by https, or back to itself.

    Plain http is allowed for the server itself alone, and only if the user configured it so.
    """

    kind: Literal["hub", "index"]
    url: str
    label: str
    suffixes: tuple[str, ...]
    authorization: str = ""

    def allows(self, url: str) -> bool:
        """Whether a request may go to `url`."""
        own, other = urlsplit(self.url), urlsplit(url)
        if other.hostname is None or other.username is not None:
            return False
        if other.hostname == own.hostname:
            return other.scheme == "https" or (other.scheme == "http" and own.scheme == "http")
        return other.scheme == "https" and any(
            other.hostname == suffix or other.hostname.endswith("." + suffix) for suffix in self.suffixes
        )

    def headers_for(self, url: str) -> dict[str, str]:
        """The user's own credentials for a private index, for that very server and nobody else."""
        own, other = urlsplit(self.url), urlsplit(url)
        if self.authorization and (own.scheme, own.netloc) == (other.scheme, other.netloc):
            return {"Authorization": self.authorization}
        return {}


def hub() -> Source:
    """The model hub: HF_ENDPOINT, or huggingface.co. Raises UsageError for an endpoint that is not a web address."""
    return _source(os.environ.get("HF_ENDPOINT") or HUB, "HF_ENDPOINT", "hub")


def index() -> Source:
    """The package index that pip or uv are set up to use, or pypi.org. Raises UsageError as hub()."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(variable):
            return _source(value, variable, "index")
    return _source(INDEX, "", "index")


def _source(value: str, variable: str, kind: Literal["hub", "index"]) -> Source:
    parts = urlsplit(value.strip().rstrip("/"))
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise UsageError(f"{variable} is not a web address; set it to something like https://host/path, or unset it")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    authorization = ""
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    suffixes = _HUB_HOSTS if kind == "hub" else _INDEX_HOSTS
    return Source(kind, f"{parts.scheme}://{host}{port}{parts.path}", f"{host}{port}", suffixes, authorization)


def redirect_target(source: Source, url: str, location: str | None) -> str:
    """Where a redirect from `url` leads. Raises Failed when that is not allowed."""
    try:
        target = urljoin(url, location or "")
        where, allowed = urlsplit(target), bool(location) and source.allows(target)
    except ValueError as error:  # brackets that are no IPv6 address, and the like
        raise Failed("redirects to what is no address") from error
    if not allowed:
        raise Failed(f"redirects to {where.scheme}://{where.hostname}, which is not one of its own hosts")
    return target


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Begin, end (exclusive) and total of a partial answer, in bytes, or None."""
    match = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", headers.get("Content-Range", "").strip())
    return (int(match[1]), int(match[2]) + 1, int(match[3])) if match else None


def content_length(headers: Mapping[str, str]) -> int | None:
    """Bytes of the body as announced, or None."""
    value = headers.get("Content-Length", "").strip()
    return int(value) if re.fullmatch(r"\d{1,15}", value) else None


def strong_etag(headers: Mapping[str, str]) -> str:
    """The version of the file, if the server promises that it is the same byte for byte, else ""."""
    etag = headers.get("ETag", "").strip()
    return etag if re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', etag) else ""


def refuse_status(status: int) -> None:
    """Raises for every answer that carries no file."""
    if status in (200, 206):
        return
    reasons = {
        401: "asks for a login",
        403: "refuses access",
        404: "does not have the file",
        410: "no longer has the file",
        416: "has a shorter file than the catalogue says",
        429: "asks to wait (too many requests)",
    }
    reason = reasons.get(status, f"answers with status {status}")
    if status == 429 or status >= 500:
        raise Interrupted(reason)
    raise Failed(reason)
