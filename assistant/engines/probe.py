"""The five-second probe: how fast this machine runs this model, measured once and kept.

What is measured: memory read bandwidth; decoding and prefill speed for a few thread counts; flash attention on and off
at a depth of about a thousand tokens; how many weight bytes the CPU backend re-packed. The native code runs in a child
process (measure.py). One small JSON file per machine and model under `ASSISTANT_HOME/probes`, 0600; a file that cannot
be read is measured again. What is not measured: other batch sizes, quantised KV caches, speculation
(docs/experiments.md says why).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from assistant import durable, paths
from assistant.engines.machine import Machine
from assistant.errors import EngineCrashed, EngineError, EngineTimeout, ModelCrashed
from assistant.models.quarantine import FAULT_SIGNALS
from assistant.models.spec import ModelSpec

BUDGET_S = 5.0
QUIET_SHARE = 0.10  # above this share of the CPU used by others, a measurement says little about the machine
_TIME_LIMIT_S = 180.0  # loading 10 GB from a slow disk included
_FORMAT = 1  # part of the key: raise it when measurements change their meaning

# How libgomp waits at the hundreds of barriers in one token. Its default burns 9 ms of a core after the last token;
# "passive" sleeps at each barrier and costs a third to a half of the decoding speed. This count decodes as fast as the
# default and is asleep after 2 ms (docs/experiments.md). The library reads it on loading: set before the child starts.
CHILD_ENVIRONMENT: Mapping[str, str] = {"GOMP_SPINCOUNT": "30000", "OPENBLAS_NUM_THREADS": "1"}


class Row(msgspec.Struct, frozen=True):
    """One setting that was timed: `depth` tokens were in the KV cache when decoding began. 0 tok/s: not timed. Prompts
    are timed in a batch of 50 tokens, a short question with its template, or more where the time allows."""

    n_threads: int
    flash_attention: bool
    depth: int
    prefill_tps: float
    decode_tps: float


class Device(msgspec.Struct, frozen=True):
    """A device as the compiled backends report it; `kind` is "cpu", "gpu", "igpu" or "accel"."""

    name: str
    description: str
    kind: str
    free_bytes: int
    total_bytes: int


class Runtime(msgspec.Struct, frozen=True):
    """What the native library says about itself."""

    system_info: str
    gpu_offload: bool
    devices: tuple[Device, ...]


class Probe(msgspec.Struct, frozen=True):
    """The measurements of one model on one machine.

    `bandwidth_gbs` maps thread count to GB/s read from memory; `foreign_share` is the share of all cores' time that
    other processes took meanwhile; `repacked_bytes` and `weight_bytes` are what the backend reported on loading.
    """

    cpu: str
    n_cores: int
    model_sha256: str
    runtime_version: str
    taken_at_s: float
    duration_s: float
    load_s: float
    foreign_share: float
    bandwidth_gbs: dict[int, float]
    repacked_bytes: int
    weight_bytes: int
    n_gpu_layers: int
    rows: tuple[Row, ...]
    runtime: Runtime

    @property
    def quiet(self) -> bool:
        """Whether the machine was free enough for the numbers to be its own."""
        return self.foreign_share <= QUIET_SHARE

    def row(self, n_threads: int, *, flash_attention: bool = False, deep: bool = False) -> Row | None:
        for row in self.rows:
            if (row.n_threads, row.flash_attention, row.depth > 500) == (n_threads, flash_attention, deep):
                return row
        return None

    @property
    def shallow(self) -> tuple[Row, ...]:
        """The rows that compare thread counts: no flash attention, little in the cache."""
        return tuple(r for r in self.rows if not r.flash_attention and r.depth <= 500)

    @property
    def decode_tps(self) -> float:
        return max((r.decode_tps for r in self.shallow), default=0.0)

    @property
    def prefill_tps(self) -> float:
        return max((r.prefill_tps for r in self.rows if r.depth <= 500), default=0.0)


class Settled(NamedTuple):
    """What a probe decides, and in words why."""

    n_threads: int
    n_threads_batch: int
    flash_attention: bool
    reasons: tuple[str, ...]


class Request(msgspec.Struct, frozen=True):
    """What the child is asked to measure. An empty `path` asks for the runtime alone."""

    path: str
    thread_counts: tuple[int, ...] = ()
    n_gpu_layers: int = 0
    use_mmap: bool = True
    budget_s: float = BUDGET_S


class Measured(msgspec.Struct, frozen=True):
    """The child's answer; `error` is not empty when the model did not load."""

    runtime: Runtime
    error: str = ""
    load_s: float = 0.0
    duration_s: float = 0.0
    foreign_share: float = 0.0
    bandwidth_gbs: dict[int, float] = {}
    repacked_bytes: int = 0
    weight_bytes: int = 0
    rows: tuple[Row, ...] = ()
    taken_at_s: float = 0.0


