"""Looks at everything for `assistant doctor`. A fault never ends the look: it is reported with what to do next."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable

import msgspec

from assistant import auto, build, config, paths
from assistant.cli.findings import (
    Automatic,
    Backend,
    Checkup,
    Fault,
    Figures,
    Hardware,
    Home,
    Model,
    Network,
    Terminal,
    Thread,
)
from assistant.engines import probe
from assistant.engines.machine import available_memory_bytes, compiled_backends, this_machine
from assistant.errors import AssistantError
from assistant.models import choose
from assistant.models.catalogue import Entry
from assistant.models.store import Store
from assistant.privacy import environment, sandbox
from assistant.privacy.keys import KeySlots

_LOW_DISK_BYTES = 2 * 10**9
_SECCOMP_MODES = {0: "not filtered", 1: "strict", 2: "filtered"}


def network() -> tuple[Network, list[Fault]]:
    """The lock of this process, as the kernel reports it for each thread."""
    status = sandbox.status()
    threads = tuple(
        Thread(thread, mode, _SECCOMP_MODES.get(mode, "unknown"), status.filters.get(thread, 0))
        for thread, mode in sorted(status.threads.items())
    )
    names = {name: os.environ.get(name, "") for name in environment.QUIET}
    found = Network(status.supported, status.locked, status.statement, threads, names)
    if status.locked:
        return found, []
    if status.supported:
        return found, [Fault(f"the network lock is not on: {status.statement}", "start without --allow-unlocked")]
    do = "nothing here enforces it; use a firewall rule, or Linux, if you need the kernel to"
    return found, [Fault(f"the network lock is {status.statement}", do)]


class Gathering:
    """One run of the doctor: every look adds its faults."""

    def __init__(self, *, measure: bool, report: Callable[[str], None]) -> None:
        self.measure = measure
        self.report = report
        self.faults: list[Fault] = []
        self.settings = config.Settings()

    def run(self) -> Checkup:
        try:
            self.settings = config.load(paths.settings_file())
        except AssistantError as error:
            self._fault(str(error), "the defaults are used below")
        home = self._home()
        found_network, network_faults = network()
        self.faults += network_faults
        backend = self._backend()
        installed = self._installed() if home.mode else []
        language_models = [entry for entry in installed if entry.kind == "llm"]
        automatic = self._automatic() if language_models else None
        if not language_models:
            self._fault("no language model is installed", f"run `assistant models pull {auto.SMALLEST}` (98 MB)")
        self._packages()
        models = self._with_predictions([self._model(entry) for entry in language_models])
        return Checkup(
            hardware=self._hardware(),
            home=home,
            backend=backend,
            models=models,
            other_models=tuple(e.name for e in installed if e.kind != "llm"),
            automatic=automatic,
            history=self._history(),
            network=found_network,
            terminal=self._terminal(),
            faults=tuple(self.faults),
            ok=not self.faults,
        )

    def _fault(self, what: str, do: str) -> None:
        self.faults.append(Fault(what, do))

    def _hardware(self) -> Hardware:
        machine = this_machine()
        folder = next(p for p in (paths.home(), *paths.home().parents) if p.exists())
        free = shutil.disk_usage(folder).free
        if free < _LOW_DISK_BYTES:
            self._fault(
                f"only {free / 1e9:.1f} GB are free on the disk of {folder}", "delete something, or move ASSISTANT_HOME"
            )
        return Hardware(
            cpu=machine.cpu,
            architecture=machine.architecture,
            cores=machine.n_cores,
            logical_cores=machine.n_logical,
            memory_bytes=machine.memory_bytes,
            memory_available_bytes=available_memory_bytes(),
            disk_free_bytes=free,
        )

    def _home(self) -> Home:
        folder = paths.home()
        try:
            status = folder.lstat()
        except OSError:
            return Home(str(folder), "", True)
        mode = stat.S_IMODE(status.st_mode)
        ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        private = ours and stat.S_ISDIR(status.st_mode) and not mode & 0o077
        if not private:
            do = f"run `chmod 700 {folder}`" if ours else "set ASSISTANT_HOME to a folder of your own"
            self._fault(f"{folder} can be read by others", do)
        return Home(str(folder), f"{mode:04o}", private)

    def _backend(self) -> Backend | None:
        try:
            runtime = probe.runtime()
        except AssistantError as error:
            self._fault(f"the model runtime does not start: {error}", "run `make` again to install it")
            return None
        return Backend(
            probe.runtime_version(), compiled_backends(), runtime.system_info, runtime.gpu_offload, runtime.devices
        )

    def _installed(self) -> list[Entry]:
        try:
            return Store(paths.models_folder()).installed()
        except (AssistantError, OSError) as error:
            self._fault(f"the model store cannot be read: {error}", "see the message")
            return []

    def _automatic(self) -> Automatic | None:
        try:
            choice = auto.choice(self.settings, report=self.report, measure_again=self.measure)
        except AssistantError as error:
            self._fault(f"no model can be chosen: {error}", "see the message")
            return None
        return Automatic(choice.name, choice.reasons, choice.pull_reason)

    def _model(self, entry: Entry) -> Model:
        store = Store(paths.models_folder())
        facts = {"name": entry.name, "file_name": entry.main_file.name, "size_bytes": entry.main_file.size}
        try:
            built = build.prepare(store.resolve(entry.name), self.settings)
            build.refuse_without_memory(built, available_memory_bytes())
        except AssistantError as error:
            what, _, do = str(error).partition("; ")
            self._fault(what, do or f"run `assistant models pull {entry.name}`")
            return Model(**facts, verified=False)  # type: ignore[arg-type]
        plan, measured = built.plan, built.probe
        return Model(
            **facts,  # type: ignore[arg-type]
            verified=True,
            memory_needed_bytes=built.needed_bytes,
            n_context=plan.n_context,
            n_threads=plan.n_threads,
            n_threads_batch=plan.n_threads_batch,
            flash_attention=plan.flash_attention,
            use_mmap=plan.use_mmap,
            n_gpu_layers=plan.n_gpu_layers,
            repacked_share=built.repacked_share,
            plan_reasons=plan.reasons,
            measured=_figures(auto.speed_of(measured)) if measured else None,
            probe=measured,
        )

    def _with_predictions(self, models: list[Model]) -> tuple[Model, ...]:
        """Predict all from the smallest that was measured; measured ones too, to show what predictions are worth."""
        known = [m for m in models if m.probe is not None]
        if not known:
            return tuple(models)
        store = Store(paths.models_folder())
        works = {m.name: auto.workload_of(store, m.name) for m in models if m.verified}
        smallest = min(known, key=lambda m: m.size_bytes)
        assert smallest.probe is not None  # noqa: S101 - filtered above
        base = auto.reference(works[smallest.name], smallest.probe, this_machine())
        return tuple(
            msgspec.structs.replace(m, predicted=_figures(choose.predict(works[m.name], base)))
            if m.verified and m.name != smallest.name
            else m
            for m in models
        )

    def _history(self) -> str:
        folder = paths.history_folder() / "keys"
        if not KeySlots.exist(folder):
            return "none yet"
        try:
            return KeySlots.load(folder).protection.statement
        except AssistantError as error:
            self._fault(str(error), "see the message")
            return "cannot be used"

    def _packages(self) -> None:
        """Tools of other packages that could not be used are left out, and would be missed without a word."""
        from assistant.tools.registry import registry

        for problem in registry().problems:
            self._fault(problem, "update that package, or uninstall it")

    def _terminal(self) -> Terminal:
        size = shutil.get_terminal_size()
        encoding = (sys.stdout.encoding or "ascii").lower()
        utf8 = encoding.replace("-", "") == "utf8"
        if not utf8:
            self._fault(f"the terminal's encoding is {encoding}", "set LANG=C.UTF-8 (or another UTF-8 locale)")
        return Terminal(sys.stdout.isatty(), encoding, utf8, _colours(), size.columns, size.lines)


def _figures(speed: choose.Speed) -> Figures:
    return Figures(round(speed.decode_tps, 1), round(speed.prefill_tps, 1), round(speed.ttft_ms, 1))


def _colours() -> str:
    """What the terminal says it can show, by the conventions of NO_COLOR, COLORTERM and TERM."""
    kind = os.environ.get("TERM", "")
    if os.environ.get("NO_COLOR") or kind in ("", "dumb"):
        return "none"
    if os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million"
    return "256" if "256" in kind else "16"
