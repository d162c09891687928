"""One pass over the whole product, as a user would go: chat on a terminal, questions, history, models, doctor, a crash.

Everything runs under strace in the network of recorder.py, in a home that did not exist before.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from assistant.engines import amx
from assistant.privacy import sandbox
from evals.probes import canary, recorder, traces
from evals.probes.screen import Screen

_READY, _ANSWERING = "● ready", "◆ answering"
_ENTER, _ESCAPE, _QUIT = "\r", "\x1b", "\x11"
_KEYS_WITH_A_SCREEN = {"help": "\x1bOP", "resume": "\x12", "search": "\x06", "palette": "\x10"}
_SETTLE_S = 0.7
_SERVING_S = 60.0
# One request for each kind of tool; {word} is something that must not be found in the clear afterwards.
_REQUESTS = (
    "set a timer for ten minutes", "how much time is left on the timer", "what is 17% of 240",
    "how many kilometres are five miles", "add {word} to the shopping list", "what is on the shopping list",
    "remember that my cat is called {word}", "what day is it tomorrow", "turn on the kitchen light",
    "is the kitchen light on",
)  # fmt: skip
_DOCUMENT = "# Boiler\n\nThe boiler is serviced every March by Hansen. Its pressure should be 1.5 bar.\n"


class SessionError(Exception):
    """The product could not be driven to the end: what was measured says nothing."""


@dataclass
class Pass:
    """What one pass showed."""

    locked: bool
    seen: traces.Seen = field(default_factory=traces.Seen)
    recorded: recorder.Recorded = field(default_factory=lambda: recorder.Recorded(0, 0, ()))
    n_threads: int = 0
    n_threads_without_lock: int = 0
    foreign_files: list[str] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)  # what was said where
    replies: list[str] = field(default_factory=list)
    tools: int = 0  # requests that tools have answered
    heard: list[str] = field(default_factory=list)  # what was understood of the spoken question
    idle_s: float = 0.0
    duration_s: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a pass happens."""

    home: Path
    observer: Path  # folder for traces, which nobody but us writes to
    model: str
    start: tuple[str, ...] = ()  # the program under observation

    @staticmethod
    def usual_start(*, locked: bool) -> tuple[str, ...]:
        return sys.executable, "-m", "assistant" if locked else "evals.probes.unlocked"

    @property
    def app_folder(self) -> Path:
        return self.home / ".local" / "share" / "homebody"

    @property
    def answer(self) -> Path:
        """The sound file that the user asked for."""
        return self.home / "answer.wav"

    @property
    def environment(self) -> dict[str, str]:
        """From nothing: no CI, no telemetry switch, no XDG folder of the tester."""
        python = str(Path(sys.executable).parent)
        path = f"{python}:/usr/local/bin:/usr/bin:/bin"
        return {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/sh"}


@dataclass(frozen=True)
class Extent:
    """How much of the product a pass uses: without `chat` only the commands that need no screen, without `question`,
    a WAV file, no voice. `idle_s` seconds the chat is left alone."""

    idle_s: float
    chat: bool = True
    question: str = ""


def run(place: Place, extent: Extent, *, locked: bool) -> Pass:
    """Raises SessionError, ScreenError, OSError."""
    found = Pass(locked, idle_s=extent.idle_s)
    started = time.monotonic()
    recorder.reset()
    _Driver(place, found).run(extent)
    found.recorded = recorder.read()
    found.seen = traces.read(place.observer)
    found.foreign_files = _foreign(found.seen.written, place)
    found.duration_s = time.monotonic() - started
    return found


class _Driver:
    def __init__(self, place: Place, found: Pass) -> None:
        self.place = place
        self.found = found

    @property
    def command(self) -> list[str]:
        return [*traces.strace(self.place.observer), *self.place.start]

    def run(self, extent: Extent) -> None:
        if extent.chat:
            with self._chat() as screen:
                self._talk(screen)
        self._use_commands()
        self._use_tools()
        self._use_documents()
        if extent.question:
            self._use_voice(extent.question)
        if extent.chat:
            self._assistant("doctor", "--json", may_fail=True)  # measures the machine for a while
            with self._chat(first=False) as screen:
                self._crash(screen)

    @contextmanager
    def _chat(self, *, first: bool = True) -> Iterator[Screen]:
        screen = Screen(self.command, self.place.environment, self.place.home)
        try:
            screen.wait_for(_READY, timeout_s=180 if first else 90)
            yield screen
        finally:
            for process in _tree(screen.process.pid):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            screen.process.kill()
            screen.process.wait()

    def _talk(self, screen: Screen) -> None:
        self._ask(screen, f"My cat is called {self._word('chat')}. What do cats eat?")
        screen.wait_for(_READY, times=screen.text.count(_READY) + 1)
        for key in _KEYS_WITH_A_SCREEN.values():
            screen.send(key)
            time.sleep(_SETTLE_S)
            screen.send(_ESCAPE)
            time.sleep(_SETTLE_S)
        self._assistant("ask", f"Is {self._word('ask beside the chat')} a good name?", "--max-tokens", "12")
        self._ask(screen, f"Write a long story about {self._word('stopped')}.")
        time.sleep(_SETTLE_S)
        screen.send(_ESCAPE)
        time.sleep(self.found.idle_s)
        self._look_at_threads(screen)
        screen.send(_QUIT)
        if code := screen.wait_for_end():
            raise SessionError(f"the chat ended with {code}: {screen.text[-300:]!r}")

    def _use_commands(self) -> None:
        limits = ["--json", "--model", self.place.model, "--max-tokens", "32", "--temperature", "0"]
        for where, extra in (("ask", []), ("ephemeral ask", ["--ephemeral"])):
            document = self._assistant("ask", f"Say something nice about {self._word(where)}.", *limits, *extra)
            self.found.replies.append(str(json.loads(document)["reply"]))
        self._assistant("ask", "Summarise.", *limits, stdin=f"The password is {self._word('standard input')}.")
        for where in {"ask", "chat"} & set(self.found.words):
            word = self.found.words[where]
            if word not in (hits := self._assistant("history", "search", word, "--json")):
                raise SessionError(f"the {where} is not in the history, so it did not happen: {hits[:200]!r}")
        identity = _first_id(json.loads(self._assistant("history", "list", "--json")))
        self._assistant("history", "show", identity)
        self._assistant("history", "export", identity)
        for arguments in (["models", "list"], ["models", "verify"], ["models", "where"]):
            self._assistant(*arguments)
        self._assistant("doctor", "network", may_fail=True)  # its exit code says that something is to be looked at

    def _use_tools(self) -> None:
        """Every kind of tool, through a running `assistant serve`, as timers need one."""
        serving = subprocess.Popen(
            [*self.command, "serve", "--no-model"], env=self.place.environment, cwd=self.place.home,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            give_up = time.monotonic() + _SERVING_S
            while not (self.place.app_folder / "run" / "instance.sock").exists():
                if serving.poll() is not None or time.monotonic() > give_up:
                    raise SessionError("`assistant serve` does not serve")
                time.sleep(_SETTLE_S)
            for request in _REQUESTS:
                text = request.format(word=self._word(f"tool: {request}")) if "{word}" in request else request
                handled = json.loads(self._assistant("ask", "--json", text))["handled_by"]
                if handled != "rule":
                    raise SessionError(f"{request!r} was handled by {handled}, not by its tool")
                self.found.tools += 1
        finally:
            for process in reversed(_tree(serving.pid)):
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            serving.wait(_SERVING_S)

    def _use_documents(self) -> None:
        document = self.place.home / "boiler.md"  # the user's own file: nothing secret in it
        document.write_text(_DOCUMENT)
        self._assistant("documents", "add", str(document))
        question = f"Who services the boiler of {self._word('documents')}?"
        self._assistant("documents", "ask", question, "--json", "--model", self.place.model)
        self._assistant("documents", "search", "pressure", "--json")
        self._assistant("documents", "forget", "--all")

    def _use_voice(self, question: str) -> None:
        """A question in a sound file, the answer into another one, by all engines of the voice in their processes."""
        files = ["--audio-in", question, "--audio-out", str(self.place.answer)]
        printed = self._assistant("voice", *files, "--json", "--model", self.place.model)
        turns = [json.loads(line) for line in printed.splitlines()]
        if not turns or not all(turn["heard"] and turn["reply"] for turn in turns):
            raise SessionError(f"the voice did not hear or did not answer: {turns}")
        self.found.heard = [turn["heard"] for turn in turns]

    def _crash(self, screen: Screen) -> None:
        """The worker first, then the app itself, by a signal that makes a core dump where dumps are on."""
        self._ask(screen, f"Tell me everything about {self._word('crash')}.")
        processes = _tree(screen.process.pid)
        for process in reversed(processes):
            process.send_signal(signal.SIGSEGV)
            time.sleep(_SETTLE_S)
        screen.wait_for_end()

    def _ask(self, screen: Screen, question: str) -> None:
        before = screen.text.count(_ANSWERING)
        screen.send(question)
        time.sleep(_SETTLE_S)
        screen.send(_ENTER)
        screen.wait_for(_ANSWERING, times=before + 1)

    def _look_at_threads(self, screen: Screen) -> None:
        for process in _tree(screen.process.pid):
            loads_models = "assistant.engines.worker" in process.cmdline()
            threads = sandbox.status(process.pid, unrelated=int(loads_models and amx.has_tiles()))
            self.found.n_threads += len(threads.threads)
            self.found.n_threads_without_lock += sum(threads.filters.get(t, 0) <= 0 for t in threads.threads)
        if self.found.n_threads == 0:
            raise SessionError("no threads of the chat were found")

    def _word(self, where: str) -> str:
        self.found.words[where] = canary.new_word()
        return self.found.words[where]

    def _assistant(self, *arguments: str, stdin: str = "", may_fail: bool = False) -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.place.environment,
            cwd=self.place.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if done.returncode != 0 and not may_fail:
            raise SessionError(f"assistant {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-400:]}")
        return done.stdout


def install_model(models: Path, hashes: list[str], place: Place) -> None:
    """Put the model's files into the new home, as hard links where possible, and nothing else of the user's store."""
    blobs = place.app_folder / "models" / "blobs"
    blobs.mkdir(parents=True, mode=0o700)
    for folder in (place.app_folder, place.app_folder / "models", blobs):
        folder.chmod(0o700)
    for sha256 in hashes:
        try:
            os.link(models / "blobs" / sha256, blobs / sha256)
        except OSError:
            shutil.copy2(models / "blobs" / sha256, blobs / sha256)


def _tree(pid: int) -> list[psutil.Process]:
    """The traced processes, parents first; strace itself is not one of them."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _first_id(listed: object) -> str:
    """The id of the first conversation in what `history list --json` printed."""
    rows = listed if isinstance(listed, list) else next(v for v in dict(listed).values() if isinstance(v, list))  # type: ignore[call-overload]
    return str(rows[0]["id"])


def _foreign(written: set[str], place: Place) -> list[str]:
    """Paths outside of the app's folder, without what is no file (terminals, /dev/null, /proc, anonymous memory) and
    what Python keeps beside its modules when they are imported for the first time."""
    harmless = ("/dev/null", "/dev/tty", "/dev/pts/", "/dev/ptmx", "/proc/self/", "/proc/thread-self/")
    ours = {str(place.app_folder), str(place.answer), *map(str, place.app_folder.parents)}
    return sorted(
        path
        for path in written
        if path not in ours
        and not path.startswith((*harmless, f"{place.app_folder}/"))
        and Path(path).parent.name != "__pycache__"
        and Path(path).name != "__pycache__"
    )
