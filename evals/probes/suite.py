"""The probe suite: a process that may or may not lock itself runs the twelve vectors against listeners on loopback.

    unshare --net --mount -- python -m evals.probes.suite --isolated [--lock] [--uid N] [--weaken WHAT]

Prints one JSON document: {"lock_ms": ..., "lock_error": ..., "statement": ..., "vectors": {name: {"through": bool,
"outcome": text}}}.
`--isolated`: the process is alone in its network and mount namespaces, so that a resolver and a name service helper of
ours can take the place of the machine's. `--weaken` takes one part of the lock away, to show which vector it holds.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import encodings.idna  # noqa: F401 - loaded now: an unprivileged user may not be able to read the library folder later
import errno
import json
import os
import platform
import resource  # noqa: F401 - likewise
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from assistant.errors import NetworkLockError
from assistant.privacy import environment, sandbox, seccomp
from evals.probes import namespaces, vectors

_PR_SET_DUMPABLE, _PR_SET_PTRACER = 4, 0x59616D61
_DRAIN_S = 0.3
# Request types of nscd's protocol (glibc, nscd/nscd-client.h) that are about hosts: by name, by address (each for both
# families), the shared table of hosts, getaddrinfo. The others are about users, groups, services and netgroups.
_NSCD_HOST_REQUESTS = (4, 5, 6, 7, 13, 14)
_LIMIT_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evals.probes.suite")
    parser.add_argument("--lock", action="store_true")
    parser.add_argument("--isolated", action="store_true")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--weaken", choices=sorted(WEAKENINGS))
    options = parser.parse_args()
    signal.alarm(_LIMIT_S)
    if options.isolated:
        prepare_namespaces()
    print(json.dumps(run(options)))
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Fork the process under test before any listener exists, since it must not inherit one."""
    (go_read, go_write), (done_read, done_write) = os.pipe(), os.pipe()
    secret = ctypes.create_string_buffer(b"nobody", 6)
    tested = os.fork()
    if tested == 0:
        os.close(done_read)
        try:
            _become(options.uid)
            report = _attempt_all(options, json.loads(_read_line(go_read)))
            os.write(done_write, json.dumps(report).encode() + b"\n")
        except (OSError, LookupError, ImportError) as error:
            os.write(done_write, json.dumps({"vectors": {}, "died": repr(error)}).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(done_write)
    listeners = Listeners(helper=options.isolated)
    victim, descriptor = _start_victim(options.uid, listeners.tcp_port, secret)
    listeners.start()
    targets = {
        "tcp_port": listeners.tcp_port,
        "udp_port": listeners.udp_port,
        "victim_pid": victim,
        "victim_descriptor": descriptor,
        "victim_secret_at": ctypes.addressof(secret),
    }
    os.write(go_write, json.dumps(targets).encode() + b"\n")
    report = json.loads(_read_line(done_read) or '{"vectors": {}, "died": true}')
    time.sleep(_DRAIN_S)
    for process in (tested, victim):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, 9)
        os.waitpid(process, 0)
    outcomes: dict[str, str] = report["vectors"]
    report["vectors"] = {
        name: {"through": name in listeners.arrived or text.startswith("got "), "outcome": text}
        for name, text in outcomes.items()
    }
    return dict(report)


def _attempt_all(options: argparse.Namespace, targets: dict[str, Any]) -> dict[str, Any]:
    aim = vectors.Targets(**targets)
    thread_before_lock = vectors.prepare_thread(aim)
    report: dict[str, Any] = {"lock_ms": None}
    if options.weaken:
        WEAKENINGS[options.weaken]()
    if options.lock:
        environment.apply()
        started = time.perf_counter()
        try:
            sandbox.lock()
        except NetworkLockError as error:  # go on, as --allow-unlocked would: to see what the missing part held back
            report["lock_error"] = str(error)
        report["lock_ms"] = 1000 * (time.perf_counter() - started)
    report["statement"] = sandbox.status().statement
    outcomes = {"thread_before_lock": vectors.attempt(thread_before_lock, aim)}
    for vector in vectors.VECTORS:
        needs_isolation = vector in (vectors.dns_from_c, vectors.dns_through_helper)
        if needs_isolation and not options.isolated:
            outcomes[vector.__name__] = "impossible: needs a mount namespace, so that it asks our resolver"
        else:
            outcomes[vector.__name__] = vectors.attempt(vector, aim)
    return report | {"vectors": outcomes}


