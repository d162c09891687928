"""A program on a pseudo-terminal: keys in, what it drew out. Enough to drive the chat; not a terminal emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])")
_STEP_S = 0.05


class ScreenError(Exception):
    """The program did not show what was waited for; carries the end of what it did show."""


class Screen:
    """Start a program on a terminal of 100 x 30 cells and keep everything it writes."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self._main = main
        self._raw = bytearray()
        self.process = subprocess.Popen(
            command,
            stdin=side,
            stdout=side,
            stderr=side,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(side)
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def raw(self) -> bytes:
        """Every byte so far."""
        return bytes(self._raw)

    @property
    def text(self) -> str:
        """Everything so far in the order it was drawn, without escape sequences."""
        return _ESCAPES.sub("", self.raw.decode(errors="replace"))

    def send(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def wait_for(self, text: str, times: int = 1, timeout_s: float = 90.0) -> None:
        """Until `text` has been drawn `times` times. Raises ScreenError."""
        deadline = time.monotonic() + timeout_s
        while self.text.count(text) < times:
            if time.monotonic() > deadline or self.process.poll() is not None:
                ended = f", the program ended with {self.process.returncode}" if self.process.returncode else ""
                raise ScreenError(f"waited for {text!r} ({times} times){ended}; last drawn: {self.text[-600:]!r}")
            time.sleep(_STEP_S)

    def wait_for_end(self, timeout_s: float = 30.0) -> int:
        """The exit code. Raises ScreenError if it does not end."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise ScreenError(f"the program does not end; last drawn: {self.text[-300:]!r}") from error

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._main, 65536)
            except OSError:  # the program has ended and nobody holds the other side
                return
            if not chunk:
                return
            self._raw += chunk
