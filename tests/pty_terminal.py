"""A real pseudo-terminal with a terminal emulator on its other side: what a user sees, and the bytes that came."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pyte

LIMIT_S = 60.0  # a test waits no longer for what must happen


class Terminal:
    """Runs a command on a pseudo-terminal. `raw` is everything it wrote, `text` what is on the screen now."""

    def __init__(self, command: list[str], columns: int = 100, rows: int = 30, term: str = "xterm-256color") -> None:
        self.master, slave = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        _set_size(slave, columns, rows)
        environment = {**os.environ, "TERM": term, "PYTHONPATH": os.pathsep.join(sys.path)}

        def own_the_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_the_terminal, env=environment
        )
        os.close(slave)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str | bytes) -> None:
        os.write(self.master, keys if isinstance(keys, bytes) else keys.encode())

    def until(self, condition: Callable[[], object]) -> None:
        """Read what comes until the condition holds."""
        end_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end_s, f"it did not happen; on the screen:\n{self.text}"
            self.read(0.1)

    def see(self, text: str) -> None:
        self.until(lambda: text in self.text)

    def read(self, timeout_s: float) -> None:
        if not select.select([self.master], [], [], timeout_s)[0]:
            return
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            data = os.read(self.master, 65_536)
            self.raw += data
            # pyte does not know private CSI sequences like those of the kitty keyboard protocol and would print them
            self._stream.feed(re.sub(rb"\x1b\[[<>=?][0-9;$]*[a-zA-Z]", b"", data))

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        _set_size(self.master, columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        self.until(lambda: self.process.poll() is not None)
        self.read(0.2)
        self.read(0.2)
        return self.process.returncode

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextlib.contextmanager
def terminal(command: list[str], **options: object) -> Iterator[Terminal]:
    """A terminal whose process is gone in the end."""
    opened = Terminal(command, **options)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        opened.kill()
