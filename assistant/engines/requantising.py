"""Round the weights of an installed language model again, into the format that this processor computes fastest.

    python -m assistant.engines.requantising SOURCE TARGET N_THREADS      the worker; names of tensors on its stdout

llama.cpp rearranges a few formats for the processor when it loads a model, and computes the others much more slowly.
A model whose matrices are no multiple of 256 wide comes in the slow ones even under the name of a fast mixture. Its own
quantiser writes IQ4_NL instead, from the rounded weights: that loses a little, and the file is another model with its
own name and hash. It becomes nobody's default.

The worker is locked like every process that parses a model; of all files it may write the one it makes.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from math import prod
from pathlib import Path
from typing import Any, Final

from assistant.engines.child import cause_of_death, start_worker
from assistant.engines.machine import available_memory_bytes, this_machine
from assistant.errors import AssistantError, ModelRefusedError, NetworkLockError, UsageError
from assistant.models import files, memory
from assistant.models.catalogue import Entry, File
from assistant.models.choose import workload
from assistant.models.gguf_header import GgufHeader, read_header
from assistant.models.progress import Meter, Report
from assistant.models.store import Store
from assistant.privacy import environment, sandbox

FORMAT: Final = "IQ4_NL"
_ENOUGH: Final = 0.5  # share of the weights in fast formats above which rounding again gains little
_BYTES_PER_WEIGHT: Final = {True: 34 / 32, False: 18 / 32}  # the output head in Q8_0, the rest in IQ4_NL
_SLACK_BYTES: Final = 64 << 20  # interpreter and libraries
_LOG_LEVEL_ERROR: Final = 4  # enum ggml_log_level
_TENSOR: Final = re.compile(r"\[ *\d+/ *\d+\] +(\S+) ")  # how llama.cpp announces the next tensor


def remake(name: str, store: Store, report: Report) -> Entry:
    """Make the faster file of an installed model and add it to the store as NAME-iq4_nl; one that is here is kept.

    Raises UsageError where there is nothing to gain, ModelMissingError where there is no such model, ModelRefusedError
    for a damaged one, AssistantError without the room for it. Killed at any moment, it leaves no model behind; what was
    written of it is deleted by the next call.
    """
    base = store.entry(name)
    if base.kind != "llm":
        raise UsageError(f"{name} is no language model; only those can be made anew")
    if base.made_from:
        raise UsageError(f"{name} was made here already; from the same weights the same file would come out")
    spec = store.resolve(name)
    header = read_header(spec.path)
    _refuse_without_gain(name, header)
    wanted = f"{name[:56]}-{FORMAT.lower()}"
    with store.lock("remake"):
        for stale in store.parts.glob("remake-*"):  # of a run that was killed
            stale.unlink()
        known = store.known().get(wanted)
        if known is not None and known.made_from != spec.sha256:
            raise UsageError(f"there is another model called {wanted}; `assistant models remove {wanted}` first")
        if known is not None and store.holds(known.main_file):
            return known
        _require_room(name, store, header)
        part = store.parts / f"remake-{wanted}"
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            _run(spec.path, part, Meter(wanted, "made anew", report), header)
            made = _made_entry(base, wanted, part, header)
            store.approve(made)  # first: a blob that no list names would take up its room for ever
            try:
                store.admit(part, made.main_file.sha256)
            except BaseException:
                store.remove(wanted)
                raise
        finally:
            part.unlink(missing_ok=True)
    return made


def predicted_bytes(header: GgufHeader) -> tuple[int, int]:
    """Bytes of disk for the file, and of memory while it is made: the largest tensor twice in 32 bits."""
    sizes = {tensor.name: prod(tensor.dimensions) for tensor in header.tensors}
    head = "output.weight" if "output.weight" in sizes else "token_embd.weight"
    disk = sum(
        int(sizes[t.name] * (4.0 if len(t.dimensions) == 1 else _BYTES_PER_WEIGHT[t.name == head]))
        for t in header.tensors
    )
    return disk + header.data_offset, 8 * max(sizes.values()) + _SLACK_BYTES


def fast_share(header: GgufHeader, fast: frozenset[str]) -> float:
    """Share of the weights of the layers that are in `fast` formats, 0 to 1."""
    weights = workload("", header).prefill_weights
    return sum(n for kind, n in weights.items() if kind in fast) / max(1.0, sum(weights.values()))


def _refuse_without_gain(name: str, header: GgufHeader) -> None:
    fast = this_machine().repacked_types
    if FORMAT not in fast:
        raise UsageError(f"on this kind of processor {FORMAT} is no faster than what {name} has")
    if (share := fast_share(header, fast)) >= _ENOUGH:
        raise UsageError(
            f"{name} has {share:.0%} of its weights in formats that this processor computes fast already; rounding "
            "them again would only make it worse"
        )


def _require_room(name: str, store: Store, header: GgufHeader) -> None:
    disk_bytes, memory_bytes = predicted_bytes(header)
    files.require_space(store.folder, disk_bytes, f"making {name} anew")
    if memory_bytes > (available := available_memory_bytes()):
        raise AssistantError(
            f"making {name} anew needs {memory_bytes / 1e9:.1f} GB of memory and {available / 1e9:.1f} GB are "
            "available; close other programs and try again"
        )


def _run(source: Path, part: Path, meter: Meter, header: GgufHeader) -> None:
    """Let the worker write `part`. Progress is counted in bytes of the source. Raises ModelRefusedError."""
    n_bytes = {tensor.name: tensor.n_bytes for tensor in header.tensors}
    meter.expect(header.weight_bytes)
    worker = start_worker("assistant.engines.requantising", str(source), str(part), str(_threads()))
    try:
        begun = 0
        for line in worker.stdout or ():  # a tensor is named when it begins: the one before it is done
            meter.add(begun)
            begun = n_bytes.get(line.decode(errors="replace").strip(), 0)
        code = worker.wait()
        if code:
            raise ModelRefusedError(f"the file could not be made: {cause_of_death(worker, code)}; nothing was kept")
        meter.add(begun)
    finally:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout, worker.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _threads() -> int:
    return max(1, this_machine().n_cores)


def _made_entry(base: Entry, name: str, part: Path, before: GgufHeader) -> Entry:
    """The entry of what was made, after the strict check of its header. Raises ModelRefusedError."""
    descriptor = files.open_regular(part)
    try:
        header = read_header(descriptor)
        digest = files.sha256_of(descriptor)
    finally:
        os.close(descriptor)
    same = ("architecture", "n_layers", "n_embd", "n_vocabulary", "n_context_train", "chat_template_sha256")
    if any(getattr(header, field) != getattr(before, field) for field in same):
        raise ModelRefusedError(f"what came out is not {base.name}; nothing was kept, please report this")
    if (share := fast_share(header, this_machine().repacked_types)) < _ENOUGH:
        raise ModelRefusedError(
            f"{FORMAT} fits only {share:.0%} of the weights of {base.name}: their matrices are too narrow; nothing was "
            "kept"
        )
    return Entry(
        name=name,
        kind="llm",
        files=(File(f"{Path(base.main_file.name).stem[:180]}.{FORMAT}.gguf", header.file_bytes, digest),),
        licence=base.licence,
        family=base.family,
        architecture=base.architecture,
        n_context=base.n_context,
        ram_mb=round(memory.predict_bytes(header, min(4096, header.n_context_train)) / 1e6),
        general_name=base.general_name,
        template_sha256=base.template_sha256,
        untested=base.untested,
        note=f"made here from {base.name}",
        made_from=base.main_file.sha256,
    )


def main() -> int:
    from assistant.engines.worker import UNLOCKED_FLAG, die_with_app, take_pipes

    _, outgoing = take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then kills this
    die_with_app()
    environment.apply()
    source, target, n_threads = sys.argv[1:4]
    try:
        sandbox.enter_worker((Path(source),), writable=(Path(target),))
    except NetworkLockError:
        if UNLOCKED_FLAG not in sys.argv:
            raise
    errors: list[str] = []
    code = _quantise(Path(source), Path(target), int(n_threads), outgoing, errors)
    if code:
        sys.stderr.write(f"{errors[0] if errors else f'llama.cpp gave code {code}'}\n")
    return 1 if code else 0


def _quantise(source: Path, target: Path, n_threads: int, outgoing: int, errors: list[str]) -> int:
    from assistant.engines.native import library

    lib = library()

    def follow(level: int, line: bytes, _data: Any) -> None:
        text = line.decode(errors="replace")
        if begun := _TENSOR.match(text):
            os.write(outgoing, f"{begun[1]}\n".encode())
        elif level == _LOG_LEVEL_ERROR:
            errors.append(text.strip())

    callback = lib.llama_log_callback(follow)
    lib.llama_log_set(callback, None)
    parameters = lib.llama_model_quantize_default_params()
    parameters.ftype = lib.LLAMA_FTYPE_MOSTLY_IQ4_NL
    parameters.allow_requantize = True
    parameters.nthread = n_threads
    return int(lib.llama_model_quantize(os.fsencode(source), os.fsencode(target), parameters))


if __name__ == "__main__":
    sys.exit(main())
