"""Microphone and speaker through miniaudio: PulseAudio (or PipeWire, which speaks its protocol) and ALSA on Linux.

Two devices, each with a thread of the sound library that calls us every few milliseconds. What the speaker was given is
kept as the reference for the echo canceller, and handed out in step with what the microphone heard.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assistant.audio import RATE_HZ
from assistant.audio.echo import BLOCK, Resampler
from assistant.audio.messages import Pcm
from assistant.audio.playback import PlaybackBuffer, State
from assistant.errors import AudioError

_CAPTURE_MS, _PLAYBACK_MS = 10, 10
_SILENT_S = 1.0  # a device that asks for nothing or gives nothing for so long is gone
_WATCHED_BLOCKS = 100
_SYSTEMS_CHOICE = "of the system's choice"  # a device that has no name of its own
# Names that ALSA lists without any hardware behind them, by their ids: what other devices can be made of.
_PLUGINS = frozenset(
    (b"null", b"lavrate", b"samplerate", b"speexrate", b"speex", b"upmix", b"vdownmix", b"jack", b"oss", b"pulse")
)
_MOST_AHEAD = RATE_HZ // 2  # reference samples kept when the microphone falls behind


class Reference:
    """What was played and not yet matched with what was heard: filled by the speaker's thread.

    The canceller copes with an echo that is late, not with a reference that is. So what waits here for long, from
    before the microphone ran or from a gap in what it heard, is left out.
    """

    def __init__(self, rate_hz: int) -> None:
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._lock = threading.Lock()
        self._pcm: Pcm = np.zeros(0, np.int16)
        self._backlogs: list[int] = []

    def put(self, played: Pcm) -> None:
        pcm = self._resampler.feed(played)
        with self._lock:
            self._pcm = np.concatenate([self._pcm, pcm])[-_MOST_AHEAD:]

    def take(self) -> Pcm:
        """BLOCK samples, silence at the end where fewer are there."""
        with self._lock:
            pcm, self._pcm = self._pcm[:BLOCK], self._pcm[BLOCK:]
            self._backlogs.append(len(self._pcm))
            if len(self._backlogs) == _WATCHED_BLOCKS:
                waiting, self._backlogs = min(self._backlogs), []
                if waiting > 2 * BLOCK:
                    self._pcm = self._pcm[waiting - BLOCK :]
        return pcm if len(pcm) == BLOCK else np.concatenate([pcm, np.zeros(BLOCK - len(pcm), np.int16)])

    def clear(self) -> None:
        with self._lock:
            self._pcm = self._pcm[:0]


class SoundDevices:
    """Opens a microphone and a speaker by (a part of) their names; "" is the system's choice.

    Raises AudioError that says what is missing and what to do.
    """

    def __init__(self, microphone: str, speaker: str, rate_out_hz: int) -> None:
        import miniaudio

        self.rate_out_hz = rate_out_hz
        self.loss = ""
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._pending: Pcm = np.zeros(0, np.int16)
        self._reference = Reference(rate_out_hz)
        self._hears = False
        self._asked_s = time.monotonic()
        microphones, speakers, self.backend = _listing()
        mic, self.microphone = _chosen(microphones, microphone, "microphone", self.backend == "PulseAudio")
        out, self.speaker = _chosen(speakers, speaker, "speaker")
        common: dict[str, Any] = {"nchannels": 1, "backends": _backends(), "app_name": "homebody"}
        try:
            self._capture = miniaudio.CaptureDevice(
                sample_rate=RATE_HZ, device_id=mic, buffersize_msec=_CAPTURE_MS, **common
            )
        except miniaudio.MiniaudioError as error:
            raise AudioError(_in_words("microphone", self.microphone, error)) from error
        try:
            self._playback_device = miniaudio.PlaybackDevice(
                sample_rate=rate_out_hz, device_id=out, buffersize_msec=_PLAYBACK_MS, callback_periods=3, **common
            )
        except miniaudio.MiniaudioError as error:
            raise AudioError(_in_words("speaker", self.speaker, error)) from error

    def start(self, playback: PlaybackBuffer, now: int = 0) -> None:
        """From now on sound flows; the clock starts at input sample `now`. Raises AudioError."""
        import miniaudio

        self._playback, self._now = playback, now
        speaking, listening = self._speak(), self._listen()
        next(speaking)
        next(listening)
        which = "speaker"
        try:
            self._playback_device.start(speaking)
            which = "microphone"
            self._capture.start(listening)
        except miniaudio.MiniaudioError as error:
            raise AudioError(_in_words(which, getattr(self, which), error)) from error

    def exchange(self) -> tuple[Pcm, Pcm] | None:
        """The next BLOCK samples heard and the reference that belongs to them; None when a device is gone."""
        while len(self._pending) < BLOCK:
            try:
                raw = self._heard.get(timeout=_SILENT_S)
            except queue.Empty:
                self.loss = f"the microphone {self.microphone} is gone, or gives no sound"
                return None
            self._pending = np.concatenate([self._pending, np.frombuffer(raw, np.int16)])
        if self._playback.state is State.PLAYING and time.monotonic() - self._asked_s > _SILENT_S:
            self.loss = f"the speaker {self.speaker} is gone, or takes no sound"
            return None
        heard, self._pending = self._pending[:BLOCK], self._pending[BLOCK:]
        if not self._hears:
            self._hears = True
            self._reference.clear()
        self._now += BLOCK
        return heard, self._reference.take()

    # -- the sound library's threads ----------------------------------------------------------------------------------

    def _speak(self) -> Generator[Any, int, None]:
        n_samples = yield b""
        while True:
            self._asked_s = time.monotonic()
            pcm = self._playback.take(n_samples, self._now, RATE_HZ)
            self._reference.put(pcm)
            n_samples = yield pcm.tobytes()

    def _listen(self) -> Generator[None, bytes, None]:
        while True:
            raw = yield
            self._heard.put(raw)


def device_names() -> tuple[list[str], list[str], str]:
    """Microphones, speakers, and the name of the sound system. Raises AudioError when there is none.

    ALSA's plugins are left out; who knows one can name it all the same.
    """
    microphones, speakers, backend = _listing()
    return _names(microphones), _names(speakers), backend


def _names(devices: list[_Device]) -> list[str]:
    return [device.name for device in devices if not device.plugin]


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    default: bool
    id: Any
    plugin: bool = False  # of ALSA: no device
    monitor: bool = False  # what a speaker plays, offered as a microphone: an assistant would hear itself


def _backends() -> list[Any]:
    import miniaudio

    return [miniaudio.Backend.PULSEAUDIO, miniaudio.Backend.ALSA] if sys.platform == "linux" else []


def _listing() -> tuple[list[_Device], list[_Device], str]:
    import miniaudio

    try:
        listing = miniaudio.Devices(_backends())
        return _listed(listing, True), _listed(listing, False), str(listing.backend)
    except miniaudio.MiniaudioError as error:
        raise AudioError(f"no sound system answers ({_code(error)}); {_missing()}") from error


def _listed(listing: Any, capture: bool) -> list[_Device]:
    """miniaudio's own list does not tell which device is the default one, its C library does."""
    from miniaudio import MiniaudioError, ffi, lib

    found, n_found = ffi.new("ma_device_info**"), ffi.new("ma_uint32*")
    places = (ffi.NULL, ffi.NULL, found, n_found) if capture else (found, n_found, ffi.NULL, ffi.NULL)
    result = lib.ma_context_get_devices(listing._context, *places)
    if result != lib.MA_SUCCESS:
        raise MiniaudioError("the devices cannot be listed", result)
    infos = [found[0][at] for at in range(n_found[0])]
    return [_device(info, capture, str(listing.backend)) for info in infos]


