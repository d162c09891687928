"""EPUB: the chapters in reading order, each as HTML."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import BinaryIO, Final
from urllib.parse import unquote

from assistant.documents.parsers import Passage, Unreadable
from assistant.documents.parsers.archives import Archive
from assistant.documents.parsers.markup import html_passages, html_text

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_FONTS: Final = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # scrambled fonts, no text


def epub(file: BinaryIO) -> Iterator[Passage]:
    """Paragraphs under the headings of their chapter. Raises Unreadable for a book with copy protection."""
    archive = Archive(file)
    if _CONTAINER not in archive:
        raise Unreadable("is not an EPUB book, though its name says so")
    _refuse_protected(archive)
    package = next(
        (
            a.get("full-path", "")
            for kind, name, a in archive.events(_CONTAINER)
            if kind == "start" and name == "rootfile"
        ),
        "",
    )
    folder = posixpath.dirname(package)
    items: dict[str, str] = {}
    spine: list[str] = []
    for kind, name, attributes in archive.events(package):
        if kind == "start" and name == "item":
            place = posixpath.normpath(posixpath.join(folder, unquote(attributes.get("href", ""))))
            items[attributes.get("id", "")] = place
        elif kind == "start" and name == "itemref":
            spine.append(attributes.get("idref", ""))
    last = ""
    for chapter in (items.get(i, "") for i in spine):
        if chapter not in archive:
            continue
        for passage in html_passages(html_text(archive.read(chapter))):
            last = passage.heading or last
            yield Passage(passage.text, heading=last)


def _refuse_protected(archive: Archive) -> None:
    if _ENCRYPTION not in archive:
        return
    for kind, name, attributes in archive.events(_ENCRYPTION):
        if kind == "start" and name == "EncryptionMethod" and attributes.get("Algorithm") not in _FONTS:
            raise Unreadable("has a copy protection (DRM) and can be read only in its shop's program")
