"""The network lock: after `lock()` the kernel refuses every socket that is not AF_UNIX, to native code as well.

Covered (Linux, x86-64 and aarch64): socket() and socketpair() of every family but AF_UNIX, in every thread that exists
or will exist (TSYNC) and every process started later (filters are inherited); io_uring, which seccomp cannot look
into; foreign ABIs (32-bit and x32 system calls); taking descriptors or memory from other processes (ptrace,
pidfd_getfd, process_vm_*); names resolved through helper daemons (NSS is set to files) or by the kernel (request_key);
core dumps and reading our memory (dumpable). Workers also lose sockets of any kind, starting programs, and all files
but the ones listed (landlock.py).

Not covered: programs of the user that act on request over AF_UNIX (a desktop bus), which workers cannot reach; root,
kernel bugs. aarch64 has not been run. On other systems nothing is enforced and `status()` says so.

Standard library only: this runs before any third-party import. A seccomp filter and its self-test cost well under 5 ms.
Sources: seccomp(2), landlock(7), proc_pid_status(5).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from assistant.errors import NetworkLockError
from assistant.privacy import landlock, seccomp

_PR_SET_DUMPABLE = 4
_SELF_TEST_PROTOCOL = 253  # reserved for experiments (RFC 3692): observers can tell the self-test from an attempt

# What a worker may read besides its own program and what it is given: shared libraries, facts about the processor and
# the memory, its own process. Paths that this machine lacks are passed over.
_SYSTEM_READ = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache"),
    *("/proc/self", "/proc/stat", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system", "/dev/urandom"),
)
# Graphics cards, for builds with a GPU backend; these lines have not been run.
_GPU_READ = (
    *("/usr/local/cuda", "/opt/rocm", "/usr/share/vulkan", "/usr/share/glvnd", "/etc/vulkan"),
    *("/proc/driver/nvidia", "/sys/bus/pci", "/sys/class", "/sys/devices", "/sys/module"),
)
_GPU_DEVICES = ("nvidia*", "nvidia-caps/*", "dri/*", "kfd")

# What PulseAudio's and ALSA's client libraries read: their configuration, and the cookie that the server asks for.
_SOUND_READ = (
    *("/usr/share/alsa", "/etc/alsa", "/etc/asound.conf", "/etc/pulse", "/usr/share/pulseaudio", "/proc/asound"),
    *("/etc/machine-id", "/var/lib/dbus/machine-id", "/run/pulse", "/var/run/pulse"),
    *("/etc/passwd", "/etc/nsswitch.conf"),  # whose home
)
_SOUND_PATHS = ("ALSA_CONFIG_PATH", "PULSE_COOKIE", "PULSE_CLIENTCONFIG", "PULSE_CONFIG_PATH", "PULSE_RUNTIME_PATH")

_filters_before_lock: int | None = None  # the environment's own, such as a container's: they prove nothing about us


@dataclass(frozen=True)
class LockStatus:
    """What the kernel reports, never an intention.

    `threads` maps thread id to its seccomp mode (2 is "filtered"); `filters` to the number of filters beyond those that
    were there before the lock. A container filters every process in mode 2 without closing the network: hence both.
    """

    supported: bool
    threads: dict[int, int]
    filters: dict[int, int] = field(default_factory=dict)

    @property
    def locked(self) -> bool:
        return bool(self.threads) and all(self.filters.get(thread, 0) > 0 for thread in self.threads)

    @property
    def statement(self) -> str:
        if not self.supported:
            return f"not enforced on {platform.system()}"
        if self.locked:
            return "locked"
        open_threads = sum(self.filters.get(thread, 0) <= 0 for thread in self.threads)
        return f"UNLOCKED ({open_threads} of {len(self.threads)} threads)"


def supported() -> bool:
    """Whether this system is one that the lock is for."""
    return seccomp.supported()


def status(pid: int | str = "self", unrelated: int = 0) -> LockStatus:
    """Read what /proc says of every thread of a process: this one, or one that it or a sibling has started.

    `unrelated` filters of that process are not counted: they have another purpose (engines/amx.py) and prove nothing.
    """
    modes: dict[int, int] = {}
    filters: dict[int, int] = {}
    tasks = Path(f"/proc/{pid}/task")
    if sys.platform == "linux" and tasks.is_dir():
        before = _own_filters() if _filters_before_lock is None else _filters_before_lock
        for task in tasks.iterdir():
            try:  # once for both numbers: a thread that ends between two readings would count as one without a filter
                told = (task / "status").read_text()
            except OSError:  # the thread ended meanwhile
                continue
            modes[int(task.name)] = _number(told, "Seccomp")
            filters[int(task.name)] = _filters_in(told) - before - unrelated
    return LockStatus(supported(), modes, filters)


def lock() -> LockStatus:
    """Lock this process and all its future threads and children; return what the kernel then reports.

    Raises NetworkLockError if the kernel refuses the filter, a network socket was inherited, or the self-test finds a
    way out. Where locking is not supported (see the module head), nothing happens and the status says so.
    """
    global _filters_before_lock
    os.umask(0o077)
    if not supported():
        return status()
    _filters_before_lock = _own_filters()
    _answer_host_names_from_files_only()
    _refuse_dumps()
    _refuse_inherited_sockets()
    seccomp.install(seccomp.network_filter())
    _self_test()
    report = status()
    if not report.locked:
        raise NetworkLockError(f"the kernel reports {report.statement} after locking; not starting")
    return report


def enter_worker(read_only: tuple[Path, ...], writable: tuple[Path, ...] = ()) -> int:
    """The further restrictions of a worker process, for good. Call it before anything starts a thread.

    No sockets, not even AF_UNIX; no programs; no files but the interpreter's, shared libraries and `read_only` (files,
    or folders with all beneath); nothing writable but `writable` (files that exist), /dev/null and graphics devices;
    no dumps. Open descriptors stay usable: the pipe to the parent. The memory limit is left alone: GPU drivers reserve
    far more than they use, and what a model needs was predicted before (models/memory.py).

    Returns the Landlock ABI in force: 0 where the kernel has none and files are not restricted. Raises
    NetworkLockError if the kernel refuses, or if what was just refused still works.
    """
    if not supported():
        return 0
    _refuse_dumps()  # execve() resets the dumpable flag
    devices = [device for pattern in _GPU_DEVICES for device in Path("/dev").glob(pattern) if not device.is_dir()]
    readable = [*_own_program(), *map(Path, _SYSTEM_READ), *read_only]
    if devices:
        readable += map(Path, _GPU_READ)
    seccomp.install(seccomp.worker_filter())
    version = landlock.restrict(readable, [Path("/dev/null"), *devices, *writable])
    _test_worker(version)
    return version


def enter_audio_worker() -> int:
    """The first half of the audio process's restrictions: until `close_connections()` it may still connect to the sound
    server of this machine, over AF_UNIX, and nowhere else.

    No programs; no files but the interpreter's, shared libraries, and what sound needs; nothing writable but sound
    devices. Call it before anything starts a thread. Returns the Landlock ABI in force, as enter_worker() does.
    """
    if not supported():
        return 0
    _refuse_dumps()
    home = Path.home()
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    readable = [*_own_program(), *map(Path, _SYSTEM_READ), *map(Path, _SOUND_READ)]
    readable += [home / ".asoundrc", home / ".config/alsa", home / ".config/pulse", home / ".pulse-cookie"]
    readable += [runtime / "pulse"]
    readable += [Path(os.environ[name]) for name in _SOUND_PATHS if os.environ.get(name)]
    devices = [device for device in Path("/dev/snd").glob("*") if not device.is_dir()]
    seccomp.install(seccomp.network_filter())
    seccomp.install(seccomp.program_filter())
    return landlock.restrict([*readable, Path("/dev/snd")], [Path("/dev/null"), *devices])


def close_connections() -> None:
    """The second half: no new connection of any kind, in every thread. Those that are open go on."""
    if supported():
        seccomp.install(seccomp.worker_filter())
        _test_worker(landlock_abi=0)


def enter_gateway(port: int) -> int:
    """The restrictions of the process that speaks to a real home: TCP to that port, and nothing else a worker lacks.

    Where it connects to is said in its own arguments: a filter cannot see addresses. Returns the Landlock ABI in force;
    from 4 on the kernel holds it to the port. Raises NetworkLockError if the kernel refuses.
    """
    os.umask(0o077)
    if not supported():
        return 0
    _refuse_dumps()
    seccomp.install(seccomp.gateway_filter())
    return landlock.restrict([*_own_program(), *map(Path, _SYSTEM_READ)], [Path("/dev/null")], connect_port=port)


def _own_program() -> list[Path]:
    """Where Python, its packages and this package live. A prefix that holds the user's home is not let in whole."""
    prefixes = [Path(prefix).resolve() for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}]
    libraries = [Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    libraries += [Path(os.__file__).parent, Path(__file__).resolve().parents[1]]
    home = Path.home().resolve()
    return [p for p in prefixes if not home.is_relative_to(p)] + libraries


def _own_filters() -> int:
    return _filters_in(Path("/proc/thread-self/status").read_text())


def _filters_in(status: str) -> int:
    """Seccomp filters on a thread; before Linux 5.9, which does not count them, 1 if it is filtered at all."""
    counted = _number(status, "Seccomp_filters", absent=-1)
    return counted if counted >= 0 else int(_number(status, "Seccomp") == 2)


def _number(status: str, key: str, absent: int = 0) -> int:
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value)
    return absent


