"""ZIP and XML as office formats use them, with bounds: bombs, entities and encryption end in words.

Sizes that an archive claims are not trusted: what comes out is counted. XML entities are refused where they are
declared, so neither a billion laughs nor an external file can come of them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, Final
from xml.parsers import expat

from assistant.documents.parsers import Unreadable

MAX_UNPACKED_BYTES: Final = 300 * 1000**2
_MAX_MEMBERS: Final = 20_000
_READ: Final = 1 << 16

Attributes = dict[str, str]


class Archive:
    """A ZIP file; all that is read of it together may not exceed MAX_UNPACKED_BYTES."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            if file.seek(0) == 0 and file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
                raise Unreadable(
                    "is protected by a password or in an old format of Microsoft Office; save it anew without either"
                ) from error
            raise Unreadable(
                "is damaged or not what its name says; open it in its program and save it again"
            ) from error
        if len(self._zip.infolist()) > _MAX_MEMBERS:
            raise Unreadable(f"holds more than {_MAX_MEMBERS:,} parts; that is no document")
        self._left = MAX_UNPACKED_BYTES

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def names(self) -> list[str]:
        return self._zip.namelist()

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a member, a piece at a time. Raises Unreadable."""
        try:
            with self._open(name) as member:
                while piece := member.read(_READ):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise Unreadable(
                            f"unpacks to more than {MAX_UNPACKED_BYTES // 1000**2} MB: it is a decompression bomb, or "
                            "far too large; nothing of it was kept"
                        )
                    yield piece
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise Unreadable("is damaged; open it in its program and save it again") from error

    def read(self, name: str) -> bytes:
        return b"".join(self.pieces(name))

    def events(self, name: str) -> Iterator[tuple[str, str, Attributes]]:
        """See events()."""
        return events(self.pieces(name))

    def _open(self, name: str) -> IO[bytes]:
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise Unreadable(f"lacks its part {name[:80]!r}; it is damaged, or not what its name says") from None
        if info.flag_bits & 1:
            raise Unreadable("is protected by a password; save a copy without one and add that")
        try:
            return self._zip.open(info)
        except RuntimeError as error:
            raise Unreadable(f"cannot be unpacked ({error})") from error


def events(pieces: Iterator[bytes]) -> Iterator[tuple[str, str, Attributes]]:
    """XML as ("start", name, attributes), ("end", name, {}) and ("text", text, {}), names without their name spaces.

    An attribute of the relationships name space keeps its prefix: "r:id". Raises Unreadable.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    found: list[tuple[str, str, Attributes]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        found.append(("start", _local(name), {_attribute(k): v for k, v in attributes.items()}))

    def refuse(*_: Any) -> None:
        raise Unreadable("declares XML entities, as attacks do and documents do not; it was not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: found.append(("end", _local(name), {}))
    parser.CharacterDataHandler = lambda text: found.append(("text", text, {}))
    parser.EntityDeclHandler = refuse
    try:
        for piece in pieces:
            parser.Parse(piece)
            yield from found
            found.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Unreadable(f"is damaged (malformed XML: {error}); open it in its program and save it again") from error
    yield from found


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _attribute(name: str) -> str:
    space, _, local = name.rpartition(" ")
    return f"r:{local}" if space.endswith("/relationships") else local
