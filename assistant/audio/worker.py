"""The audio process: `python -m assistant.audio.worker`, started by process.py.

It owns the devices, the echo canceller, the speech detector and the wake word, and hears all that is said near the
microphone; so it is locked before it loads anything: no network, no programs, no files of the user's. Connections to
the sound server can be made until the devices are open, then no more: when a device goes away the process says so and
ends, and the app starts another one. It is told PCM and bare commands, never text.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from assistant.engines.worker import UNLOCKED_FLAG, die_with_app, take_pipes
from assistant.errors import AssistantError, NetworkLockError
from assistant.privacy import environment, sandbox

if TYPE_CHECKING:
    from assistant.audio.core import Core
    from assistant.audio.messages import Event, Open
    from assistant.engines import wire


def main() -> int:
    incoming, outgoing = take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_app()
    environment.apply()
    try:
        sandbox.enter_audio_worker()
    except NetworkLockError:
        if UNLOCKED_FLAG not in sys.argv:
            raise
    from assistant.audio import messages
    from assistant.engines import wire

    sender = wire.Sender(outgoing)
    try:
        _serve(wire.Receiver(incoming, messages.Command), sender)
    except AssistantError as error:
        sender.send(wire.failure(0, error))
    except OSError:  # the app is gone
        return 0
    return 0


class _Inbox:
    """A thread reads the pipe; the pipe's end ends the process."""

    def __init__(self, receiver: wire.Receiver) -> None:
        self._receiver = receiver
        self._commands: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def obey(self, core: Core) -> None:
        """Everything that has come."""
        while True:
            try:
                core.obey(self._commands.get_nowait())
            except queue.Empty:
                return

    def obey_until_next(self, core: Core) -> None:
        """Everything up to a Next, which is waited for."""
        from assistant.audio.messages import Next

        while not isinstance(command := self._commands.get(), Next):
            core.obey(command)

    def _read(self) -> None:
        from assistant.engines import wire

        while True:
            try:
                self._commands.put(self._receiver.receive())
            except (EOFError, OSError, wire.WireError):
                os._exit(0)


def _serve(receiver: wire.Receiver, sender: wire.Sender) -> None:
    from assistant.audio.messages import Devices, List, Open

    order = receiver.receive()
    if isinstance(order, List):
        from assistant.audio.devices import device_names

        sender.send(Devices(*device_names()))
    if not isinstance(order, Open):
        return
    from assistant.audio.echo import EchoCanceller

    # before the connections are closed: its library makes itself a pair of sockets
    canceller = EchoCanceller(order.cancel_echo, order.suppress_noise, order.gain) if _wants_canceller(order) else None
    if order.file_in >= 0:
        _serve_files(order, canceller, _Inbox(receiver), sender)
    else:
        _serve_devices(order, canceller, _Inbox(receiver), sender)


def _wants_canceller(order: Open) -> bool:
    return order.cancel_echo or order.suppress_noise or order.gain


def _core(order: Open, canceller: Any) -> Core:
    """Closes the connections, then loads what looks at the samples."""
    try:
        sandbox.close_connections()
    except NetworkLockError:
        if UNLOCKED_FLAG not in sys.argv:
            raise
    from assistant.audio.core import Core
    from assistant.audio.playback import PlaybackBuffer
    from assistant.engines.silero import SileroDetector
    from assistant.engines.wake_word import WakeWord, WakeWordDetectors

    wake_words = WakeWordDetectors([WakeWord(word) for word in order.wake_words]) if order.wake_words else None
    core = Core(PlaybackBuffer(order.rate_out_hz), SileroDetector(), canceller, wake_words, order.half_duplex)
    core.now = order.now
    return core


def _serve_files(order: Open, canceller: Any, inbox: _Inbox, sender: wire.Sender) -> None:
    import numpy as np

    from assistant.audio import RATE_HZ, messages
    from assistant.audio.file_devices import FileDevices, read_wav

    with os.fdopen(order.file_in, "rb") as file:
        source = read_wav(file, "the input file")
    sink = os.fdopen(order.file_out, "wb") if order.file_out >= 0 else None
    core = _core(order, canceller)
    devices = FileDevices(source, sink, order.rate_out_hz, np.frombuffer(order.room, np.float32))
    sender.send(messages.Opened("file", "file" if sink else "nowhere", "file"))
    told, due = False, order.lockstep
    while True:
        if due:
            inbox.obey_until_next(core)
        inbox.obey(core)
        events: list[Event] = core.step(*devices.exchange(core.playback.take(devices.n_out, core.now, RATE_HZ)))
        if devices.ended and not told:
            events.insert(0, messages.InputEnded(core.now))
            told = True
        if not order.lockstep:
            devices.wait()
        for event in events:
            sender.send(event)
        due = order.lockstep and any(isinstance(event, messages.Frame) for event in events)


def _serve_devices(order: Open, canceller: Any, inbox: _Inbox, sender: wire.Sender) -> None:
    from assistant.audio.devices import SoundDevices
    from assistant.audio.messages import DeviceLost, Opened

    devices = SoundDevices(order.microphone, order.speaker, order.rate_out_hz)
    core = _core(order, canceller)
    sender.send(Opened(devices.microphone, devices.speaker, devices.backend))
    devices.start(core.playback, order.now)
    while (block := devices.exchange()) is not None:
        inbox.obey(core)
        for event in core.step(*block):
            sender.send(event)
    sender.send(DeviceLost(devices.loss))
    os._exit(0)  # the sound library may hang in closing what is gone


if __name__ == "__main__":
    sys.exit(main())
