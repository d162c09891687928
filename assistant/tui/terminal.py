"""The terminal itself: bytes that are no text, a terminal that goes away, signals, errors in threads.

Textual 8.2.8 ends with a traceback on a byte that is not UTF-8 and hangs when the terminal takes no more output (its
writer thread dies and its queue fills). On SIGTERM and SIGHUP the reply in progress is committed, then the app leaves.
"""

from __future__ import annotations

import contextlib
import os
import select
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
# Ends an update in progress, mouse reports, pastes and sizes as sequences; lines wrap again, keys are plain, the screen
# is the shell's, the cursor is seen, focus is not told. The order is that of Textual's own way out.
_AS_BEFORE = (
    b"\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[<u"
    b"\x1b[?1049l\x1b[?25h\x1b[?1004l"
)


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
    import termios

    from textual.drivers.linux_driver import LinuxDriver

    class TerminalDriver(LinuxDriver):
        """Textual's driver that survives bad bytes and a vanished terminal."""

        drawing = False  # whether the terminal is the application's now

        def start_application_mode(self) -> None:
            self.drawing = True
            self._file = _Lenient(
                os.fdopen(os.dup(sys.__stderr__.fileno()), "wb", buffering=0),  # type: ignore[union-attr]
                encoding="utf-8",
                errors="replace",
                write_through=False,
            )
            super().start_application_mode()  # type: ignore[no-untyped-call]

        def stop_application_mode(self) -> None:
            super().stop_application_mode()
            self.drawing = False

        def give_back(self) -> None:
            """Give the terminal back past threads and queues that may hang. Waits for nothing, raises nothing."""
            if not self.drawing:
                return
            with contextlib.suppress(OSError, ValueError, termios.error):
                if self.attrs_before is not None:
                    termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
                out = sys.__stderr__.fileno()  # type: ignore[union-attr]
                if select.select([], [out], [], 0)[1]:
                    os.write(out, _AS_BEFORE)

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
        # Still here: the terminal or a native library hangs, or the machine is too busy; everything is committed.
        getattr(app._driver, "give_back", bool)()
        os._exit(128 + signum)

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
