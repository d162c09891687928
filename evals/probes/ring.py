"""io_uring with ctypes, as far as opening and connecting a TCP socket: seccomp cannot look into a ring.

Source: io_uring(7), linux/io_uring.h.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys

_SETUP, _ENTER = 425, 426
_OP_CONNECT, _OP_SEND, _OP_SOCKET = 16, 26, 45
_GET_EVENTS = 1
_ENTRIES = 4
_SQES_OFFSET = 0x10000000
_PARAMETERS = struct.Struct("<10I 8IQ 8IQ")  # sq_entries, cq_entries, flags, ... | sq_off | cq_off


class Ring:
    """One submission at a time, waited for. Raises OSError with the kernel's reason."""

    def __init__(self) -> None:
        parameters = ctypes.create_string_buffer(_PARAMETERS.size)
        self.descriptor = _syscall(_SETUP, _ENTRIES, parameters)
        fields = _PARAMETERS.unpack(parameters.raw)
        self._tail_at, self._mask_at, self._array_at = fields[11], fields[12], fields[16]
        cq = fields[19:28]
        self._cq_head_at, self._cq_mask_at, self._cqes_at = cq[0], cq[2], cq[5]
        size = max(self._array_at + 4 * fields[0], self._cqes_at + 16 * fields[1])
        self._rings = mmap.mmap(self.descriptor, size, offset=0)
        self._entries = mmap.mmap(self.descriptor, 64 * fields[0], offset=_SQES_OFFSET)

    def call(self, opcode: int, descriptor: int, offset: int, address: int, length: int) -> int:
        tail = self._read(self._tail_at)
        index = tail & self._read(self._mask_at)
        entry = struct.pack("<BBHiQQI", opcode, 0, 0, descriptor, offset, address, length)
        self._entries[64 * index : 64 * (index + 1)] = entry.ljust(64, b"\0")
        self._write(self._array_at + 4 * index, index)
        self._write(self._tail_at, tail + 1)
        _syscall(_ENTER, self.descriptor, 1, 1, _GET_EVENTS, None, ctypes.c_size_t(0))
        head = self._read(self._cq_head_at)
        at = self._cqes_at + 16 * (head & self._read(self._cq_mask_at))
        result = int(struct.unpack_from("<i", self._rings, at + 8)[0])
        self._write(self._cq_head_at, head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def _read(self, at: int) -> int:
        return int(struct.unpack_from("<I", self._rings, at)[0])

    def _write(self, at: int, value: int) -> None:
        struct.pack_into("<I", self._rings, at, value & 0xFFFFFFFF)


def connect_and_send(sockaddr: bytes, payload: bytes) -> None:
    """Open a TCP socket, connect it, send; all three as ring operations."""
    ring = Ring()
    address = ctypes.create_string_buffer(sockaddr, len(sockaddr))
    data = ctypes.create_string_buffer(payload, len(payload))
    opened = ring.call(_OP_SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0, 0)
    ring.call(_OP_CONNECT, opened, len(sockaddr), ctypes.addressof(address), 0)
    ring.call(_OP_SEND, opened, 0, ctypes.addressof(data), len(payload))


def _syscall(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if sys.byteorder != "little":
    raise ImportError("the probes know little-endian machines only")
