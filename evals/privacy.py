"""Does anything leave this machine? The whole product in a network that writes down every attempt, twice: with the
lock, and with the lock off but the environment set (would the software even try?).

Two observers that fail differently: nftables counts packets and their destinations, strace counts calls, refused ones
too. Five programs that do use the network must be caught by both, or the result is invalid. The twelve vectors of
probes/vectors.py try to get round the lock. A sweep looks for what was said in every file that was left behind.

The lock's self-tests are told apart by their arguments, counted in `self_test_calls`, and part of no other number.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import paths
from assistant.errors import AssistantError, UsageError
from assistant.models.catalogue import catalogue
from assistant.models.store import Store
from assistant.voice.build import TRANSCRIBER, TURN_JUDGE, VOICE
from evals.probes import namespaces
from evals.probes.controls import CONTROLS
from evals.results import Failure, Metric, from_samples
from evals.task import NoSuchPart, Options, Outcome

INVALID = "invalid"  # a failure of this kind: nothing that was measured counts
_LIMIT_S = 3600
_LOCK_SAMPLES = 15
_SPOKEN = "What time is it?"
VOICE_MODELS = (TRANSCRIBER, VOICE, TURN_JUDGE)


class CannotObserve(AssistantError):
    """This machine has not what the observers need; the message names it."""


def tools() -> list[str]:
    """What to put before a program to run it under observation. Raises CannotObserve."""
    try:
        prefix = namespaces.command()
    except OSError as error:
        raise CannotObserve(f"{INVALID}: {error}") from error
    for tool, package in (("nft", "nftables"), ("strace", "strace")):
        if shutil.which(tool, path=namespaces.search_path()) is None:
            raise CannotObserve(f"{INVALID}: the program `{tool}` is missing (package {package})")
    return prefix


@dataclass(frozen=True)
class Privacy:
    name: str = "privacy"
    summary: str = "packets, attempts, bypasses, traces left behind"
    needs: str = "Linux with namespaces, nftables, strace; a pulled model"
    reads: tuple[str, ...] = ()
    idle_s: float | None = None  # seconds the chat is left alone; by default what the effort says

    def run(self, options: Options) -> Outcome:
        """Raises CannotObserve, ModelMissingError, UsageError."""
        if not options.wants(self.name):
            raise NoSuchPart("privacy is measured whole or not at all: its one part is named privacy")
        prefix = tools()
        if options.model not in catalogue():
            raise UsageError(f"{options.model}: the privacy eval takes a model of `assistant models list` by its name")
        spec = Store(paths.models_folder()).resolve(options.model)
        hashes = [file.sha256 for file in catalogue()[options.model].files]
        voice = voice_hashes()
        idle_s = options.choose(10, 120, 300) if self.idle_s is None else self.idle_s
        with tempfile.TemporaryDirectory(prefix="homebody-privacy-") as folder:
            request: dict[str, Any] = {
                "work": folder,
                "model": options.model,
                "models": str(paths.models_folder()),
                "idle_s": idle_s,
            }
            request |= {"hashes": [*hashes, *voice], "question": str(spoken_question(Path(folder))) if voice else ""}
            found = _inside(prefix, request, Path(folder))
        found["bypass"], found["bypass_open"] = (_suite(prefix, arguments) for arguments in (["--lock"], []))
        found["lock_ms"] = [_lock_ms() for _ in range(_LOCK_SAMPLES)]
        outcome = Outcome(metrics=_metrics(found), failures=_failures(found))
        outcome.models = [
            {"name": spec.name, "file": spec.file_name, "sha256": spec.sha256, "size_bytes": spec.size_bytes}
        ]
        if not voice:
            outcome.not_measurable("voice", f"it needs {', '.join(VOICE_MODELS)}; assistant models pull NAME")
        outcome.settings = {"idle_s": idle_s, "voice": bool(voice), "as_root": os.geteuid() == 0, "evidence": found}
        return outcome


def voice_hashes() -> list[str]:
    """The files of the voice's models if all of them, and its libraries, are here: empty otherwise."""
    store = Store(paths.models_folder())
    entries = [store.entry(name) for name in VOICE_MODELS]
    if importlib.util.find_spec("piper") is None or not all(map(store.is_installed, entries)):
        return []
    return [file.sha256 for entry in entries for file in entry.kept]


def spoken_question(folder: Path) -> Path:
    """A question in the product's own voice as a file, made before anything is observed."""
    from assistant.engines.piper import PiperVoice
    from evals.voice_latency import Question, recording, spoken, write_wav

    voice = PiperVoice(Store(paths.models_folder()).resolve(VOICE).path)
    path = folder / "question.wav"
    write_wav(path, recording([Question(_SPOKEN, spoken(voice, _SPOKEN))], seed=1))
    return path


