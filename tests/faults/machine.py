"""The product as a command, on a machine with something wrong: wrappers for file systems, clocks and limits.

The model is a real one of a few kilobytes: what is tested is everything around it.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evals.probes import namespaces

QUESTION = ("ask", "--model", "sound", "--json", "--max-tokens", "4", "--temperature", "0", "What now?")


def assistant(
    home: Path, *arguments: str, before: tuple[str, ...] = (), descriptors: int = 0, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run `assistant`. `before` is what to start it with; None takes a variable out of the environment."""
    merged = {**os.environ, "ASSISTANT_HOME": str(home), **environment}

    def limit() -> None:
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    done = subprocess.run(
        [*before, sys.executable, "-m", "assistant", *arguments],
        env={name: value for name, value in merged.items() if value is not None},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=limit,
        timeout=180,
        check=False,
    )
    answer = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in answer.stderr, answer.stderr
    return answer


def answered(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether the model answered; fails with the reason if not. What it says means nothing: it is a few kilobytes."""
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return bool(document["finish_reason"] in ("stop", "length"))


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that did not do it: on stderr, printable, no traceback; on stdout at most the error as
    JSON."""
    assert done.returncode in (1, 2, 3, 4), (done.returncode, done.stderr)
    assert not done.stdout or json.loads(done.stdout)["exit_code"] == done.returncode
    assert done.stderr.startswith("assistant: "), done.stderr
    return done.stderr


def with_mounts(script: str) -> tuple[str, ...]:
    """A shell that runs `script` (mounts) in a mount namespace of its own, and then the command."""
    try:
        prefix = namespaces.command()
    except OSError as error:
        pytest.skip(str(error))
    return (*prefix, "sh", "-ec", f'{script}\nexec "$@"', "sh")


def quoted(path: Path) -> str:
    return shlex.quote(str(path))


def at(when: str) -> tuple[str, ...]:
    """The command with the machine's clock elsewhere."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("the program `faketime` is missing (package faketime)")
    return (faketime, "-f", when)
