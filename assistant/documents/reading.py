"""Read a document: open it safely, let a locked process of its own parse it, take its passages or its excuse."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from assistant.documents import formats
from assistant.documents.parsers import Ended, Found, Passage
from assistant.documents.worker import UNLOCKED_FLAG
from assistant.errors import DocumentError
from assistant.privacy import environment, sandbox
from assistant.text import safe

_DEADLINE_S: Final = 300.0  # of the wall clock; the worker's own limits are tighter on a machine that is not busy
_MAX_OUTPUT_BYTES: Final = 200 * 1000**2
_READ: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Document:
    """What was read of a file. `sha256` is that of the bytes that were parsed."""

    path: Path
    kind: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    passages: list[Passage]
    warning: str = ""


def shown(path: Path) -> str:
    """A path as it may be printed: its name can hold anything."""
    return safe(os.fsencode(path).decode("utf-8", "backslashreplace"), keep_newlines=False)


def read(path: Path) -> Document:
    """Parse the document at `path` in a locked process. Raises DocumentError: which file, why, what to do."""
    with open_document(path) as (descriptor, kind):
        status = os.fstat(descriptor)
        digest = _sha256(descriptor)
        passages, ended = _parse(descriptor, kind, path)
        after = os.fstat(descriptor)
    if (after.st_mtime_ns, after.st_size) != (status.st_mtime_ns, status.st_size):
        raise DocumentError(f"{shown(path)} was changed while it was read; it is read again when you add it again")
    if ended.problem:
        raise DocumentError(f"{shown(path)} {safe(ended.problem, keep_newlines=False)}")
    if not passages:
        raise DocumentError(f"{shown(path)} holds no text")
    warning = safe(ended.warning, keep_newlines=False)
    return Document(path, kind, digest, status.st_size, status.st_mtime_ns, passages, warning)


@contextlib.contextmanager
def open_document(path: Path) -> Iterator[tuple[int, str]]:
    """A descriptor of the file and its kind: no link, device or pipe, no unknown type, nothing too large."""
    kind = formats.kind_of(path)
    if not kind:
        raise DocumentError(f"{shown(path)} is of no type that is read here; see `assistant documents --help`")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise DocumentError(f"{shown(path)} cannot be opened: {_reason(error)}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DocumentError(f"{shown(path)} is not a file that can be read")
        if status.st_size == 0:
            raise DocumentError(f"{shown(path)} is empty")
        if status.st_size > (most := formats.max_bytes(kind)):
            size, limit = status.st_size / 1e6, most / 1e6
            raise DocumentError(f"{shown(path)} has {size:,.0f} MB; up to {limit:,.0f} MB are read, so split it")
        yield descriptor, kind
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link, which is not followed; add the file itself"
    return str(getattr(error, "strerror", None) or error)


def _sha256(descriptor: int) -> str:
    digest = hashlib.sha256()
    while piece := os.read(descriptor, 1 << 20):
        digest.update(piece)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return digest.hexdigest()


def _parse(descriptor: int, kind: str, path: Path) -> tuple[list[Passage], Ended]:
    # -P: a file named like one of our imports in the current folder must not be imported instead
    command = [sys.executable, "-P", "-m", "assistant.documents.worker", kind]
    if not sandbox.status().locked:
        command.append(UNLOCKED_FLAG)
    process = subprocess.Popen(
        command,
        stdin=descriptor,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env={**os.environ, **environment.QUIET},
    )
    try:
        return _collect(process, path)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _collect(process: subprocess.Popen[bytes], path: Path) -> tuple[list[Passage], Ended]:
    """Everything the worker says until its last line. Raises DocumentError if it dies or says too much."""
    if process.stdout is None:
        raise DocumentError(f"{shown(path)} cannot be read: the parser has no pipe")
    decoder = msgspec.json.Decoder(Found | Ended)
    passages: list[Passage] = []
    rest, n_bytes = b"", 0
    end_s = time.monotonic() + _DEADLINE_S
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    while True:
        if not poll.poll(max(0.0, end_s - time.monotonic()) * 1000):
            raise DocumentError(f"{shown(path)} takes too long to read and was given up; split it")
        piece = os.read(process.stdout.fileno(), _READ)
        n_bytes += len(piece)
        if not piece:
            raise DocumentError(
                f"{shown(path)} makes its parser crash or run out of time, and was not read; "
                "open it in its program and save it again"
            )
        if n_bytes > _MAX_OUTPUT_BYTES:
            raise DocumentError(f"{shown(path)} holds far more text than a document does; nothing of it was kept")
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            try:
                said = decoder.decode(line)
            except msgspec.DecodeError as error:
                raise DocumentError(f"{shown(path)} makes its parser talk nonsense, and was not read") from error
            if isinstance(said, Ended):
                return passages, said
            passages.append(said.passage)
