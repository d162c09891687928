"""The newest onnxruntime, which sends telemetry, in an environment of its own: is it seen, silenced, and stopped?

    python -m evals.probes.newest_onnxruntime

The product keeps to releases below 1.29. This shows what becomes of the promise when somebody installs a newer one:
the switch in the environment unset, it must be seen by both observers (else they are blind); with the switch it must
not even try; under the lock, without the switch, nothing may leave. Fetches the package from the index of pip or uv
into a folder that is deleted again. Needs what `evals run privacy` needs. Not part of any automatic run: it depends on
what the index offers on the day. Exit code 0 when all three are as they should be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from assistant.privacy.environment import QUIET
from evals.privacy import CannotObserve, tools
from evals.probes import recorder, traces

_SECONDS = 30
_SWITCH = "ORT_DISABLE_TELEMETRY"
_PROGRAM = """
import sys, time
if {lock}:
    sys.path.insert(0, {source!r})
    from assistant.privacy import sandbox
    sandbox.lock()
import onnxruntime
onnxruntime.get_available_providers()
session = onnxruntime.InferenceSession(bytes.fromhex({model!r}), providers=["CPUExecutionProvider"])
session.run(None, {{"x": [1.0]}})
time.sleep({seconds})
"""
# y = Identity(x), one float: ir_version 8, opset 17
_MODEL = (
    "080812003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a"
    "08080112040a020801620f0a0179120a0a08080112040a02080142040a001011"
)
VARIANTS = {"unset": (False, False), "switch": (True, False), "lock": (False, True)}  # name -> (switch set, locked)


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:
        return _inside(Path(sys.argv[2]))
    try:
        prefix = tools()
    except CannotObserve as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="homebody-onnxruntime-") as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        install = [
            str(home / "env/bin/python"),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "onnxruntime",
        ]
        subprocess.run(install, check=True)
        own = [sys.executable, "-m", "evals.probes.newest_onnxruntime", "--inside", folder]
        done = subprocess.run([*prefix, *own], check=False, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(json.dumps(found, indent=1))
    seen, silenced, stopped = (found[name] for name in VARIANTS)
    right = (
        bool(seen["attempts"] and seen["packets"])
        and not (silenced["attempts"] or silenced["packets"])
        and bool(stopped["denied"])
        and not stopped["packets"]
    )
    print("as it should be" if right else "NOT as it should be")
    return 0 if right else 1


def _inside(folder: Path) -> int:
    recorder.set_up()
    found: dict[str, Any] = {"onnxruntime": _version(folder)}
    for name, (silent, locked) in VARIANTS.items():
        found[name] = _observed(folder, name, silent=silent, locked=locked)
    print(json.dumps(found))
    return 0


def _observed(folder: Path, name: str, *, silent: bool, locked: bool) -> dict[str, Any]:
    """One run under both observers; the environment is made from nothing, so that nothing hides what it does."""
    observer, home = folder / f"traces-{name}", folder / f"home-{name}"
    observer.mkdir()
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8"} | (
        {_SWITCH: QUIET[_SWITCH]} if silent else {}
    )
    source = str(Path(__file__).resolve().parents[2])
    program = _PROGRAM.format(lock=locked, source=source, model=_MODEL, seconds=_SECONDS)
    recorder.reset()
    command = [*traces.strace(observer), str(folder / "env/bin/python"), "-c", program]
    done = subprocess.run(command, env=environment, cwd=home, check=False, stderr=subprocess.PIPE, text=True)
    recorded, seen = recorder.read(), traces.read(observer)
    files = sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file())
    return {
        "exit": done.returncode,
        "error": done.stderr[-300:],
        "attempts": sum(seen.attempts.values()),
        "denied": seen.denied,
        "packets": recorded.packets,
        "questions": recorded.questions,
        "self_tests": seen.self_tests,
        "files": files,
    }


def _version(folder: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('onnxruntime'))"
    command = [str(folder / "env/bin/python"), "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
