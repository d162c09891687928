"""Landlock: after `restrict()` this process opens only what was listed, and reaches nothing else of the machine.

Covered, each as far as the running kernel's Landlock goes: reading, writing, creating, renaming and executing files
(ABI 1, Linux 5.13); TCP bind and connect as a second layer (ABI 4); abstract unix sockets and signals to processes
outside (ABI 6). Descriptors that were open before stay usable. Not covered: metadata (stat, readlink) of any path.

It binds the calling thread and the threads it starts, hence `restrict()` insists on being alone. Standard library only.
Sources: landlock(7), linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from assistant.errors import NetworkLockError

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH, _RULE_NET_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ALL_OF_ABI_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15  # ABI 2, 3, 5
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR  # mapping a shared library counts as executing it
_READ_WRITE = _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEVICE
_NET_BIND_AND_CONNECT = 0b11
_NET_CONNECT = 0b10
_ABI_OF_NET = 4
_SCOPE_ABSTRACT_UNIX_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_fs", ctypes.c_uint64), ("handled_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """The version of Landlock that the running kernel offers; 0 if none."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION)))


def restrict(read_only: Iterable[Path], read_write: Iterable[Path] = (), connect_port: int = 0) -> int:
    """Allow reading beneath `read_only` and reading and writing the files of `read_write`; nothing else can be opened.
    TCP may connect to `connect_port`, on whatever address, and to no other port.

    Paths that do not exist are passed over. Returns the ABI in force, 0 where the kernel has no Landlock and nothing
    was restricted. Raises NetworkLockError if the kernel refuses, or if other threads are running already.
    """
    version = abi()
    if version == 0:
        return 0
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - names are all that is wanted
        raise NetworkLockError("files can be locked away only before a process starts threads; this one has some")
    handled = _ALL_OF_ABI_1
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    handled |= _IOCTL_DEVICE if version >= 5 else 0
    attributes = _Ruleset(handled, _NET_BIND_AND_CONNECT, _SCOPE_ABSTRACT_UNIX_AND_SIGNALS)
    size = 24 if version >= 6 else 16 if version >= 4 else 8  # an older kernel refuses fields it does not know
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    try:
        for path in read_only:
            _allow(ruleset, path, _READ & handled)
        for path in read_write:
            _allow(ruleset, path, _READ_WRITE & handled)
        if connect_port and version >= _ABI_OF_NET:
            port_rule = _NetPort(_NET_CONNECT, connect_port)
            _call(_ADD_RULE, ruleset, _RULE_NET_PORT, ctypes.byref(port_rule), 0)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this machine, or not ours to read anyway
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _ON_FILES
        rule = _PathBeneath(rights, descriptor)
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    """Raises NetworkLockError with the kernel's reason."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise NetworkLockError(f"the kernel refused to lock files away: {os.strerror(ctypes.get_errno())}")
    return result
