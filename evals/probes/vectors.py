"""Twelve ways for native code to leave the machine. Each is tried for real, against listeners of suite.py.

A vector is a function that raises OSError when the kernel refuses, Impossible when this machine cannot even try, and
otherwise returns what it got through by itself; data that arrives at a listener is counted there. Standard library
only; everything it needs is imported before the lock, because an unprivileged user may not be able to read it later.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from evals.probes import ring

_X86 = platform.machine() == "x86_64"
_SOCKET, _CONNECT, _SENDTO = (41, 42, 44) if _X86 else (198, 203, 206)
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_PTRACE_SEIZE = 0x4206
_MSG_FASTOPEN = 0x20000000
_MAP_32BIT = 0x40


class Impossible(Exception):
    """This machine cannot try the vector, lock or no lock."""


@dataclass
class Targets:
    """Where to knock, all on loopback, and the process to steal from."""

    tcp_port: int
    udp_port: int
    victim_pid: int
    victim_descriptor: int
    victim_secret_at: int
    before_lock: threading.Event = field(default_factory=threading.Event)  # releases the thread that waits for the lock
    results: dict[str, str] = field(default_factory=dict)

    @property
    def sockaddr(self) -> bytes:
        return struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", self.tcp_port, b"\x7f\0\0\1")


def python_connect(targets: Targets) -> None:
    with socket.create_connection(("127.0.0.1", targets.tcp_port), timeout=5) as connection:
        connection.sendall(b"python_connect\n")


def native_thread_connect(targets: Targets) -> None:
    """Raw system calls from a new thread, as a C library would."""
    outcome: list[OSError] = []
    thread = threading.Thread(target=_raw_connect, args=(targets, b"native_thread_connect\n", outcome))
    thread.start()
    thread.join()
    if outcome:
        raise outcome[0]


def prepare_thread(targets: Targets) -> Callable[[Targets], None]:
    """Start a thread now, before the lock; the vector then lets it go."""
    outcome: list[OSError] = []

    def wait_and_connect() -> None:
        targets.before_lock.wait()
        _raw_connect(targets, b"thread_before_lock\n", outcome)

    thread = threading.Thread(target=wait_and_connect)
    thread.start()

    def thread_before_lock(targets: Targets) -> None:
        targets.before_lock.set()
        thread.join()
        if outcome:
            raise outcome[0]

    return thread_before_lock


def udp_sendto(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"udp_sendto\n", ("127.0.0.1", targets.udp_port))


def tcp_fast_open(targets: Targets) -> None:
    """Data in the first packet, without connect()."""
    descriptor = _call(_SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0)
    payload = b"tcp_fast_open\n"
    _call(_SENDTO, descriptor, payload, ctypes.c_size_t(len(payload)), _MSG_FASTOPEN, targets.sockaddr, 16)
    os.close(descriptor)


def io_uring(targets: Targets) -> None:
    ring.connect_and_send(targets.sockaddr, b"io_uring\n")


def foreign_abi(targets: Targets) -> str | None:
    """The 32-bit system calls (int 0x80) and the x32 numbers, which a filter for 64-bit numbers would let pass."""
    if not _X86:
        raise Impossible("a second ABI is tried on x86-64 only")
    first_error: OSError | None = None
    try:
        _connect_in_32_bit(targets.sockaddr, b"foreign_abi\n")
    except OSError as error:
        first_error = error
    try:
        os.close(_call(0x40000000 | _SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0))
    except OSError:
        if first_error is not None:
            raise first_error from None
        return None
    return "an x32 socket"


def child_program(targets: Targets) -> None:
    """Programs started by us: a shell, and a Python that an unprivileged user can read."""
    tried = 0
    if bash := shutil.which("bash"):
        script = f"exec 3<>/dev/tcp/127.0.0.1/{targets.tcp_port} && echo child_program >&3"
        tried += 1
        subprocess.run([bash, "-c", script], stderr=subprocess.DEVNULL, check=False)
    if os.access(python := "/usr/bin/python3", os.X_OK):
        code = (
            f"import socket; socket.create_connection(('127.0.0.1', {targets.tcp_port})).sendall(b'child_program\\n')"
        )
        tried += 1
        subprocess.run([python, "-I", "-c", code], stderr=subprocess.DEVNULL, check=False)
    if not tried:
        raise Impossible("neither bash nor /usr/bin/python3 is here")


def other_families(_targets: Targets) -> str | None:
    """Every address family but AF_UNIX, among them VSOCK, PACKET and NETLINK; raw IP; MPTCP."""
    opened = []
    kinds = [(family, kind, 0) for family in range(46) for kind in (1, 2, 3, 5) if family != socket.AF_UNIX]
    kinds += [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET, socket.SOCK_STREAM, 262)]
    refused: OSError | None = None
    for family, kind, protocol in kinds:
        try:
            os.close(_call(_SOCKET, family, kind, protocol))
            opened.append(f"{family}/{kind}/{protocol}")
        except OSError as error:
            refused = error
    pair = (ctypes.c_int * 2)()
    if ctypes.CDLL(None).socketpair(30, socket.SOCK_STREAM, 0, pair) == 0:  # TIPC pairs
        opened.append("tipc pair")
    if not opened and refused is not None:
        raise refused
    return "sockets " + " ".join(opened)


def dns_from_c(_targets: Targets) -> None:
    """getaddrinfo(3) itself. Whether a query was sent, the resolver on loopback counts."""
    answer = ctypes.c_void_p()
    libc = ctypes.CDLL(None)
    if libc.getaddrinfo(b"dns-from-c.example.net", b"80", None, ctypes.byref(answer)) == 0:
        libc.freeaddrinfo(answer)


def dns_through_helper(_targets: Targets) -> None:
    """gethostbyname(3) asks nscd over AF_UNIX, if it is there; ours counts who calls."""
    ctypes.CDLL(None).gethostbyname(b"dns-through-helper.example.net")


def other_process(targets: Targets) -> str | None:
    """Take a connected socket out of another process, attach to it, read its memory."""
    got = []
    first_error: OSError | None = None
    for name, attempt in (("socket", _steal_socket), ("ptrace", _attach), ("memory", _read_memory)):
        try:
            attempt(targets)
            got.append(name)
        except OSError as error:
            first_error = first_error or error
    if not got and first_error is not None:
        raise first_error
    return "another process's " + ", ".join(got)


VECTORS: tuple[Callable[[Targets], str | None], ...] = (
    python_connect,
    native_thread_connect,
    udp_sendto,
    tcp_fast_open,
    io_uring,
    foreign_abi,
    child_program,
    other_families,
    dns_from_c,
    dns_through_helper,
    other_process,
)  # and the twelfth: prepare_thread()
NAMES = ("thread_before_lock", *(vector.__name__ for vector in VECTORS))


def attempt(vector: Callable[[Targets], str | None], targets: Targets) -> str:
    """Run one vector: "got ..." when it obtained something by itself, else what happened."""
    try:
        got = vector(targets)
    except Impossible as reason:
        return f"impossible: {reason}"
    except OSError as error:
        return f"refused: {errno.errorcode.get(error.errno or 0, error)}"
    return f"got {got}" if got else "tried"


def _raw_connect(targets: Targets, payload: bytes, outcome: list[OSError]) -> None:
    try:
        descriptor = _call(_SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0)
        _call(_CONNECT, descriptor, targets.sockaddr, 16)
        os.write(descriptor, payload)
        os.close(descriptor)
    except OSError as error:
        outcome.append(error)


def _connect_in_32_bit(sockaddr: bytes, payload: bytes) -> None:
    """socket, connect and write through int 0x80, with everything it points at in the low 4 GiB."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    everything = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    page = libc.mmap(None, ctypes.c_size_t(4096), everything, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_32BIT, -1, 0)
    if page in (None, ctypes.c_void_p(-1).value):
        raise Impossible("no executable memory below 4 GiB")
    code = bytes.fromhex("53 4989f8 418b00 418b5804 418b4808 418b500c 418b7010 418b7814 cd80 5b c3")
    ctypes.memmove(page, code, len(code))
    ctypes.memmove(page + 1024, sockaddr, len(sockaddr))
    ctypes.memmove(page + 2048, payload, len(payload))
    enter = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(page)

    def call(number: int, *arguments: int) -> int:
        ctypes.memmove(page + 3072, struct.pack("<6I", number, *arguments, *[0] * (5 - len(arguments))), 24)
        result = int(enter(page + 3072))
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    descriptor = call(359, socket.AF_INET, socket.SOCK_STREAM, 0)  # socket, connect and write of i386
    call(362, descriptor, page + 1024, len(sockaddr))
    call(4, descriptor, page + 2048, len(payload))


def _steal_socket(targets: Targets) -> None:
    process = _call(_PIDFD_OPEN, targets.victim_pid, 0)
    descriptor = _call(_PIDFD_GETFD, process, targets.victim_descriptor, 0)
    os.write(descriptor, b"other_process\n")


def _attach(targets: Targets) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(_PTRACE_SEIZE, targets.victim_pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _read_memory(targets: Targets) -> None:
    class Piece(ctypes.Structure):
        _fields_ = (("address", ctypes.c_void_p), ("length", ctypes.c_size_t))

    buffer = ctypes.create_string_buffer(6)
    here = Piece(ctypes.addressof(buffer), 6)
    there = Piece(targets.victim_secret_at, 6)
    libc = ctypes.CDLL(None, use_errno=True)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    n_read = libc.process_vm_readv(targets.victim_pid, ctypes.byref(here), one, ctypes.byref(there), one, none)
    if n_read < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    if buffer.raw != b"secret":
        raise Impossible("read something else than the secret")


def _call(number: int, *arguments: object) -> int:
    """A raw system call; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
