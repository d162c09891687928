"""The machine a number was taken on, and how much of it others were using at the time."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

CALM_SHARE = 0.08  # above this share of all cores used by others, a two-thread timing is not to be trusted
POWERCAP = Path("/sys/class/powercap")
CPU_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds used so far: by everybody (time stolen by the hypervisor included), and by this process tree."""

    at_s: float
    busy_s: float
    own_s: float


def cpu_times() -> CpuTimes:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # Linux counts these in user already
    return CpuTimes(time.monotonic(), sum(times) - idle - guest, tree_cpu_s())


def tree_cpu_s() -> float:
    """CPU seconds of this process, its live descendants and its finished children."""
    me = psutil.Process()
    used = me.cpu_times()
    total = used.user + used.system + used.children_user + used.children_system
    for child in me.children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system
    return float(total)


def process_cpu_s(pid: int) -> float:
    """CPU seconds of one process, all live threads: to the nanosecond on Linux, to the clock tick elsewhere.

    0 for a process that is gone.
    """
    try:
        spent_ns = sum(int(f.read_text().split()[0]) for f in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    except (OSError, ValueError, IndexError):
        spent_ns = 0
    if spent_ns:
        return spent_ns / 1e9
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def pin_to_one_core(pids: list[int]) -> bool:
    """Let the main threads of processes that never run at once share one core; False where the system cannot.

    The cores of a virtual machine differ when its host is busy, and a process stays where it started: unpinned, two
    equal programs can differ by a factor of two for minutes.
    """
    if not hasattr(os, "sched_setaffinity"):
        return False
    core = max(os.sched_getaffinity(0))
    for pid in pids:
        os.sched_setaffinity(pid, {core})
    return True


def peak_rss_bytes(pid: int) -> int:
    """The most resident memory a live process ever had; its present memory where the system does not keep the peak."""
    return _status_bytes(pid, "VmHWM") or int(psutil.Process(pid).memory_info().rss)


def rss_parts(pid: int) -> tuple[int, int]:
    """Present resident memory in bytes: anonymous, and mapped from files. (0, 0) where the system does not say."""
    return _status_bytes(pid, "RssAnon"), _status_bytes(pid, "RssFile")


def tree_bytes(pid: int) -> int:
    """Present memory of a process and its descendants, shared pages counted once; 0 when it is gone.

    A process that hides its memory from us counts with all its resident pages.
    """
    try:
        root = psutil.Process(pid)
        return sum(_own_bytes(process) for process in (root, *root.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def foreign_share(before: CpuTimes, after: CpuTimes) -> float:
    """The share of all cores that others used between two readings, 0 to 1."""
    elapsed_s = after.at_s - before.at_s
    if elapsed_s <= 0:
        return 0.0
    foreign_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return min(1.0, max(0.0, foreign_s / (elapsed_s * (os.cpu_count() or 1))))


def wait_until_calm(limit_s: float, share: float = CALM_SHARE) -> bool:
    """Wait until others use less than `share` for half a second; False when that did not happen in `limit_s`."""
    give_up_s = time.monotonic() + limit_s
    while True:
        before = cpu_times()
        time.sleep(0.5)
        if foreign_share(before, cpu_times()) <= share:
            return True
        if time.monotonic() >= give_up_s:
            return False


def describe() -> dict[str, Any]:
    """The machine card: what a reader needs to judge an absolute number."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "logical_cores": os.cpu_count(),
        "ram_mb": round(psutil.virtual_memory().total / 1e6),
        "governor": _first_line(CPU_FREQUENCY / "scaling_governor"),
        "os": platform.platform(),
        "load_1m": round(psutil.getloadavg()[0], 2),
    }


class EnergyCounter:
    """Joules used by the CPU packages, from the RAPL counters of Linux (intel-rapl also serves AMD).

    Readable by root alone since Linux 5.10 and absent in most virtual machines; `readable` says so.
    """

    def __init__(self) -> None:
        self._domains = [p for p in sorted(POWERCAP.glob("intel-rapl:*")) if p.name.count(":") == 1]

    @property
    def readable(self) -> bool:
        return bool(self._domains) and all(os.access(d / "energy_uj", os.R_OK) for d in self._domains)

    def joules(self) -> list[float]:
        """One reading per package. Raises OSError where `readable` is False."""
        return [int((d / "energy_uj").read_text()) / 1e6 for d in self._domains]

    def spent(self, before: list[float], after: list[float]) -> float:
        """Joules between two readings; a counter that wrapped around is put right."""
        total = 0.0
        for domain, start, end in zip(self._domains, before, after, strict=True):
            wrap = int((domain / "max_energy_range_uj").read_text()) / 1e6 if end < start else 0.0
            total += end - start + wrap
        return total


def _own_bytes(process: psutil.Process) -> int:
    try:
        return int(getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _status_bytes(pid: int, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), 0)


def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"
