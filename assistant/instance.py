"""One instance owns the warm model and the live conversation; other calls reach it through a unix socket.

The chat screen claims the home before the network is locked: `claim()` is standard library only. A second screen is
refused; `ask` and `history` send their request to the owner and share its model (instance_server.py,
instance_client.py).

`assistant serve --give-way` owns the home only as long as nobody wants it: a chat or a spoken conversation ends it with
SIGTERM and takes the home over. Whom to end is known from two sides, the kernel's word for who listens and the lock
file; where they differ nobody is ended.

Who may connect: the same user, checked by the kernel's credentials of the peer, on a 0600 socket in a 0700 folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from assistant import paths
from assistant.errors import AlreadyRunningError

if sys.platform != "win32":
    import fcntl

MAX_PENDING = 8
GIVES_WAY = "gives way"
GIVING_WAY_S = 20.0  # a model that is being loaded is loaded first


@dataclass
class Claim:
    """Ownership of the home: a held lock file and a listening socket. The kernel releases both if the process dies."""

    lock_descriptor: int
    listener: socket.socket
    path: Path

    def release(self) -> None:
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self.lock_descriptor)


def claim(*, takes_over: bool = False, gives_way: bool = False) -> Claim:
    """Become the owner of this home. Raises AlreadyRunningError if another process is.

    Who `takes_over` ends an owner that `gives_way`, and waits for it.
    """
    path = paths.socket_file()
    paths.private_folder(paths.home())
    paths.private_folder(path.parent)
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if not _locked(descriptor, takes_over):
        owner, _ = _owner(descriptor)
        os.close(descriptor)
        raise AlreadyRunningError(
            f"another assistant (process {owner or 'unknown'}) already uses {paths.home()}; close it, or set "
            "ASSISTANT_HOME to another folder. `assistant ask` works beside it, and Ctrl+T talks in a chat"
        )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {GIVES_WAY if gives_way else ''}".encode(), 0)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # left by an owner that died; we hold the lock, so nobody listens on it
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(previous)
    listener.listen(MAX_PENDING)
    return Claim(descriptor, listener, path)


def _locked(descriptor: int, takes_over: bool) -> bool:
    """Whether the lock file is ours now."""
    deadline_s, asked = time.monotonic() + GIVING_WAY_S, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not takes_over or time.monotonic() > deadline_s:
                return False
        else:
            return True
        if not asked:
            owner, gives_way = _owner(descriptor)
            if not gives_way or not owner or owner != _listener():
                return False
            os.kill(owner, signal.SIGTERM)
            asked = True
        time.sleep(0.05)


def _owner(descriptor: int) -> tuple[int, bool]:
    """Process id of who wrote the lock file, 0 if that cannot be read, and whether it gives way."""
    pid, _, rest = os.pread(descriptor, 64, 0).decode(errors="replace").strip().partition(" ")
    return (int(pid) if pid.isdecimal() else 0), rest == GIVES_WAY


def _listener() -> int:
    """Process id of who listens on this home's socket, as the kernel knows it; 0 for nobody or where it cannot tell."""
    connection = connect()
    if connection is None or sys.platform != "linux":
        return 0
    with connection:
        return _credentials(connection)[0]


def _credentials(connection: socket.socket) -> tuple[int, int]:
    """Process id and user id of the other end, by the Linux kernel."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", found)
    return int(pid), int(uid)


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel reports it; -1 where it cannot tell."""
    if sys.platform == "linux":
        return _credentials(connection)[1]
    if sys.platform == "darwin":
        level, option = 0, 1  # SOL_LOCAL, LOCAL_PEERCRED: struct xucred {u_int version; uid_t uid; ...}
        return int(struct.unpack_from("II", connection.getsockopt(level, option, 76))[1])
    return -1


def connect() -> socket.socket | None:
    """A connection to the running instance of this home, or None if there is none."""
    if sys.platform == "win32":
        return None
    path = paths.socket_file()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(os.fspath(path))
    except OSError:
        connection.close()
        return None
    if peer_uid(connection) != os.getuid():  # somebody else's socket in a folder we thought ours
        connection.close()
        return None
    return connection
