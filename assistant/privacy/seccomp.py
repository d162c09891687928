"""Seccomp filters as BPF programs, and their installation with ctypes. Standard library only.

A filter sees a system call's number, ABI and register values, never what pointers point at: it can refuse socket() by
family, but not connect() by address. Refusals return an error to the caller; nothing is killed.

Sources: seccomp(2), linux/filter.h, linux/audit.h, the system call tables of Linux 6.18. aarch64 has not been run.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from dataclasses import dataclass

from assistant.errors import NetworkLockError

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_FLAG_TSYNC = 1  # all threads of the process at once, also those that native code started
_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
_X32_SYSCALL_BIT = 0x40000000
_CLONE_THREAD = 0x00010000

# struct sock_filter { u16 code; u8 jt; u8 jf; u32 k; }
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
# struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }; args[0] low word, little endian
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_FIRST_ARGUMENT, _OFFSET_SECOND_ARGUMENT = 0, 4, 16, 24
_TYPE_OF_SOCKET = 0xF  # the other bits of its type are flags


@dataclass(frozen=True)
class Abi:
    """System call numbers of one architecture."""

    audit_arch: int
    seccomp: int
    socket: int
    socketpair: int
    connect: int
    clone: int
    request_key: int
    with_address: tuple[int, ...]  # sendto, sendmsg, sendmmsg: could name another address than connect() was given
    bind: int
    spying: tuple[int, ...]  # ptrace, process_vm_readv, process_vm_writev, pidfd_getfd
    programs: tuple[int, ...]  # execve, execveat, and where they exist fork, vfork
    io_uring: tuple[int, ...] = (425, 426, 427)  # setup, enter, register: the same numbers everywhere
    clone3: int = 435


_ABIS = {
    "x86_64": Abi(0xC000003E, 317, 41, 53, 42, 56, 249, (44, 46, 307), 49, (101, 310, 311, 438), (59, 322, 57, 58)),
    "aarch64": Abi(0xC00000B7, 277, 198, 199, 203, 220, 218, (206, 211, 269), 200, (117, 270, 271, 438), (221, 281)),
}


def supported() -> bool:
    return sys.platform == "linux" and platform.machine() in _ABIS


def network_filter() -> bytes:
    """Refuses every socket but AF_UNIX, and the ways around a filter on socket()."""
    abi = _ABIS[platform.machine()]
    program = _common_head(abi)
    program += _op(_JUMP_EQUAL, abi.socket, 2, 0) + _op(_JUMP_EQUAL, abi.socketpair, 1, 0) + _op(_RETURN, _RET_ALLOW)
    program += _op(_LOAD, _OFFSET_FIRST_ARGUMENT) + _op(_JUMP_EQUAL, socket.AF_UNIX, 0, 1) + _op(_RETURN, _RET_ALLOW)
    return program + _refuse(errno.EACCES)


def worker_filter() -> bytes:
    """Refuses sockets of any kind, connect(), and starting programs; threads may still be started.

    All of socket() and not only connect(), because an AF_UNIX datagram needs no connect() to reach somebody. clone3()
    is refused with ENOSYS, since its flags are behind a pointer: libraries then use clone().
    """
    abi = _ABIS[platform.machine()]
    program = _common_head(abi)
    for number in (abi.socket, abi.socketpair, abi.connect):
        program += _refuse_number(number, errno.EACCES)
    return program + _no_programs(abi)


def program_filter() -> bytes:
    """Refuses starting programs; threads may still be started."""
    abi = _ABIS[platform.machine()]
    return _common_head(abi) + _no_programs(abi)


def _no_programs(abi: Abi) -> bytes:
    program = b""
    for number in abi.programs:
        program += _refuse_number(number, errno.EPERM)
    program += _refuse_number(abi.clone3, errno.ENOSYS)
    program += _op(_JUMP_EQUAL, abi.clone, 1, 0) + _op(_RETURN, _RET_ALLOW)
    program += _op(_LOAD, _OFFSET_FIRST_ARGUMENT) + _op(_JUMP_ANY_BIT, _CLONE_THREAD, 0, 1) + _op(_RETURN, _RET_ALLOW)
    return program + _refuse(errno.EPERM)


def gateway_filter() -> bytes:
    """Allows sockets of TCP over IPv4 and IPv6, and no others; no bind(), no programs, no processes.

    sendto(), sendmsg() and sendmmsg() are refused, since MSG_FASTOPEN would connect with them, past Landlock: a
    connected socket is written to with write().
    """
    abi = _ABIS[platform.machine()]
    program = _common_head(abi)
    for number in (abi.socketpair, abi.bind, *abi.with_address):
        program += _refuse_number(number, errno.EACCES)
    for number in abi.programs:
        program += _refuse_number(number, errno.EPERM)
    program += _refuse_number(abi.clone3, errno.ENOSYS)
    program += _op(_JUMP_EQUAL, abi.clone, 0, 4)
    program += _op(_LOAD, _OFFSET_FIRST_ARGUMENT) + _op(_JUMP_ANY_BIT, _CLONE_THREAD, 0, 1)
    program += _op(_RETURN, _RET_ALLOW) + _refuse(errno.EPERM)
    program += _op(_JUMP_EQUAL, abi.socket, 1, 0) + _op(_RETURN, _RET_ALLOW)
    program += _op(_LOAD, _OFFSET_FIRST_ARGUMENT)
    program += _op(_JUMP_EQUAL, socket.AF_INET, 2, 0) + _op(_JUMP_EQUAL, socket.AF_INET6, 1, 0)
    program += _refuse(errno.EACCES)
    program += _op(_LOAD, _OFFSET_SECOND_ARGUMENT) + _op(_AND, _TYPE_OF_SOCKET)
    return program + _op(_JUMP_EQUAL, socket.SOCK_STREAM, 0, 1) + _op(_RETURN, _RET_ALLOW) + _refuse(errno.EACCES)


def refuse_argument(number: int, argument: int, code: int) -> bytes:
    """Refuses one system call of this ABI where the low word of its first argument is `argument`, with error `code`."""
    program = _op(_LOAD, _OFFSET_ARCH) + _op(_JUMP_EQUAL, _ABIS[platform.machine()].audit_arch, 1, 0)
    program += _op(_RETURN, _RET_ALLOW)
    program += _op(_LOAD, _OFFSET_NUMBER) + _op(_JUMP_EQUAL, number, 1, 0) + _op(_RETURN, _RET_ALLOW)
    program += _op(_LOAD, _OFFSET_FIRST_ARGUMENT) + _op(_JUMP_EQUAL, argument, 0, 1) + _refuse(code)
    return program + _op(_RETURN, _RET_ALLOW)


def install(program: bytes) -> None:
    """Put the filter on all threads of this process, for good. Raises NetworkLockError if the kernel refuses."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise NetworkLockError(f"the kernel refused no_new_privs: {os.strerror(ctypes.get_errno())}")
    argument = Program(len(program) // 8, program)
    number = _ABIS[platform.machine()].seccomp
    result = libc.syscall(number, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(argument))
    if result != 0:
        reason = os.strerror(ctypes.get_errno()) if result < 0 else f"thread {result} could not be locked"
        raise NetworkLockError(
            f"the kernel refused the network lock: {reason}. The assistant does not start unlocked; "
            "to run without the lock all the same, add --allow-unlocked"
        )


def _common_head(abi: Abi) -> bytes:
    """Refuses foreign ABIs and what no process of ours needs. Leaves the call's number loaded.

    request_key() is among that: the kernel answers it by starting a program outside of our filter, which for a key of
    the type `dns_resolver` asks the network.
    """
    program = _op(_LOAD, _OFFSET_ARCH) + _op(_JUMP_EQUAL, abi.audit_arch, 1, 0) + _refuse(errno.ENOSYS)
    program += _op(_LOAD, _OFFSET_NUMBER) + _op(_JUMP_GREATER_EQUAL, _X32_SYSCALL_BIT, 0, 1) + _refuse(errno.ENOSYS)
    for number in abi.io_uring:
        program += _refuse_number(number, errno.ENOSYS)
    for number in (*abi.spying, abi.request_key):
        program += _refuse_number(number, errno.EPERM)
    return program


def _op(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, k)


def _refuse(code: int) -> bytes:
    return _op(_RETURN, _RET_ERRNO | code)


def _refuse_number(number: int, code: int) -> bytes:
    """Straight-line: the test jumps over its own `return` when it does not apply."""
    return _op(_JUMP_EQUAL, number, 0, 1) + _refuse(code)
