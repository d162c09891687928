"""A download in progress: a sparse file and a map of which pieces of it have arrived, so that a kill costs little.

The map is a second file: a line of JSON (size, where the bytes come from), then one byte for each piece. A piece's byte
is written after the piece itself, so the map never claims what the file does not hold, whenever the process dies. After
a power cut it may; then the final hash is wrong and the part is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import msgspec

from assistant.models import files

PIECE_BYTES = 1 << 20
_HEADER_BYTES = 512


class _Header(msgspec.Struct):
    size: int
    source: str = ""
    etag: str = ""


class PartFile:
    """The part of a file of `size` bytes. Used by several threads at once; the caller holds the file's lock."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self._map_path = path.with_suffix(".map")
        self._lock = threading.Lock()
        self._n_pieces = -(-size // PIECE_BYTES)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._data = os.open(path, flags, 0o600)
        self._map = os.open(self._map_path, flags, 0o600)
        self._header = _Header(size)
        if not self._load() or os.fstat(self._data).st_size != size:
            self.reset()
        self._arrived = bytearray(os.pread(self._map, self._n_pieces, _HEADER_BYTES))

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def done_bytes(self) -> int:
        """Bytes of the pieces that are complete."""
        with self._lock:
            full = self._arrived.count(1)
            last = self.size - (self._n_pieces - 1) * PIECE_BYTES
            return full * PIECE_BYTES - (PIECE_BYTES - last if self._arrived[-1] else 0)

    @property
    def complete(self) -> bool:
        return self.done_bytes == self.size

    def missing(self, most_bytes: int) -> list[tuple[int, int]]:
        """What is missing as (begin, end) in bytes, each at most `most_bytes` long and made of whole pieces."""
        with self._lock:
            arrived = bytes(self._arrived)
        runs: list[tuple[int, int]] = []
        for index in range(self._n_pieces):
            if arrived[index]:
                continue
            begin, end = index * PIECE_BYTES, min(self.size, (index + 1) * PIECE_BYTES)
            if runs and runs[-1][1] == begin and end - runs[-1][0] <= most_bytes:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((begin, end))
        return runs

    def write_piece(self, begin: int, content: bytes) -> None:
        """Write one whole piece (shorter only at the end of the file) and mark it as arrived."""
        with self._lock:
            if self._data < 0:
                return  # closed: a thread that has not noticed yet
            view, offset = memoryview(content), begin
            while view:
                written = os.pwrite(self._data, view, offset)
                view, offset = view[written:], offset + written
            index = begin // PIECE_BYTES
            os.pwrite(self._map, b"\x01", _HEADER_BYTES + index)
            self._arrived[index] = 1

    def begin_source(self, source: str, etag: str) -> None:
        """Note where the bytes come from. Starts over when the same source now has another version of the file."""
        if self._header.source == source and self._header.etag and etag and self._header.etag != etag:
            self.reset()
        self._header = _Header(self.size, source, etag)
        self._write_header()

    def etag_of(self, source: str) -> str:
        """The version of the file that this source delivered so far, or ""."""
        return self._header.etag if self._header.source == source else ""

    def reset(self) -> None:
        """Forget everything that has arrived."""
        with self._lock:
            os.ftruncate(self._data, 0)
            os.ftruncate(self._data, self.size)
            os.ftruncate(self._map, 0)
            os.ftruncate(self._map, _HEADER_BYTES + self._n_pieces)
            self._header = _Header(self.size)
            self._write_header()
            self._arrived = bytearray(self._n_pieces)

    def sha256(self) -> str:
        """The hash of the whole file as it is now."""
        return files.sha256_of(self._data)

    def close(self) -> None:
        """Close the files; what has arrived stays for the next run."""
        with self._lock:
            if self._data >= 0:
                os.close(self._data)
                os.close(self._map)
                self._data = self._map = -1

    def delete(self) -> None:
        """Remove the part and its map."""
        self.close()
        forget(self.path)

    def forget_map(self) -> None:
        """Remove the map alone: the part is complete and will be moved."""
        self.close()
        self._map_path.unlink(missing_ok=True)

    def _load(self) -> bool:
        """Take over what an earlier run left; False if there is nothing of use."""
        raw = os.pread(self._map, _HEADER_BYTES, 0).rstrip(b"\0 \n")
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            self._header = msgspec.json.decode(raw, type=_Header)
        whole = os.fstat(self._map).st_size == _HEADER_BYTES + self._n_pieces
        return bool(raw) and whole and self._header.size == self.size

    def _write_header(self) -> None:
        encoded = msgspec.json.encode(self._header)
        if len(encoded) > _HEADER_BYTES:  # an absurd entity tag: do without
            encoded = msgspec.json.encode(_Header(self.size))
        os.pwrite(self._map, encoded.ljust(_HEADER_BYTES), 0)


def forget(path: Path) -> None:
    """Remove a part and its map, if there are any."""
    path.unlink(missing_ok=True)
    path.with_suffix(".map").unlink(missing_ok=True)


def arrived_bytes(path: Path, size: int) -> int:
    """How much of a part is already on this disk, without creating it."""
    if not path.exists():
        return 0
    with PartFile(path, size) as part:
        return part.done_bytes
