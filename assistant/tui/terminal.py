"""The terminal itself: bytes that are no text, a terminal that goes away, signals, errors in threads.

Textual 8.2.8 ends with a traceback on a byte that is not UTF-8 and hangs when the terminal takes no more output (its
writer thread dies and its queue fills). On SIGTERM and SIGHUP the reply in progress is committed, then the app leaves.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING

from textual.driver import Driver

from assistant.tui import turns

if TYPE_CHECKING:
    from assistant.tui.app import ChatApp

LEAVE_S = 8.0  # after a signal: the longest time until the process is gone, whatever hangs


class _Lenient(TextIOWrapper):
    """Output that takes any text and does not mind that nobody is there any more."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, ValueError):
            return


def driver_class() -> type[Driver] | None:
    """The driver to use; None is Textual's own (Windows)."""
    if sys.platform == "win32":
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class TerminalDriver(LinuxDriver):
        """Textual's driver that survives bad bytes and a vanished terminal."""

        def start_application_mode(self) -> None:
            self._file = _Lenient(
                os.fdopen(os.dup(sys.__stderr__.fileno()), "wb", buffering=0),  # type: ignore[union-attr]
                encoding="utf-8",
                errors="replace",
                write_through=False,
            )
            super().start_application_mode()  # type: ignore[no-untyped-call]

        def _run_input_thread(self) -> None:
            while not self.exit_event.is_set():
                try:
                    self.run_input_thread()
                except UnicodeDecodeError:
                    continue  # these bytes are dropped
                except OSError:
                    signal.raise_signal(signal.SIGHUP)  # the terminal is gone
                    return

    return TerminalDriver


def leave_on_signals(app: ChatApp) -> Callable[[], None]:
    """Make SIGTERM and SIGHUP commit and leave, and errors in threads end the app without a traceback.

    Returns what puts everything back.
    """

    def leave(signum: int) -> None:
        turns.stop_for_good(app.chat_screen)
        app.leave_from_thread(128 + signum)
        threading.Event().wait(LEAVE_S)
        os._exit(128 + signum)  # still here: the terminal or a native library hangs; everything is committed

    def on_signal(signum: int, frame: FrameType | None) -> None:
        threading.Thread(target=leave, args=(signum,), name="leaving", daemon=True).start()

    def on_thread_error(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            app.fail_from_thread(arguments.exc_value)

    old_hook = threading.excepthook
    threading.excepthook = on_thread_error
    signals = [signal.SIGTERM] if sys.platform == "win32" else [signal.SIGTERM, signal.SIGHUP]
    old = {number: signal.signal(number, on_signal) for number in signals}

    def restore() -> None:
        threading.excepthook = old_hook
        for number, handler in old.items():
            signal.signal(number, handler)

    return restore
