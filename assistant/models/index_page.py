"""Reading a project's page of a package index: JSON (PEP 691) or, from older mirrors, HTML (PEP 503)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

import msgspec

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class NoSuchWheel(Exception):
    """The page cannot be read or does not offer the wheel; the message says which."""


@dataclass(frozen=True, slots=True)
class WheelFile:
    """Where a wheel is, its hash as the index gives it, and its size in bytes if the index tells."""

    file_name: str
    url: str
    sha256: str
    size: int | None


class _JsonFile(msgspec.Struct):
    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None = None


class _JsonPage(msgspec.Struct):
    files: list[_JsonFile]


def choose_wheel(body: bytes, content_type: str, page_url: str, package: str, version: str) -> WheelFile:
    """The wheel of exactly this version. Raises NoSuchWheel."""
    offered = _from_json(body) if "json" in content_type else _from_html(body)
    prefix = re.sub(r"[-_.]+", "_", package).lower()
    wanted = re.compile(rf"{re.escape(prefix)}-{re.escape(version)}(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl", re.IGNORECASE)
    wheels = [file for file in offered if wanted.fullmatch(file.filename)]
    if not wheels:
        raise NoSuchWheel(f"offers no wheel of {package} {version}")
    chosen = min(wheels, key=lambda file: (not file.filename.endswith("-none-any.whl"), file.filename))
    digest = chosen.hashes.get("sha256", "").lower()
    if not _SHA256.fullmatch(digest):
        raise NoSuchWheel(f"gives no SHA-256 for {chosen.filename}")
    size = chosen.size if chosen.size is not None and 0 < chosen.size < 1 << 40 else None
    try:
        return WheelFile(chosen.filename, urljoin(page_url, chosen.url), digest, size)
    except ValueError as error:  # brackets that are no IPv6 address, and the like
        raise NoSuchWheel(f"gives no address for {chosen.filename}") from error


def _from_json(body: bytes) -> list[_JsonFile]:
    try:
        return msgspec.json.decode(body, type=_JsonPage).files
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoSuchWheel("sent a page that cannot be read") from error


def _from_html(body: bytes) -> list[_JsonFile]:
    links = _Links()
    links.feed(body.decode("utf-8", "replace"))
    offered = []
    for target in links.targets:
        try:
            url, fragment = urldefrag(target)
        except ValueError:  # no address: not the file that is looked for
            continue
        algorithm, _, digest = fragment.partition("=")
        offered.append(_JsonFile(url.split("?")[0].rsplit("/", 1)[-1], url, {algorithm: digest}))
    return offered


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.targets.extend(value for key, value in attrs if key == "href" and value)
