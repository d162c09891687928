"""What `assistant voice` shows in a terminal: turns, one line that says what goes on, and its keys.

Results go to stdout, everything else to stderr; the line and the keys are there only where a person looks at them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import shutil
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from assistant.text import safe
from assistant.voice.events import Caption, EchoBadge, Notice, Phase, PhaseChanged, TurnReport, VoiceEvent

if TYPE_CHECKING:
    from assistant.voice.loop import VoiceLoop

_ERASE = "\r\x1b[K"
_LOOK_S = 0.2


class VoiceTerminal:
    """`tell` is for the thread of the loop; `notice` for any."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._shows_line = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._ready = ""
        self._phase: Phase | None = None
        self._caption = ""
        self._drawn = False

    def ready_with(self, devices: str) -> None:
        """The devices that were opened; told once we listen."""
        self._ready = devices

    def notice(self, words: str) -> None:
        with self._lock:
            self._erase()
            print(f"assistant: {safe(words)}", file=sys.stderr, flush=True)
            self._draw()

    def tell(self, event: VoiceEvent) -> None:
        match event:
            case TurnReport():
                self._turn(event)
            case Notice(words=words):
                self.notice(words)
            case EchoBadge(rung=rung) if not self._as_json:
                self.notice(f"echo: {rung}")
            case PhaseChanged(phase=phase):
                if self._ready:
                    self.notice(self._ready)
                    self._ready = ""
                self._show(phase, "" if phase is Phase.HEARING else self._caption)
            case Caption(text=text):
                self._show(self._phase, text)

    @contextlib.contextmanager
    def keys(self, loop: VoiceLoop, push_to_talk: bool) -> Iterator[None]:
        """Keys of the terminal act on `loop` until the block is left; nothing where stdin is no terminal."""
        if not sys.stdin.isatty():
            yield
            return
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        space = "space begins and ends what you say" if push_to_talk else "space stops the answer"
        self._ready += f"; m mutes, {space}, q ends"
        left = threading.Event()
        keys = threading.Thread(
            target=_read_keys, args=(descriptor, loop, push_to_talk, left), name="keys", daemon=True
        )
        tty.setcbreak(descriptor)
        keys.start()
        try:
            yield
        finally:
            left.set()
            keys.join()
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
            self._show(None, "")

    # -- parts --------------------------------------------------------------------------------------------------------

    def _turn(self, report: TurnReport) -> None:
        line = msgspec.json.encode(_document(report)).decode() if self._as_json else safe(_words(report))
        with self._lock:
            self._erase()
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            self._caption = ""
            self._draw()

    def _show(self, phase: Phase | None, caption: str) -> None:
        with self._lock:
            self._phase, self._caption = phase, caption
            self._erase()
            self._draw()

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(_ERASE)
            self._drawn = False

    def _draw(self) -> None:
        """No newline: the next thing shown overwrites it."""
        if self._shows_line and self._phase is not None:
            state, caption = f"[{self._phase}] ", safe(self._caption, keep_newlines=False)
            n_columns = shutil.get_terminal_size().columns - 1
            beyond = max(0, len(state) + len(caption) - n_columns)  # what was said last is what is looked for
            sys.stderr.write((state + caption[beyond:])[:n_columns])
            self._drawn = True
        sys.stderr.flush()


def _read_keys(descriptor: int, loop: VoiceLoop, push_to_talk: bool, left: threading.Event) -> None:
    muted = held = False
    while not left.is_set():
        if not select.select([descriptor], [], [], _LOOK_S)[0]:
            continue
        match os.read(descriptor, 1):
            case b"m":
                muted = not muted
                loop.mute(muted)
            case b" " if push_to_talk:
                held = not held
                loop.press(held)
            case b" ":
                loop.hush()
            case b"q" | b"":  # b"": the terminal went away
                loop.leave()
                return


def _document(report: TurnReport) -> dict[str, object]:
    document = dataclasses.asdict(report)
    del document["message_id"]
    if not document["error"]:
        del document["error"]
    return document


def _words(report: TurnReport) -> str:
    took = "" if report.end_to_first_sound_ms is None else f"  ({report.end_to_first_sound_ms:.0f} ms)"
    return f"you: {report.heard}\nassistant: {report.error or report.reply}{took}"
