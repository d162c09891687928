"""The real program in a real pseudo-terminal, its screen kept by a terminal emulator: what a user sees and types."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyte

COLUMNS, LINES = 100, 30
START_S = 120.0  # a bound against hanging, not a measure


class TerminalSession:
    """`assistant` with these arguments. `frames` holds (monotonic seconds, screen) of every change that arrived."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.frames: list[tuple[float, str]] = []
        self._stream = pyte.ByteStream(self.screen)
        self._changed = threading.Condition()
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            environment = {
                **os.environ,
                "ASSISTANT_HOME": str(home),
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
            }
            os.execve(sys.executable, [sys.executable, "-m", "assistant", *arguments], environment)  # noqa: S606
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # the other end has closed
                data = b""
            with self._changed:
                if not data:
                    self._changed.notify_all()
                    return
                self._stream.feed(data)
                self.frames.append((time.monotonic(), "\n".join(self.screen.display)))
                self._changed.notify_all()

    @property
    def text(self) -> str:
        with self._changed:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, seen: Callable[[str], bool], what: str) -> str:
        """Wait until the screen satisfies `seen`; fail with the screen if it never does."""
        deadline = time.monotonic() + START_S
        while not seen(text := self.text):
            with self._changed:
                self._changed.wait(0.1)
            assert time.monotonic() < deadline, f"never saw {what} on the screen:\n{text}"
            assert self._reader.is_alive(), f"the program ended before {what}:\n{text}"
        return text

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def ask(self, question: str) -> None:
        self.type(question)
        self.wait_for(lambda text: question[:30] in text, "the typed question")
        self.type("\r")

    def kill(self) -> float:
        """SIGKILL the program; returns the time of it."""
        os.kill(self.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        self.wait()
        return killed_at

    def wait(self) -> int:
        """Wait for the end; returns the exit code, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        self._reader.join(START_S)
        os.close(self._descriptor)
        return os.waitstatus_to_exitcode(status)