def _device(info: Any, capture: bool, backend: str) -> _Device:
    """Monitors are told by PulseAudio's name of the source, which is the id: descriptions are translated."""
    from miniaudio import ffi

    name = bytes(ffi.buffer(ffi.addressof(info, "id"))).split(b"\0", 1)[0]
    return _Device(
        ffi.string(info.name).decode(errors="replace"),
        bool(info.isDefault),
        ffi.new("ma_device_id *", info.id),
        plugin=backend == "ALSA" and name in _PLUGINS,
        monitor=capture and backend == "PulseAudio" and name.endswith(b".monitor"),
    )


def _chosen(devices: list[_Device], name: str, what: str, stays: bool = False) -> tuple[Any, str]:
    """The device whose name contains `name`; for "" the default one, whose id is None, or the first that is no monitor
    where the default one is: PulseAudio has no other choice when the last microphone is gone.

    PulseAudio moves a stream without an id to another device when its own goes away. That is well for a speaker, but
    for a microphone the other one may be a monitor, and nobody would be told. One that `stays` gets its id: it is lost.
    """
    real = [device for device in devices if not device.monitor]
    if not (devices if name else real):
        raise AudioError(f"there is no {what}; {_missing()}")
    if not name:
        default = next((device for device in devices if device.default), None)
        if default is not None and default.monitor:
            return real[0].id, real[0].name
        if default is None:
            return None, _SYSTEMS_CHOICE
        return default.id if stays else None, default.name
    found = [device for device in devices if name.lower() in device.name.lower()]
    if not found:
        names = _names(devices)
        there = f"there are: {', '.join(names)}" if names else f"there is none; {_missing()}"
        raise AudioError(f"no {what} is called {name!r}; {there}")
    exact = [device for device in found if device.name == name]
    return (exact or found)[0].id, (exact or found)[0].name


def _missing() -> str:
    """What this machine lacks for sound, and what to do."""
    if sys.platform != "linux":
        return "connect one, or allow this program to use it in the system's privacy settings"
    sound = Path("/dev/snd")
    if sound.is_dir() and not any(os.access(d, os.R_OK | os.W_OK) for d in sound.glob("pcm*")):
        return "sound devices exist, but this user may not use them; add the user to the group 'audio', or log in again"
    if not sound.is_dir():
        return "no sound hardware and no sound server was found; connect a device, or start PulseAudio or PipeWire"
    return "connect one, or check the sound settings"


def _code(error: Any) -> str:
    return str(error.args[0]) if error.args else str(error)


def _in_words(what: str, name: str, error: Any) -> str:
    from miniaudio import lib

    code = next((a for a in error.args if isinstance(a, int)), 0)
    match code:
        case lib.MA_BUSY | lib.MA_ALREADY_IN_USE | lib.MA_UNAVAILABLE:
            reason = "is used by another program; close that one, or choose another device"
        case lib.MA_ACCESS_DENIED:
            reason = "may not be used by this user; add the user to the group 'audio'"
        case _:
            advice = "choose another one with `assistant voice devices`" if name != _SYSTEMS_CHOICE else _missing()
            reason = f"cannot be opened ({_code(error)}); {advice}"
    return f"the {what} {name} {reason}"
