"""The app's end of the audio process: an Audio (device.py) whose devices, echo canceller and detectors live elsewhere.

When a device goes away the process ends and another one is started, with the system's choice of devices if the chosen
ones are gone; the answer in progress goes on from the last word that was heard.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from assistant.audio import messages
from assistant.audio.messages import Change, DeviceBack, DeviceLost, Event, Frame, InputEnded, Opened, Pcm, Playback
from assistant.engines import wire
from assistant.engines.child import cause_of_death, start_worker
from assistant.errors import AudioError, UsageError

_OPEN_S = 30.0
_SILENT_S = 10.0  # the process says something every 32 ms
_RETRY_S = 1.0
_FromProcess = Event | Opened | messages.Devices | wire.Failed


@dataclass(frozen=True, slots=True)
class Setup:
    """What to open, see messages.Open. Files take the place of devices; `audio_out` may be none."""

    rate_out_hz: int
    microphone: str = ""
    speaker: str = ""
    audio_in: Path | None = None
    audio_out: Path | None = None
    real_pace: bool = True
    room: bytes = b""
    cancel_echo: bool | None = None  # by itself with devices and with a room
    suppress_noise: bool = False
    gain: bool = False
    half_duplex: bool = False
    wake_words: tuple[str, ...] = ()
    give_up_s: float = 60.0  # how long a lost device is waited for


class AudioProcess:
    """Opened and running when the constructor returns. Raises AudioError, UsageError (a file), ModelMissingError."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._answer = 0
        self._kept: list[tuple[Pcm, tuple[int, ...]]] = []  # of the answer in progress, for another device
        self._whole = False
        self._now = self._played = 0
        self._lock = threading.Lock()  # commands come from several threads, and the process may be replaced
        self.opened = self._start()

    @property
    def real_pace(self) -> bool:
        return self._setup.real_pace

    @property
    def rate_out_hz(self) -> int:
        return self._setup.rate_out_hz

    @property
    def pid(self) -> int:
        return self._process.pid

    # -- events -------------------------------------------------------------------------------------------------------

    def events(self, busy: Callable[[], bool]) -> Iterator[Event]:
        """See Audio.events."""
        ended = False
        if not self.real_pace:
            self._send(messages.Next())
        while True:
            try:
                event = self._receiver.receive(_SILENT_S)
            except (TimeoutError, EOFError, OSError, wire.WireError):
                event = DeviceLost(f"the audio process died ({self._obituary()})")
            if isinstance(event, wire.Failed):
                raise wire.to_error(event)
            yield event
            match event:
                case DeviceLost():
                    yield self._reopen(event)
                case InputEnded():
                    ended = True
                case Playback(change=Change.STOPPED | Change.FINISHED):
                    self._forget(event.answer)
                case Frame():
                    self._now, self._played = event.now, event.played
                    if ended and not busy():
                        return
                    if not self.real_pace:
                        self._send(messages.Next())

    # -- commands -----------------------------------------------------------------------------------------------------

    def begin(self) -> int:
        with self._lock:
            self._answer += 1
            self._kept, self._whole, self._played = [], False, 0
            self._post(messages.Begin(self._answer))
            return self._answer

    def play(self, pcm: Pcm, word_ends: Sequence[int] = ()) -> None:
        with self._lock:
            self._kept.append((pcm, tuple(word_ends)))
            self._post(messages.Play(self._answer, pcm.tobytes(), list(word_ends)))

    def whole(self) -> None:
        with self._lock:
            self._whole = True
            self._post(messages.Whole(self._answer))

    def duck(self) -> None:
        self._send(messages.Duck())

    def resume(self) -> None:
        self._send(messages.Resume())

    def stop(self) -> None:
        self._send(messages.Stop())

    def mute(self, on: bool) -> None:
        self._send(messages.Mute(on))

    def close(self) -> None:
        """End the process; a file written to is whole."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
            return
        self._process.kill()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _forget(self, answer: int) -> None:
        with self._lock:
            if answer == self._answer:
                self._kept, self._whole = [], False

    def _send(self, command: messages.Command) -> None:
        with self._lock:
            self._post(command)

    def _post(self, command: messages.Command) -> None:
        """With the lock held. A process that died is noticed where its events are read."""
        with suppress(OSError):
            self._sender.send(command)

    def _start(self) -> Opened:
        """Start the process and wait until its devices are open."""
        setup = self._setup
        cancel_echo = (setup.audio_in is None or bool(setup.room)) if setup.cancel_echo is None else setup.cancel_echo
        with _opened_files(setup) as (file_in, file_out):
            self._process = _spawn(tuple(descriptor for descriptor in (file_in, file_out) if descriptor >= 0))
        if self._process.stdin is None or self._process.stdout is None:
            raise AudioError("the audio process has no pipes")
        self._sender = wire.Sender(self._process.stdin.fileno())
        self._receiver = wire.Receiver(self._process.stdout.fileno(), _FromProcess)
        order = messages.Open(
            rate_out_hz=setup.rate_out_hz,
            microphone=setup.microphone,
            speaker=setup.speaker,
            file_in=file_in,
            file_out=file_out,
            lockstep=not setup.real_pace,
            room=setup.room,
            cancel_echo=cancel_echo,
            suppress_noise=setup.suppress_noise,
            gain=setup.gain,
            half_duplex=setup.half_duplex,
            wake_words=list(setup.wake_words),
            now=self._now,
        )
        try:
            self._sender.send(order)
            answer = self._receiver.receive(_OPEN_S)
        except TimeoutError:
            self._process.kill()
            raise AudioError("the sound system does not answer; restart it, or type instead") from None
        except (EOFError, OSError, wire.WireError):
            raise AudioError(f"the audio process died while it opened the devices ({self._obituary()})") from None
        if isinstance(answer, wire.Failed):
            raise wire.to_error(answer)
        if not isinstance(answer, Opened):
            raise AudioError("the audio process answered out of turn; try again")
        return answer

    def _reopen(self, lost: DeviceLost) -> DeviceBack:
        """Try again until sound works: what was chosen first, then what the system offers."""
        if self._setup.audio_in is not None:
            raise AudioError(lost.words)
        self._process.kill()
        chosen, end_s = self._setup, time.monotonic() + self._setup.give_up_s
        while True:
            for setup in (chosen, dataclasses.replace(chosen, microphone="", speaker="")):
                self._setup = setup
                with self._lock, suppress(AudioError):
                    self.opened = self._start()
                    self._play_on()
                    return DeviceBack(self.opened.microphone, self.opened.speaker)
            if time.monotonic() > end_s:
                raise AudioError(f"{lost.words}, and no other was found; type instead, or connect one and start again")
            time.sleep(_RETRY_S)

    def _play_on(self) -> None:
        """The rest of the answer in progress, from the last word boundary that was heard. With the lock held."""
        if not self._kept:
            return
        starts, boundaries, total = [], [0], 0
        for pcm, word_ends in self._kept:
            starts.append(total)
            boundaries += [total + end for end in word_ends]
            total += len(pcm)
        at = max(b for b in boundaries if b <= self._played) if self._played < total else total
        self._post(messages.Begin(self._answer, at))
        for start, (pcm, word_ends) in zip(starts, self._kept, strict=True):
            cut = max(0, at - start)
            if cut < len(pcm):
                ends = [end - cut for end in word_ends if end >= cut]
                self._post(messages.Play(self._answer, pcm[cut:].tobytes(), ends))
        if self._whole:
            self._post(messages.Whole(self._answer))

    def _obituary(self) -> str:
        self._process.kill()
        return cause_of_death(self._process, self._process.wait())


def list_devices() -> messages.Devices:
    """Microphones and speakers that can be named in a Setup. Raises AudioError when there is no sound system."""
    process = _spawn(())
    try:
        if process.stdin is None or process.stdout is None:
            raise AudioError("the audio process has no pipes")
        wire.Sender(process.stdin.fileno()).send(messages.List())
        answer = wire.Receiver(process.stdout.fileno(), _FromProcess).receive(_OPEN_S)
    except (TimeoutError, EOFError, OSError, wire.WireError):
        raise AudioError("the sound system does not answer; restart it") from None
    finally:
        process.kill()
    if isinstance(answer, wire.Failed):
        raise wire.to_error(answer)
    if not isinstance(answer, messages.Devices):
        raise AudioError("the audio process answered out of turn; try again")
    return answer


@contextmanager
def _opened_files(setup: Setup) -> Iterator[tuple[int, int]]:
    """Descriptors of the file devices, -1 for none. Raises UsageError."""
    file_in = file_out = -1
    try:
        if setup.audio_in is not None:
            file_in = _open(setup.audio_in, os.O_RDONLY | os.O_NONBLOCK, "read")
            if setup.audio_out is not None:
                file_out = _open(setup.audio_out, os.O_RDWR | os.O_CREAT | os.O_TRUNC, "written")
        yield file_in, file_out
    finally:
        for descriptor in (file_in, file_out):
            if descriptor >= 0:
                os.close(descriptor)


def _open(path: Path, flags: int, what: str) -> int:
    if path.is_dir():  # opens, but only to be read as a folder
        raise UsageError(f"{path} is a folder; name a WAV file")
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be {what}: {error.strerror or error}") from error


def _spawn(descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """Start the process in a thread that outlives it: Linux kills it when the thread that started it ends."""
    started: Future[subprocess.Popen[bytes]] = Future()

    def live() -> None:
        try:
            process = start_worker("assistant.audio.worker", pass_fds=descriptors)
        except BaseException as error:  # noqa: BLE001 - handed over to the caller, who raises it
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    threading.Thread(target=live, name="audio process", daemon=True).start()
    try:
        return started.result()
    except OSError as error:
        raise AudioError(f"the audio process cannot be started: {error.strerror}") from error
