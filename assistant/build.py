"""Build a ready model from a name: verify, decide, refuse what does not fit, start. The one place that caps threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assistant import auto, paths
from assistant.config import Settings
from assistant.engines import LanguageModel, placement, probe
from assistant.engines.embedder import Embedder, RemoteEmbedder
from assistant.engines.machine import Machine, available_memory_bytes, this_machine
from assistant.engines.plan import FlashAttention, Plan
from assistant.engines.remote import RemoteLanguageModel, StateStore
from assistant.errors import ModelCrashed, ModelMissingError, NotEnoughMemoryError
from assistant.models import memory
from assistant.models.gguf_header import GgufHeader, read_header
from assistant.models.spec import ModelSpec
from assistant.models.store import Store

SMALLEST_CONTEXT = 512
EMBEDDER = "minilm"


@dataclass(frozen=True, slots=True)
class Built:
    """Everything decided about a model before it is started."""

    spec: ModelSpec
    header: GgufHeader
    plan: Plan
    needed_bytes: int
    repacked_share: float
    probe: probe.Probe | None


def open_model(
    name: str,
    settings: Settings,
    *,
    state_store: StateStore | None = None,
    report: Callable[[str], None] | None = None,
) -> LanguageModel:
    """Open the model of this name, path, or `auto`; `report` is told what takes long. The model is ready on return.

    Raises ModelMissingError, ModelRefusedError, NotEnoughMemoryError, EngineError.
    """
    if name == auto.NAME:
        name = auto.choice(settings, report=report).name
    store = Store(paths.models_folder())
    built = prepare(store.resolve(name), settings)
    refuse_without_memory(built, available_memory_bytes())
    try:
        return RemoteLanguageModel(built.spec, built.plan, state_store)
    except ModelCrashed as crash:
        store.set_aside(built.spec, crash.how)
        raise


def open_embedder(settings: Settings) -> Embedder | None:
    """The embedding model for documents, None where it is not installed; half of the cores, because it works in the
    background. Raises ModelRefusedError, EngineError."""
    try:
        spec = Store(paths.models_folder()).resolve(EMBEDDER)
    except ModelMissingError:
        return None
    n_threads = settings.threads or max(1, this_machine().n_cores // 2)
    return RemoteEmbedder(spec, Plan(n_threads=n_threads, n_threads_batch=n_threads, use_mmap=True))


def prepare(spec: ModelSpec, settings: Settings) -> Built:
    """Read the header and decide context, threads, placement, each with its reason. Runs no native code on a CPU."""
    machine = this_machine()
    header = read_header(spec.path)
    known = probe.cached(spec, machine)
    n_context = min(settings.context_tokens, header.n_context_train)
    placed = placement.place(header, machine, settings.gpu_layers, lambda: known.runtime if known else probe.runtime())
    settled = _threads(settings, machine, known)
    flash: FlashAttention = "enabled" if settled.flash_attention else "auto" if placed.n_gpu_layers else "disabled"
    plan = Plan(
        n_context=n_context,
        n_threads=settled.n_threads,
        n_threads_batch=settled.n_threads_batch,
        flash_attention=flash,
        use_mmap=placed.use_mmap,
        n_gpu_layers=placed.n_gpu_layers,
        n_batch=_n_batch(header, placed.n_gpu_layers),
        reasons=(*settled.reasons, *placed.reasons),
    )
    needed = memory.predict_bytes(header, n_context, placed.use_mmap, plan.n_batch)
    return Built(spec, header, plan, needed, placed.repack_share, known)


def _n_batch(header: GgufHeader, n_gpu_layers: int) -> int:
    """Prompt tokens computed at a time: cancelling waits for at most this many.

    On a CPU, 128 tokens of a 1.5B model took 53 ms on one thread, over the 50 ms that a cancel may take; 64 took 39 ms
    and prefill lost 3 %. A GPU needs large batches to be busy and is done with them sooner.
    """
    if n_gpu_layers:
        return 512
    return 128 if header.file_bytes < 8e8 else 64 if header.file_bytes < 4e9 else 32


def _threads(settings: Settings, machine: Machine, known: probe.Probe | None) -> probe.Settled:
    """The setting, else what the probe found, else one thread per physical core and no flash attention."""
    if settings.threads:
        n = min(settings.threads, machine.n_logical)
        flash = probe.settle(known).flash_attention if known else False
        return probe.Settled(n, n, flash, (f"{n} threads: threads = {settings.threads} in the settings",))
    if known is not None:
        return probe.settle(known)
    n = machine.n_cores
    return probe.Settled(n, n, False, (f"{n} threads: one per physical core; not measured yet (`assistant doctor`)",))


def refuse_without_memory(built: Built, available_bytes: int) -> None:
    """Raise NotEnoughMemoryError, with the numbers and a way out, if the model would not fit."""
    if built.needed_bytes <= available_bytes:
        return
    n_context = built.plan.n_context
    while n_context > SMALLEST_CONTEXT:
        n_context = max(SMALLEST_CONTEXT, n_context // 2)
        smaller = memory.predict_bytes(built.header, n_context, built.plan.use_mmap, built.plan.n_batch)
        if smaller <= available_bytes:
            where = paths.settings_file()
            way_out = f"context_tokens = {n_context} in {where} needs {_gb(smaller)}, or take a smaller model"
            break
    else:
        way_out = "close other programs, or take a smaller model (`assistant models list` shows the memory each needs)"
    raise NotEnoughMemoryError(
        f"{built.spec.name} ({built.spec.file_name}) needs {_gb(built.needed_bytes)} of memory with a context of "
        f"{built.plan.n_context} tokens, and {_gb(available_bytes)} are available; {way_out}"
    )


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB"
