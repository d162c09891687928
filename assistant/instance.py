"""One instance owns the warm model and the live conversation; other calls reach it through a unix socket.

The chat screen claims the home before the network is locked: `claim()` is standard library only. A second screen is
refused; `ask` and `history` send their request to the owner and share its model (instance_server.py,
instance_client.py).

Who may connect: the same user, checked by the kernel's credentials of the peer, on a 0600 socket in a 0700 folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from assistant import paths
from assistant.errors import AlreadyRunningError

if sys.platform != "win32":
    import fcntl

MAX_PENDING = 8


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


def claim() -> Claim:
    """Become the owner of this home. Raises AlreadyRunningError if another process is."""
    path = paths.socket_file()
    paths.private_folder(paths.home())
    paths.private_folder(path.parent)
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise AlreadyRunningError(
            f"another assistant (process {owner or 'unknown'}) already uses {paths.home()}; close it, or set "
            "ASSISTANT_HOME to another folder. `assistant ask` works beside it, and Ctrl+T talks in a chat"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
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


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel reports it; -1 where it cannot tell."""
    if sys.platform == "linux":
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
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
