"""Where the weights go: mapped or read, on the CPU or a GPU; each decision with its reason in words.

Pure decisions on a header, the machine and what the runtime reports. A map of the file and the CPU backend's re-packed
copy would hold the same weights twice (ggml-org/llama.cpp#16761), so a file that is re-packed is read instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assistant.engines.machine import Machine, compiled_backends
from assistant.engines.probe import Device, Runtime
from assistant.models import memory
from assistant.models.gguf_header import GgufHeader

_REPACK_LIMIT = 0.10  # share of the weights from which reading beats mapping
_GPU_HEADROOM = 0.90  # of the free memory; the rest is for compute buffers and the desktop


@dataclass(frozen=True, slots=True)
class Placement:
    """`n_gpu_layers` counts the output layer too; `repack_share` is 0..1 of the weight bytes."""

    use_mmap: bool
    n_gpu_layers: int
    repack_share: float
    reasons: tuple[str, ...]


def place(
    header: GgufHeader, machine: Machine, wanted_gpu_layers: int, ask_runtime: Callable[[], Runtime]
) -> Placement:
    """Decide for one model. `wanted_gpu_layers` is the setting (-1: as many as fit); `ask_runtime` is called only if a
    GPU backend was compiled in."""
    n_gpu_layers, gpu_reason = _gpu_layers(header, wanted_gpu_layers, ask_runtime)
    share = memory.repacked_bytes(header, machine.repacked_types) / max(1, header.weight_bytes)
    on_cpu = n_gpu_layers <= header.n_layers
    use_mmap = not (on_cpu and share >= _REPACK_LIMIT)
    how = "mapped from the file" if use_mmap else "read into memory instead of mapped, or they would be held twice"
    repack_reason = f"{share:.0%} of the weight bytes are in formats this CPU repacks: they are {how}"
    return Placement(use_mmap, n_gpu_layers, share, (repack_reason, gpu_reason))


def _gpu_layers(header: GgufHeader, wanted: int, ask_runtime: Callable[[], Runtime]) -> tuple[int, str]:
    backends = compiled_backends()
    if all(backend in ("CPU", "BLAS") for backend in backends):
        return 0, "0 layers offloaded: llama.cpp was built for the CPU only"
    if wanted == 0:
        return 0, "0 layers offloaded: gpu_layers = 0 in the settings"
    runtime = ask_runtime()
    gpus = [device for device in runtime.devices if device.kind in ("gpu", "igpu")]
    if not (runtime.gpu_offload and gpus):
        return 0, f"0 layers offloaded: {', '.join(backends[1:])} is compiled in, but no such device was found"
    return fitting_layers(header, wanted, gpus)


def fitting_layers(header: GgufHeader, wanted: int, gpus: list[Device]) -> tuple[int, str]:
    """How many layers the devices' free memory holds, at most `wanted` unless that is negative."""
    n_all = header.n_layers + 1
    asked = n_all if wanted < 0 else min(wanted, n_all)
    free = sum(device.free_bytes for device in gpus)
    layer_bytes = header.weight_bytes / n_all + 4096 * header.kv_bytes_per_token / header.n_layers
    fitting = min(asked, int(_GPU_HEADROOM * free / layer_bytes))
    names = ", ".join(dict.fromkeys(device.description for device in gpus))
    why = f"{names} has {free / 1e9:.1f} GB free"
    if fitting == n_all:
        return fitting, f"all {n_all} layers offloaded: {why}"
    limit = "the settings ask for no more" if fitting == asked else "more do not fit"
    return fitting, f"{fitting} of {n_all} layers offloaded: {why}, {limit}"