def _answer_host_names_from_files_only() -> None:
    """Without this, glibc may ask nscd or resolved over AF_UNIX, and they would ask the network for us."""
    libc = ctypes.CDLL(None)
    try:
        configure = libc.__nss_configure_lookup
    except AttributeError:  # musl has no NSS
        return
    configure(b"hosts", b"files")


def _refuse_dumps() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _refuse_inherited_sockets() -> None:
    """A network socket or an io_uring that was open before the lock would stay usable after it."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        name = entry.name
        try:
            target = str(entry.readlink())
            if target == "anon_inode:[io_uring]":
                raise _inherited(name)
            if not target.startswith("socket:"):
                continue
            inherited = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # the descriptor of the listing itself is gone again
            continue
        with inherited:
            if inherited.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) != socket.AF_UNIX:
                raise _inherited(name)


def _inherited(descriptor: str) -> NetworkLockError:
    return NetworkLockError(
        f"descriptor {descriptor} is a network socket given by the program that started this one; "
        "start the assistant from a terminal, or with that descriptor closed"
    )


def _self_test() -> None:
    """Try to open a network socket, from Python and from C. Both must fail with EACCES: twice a process, no more.

    Without the lock the kernel answers otherwise: EPROTONOSUPPORT, or for root a socket.
    """
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, _SELF_TEST_PROTOCOL).close()
        answer = 0
    except OSError as error:
        answer = error.errno or 0
    libc = ctypes.CDLL(None, use_errno=True)
    native = libc.socket(socket.AF_INET, socket.SOCK_DGRAM, _SELF_TEST_PROTOCOL)
    if answer != errno.EACCES or native >= 0 or ctypes.get_errno() != errno.EACCES:
        who = "Python" if answer != errno.EACCES else "native code"
        raise NetworkLockError(f"the network lock does not hold: {who} can open network sockets; not starting")


def _test_worker(landlock_abi: int) -> None:
    """Ask for what must now be refused, in ways that reach nobody: a descriptor that is none, and the root folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(-1, None, 0) != -1 or ctypes.get_errno() != errno.EACCES:
        raise NetworkLockError("the worker's lock does not hold: connect() is not refused; not starting")
    if landlock_abi:
        try:
            os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))
        except PermissionError:
            return
        raise NetworkLockError("the worker's lock does not hold: files can still be opened; not starting")
