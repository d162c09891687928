"""What this machine has: cores, memory, CPU features, compiled backends. Reads files only; loads no native library.

Covered: affinity masks and cgroup v2 limits (containers), both for cores and for memory. Not covered: hybrid cores are
counted alike; the probe (engines/probe.py) finds by measuring how many of them help.
"""

from __future__ import annotations

import importlib.util
import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_BACKENDS = {  # file name part of the ggml library -> the backend's name; `cpu` is always there
    "cuda": "CUDA",
    "metal": "Metal",
    "vulkan": "Vulkan",
    "hip": "ROCm",
    "sycl": "SYCL",
    "opencl": "OpenCL",
    "musa": "MUSA",
    "cann": "CANN",
    "blas": "BLAS",
}

# Which formats ggml's CPU backend re-packs into interleaved rows when it loads a model
# (ggml/src/ggml-cpu/repack.cpp, ggml_repack_get_optimal_repack_type of the pinned release).
_REPACKED_BY: dict[str, frozenset[str]] = {
    "avx2": frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}),
    "avx512f": frozenset({"Q2_K"}),
    "dotprod": frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "MXFP4", "Q8_0"}),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware as this process may use it. `n_cores` are physical cores, `n_logical` hardware threads."""

    cpu: str
    architecture: str
    n_cores: int
    n_logical: int
    memory_bytes: int
    features: frozenset[str]

    @property
    def has_vnni(self) -> bool:
        """Whether one instruction multiplies and adds many bytes: what quantised kernels are made of."""
        return bool(self.features & {"avx512_vnni", "avx_vnni", "dotprod"})

    @property
    def repacked_types(self) -> frozenset[str]:
        """Tensor types that the CPU backend re-packs here."""
        return frozenset().union(*(types for feature, types in _REPACKED_BY.items() if feature in self.features))


def this_machine() -> Machine:
    cpu, features = _cpu_name_and_features()
    n_logical = _usable_threads()
    n_physical = psutil.cpu_count(logical=False) or n_logical
    return Machine(
        cpu=cpu,
        architecture=platform.machine(),
        n_cores=max(1, min(n_physical, n_logical)),
        n_logical=n_logical,
        memory_bytes=min(psutil.virtual_memory().total, _cgroup_number("memory.max") or 2**63),
        features=features,
    )


def available_memory_bytes() -> int:
    """What a new process can take without swapping, within the control group's limit."""
    available = psutil.virtual_memory().available
    limit, used = _cgroup_number("memory.max"), _cgroup_number("memory.current")
    if limit is None or used is None:
        return available
    reclaimable = _cgroup_stat("inactive_file")
    return max(0, min(available, limit - used + reclaimable))


def compiled_backends() -> tuple[str, ...]:
    """The backends whose libraries lie beside llama.cpp's, such as ("CPU", "CUDA")."""
    package = importlib.util.find_spec("llama_cpp")
    if package is None or package.origin is None:
        return ()
    names = [file.name for file in sorted((Path(package.origin).parent / "lib").glob("*ggml-*"))]
    found = [backend for part, backend in _BACKENDS.items() if any(f"ggml-{part}" in name for name in names)]
    return ("CPU", *found)


def _usable_threads() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    quota, _, period = _cgroup_text("cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit() and int(period) > 0:
        allowed = min(allowed, max(1, math.ceil(int(quota) / int(period))))
    return allowed


def _cpu_name_and_features() -> tuple[str, frozenset[str]]:
    name, features = "", frozenset[str]()
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        match key.strip():
            case "model name" if not name:
                name = value.strip()
            case "flags" | "Features" if not features:
                features = frozenset(value.split())
    if "asimddp" in features or (platform.machine() == "arm64" and platform.system() == "Darwin"):
        features |= {"dotprod"}  # every Apple Silicon core has it; Linux names it asimddp
    return name or platform.processor() or platform.machine(), features


def _cgroup_text(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""


def _cgroup_number(name: str) -> int | None:
    text = _cgroup_text(name)
    return int(text) if text.isdigit() else None


def _cgroup_stat(key: str) -> int:
    for line in _cgroup_text("memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return 0