class Listeners:
    """What runs on loopback; `arrived` collects the names of the vectors that reached it."""

    def __init__(self, *, helper: bool) -> None:
        self.arrived: set[str] = set()
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.tcp_port, self.udp_port = self._tcp.getsockname()[1], self._udp.getsockname()[1]
        self._loops: list[Callable[[], None]] = [self._serve_tcp, self._serve_udp]
        if helper:
            self._dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._dns.bind(("127.0.0.1", 53))
            self._helper = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._helper.bind("/run/nscd/socket")
            Path("/run/nscd/socket").chmod(0o666)
            self._helper.listen()
            self._loops += [self._serve_dns, self._serve_helper]

    def start(self) -> None:
        for loop in self._loops:
            threading.Thread(target=loop, daemon=True).start()

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            self.arrived.update(line.decode().strip() for line in lines)

    def _serve_udp(self) -> None:
        while True:
            self.arrived.add(self._udp.recv(100).decode().strip())

    def _serve_dns(self) -> None:
        while True:
            query, sender = self._dns.recvfrom(600)
            if b"dns-from-c" in query:
                self.arrived.add("dns_from_c")
            no_such_name = query[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + query[12:]
            self._dns.sendto(no_such_name, sender)

    def _serve_helper(self) -> None:
        """Count who asks for hosts. A shell without SHELL or HOME asks for its user here, which is no way out."""
        while True:
            asker, _ = self._helper.accept()
            with asker, contextlib.suppress(OSError):
                asker.settimeout(_DRAIN_S)
                header = asker.recv(12, socket.MSG_WAITALL)
                if len(header) < 12 or struct.unpack("=3i", header)[1] in _NSCD_HOST_REQUESTS:
                    self.arrived.add("dns_through_helper")


def prepare_namespaces() -> None:
    """Loopback up; a resolver on 127.0.0.1; an empty /run, where name service helpers have their sockets."""
    namespaces.run_tool("ip", "link", "set", "lo", "up")
    namespaces.empty_run_folder()
    Path("/run/nscd").mkdir(mode=0o755)
    namespaces.bind_file("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", Path("/etc/resolv.conf"))


def _start_victim(uid: int | None, port: int, secret: ctypes.Array[ctypes.c_char]) -> tuple[int, int]:
    """A process of the same user with an open connection, that lets itself be traced where the system has a say."""
    connection = socket.create_connection(("127.0.0.1", port))
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(uid)
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PTRACER, ctypes.c_long(-1), 0, 0, 0)
        secret.raw = b"secret"
        os.write(ready_write, b"\n")
        while True:
            time.sleep(60)
    _read_line(ready_read)
    descriptor = connection.fileno()
    connection.detach()  # kept open here too, under the same number
    return pid, descriptor


def _become(uid: int | None) -> None:
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


def _read_line(descriptor: int) -> str:
    with os.fdopen(descriptor) as file:
        return file.readline()


def _replace_abi(**changes: Any) -> Callable[[], None]:
    def apply() -> None:
        for name, abi in seccomp._ABIS.items():
            seccomp._ABIS[name] = replace(abi, **changes)

    return apply


def _set(module: Any, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(module, name, value)


def _internet_families_refused() -> bytes:
    """The filter one would write first: AF_INET and AF_INET6, and nothing else."""
    op, abi = seccomp._op, seccomp._ABIS[platform.machine()]
    program = seccomp._common_head(abi) + op(0x15, abi.socket, 1, 0) + op(0x06, 0x7FFF0000) + op(0x20, 16)
    for family in (socket.AF_INET, socket.AF_INET6):
        program += seccomp._refuse_number(family, errno.EACCES)
    return program + op(0x06, 0x7FFF0000)


_LOAD_NUMBER = seccomp._op(0x20, 0)
# What each part of the lock holds back; test_lock.py checks that the named vectors go through without it.
WEAKENINGS: dict[str, Callable[[], None]] = {
    "no filter": _set(seccomp, "install", lambda program: None),
    "no tsync": _set(seccomp, "_FLAG_TSYNC", 0),
    "io_uring allowed": _replace_abi(io_uring=()),
    "foreign ABI allowed": _set(seccomp, "_common_head", lambda abi: _LOAD_NUMBER),
    "name service kept": _set(sandbox, "_answer_host_names_from_files_only", lambda: None),
    "spying allowed": _replace_abi(spying=()),
    "other families allowed": _set(seccomp, "network_filter", lambda: _internet_families_refused()),
}


if __name__ == "__main__":
    sys.exit(main())
