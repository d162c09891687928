"""Keys for the spoken conversation that come from outside of its loop: another process, through the instance's socket.

with keys.of(loop): ...            # while it runs
keys.press(Key.HOLD)               # from any thread
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from assistant.errors import UsageError
from assistant.instance_wire import Key


class Talking(Protocol):
    """The part of VoiceLoop that keys act on; its methods may be called from any thread."""

    def press(self, down: bool) -> None: ...

    def hush(self) -> None: ...

    def mute(self, on: bool) -> None: ...


class VoiceKeys:
    """Passes keys on to the conversation that is being spoken now, if there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._talking: Talking | None = None

    @contextmanager
    def of(self, talking: Talking) -> Iterator[None]:
        """Keys are for this one until the block is left."""
        with self._lock:
            self._talking = talking
        try:
            yield
        finally:
            with self._lock:
                self._talking = None

    def press(self, key: Key) -> None:
        """Raises UsageError when nobody is talking."""
        with self._lock:
            talking = self._talking
        if talking is None:
            raise UsageError("nobody is talking now; press Ctrl+T in the chat, or start `assistant voice`, first")
        match key:
            case Key.HOLD | Key.RELEASE:
                talking.press(key is Key.HOLD)
            case Key.HUSH:
                talking.hush()
            case Key.MUTE | Key.UNMUTE:
                talking.mute(key is Key.MUTE)