def thread_counts(n_cores: int) -> tuple[int, ...]:
    """The counts worth trying, largest first, at most six: decoding saturates long before the cores of a server."""
    wanted = (n_cores, 3 * n_cores // 4, n_cores // 2, 4, 2, 1)
    return tuple(sorted({n for n in wanted if 1 <= n <= n_cores}, reverse=True))


def settle(probe: Probe) -> Settled:
    """Choose threads and flash attention. A measurement disturbed by other programs decides nothing.

    Fewer threads win within 3 % of the fastest: the cores they leave are the neighbours'. Flash attention is switched
    on only where it saves more than 3 % of a typical turn (50 tokens in, 150 out, in a long conversation).
    """
    n_cores = probe.n_cores
    if not probe.quiet or not probe.shallow:
        reason = (
            f"{n_cores} threads, the physical cores: other programs took {probe.foreign_share:.0%} during the probe"
        )
        return Settled(n_cores, n_cores, False, (reason,))
    best = max(probe.shallow, key=lambda r: r.decode_tps)
    good = [r for r in probe.shallow if r.decode_tps >= 0.97 * best.decode_tps]
    decode = min(good, key=lambda r: r.n_threads)
    batch = max(probe.shallow, key=lambda r: r.prefill_tps)
    table = ", ".join(f"{r.n_threads}: {r.decode_tps:.1f}" for r in sorted(probe.shallow, key=lambda r: r.n_threads))
    reasons = [f"{decode.n_threads} threads for decoding: measured tok/s by thread count are {table}"]
    if batch.n_threads != decode.n_threads:
        reasons.append(f"{batch.n_threads} threads for reading the prompt: {batch.prefill_tps:.0f} tok/s")
    flash, why = _flash_attention(probe)
    return Settled(decode.n_threads, batch.n_threads, flash, (*reasons, why))


def _flash_attention(probe: Probe) -> tuple[bool, str]:
    deep_on = next((r for r in probe.rows if r.flash_attention and r.depth > 500), None)
    deep_off = probe.row(deep_on.n_threads, deep=True) if deep_on else None
    if deep_on is None or deep_off is None:
        return False, "flash attention off: not measured"
    flat_on = probe.row(deep_on.n_threads, flash_attention=True)
    flat_off = probe.row(deep_on.n_threads)
    on_ms, off_ms = _turn_ms(flat_on, deep_on), _turn_ms(flat_off, deep_off)
    gain = off_ms / on_ms - 1
    decision = "on" if gain > 0.03 else "off"
    return gain > 0.03, (
        f"flash attention {decision}: at {deep_on.depth} tokens it decodes {deep_on.decode_tps:.1f} tok/s, "
        f"without it {deep_off.decode_tps:.1f}"
    )


def _turn_ms(flat: Row | None, deep: Row) -> float:
    prefill_ms = 50_000 / flat.prefill_tps if flat and flat.prefill_tps else 0.0
    return prefill_ms + 150_000 / deep.decode_tps if deep.decode_tps else float("inf")


def cached(spec: ModelSpec, machine: Machine) -> Probe | None:
    """The kept measurement, or None if there is none that can be used."""
    try:
        raw = (folder() / _file_name(spec, machine)).read_bytes()
        probe = msgspec.json.decode(raw, type=Probe)
    except (OSError, msgspec.DecodeError):
        return None
    return probe if probe.model_sha256 == spec.sha256 and probe.rows else None


def measure(spec: ModelSpec, machine: Machine, *, n_gpu_layers: int = 0, use_mmap: bool = True) -> Probe:
    """Run the probe in a child process and keep its result.

    Raises ModelCrashed if native code died of the model, EngineCrashed if its process ended otherwise, EngineTimeout if
    it hung, EngineError if the model does not load. A disk that is full loses only the cache.
    """
    request = Request(str(spec.path), thread_counts(machine.n_cores), n_gpu_layers, use_mmap)
    answer = _run_child(request, spec.file_name)
    if answer.error:
        raise EngineError(f"{spec.name} ({spec.file_name}) could not be measured: {answer.error}")
    values = {name: getattr(answer, name) for name in Measured.__struct_fields__ if name != "error"}
    probe = Probe(
        cpu=machine.cpu,
        n_cores=machine.n_cores,
        model_sha256=spec.sha256,
        runtime_version=runtime_version(),
        n_gpu_layers=n_gpu_layers,
        **values,
    )
    keep(probe, _file_name(spec, machine))
    return probe


def runtime() -> Runtime:
    """Ask the native library, in a child process, what it was compiled with and which devices it sees."""
    return _run_child(Request("")).runtime


def runtime_version() -> str:
    try:
        return importlib.metadata.version("llama_cpp_python")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _run_child(request: Request, file_name: str = "") -> Measured:
    command = [sys.executable, "-m", "assistant.engines.measure"]
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(request),
            capture_output=True,
            timeout=_TIME_LIMIT_S,
            env=os.environ | CHILD_ENVIRONMENT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineTimeout(f"the probe did not finish within {_TIME_LIMIT_S:.0f} s and was stopped") from error
    try:
        return msgspec.json.decode(done.stdout, type=Measured)
    except msgspec.DecodeError as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        if file_name and -done.returncode in FAULT_SIGNALS:
            raise ModelCrashed(file_name, f"{signal.Signals(-done.returncode).name}: {last[0][:200]}") from error
        raise EngineCrashed(f"the probe's process ended with code {done.returncode}: {last[0][:200]}") from error


def _file_name(spec: ModelSpec, machine: Machine) -> str:
    key = "\n".join((str(_FORMAT), machine.cpu, str(machine.n_cores), spec.sha256, runtime_version()))
    return f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def folder() -> Path:
    return paths.home() / "probes"


def keep(document: msgspec.Struct, name: str) -> None:
    """Write a document for the next start. On a full or read-only disk nothing is kept: it is measured again."""
    with contextlib.suppress(OSError):
        durable.write_private(paths.private_folder(folder()) / name, msgspec.json.encode(document))
