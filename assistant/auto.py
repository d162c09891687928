"""`auto`: which installed model to use on this machine, decided from measurements, explained in words, and kept.

The smallest installed model is measured first (five seconds, once); the others are predicted from it
(models/choose.py). The model that would be taken is then measured itself and the choice made again, so that what is
taken was seen to run as promised. Nothing is ever fetched here: a better model is only named.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from assistant import paths
from assistant.config import Settings
from assistant.engines import placement, probe
from assistant.engines.machine import Machine, available_memory_bytes, this_machine
from assistant.errors import ModelCrashed, ModelMissingError
from assistant.models import choose, memory
from assistant.models.catalogue import Entry, catalogue
from assistant.models.choose import Candidate, Choice, Reference, Speed, Workload
from assistant.models.gguf_header import GgufHeader, read_header
from assistant.models.spec import ModelSpec
from assistant.models.store import Store

NAME = "auto"
SMALLEST = "smollm2-135m"
_FILE_NAME = "choice.json"
_TRY_AGAIN_S = 3600.0  # after a measurement that other programs disturbed


class _Kept(msgspec.Struct, frozen=True):
    """The choice on disk, and what it depended on."""

    depends_on: tuple[str, ...]
    choice: Choice


def choice(settings: Settings, *, report: Callable[[str], None] | None = None, measure_again: bool = False) -> Choice:
    """The model to use and why; at once when nothing has changed since the last time.

    `measure_again` forgets earlier measurements of the installed models.

    Raises ModelMissingError when no language model is installed, ModelRefusedError when an installed one fails
    verification, EngineError when the smallest cannot be measured.
    """
    store = Store(paths.models_folder())
    installed = sorted((e for e in store.installed() if e.kind == "llm"), key=lambda e: e.size)
    installed = [e for e in installed if store.why_aside(e) is None] or installed
    if not installed:
        raise ModelMissingError(
            f"no language model is installed; fetch the smallest with `assistant models pull {SMALLEST}`"
        )
    machine = this_machine()
    depends_on = _fingerprint(installed, machine, settings)
    kept = _read_kept()
    if kept is not None and kept.depends_on == depends_on and not measure_again:
        return kept.choice
    decision = _Decision(store, installed, machine, settings, report or (lambda _words: None))
    chosen = decision.decide(measure_again)
    if decision.quiet:
        probe.keep(_Kept(depends_on, chosen), _FILE_NAME)
    return chosen


class _Decision:
    """One run of measuring and choosing."""

    def __init__(
        self, store: Store, installed: list[Entry], machine: Machine, settings: Settings, report: Callable[[str], None]
    ) -> None:
        self.store = store
        self.installed = installed
        self.machine = machine
        self.settings = settings
        self.report = report
        self.specs: dict[str, ModelSpec] = {}
        self.headers: dict[str, GgufHeader] = {}
        self.probes: dict[str, probe.Probe] = {}

    @property
    def quiet(self) -> bool:
        """Whether every measurement can be trusted, so that the choice is worth keeping."""
        return all(p.quiet for p in self.probes.values())

    def decide(self, measure_again: bool) -> Choice:
        for entry in self.installed:
            self._look(entry)
        if measure_again:
            self.probes.clear()
            for entry in self.installed:
                self._measure(entry.name)
        self._measure(self.installed[0].name)
        while True:
            chosen = choose.choose(self._candidates(), available_memory_bytes())
            if chosen.name in self.probes:
                return chosen
            self._measure(chosen.name)

    def _look(self, entry: Entry) -> None:
        """Verify a model, read its header, and take what was measured before."""
        spec = self.store.resolve(entry.name)
        self.specs[entry.name], self.headers[entry.name] = spec, read_header(spec.path)
        known = probe.cached(spec, self.machine)
        if known is not None:
            self.probes[entry.name] = known

    def _measure(self, name: str) -> None:
        known = self.probes.get(name)
        if known is not None and (known.quiet or time.time() - known.taken_at_s < _TRY_AGAIN_S):
            return
        self.report(f"measuring {name} on this machine (about {probe.BUDGET_S:.0f} s, once) …")
        placed = placement.place(self.headers[name], self.machine, self.settings.gpu_layers, probe.runtime)
        try:
            self.probes[name] = probe.measure(
                self.specs[name], self.machine, n_gpu_layers=placed.n_gpu_layers, use_mmap=placed.use_mmap
            )
        except ModelCrashed as crash:  # the next choice is made without it
            self.store.set_aside(self.specs[name], crash.how)
            raise

    def _candidates(self) -> list[Candidate]:
        """Every language model known, with its measured speed or the one predicted from the largest measured."""
        works = {name: choose.workload(name, header) for name, header in self.headers.items()}
        reference = self._reference(works)
        found = [
            self._candidate(works[e.name], reference, self._need(e.name), installed=True, tested=not e.untested)
            for e in self.installed
        ]
        others = (e for e in catalogue().values() if e.kind == "llm" and e.name not in works)
        for entry in others:
            work = choose.workload_of_entry(entry)
            found.append(
                self._candidate(work, reference, entry.ram_mb * 10**6, installed=False, tested=not entry.untested)
            )
        return found

    def _candidate(
        self, work: Workload, reference: Reference, memory_bytes: int, *, installed: bool, tested: bool
    ) -> Candidate:
        measured = self.probes.get(work.name)
        speed = speed_of(measured) if measured else choose.predict(work, reference)
        return Candidate(work, speed, memory_bytes, installed, tested)

    def _reference(self, works: dict[str, Workload]) -> Reference:
        largest = max(self.probes, key=lambda name: works[name].size_bytes)
        return reference(works[largest], self.probes[largest], self.machine)

    def _need(self, name: str) -> int:
        header = self.headers[name]
        placed = placement.place(header, self.machine, 0, probe.runtime)
        n_context = min(self.settings.context_tokens, header.n_context_train)
        return memory.predict_bytes(header, n_context, placed.use_mmap)


def speed_of(measured: probe.Probe) -> Speed:
    return Speed(measured.decode_tps, measured.prefill_tps, measured=True)


def workload_of(store: Store, name: str) -> Workload:
    return choose.workload(name, read_header(store.resolve(name).path))


def reference(work: Workload, measured: probe.Probe, machine: Machine) -> Reference:
    return Reference(work, speed_of(measured), max(measured.bandwidth_gbs.values()), machine.has_vnni)


def _fingerprint(installed: list[Entry], machine: Machine, settings: Settings) -> tuple[str, ...]:
    models = [f"{e.name}:{e.main_file.sha256}" for e in installed]
    wishes = f"{settings.context_tokens}:{settings.gpu_layers}:{settings.threads}"
    facts = (machine.cpu, f"{machine.n_cores} cores", f"{machine.memory_bytes} bytes", probe.runtime_version())
    return (*models, *facts, wishes)


def _read_kept() -> _Kept | None:
    try:
        return msgspec.json.decode((probe.folder() / _FILE_NAME).read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
