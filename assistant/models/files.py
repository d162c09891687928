"""Opening, hashing and writing model files so that nobody can swap them between the look and the use."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from assistant import durable, paths, text
from assistant.errors import AssistantError, ModelMissingError, ModelRefusedError

_READ_BYTES = 4 << 20
_SPARE_BYTES = 64 << 20  # left free, so that the history can still be written
_FULL_HASH_S = 2.0  # a file that is hashed faster than this is hashed on every load
_WEEK_S = 7 * 24 * 3600
_CAUTIOUS_HASH_RATE = 300e6  # bytes per second, without SHA instructions; replaced by what was measured

_NOT_REGULAR = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}


def shown(path: Path | str) -> str:
    """A path as it may be printed: no control characters, undecodable bytes as escapes."""
    return text.safe(os.fsencode(path).decode("utf-8", "backslashreplace"), keep_newlines=False)


def open_regular(path: Path) -> int:
    """Open `path` for reading and return the descriptor. Never waits, never follows a link, never opens a device.

    Raises ModelMissingError when nothing is there, ModelRefusedError when it is not a regular file with content.
    """
    try:
        _refuse_unless_regular(path, os.lstat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelMissingError(f"{shown(path)}: no such file; check the spelling") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise ModelRefusedError(_linked(path)) from error
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelRefusedError(f"{shown(path)} cannot be opened: {reason}; check its permissions") from error
    try:
        _refuse_unless_regular(path, os.fstat(descriptor))
    except ModelRefusedError:
        os.close(descriptor)
        raise
    return descriptor


def _linked(path: Path) -> str:
    real = shown(os.path.realpath(path))
    return f"{shown(path)} is a symbolic link, which is not followed; give the file itself: {real}"


def _refuse_unless_regular(path: Path, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        raise ModelRefusedError(_linked(path))
    if kind != stat.S_IFREG:
        raise ModelRefusedError(
            f"{shown(path)} is {_NOT_REGULAR.get(kind, 'not a file')}, not a model file; give the path of a file"
        )
    if status.st_size == 0:
        raise ModelRefusedError(f"{shown(path)} is empty; fetch or copy it again")


def require_utf8(path: Path) -> None:
    """Raises ModelRefusedError for a path that the runtime could not be given."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ModelRefusedError(
            f"the path {shown(path)} is not valid UTF-8, and the runtime needs that; rename it, or copy the file into "
            "the store with `assistant models add`"
        ) from error


def sha256_of(descriptor: int, on_bytes: Callable[[bytes], object] | None = None) -> str:
    """SHA-256 of the whole open file in lower-case hex, from offset 0 whatever the position.

    `on_bytes` sees each piece as it is read, so that a copy is of the very bytes that were hashed.
    """
    digest, offset = hashlib.sha256(), 0
    while piece := os.pread(descriptor, _READ_BYTES, offset):
        digest.update(piece)
        if on_bytes is not None:
            on_bytes(piece)
        offset += len(piece)
    return digest.hexdigest()


def linked_folder(folder: Path, wanted: Mapping[str, Path]) -> Path:
    """A private folder with exactly these files under these names: hard links, or copies where there are none."""
    paths.private_folder(folder)
    for present in folder.iterdir():
        if present.name not in wanted or not os.path.samestat(os.lstat(present), os.lstat(wanted[present.name])):
            shutil.rmtree(present) if present.is_dir() and not present.is_symlink() else present.unlink()
    for name, file in wanted.items():
        try:
            os.link(file, folder / name, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            shutil.copyfile(file, folder / name)
    return folder


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file. Waits for another process that holds it; the kernel releases it when a process dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def require_space(folder: Path, n_bytes: int, what: str) -> None:
    """Raises AssistantError with both numbers when the disk of `folder` has no room for `n_bytes` more."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes + _SPARE_BYTES:
        raise AssistantError(
            f"{what} needs {n_bytes / 1e6:,.0f} MB, and the disk of {shown(folder)} has {free / 1e6:,.0f} MB free; "
            "make room (`assistant models remove NAME` deletes a model) or move ASSISTANT_HOME to another disk"
        )


class Stamp(msgspec.Struct, frozen=True):
    """What a file looked like when its content was last hashed."""

    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int
    verified_at_s: float

    def still_describes(self, status: os.stat_result, now_s: float) -> bool:
        """True while nothing about the file has changed and the hash is under a week old, and not from the future."""
        same = (self.size, self.mtime_ns, self.ctime_ns) == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return same and 0 <= now_s - self.verified_at_s < _WEEK_S


class _Document(msgspec.Struct):
    hash_rate: float = _CAUTIOUS_HASH_RATE
    stamps: dict[str, Stamp] = {}


class Verifications:
    """The record of which files were hashed when, by device and inode. Losing it only costs a hash."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sha256_of(self, path: Path, descriptor: int, always: bool = False) -> str:
        """SHA-256 of an open file: computed when that takes under two seconds, when the file changed since the last
        time, when a week has passed, or `always`; else the recorded one.

        Raises ModelRefusedError when the file changes while it is read.
        """
        before = os.fstat(descriptor)
        document = self._read()
        key = f"{before.st_dev}:{before.st_ino}"
        stamp = document.stamps.get(key)
        takes_s = before.st_size / max(document.hash_rate, 1e6)
        if not always and takes_s >= _FULL_HASH_S and stamp is not None and stamp.still_describes(before, time.time()):
            return stamp.sha256
        started = time.perf_counter()
        digest = sha256_of(descriptor)
        elapsed_s = time.perf_counter() - started
        after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ModelRefusedError(f"{shown(path)} changed while it was read; wait until it is complete and try again")
        if before.st_size > 32 << 20 and elapsed_s > 0:
            document.hash_rate = before.st_size / elapsed_s
        document.stamps[key] = Stamp(digest, after.st_size, after.st_mtime_ns, after.st_ctime_ns, time.time())
        self._write(document)
        return digest

    def record(self, descriptor: int, digest: str) -> None:
        """Note a hash that was just computed on the bytes of this open file."""
        status, document = os.fstat(descriptor), self._read()
        key = f"{status.st_dev}:{status.st_ino}"
        document.stamps[key] = Stamp(digest, status.st_size, status.st_mtime_ns, status.st_ctime_ns, time.time())
        self._write(document)

    def _read(self) -> _Document:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Document)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _Document()

    def _write(self, document: _Document) -> None:
        recent = sorted(document.stamps.items(), key=lambda item: -item[1].verified_at_s)[:200]
        document.stamps = dict(recent)
        try:
            durable.write_private(self._path, msgspec.json.encode(document))
        except OSError:  # a full or read-only disk must not stop a verified model from being used
            return
