"""What strace saw: sockets by family, refused calls, who was spoken to over AF_UNIX, files created or opened to write.

`--seccomp-bpf` would be faster, but it is blind to just what matters: a filter's ERRNO outranks its TRACE, so that a
call which the lock refuses is never reported. Plain tracing stops at each call before any filter is asked.
One file per thread (`-ff`), so that no call is split over two lines.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = (
    *("%network", "io_uring_setup", "request_key", "execve", "execveat"),
    *("open", "openat", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2"),
    *("link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "memfd_create"),
)
_CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<(.*?)>)?(?: (E[A-Z]+))?")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FAMILY = re.compile(r"sa_family=(AF_\w+|0x[0-9a-f]+)")
_SUN_PATH = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')
_SELF_TEST = re.compile(r"^AF_INET, SOCK_DGRAM(?:\|SOCK_CLOEXEC)?, 0xfd\b")
_WORKER_SELF_TEST = "-1, NULL, 0"
_REFUSALS = ("EACCES", "EPERM", "ENOSYS")
_MAKES_PATHS = {"creat", "mkdir", "mkdirat", "mknod", "mknodat"}
_MOVES_PATHS = {"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"}


@dataclass
class Seen:
    """Everything one or more traced runs did. Self-tests of the lock are in `self_tests` and nowhere else."""

    sockets: Counter[str] = field(default_factory=Counter)  # by family, refused ones too
    attempts: Counter[str] = field(default_factory=Counter)  # what could leave the machine, as text, with its outcome
    denied: int = 0  # network calls that the lock or anything else refused
    self_tests: int = 0
    unix_peers: Counter[str] = field(default_factory=Counter)
    written: set[str] = field(default_factory=set)
    programs: Counter[str] = field(default_factory=Counter)


def strace(folder: Path) -> list[str]:
    """What to put before a command, once: each run gets a folder of its own beneath `folder`.

    `-s 0` keeps what is said out of the traces; `-y` names the files behind descriptors.
    """
    own = tempfile.mkdtemp(dir=folder)
    traced = ["-e", "signal=none", "-e", f"trace={','.join(_CALLS)}"]
    return ["strace", "-ff", "-y", "-qq", "-s", "0", *traced, "-o", f"{own}/trace", "--"]


def read(folder: Path) -> Seen:
    """All traces beneath a folder together."""
    seen = Seen()
    for file in sorted(folder.rglob("trace.*")):
        with file.open(errors="surrogateescape") as lines:
            for call in _parse(lines):
                _note(call, seen)
    return seen


@dataclass(frozen=True)
class _Line:
    name: str
    arguments: str
    result: str
    opened: str  # the path behind a returned descriptor
    error: str


def _parse(lines: Iterable[str]) -> Iterator[_Line]:
    for line in lines:
        if found := _CALL.match(line):
            yield _Line(found[1], found[2], found[3], found[4] or "", found[5] or "")


def _note(call: _Line, seen: Seen) -> None:
    if call.name in ("socket", "socketpair"):
        _note_socket(call, seen)
    elif call.name in ("connect", "bind", "sendto", "sendmsg", "sendmmsg"):
        _note_address(call, seen)
    elif call.name in ("io_uring_setup", "request_key"):
        seen.attempts[f"{call.name} {call.error or 'ok'}"] += 1
        seen.denied += call.error in _REFUSALS
    elif call.name in ("execve", "execveat"):
        if call.result == "0" and (path := _PATH.search(call.arguments)):
            seen.programs[path[1]] += 1
    elif call.result != "-1" and call.result != "?":
        seen.written.update(_written(call))


def _note_socket(call: _Line, seen: Seen) -> None:
    family = call.arguments.partition(",")[0]
    if call.name == "socket" and call.error == "EACCES" and _SELF_TEST.match(call.arguments):
        seen.self_tests += 1
        return
    seen.sockets[family] += 1
    if family != "AF_UNIX":
        seen.attempts[f"{call.name}({call.arguments}) {call.error or 'ok'}"] += 1
        seen.denied += call.error in _REFUSALS


def _note_address(call: _Line, seen: Seen) -> None:
    if call.name == "connect" and call.arguments == _WORKER_SELF_TEST and call.error == "EACCES":
        seen.self_tests += 1
        return
    family = _FAMILY.search(call.arguments)
    if family is None or family[1] == "AF_UNSPEC":
        return
    if family[1] != "AF_UNIX":
        address = call.arguments[family.start() :]
        seen.attempts[f"{call.name} {address} {call.error or 'ok'}"] += 1
        seen.denied += call.error in _REFUSALS
    elif path := _SUN_PATH.search(call.arguments):
        if call.name == "bind":
            seen.written.update([path[2]] if not path[1] and not call.error else [])
        else:
            seen.unix_peers[path[1] + path[2]] += 1


def _written(call: _Line) -> list[str]:
    paths: list[str] = [found[1] for found in _PATH.finditer(call.arguments)]
    if call.name in ("open", "openat"):
        writes = re.search(r"O_WRONLY|O_RDWR|O_CREAT", call.arguments)
        return [call.opened or paths[0]] if writes and (call.opened or paths) else []
    if call.name in _MAKES_PATHS:
        return paths[:1]
    if call.name in _MOVES_PATHS:
        return paths[-1:]
    return []
