"""Where a number comes from: code, models, settings, machine, load. Kept with every result."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from evals import machine
from evals.task import Options, Outcome

PACKAGES = ("homebody", "llama-cpp-python", "numpy", "textual", "msgspec", "sqlcipher3")
ENVIRONMENT = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@dataclass(frozen=True, slots=True)
class Start:
    """Readings taken before a task runs."""

    at: datetime
    cpu: machine.CpuTimes
    card: dict[str, Any]


def begin() -> Start:
    return Start(datetime.now(UTC), machine.cpu_times(), machine.describe())


def finish(start: Start, options: Options, outcome: Outcome) -> dict[str, Any]:
    """The provenance of a task that ran since `start`."""
    share = machine.foreign_share(start.cpu, machine.cpu_times())
    return {
        "date": start.at.isoformat(timespec="seconds"),
        "duration_s": round((datetime.now(UTC) - start.at).total_seconds(), 1),
        "commit": commit(),
        "versions": versions(),
        "models": outcome.models,
        "settings": {"effort": options.effort.value, "model": options.model, **_only(options), **outcome.settings},
        "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        "machine": start.card,
        "load_after_1m": round(psutil.getloadavg()[0], 2),
        "foreign_cpu_share": round(share, 3),
        "contended": outcome.contended or share > machine.CALM_SHARE,
        "seed": options.seed,
    }


def _only(options: Options) -> dict[str, Any]:
    return {
        **({"only": list(options.only)} if options.only else {}),
        **({"rows": options.rows} if options.rows else {}),
    }


def commit() -> str:
    """The commit of the checkout this package runs from, "+changes" when files differ, "" outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    head = _output([git, "-C", str(root), "rev-parse", "HEAD"])
    changes = _output([git, "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    return head + ("+changes" if head and changes else "")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