def _inside(prefix: list[str], request: dict[str, Any], folder: Path) -> dict[str, Any]:
    question, answer = folder / "request.json", folder / "result.json"
    question.write_text(json.dumps(request))
    command = [*prefix, sys.executable, "-m", "evals.probes.inside", str(question), str(answer)]
    done = subprocess.run(command, timeout=_LIMIT_S, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if done.returncode != 0 or not answer.exists():
        raise CannotObserve(f"{INVALID}: the observers did not come up (exit code {done.returncode}); see above")
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _suite(prefix: list[str], arguments: list[str]) -> dict[str, Any]:
    command = [*prefix, sys.executable, "-m", "evals.probes.suite", "--isolated", *arguments]
    done = subprocess.run(command, timeout=120, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotObserve(f"{INVALID}: the probe suite did not run: {done.stderr[-300:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _lock_ms() -> float:
    """What locking costs a process that has just started, its self-test included."""
    code = (
        "import time, resource, ctypes, socket\nfrom assistant.privacy import sandbox\n"
        "started = time.perf_counter()\nsandbox.lock()\nprint(1000 * (time.perf_counter() - started))"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _metrics(found: dict[str, Any]) -> dict[str, Metric]:
    metrics = {"controls_caught": _count(_caught(found), n=len(CONTROLS), bar=f">= {len(CONTROLS)}", better="higher")}
    metrics["controls_packets_under_lock"] = _none(sum(c["packets"] for c in found["controls_under_lock"].values()))
    for name in ("locked", "unlocked"):
        if (one := found.get(name)) is None:
            continue
        metrics[f"packets_{name}"] = _none(one["packets"])
        metrics[f"attempts_{name}"] = _none(sum(one["attempts"].values()))
        metrics[f"dns_{name}"] = _none(one["questions"])
        metrics[f"denied_{name}"] = _none(one["denied"])
        metrics[f"foreign_files_{name}"] = _none(len(one["foreign_files"]))
    if "locked" in found:
        one = found["locked"]
        metrics["foreign_files"] = _none(len(one["foreign_files"]))
        metrics["threads_unlocked"] = _none(one["n_threads_without_lock"], n=one["n_threads"])
        metrics["unix_peers_foreign"] = _none(len(_foreign_peers(one)))
        metrics["self_test_calls"] = _described(one["self_tests"])
    through = [name for name, vector in found["bypass"]["vectors"].items() if vector["through"]]
    opened = [name for name, vector in found["bypass_open"]["vectors"].items() if vector["through"]]
    metrics["bypass_through"] = _none(len(through), n=len(found["bypass"]["vectors"]))
    metrics["bypass_through_without_lock"] = _described(len(opened), n=len(found["bypass_open"]["vectors"]))
    if "lock_ms" in found:
        metrics["lock_ms"] = from_samples(found["lock_ms"], "ms", better="lower", bar="<= 5")
    if "canary" in found:
        metrics["canary_hits"] = _none(len(found["canary"]["hits"]), n=found["canary"]["looks"])
    return metrics


def _failures(found: dict[str, Any]) -> list[Failure]:
    failures = []
    if (caught := _caught(found)) < len(CONTROLS):
        missed = [name for name, control in found["controls"].items() if not _is_caught(control)]
        failures.append(Failure("controls_caught", INVALID, f"only {caught} caught; missed: {', '.join(missed)}"))
    if "error" in found:
        failures.append(Failure("session", INVALID, found["error"]))
    if "canary" in found and found["canary"]["planted_found"] != found["canary"]["looks"]:
        failures.append(Failure("canary_hits", INVALID, "the sweep misses what was planted for it"))
    if "unlocked" in found and found["unlocked"]["self_tests"] > found["locked"]["self_tests"]:
        failures.append(Failure("self_test_calls", INVALID, "more self-tests without the lock than with it"))
    return failures


def _is_caught(control: dict[str, Any]) -> bool:
    return bool(control["attempts"] and control["packets"])


def _caught(found: dict[str, Any]) -> int:
    return sum(map(_is_caught, found["controls"].values()))


def _foreign_peers(one: dict[str, Any]) -> list[str]:
    """AF_UNIX destinations other than the running instance's own socket."""
    return [path for path in one["unix_peers"] if not path.endswith("/instance.sock")]


def _described(value: int, n: int = 1) -> Metric:
    """A number without a promise."""
    return _count(value, n=n, bar="", better="")


def _none(value: int, n: int = 1) -> Metric:
    """A number that must be 0."""
    return _count(value, n=n, bar="<= 0", better="lower")


def _count(value: int, *, n: int, bar: str, better: str) -> Metric:
    return Metric(float(value), float(value), float(value), n, "count", better=better, bar=bar)
