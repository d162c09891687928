"""Nothing decays slowly: hours of talk leave memory, descriptors and threads where they were.

    pytest -m slow tests/faults/test_soak.py --minutes 120 -s

The real program in a terminal with the real model: a question every few seconds, answered by the model or by a rule,
searches opened and closed, replies stopped in the middle, a full context about every twenty questions, and a new
conversation now and then. Samples are taken while the screen says ready.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from terminal_session import TerminalSession

pytestmark = [pytest.mark.slow, pytest.mark.models, pytest.mark.timeout(0)]

PAUSE_S = 4.0
NEW_CONVERSATION_EVERY = 24
SETTLED = 3  # tenths of the time: the states of earlier conversations, 64 MB at most, are there by then
MOST_GROWTH = 0.10
SETTINGS = 'model = "smollm2-135m"\ntemperature = 0.0\ncontext_tokens = 1024\nmax_tokens = 40\nthreads = 1\n'
CAPITALS = ["France", "Italy", "Japan", "Peru", "Kenya", "Norway", "Chile", "India", "Cuba", "Spain"]


@dataclass(frozen=True)
class Sample:
    """What one process held at one moment, in bytes.

    `anonymous` is the memory that it asked for. The rest of `rss` are pages of mapped files, such as the model, which
    the kernel lets come and go.
    """

    seconds: float
    rss: int
    anonymous: int
    n_descriptors: int
    n_threads: int


def look(process: psutil.Process, started: float) -> Sample:
    status = Path(f"/proc/{process.pid}/status").read_text()
    rss, anonymous = (1024 * int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1]) for key in ("VmRSS", "RssAnon"))  # type: ignore[index]
    return Sample(time.monotonic() - started, rss, anonymous, process.num_fds(), process.num_threads())


def ready(session: TerminalSession) -> None:
    session.wait_for(lambda text: "● ready" in text, "the word ready")


def turn(session: TerminalSession, number: int) -> None:
    """One thing a user does; ends when the screen is ready again."""
    match number % 10:
        case 3:
            session.ask(f"what is {number} times 17")
        case 5:
            session.ask(f"Tell me a long story about the number {number}.")
            time.sleep(0.5)
            session.type("\x1b")
        case 8:
            session.type("\x06")  # search
            time.sleep(0.5)
            session.type("capital")
            time.sleep(0.5)
            session.type("\x1b\x1b")
            time.sleep(0.5)
            session.type("\x1b")
        case _:
            session.ask(f"{number}: What is the capital of {CAPITALS[number // 10 % 10]}, and what is it known for?")
    time.sleep(0.3)
    ready(session)
    if number % NEW_CONVERSATION_EVERY == NEW_CONVERSATION_EVERY - 1:
        session.type("\x0e")  # Ctrl+N
        time.sleep(0.5)
        ready(session)


def growth(samples: list[Sample], of: str) -> float:
    """From the fourth tenth of the time to the last, by medians: what a start leaves behind is no decay, nor is a
    cache that fills up to its limit."""
    tenth = max(1, len(samples) // 10)
    early, late = samples[SETTLED * tenth : (SETTLED + 1) * tenth + 1], samples[-tenth:]
    before = statistics.median(getattr(s, of) for s in early)
    return (statistics.median(getattr(s, of) for s in late) - before) / before


def test_no_slow_decay(home_with_model: Path, minutes: float, record_property: Callable[[str, object], None]) -> None:
    (home_with_model / "settings.toml").write_text(SETTINGS)
    session = TerminalSession(home_with_model)
    ready(session)
    app = psutil.Process(session.pid)
    (worker,) = [p for p in app.children() if "assistant.engines.worker" in p.cmdline()]
    started, number = time.monotonic(), 0
    samples: dict[str, list[Sample]] = {"app": [], "worker": []}
    while time.monotonic() - started < 60 * minutes:
        turn(session, number)
        number += 1
        session.frames.clear()  # the tester's own memory
        time.sleep(PAUSE_S)
        samples["app"].append(look(app, started))
        samples["worker"].append(look(worker, started))
    session.type("\x11")
    assert session.wait() == 0

    found = {}
    for name, taken in samples.items():
        for of in ("rss", "anonymous"):
            found[f"{name}_{of}_growth"] = round(growth(taken, of), 4)
        found[f"{name}_anonymous_mb"] = [round(s.anonymous / 1e6, 1) for s in taken[:: max(1, len(taken) // 10)]]
        for of in ("n_descriptors", "n_threads"):
            found[f"{name}_{of}"] = [getattr(s, of) for s in (taken[len(taken) // 10], taken[-1])]
    print(f"\nsoak: {number} things done in {minutes:g} minutes: {json.dumps(found)}")
    for key, value in found.items():
        record_property(key, value)

    assert answered(home_with_model) > number * 0.5
    for name, taken in samples.items():
        assert growth(taken, "anonymous") < MOST_GROWTH, (name, taken)
        tenth = max(1, len(taken) // 10)
        for of in ("n_descriptors", "n_threads"):
            early, late = ({getattr(s, of) for s in part} for part in (taken[tenth : 3 * tenth + 1], taken[-tenth:]))
            assert max(late) <= max(early), (name, of, early, late)


def answered(home: Path) -> int:
    """Replies of the model that the history holds, finished or stopped."""
    environment = {**os.environ, "ASSISTANT_HOME": str(home)}

    def assistant(*arguments: str) -> str:
        command = [sys.executable, "-m", "assistant", "history", *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    n_replies = 0
    for conversation in json.loads(assistant("list", "--json")):
        exported = json.loads(assistant("export", conversation["id"], "--format", "json"))
        n_replies += sum(
            message["role"] == "assistant" and bool(message["content"]) for message in exported["messages"]
        )
    return n_replies
