"""`assistant doctor`: what this machine can do, what was decided because of it, and what is wrong."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from assistant.errors import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assistant.cli.findings import Checkup, Fault, Model, Network


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check machine, models, speed and the network lock",
        description="Looks at everything and says what to do about each fault. A model that was never measured on this "
        "machine and is the one to be used is measured now, about five seconds. Exit code 0: nothing is wrong.",
    )
    parser.add_argument("topic", nargs="?", choices=["network"], help="network: only the lock, for every thread")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--measure", action="store_true", help="measure all installed language models again")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report; 0 when all is good, 1 when something needs attention."""
    import msgspec

    from assistant.cli import checkup

    if options.topic == "network":
        network, faults = checkup.network()
        document: msgspec.Struct = network
        lines = [*_network(network), *_faults(faults)]
        ok = not faults
    else:
        found = checkup.Gathering(measure=options.measure, report=_report).run()
        document, lines, ok = found, _everything(found), found.ok
    if options.json:
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK if ok else EXIT_FAILURE


def _report(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _everything(found: Checkup) -> list[str]:
    hardware, home, terminal = found.hardware, found.home, found.terminal
    cores = f"{hardware.cores} physical cores, {hardware.logical_cores} hardware threads"
    lines = [
        *_section("Machine"),
        _row("CPU", f"{hardware.cpu} ({hardware.architecture}), {cores}"),
        _row("Memory", f"{_gb(hardware.memory_available_bytes)} available of {_gb(hardware.memory_bytes)}"),
        _row("Disk", f"{_gb(hardware.disk_free_bytes)} free"),
        _row("Home", f"{home.path} ({_mode(home.mode, home.private)})"),
        *_section("Model runtime"),
        *_runtime(found),
    ]
    for model in found.models:
        lines += [*_section(f"{model.name}  {model.file_name}"), *_model(model)]
    if found.other_models:
        lines += [*_section("Other models"), _row("Installed", ", ".join(found.other_models))]
    if found.automatic is not None:
        lines += [*_section("Automatic choice"), _row("Model", found.automatic.name)]
        lines += [_row("Why" if i == 0 else "", reason) for i, reason in enumerate(found.automatic.reasons)]
        lines += [_row("Better", found.automatic.advice)] if found.automatic.advice else []
    lines += [*_section("Privacy"), _row("History", found.history), *_network(found.network)]
    screen = f"{terminal.columns} x {terminal.rows}, {terminal.encoding}, {terminal.colours} colours"
    lines += [*_section("Terminal"), _row("Screen", screen if terminal.interactive else f"not a terminal; {screen}")]
    return [*lines, *_faults(found.faults)]


def _runtime(found: Checkup) -> list[str]:
    backend = found.backend
    if backend is None:
        return [_row("llama.cpp", "does not start")]
    features = backend.system_info.split(":", 1)[-1].replace(" = 1", "").replace(" |", ",").strip(" ,")
    devices = ", ".join(f"{d.name} ({d.description}, {_gb(d.free_bytes)} free)" for d in backend.devices)
    return [
        _row("llama.cpp", f"llama-cpp-python {backend.version}, compiled for {', '.join(backend.compiled)}"),
        _row("Features", features),
        _row("Devices", devices or "none reported"),
    ]


def _model(model: Model) -> list[str]:
    size = f"{_gb(model.size_bytes)}, {'verified' if model.verified else 'NOT USABLE, see below'}"
    if not model.verified:
        return [_row("File", size)]
    lines = [
        _row("File", size),
        _row("Memory", f"needs {_gb(model.memory_needed_bytes)} with a context of {model.n_context} tokens"),
        *(_row("Plan" if i == 0 else "", reason) for i, reason in enumerate(model.plan_reasons)),
    ]
    for label, figures in (("Measured", model.measured), ("Predicted", model.predicted)):
        if figures is not None:
            first = f"first word after {figures.ttft_ms / 1000:.2f} s"
            lines.append(
                _row(label, f"{figures.decode_tps:.1f} tok/s, prompts {figures.prefill_tps:.0f} tok/s, {first}")
            )
    return lines + _probe_table(model)


def _probe_table(model: Model) -> list[str]:
    if model.probe is None:
        return [_row("Probe", "never measured here; `assistant doctor --measure` does it")]
    bandwidth = ", ".join(f"{n} threads {gbs:.1f} GB/s" for n, gbs in sorted(model.probe.bandwidth_gbs.items()))
    others = f"other programs took {model.probe.foreign_share:.0%} of the CPU"
    again = "" if model.probe.quiet else ": too much to decide by; try `assistant doctor --measure` when it is quiet"
    lines = [
        _row("Bandwidth", f"memory read by {bandwidth}"),
        _row("Probe", f"took {model.probe.duration_s:.1f} s; {others}{again}"),
        _row("", "threads  flash attention  depth  decode tok/s  prefill tok/s"),
    ]
    for row in model.probe.rows:
        flash = "on" if row.flash_attention else "off"
        prefill = f"{row.prefill_tps:13.1f}" if row.prefill_tps else f"{'':>13}"
        lines.append(_row("", f"{row.n_threads:7d}  {flash:>15}  {row.depth:5d}  {row.decode_tps:12.1f}  {prefill}"))
    return lines


def _network(network: Network) -> list[str]:
    lines = [_row("Network lock", network.statement)]
    lines += [
        _row(
            "",
            f"thread {t.id}: seccomp mode {t.seccomp} ({t.mode}), {t.filters} filter{'s' * (t.filters != 1)} of ours",
        )
        for t in network.threads
    ]
    unset = [name for name, value in network.environment.items() if not value]
    quiet = "telemetry of libraries is switched off" if not unset else f"not set: {', '.join(unset)}"
    return [*lines, _row("Environment", quiet)]


def _faults(faults: Iterable[Fault]) -> list[str]:
    found = list(faults)
    if not found:
        return ["", "All good."]
    return ["", f"{len(found)} to look at:", *(f"  - {f.what}\n      -> {f.do}" for f in found)]


def _section(title: str) -> list[str]:
    return ["", title]


def _row(label: str, text: str) -> str:
    return f"  {label:<13} {text}".rstrip()


def _mode(mode: str, private: bool) -> str:
    if not mode:
        return "not made yet"
    return f"{mode}, {'only you can read it' if private else 'OPEN TO OTHERS'}"


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
