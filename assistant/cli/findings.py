"""What `assistant doctor` reports, as plain data: the documents of `--json`. Bytes, tokens per second, milliseconds."""

from __future__ import annotations

import msgspec

from assistant.engines.probe import Device, Probe


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it should be, and what to do about it."""

    what: str
    do: str


class Hardware(msgspec.Struct, frozen=True):
    cpu: str
    architecture: str
    cores: int
    logical_cores: int
    memory_bytes: int
    memory_available_bytes: int
    disk_free_bytes: int


class Home(msgspec.Struct, frozen=True):
    """`mode` is "" before the first start has made the folder."""

    path: str
    mode: str
    private: bool


class Backend(msgspec.Struct, frozen=True):
    version: str
    compiled: tuple[str, ...]
    system_info: str
    gpu_offload: bool
    devices: tuple[Device, ...]


class Figures(msgspec.Struct, frozen=True):
    decode_tps: float
    prefill_tps: float
    ttft_ms: float


class Model(msgspec.Struct, frozen=True):
    """One installed language model. `plan_reasons` say why threads, placement and flash attention are as they are."""

    name: str
    file_name: str
    size_bytes: int
    verified: bool
    memory_needed_bytes: int = 0
    n_context: int = 0
    n_threads: int = 0
    n_threads_batch: int = 0
    flash_attention: str = ""
    use_mmap: bool = False
    n_gpu_layers: int = 0
    repacked_share: float = 0.0
    plan_reasons: tuple[str, ...] = ()
    measured: Figures | None = None
    predicted: Figures | None = None
    probe: Probe | None = None


class Automatic(msgspec.Struct, frozen=True):
    """What `auto` takes and why; `advice` names a better model worth fetching, "" if there is none."""

    name: str
    reasons: tuple[str, ...]
    advice: str


class Thread(msgspec.Struct, frozen=True):
    """One thread as the kernel reports it: `filters` are those beyond what was there before the lock."""

    id: int
    seccomp: int
    mode: str
    filters: int


class Network(msgspec.Struct, frozen=True):
    supported: bool
    locked: bool
    statement: str
    threads: tuple[Thread, ...]
    environment: dict[str, str]


class Terminal(msgspec.Struct, frozen=True):
    interactive: bool
    encoding: str
    utf8: bool
    colours: str
    columns: int
    rows: int


class Checkup(msgspec.Struct, frozen=True):
    ok: bool
    faults: tuple[Fault, ...]
    hardware: Hardware
    home: Home
    backend: Backend | None
    models: tuple[Model, ...]
    other_models: tuple[str, ...]
    automatic: Automatic | None
    history: str
    network: Network
    terminal: Terminal
