"""Interruptions through a real PulseAudio server: what the speaker plays while somebody talks into the microphone.

The product's audio process plays our own voice into one channel of a null sink, the user's recording is played into the
other, and the microphone hears that one and, 20 dB quieter and 40 ms later, ours. Both channels are recorded as one
sound, so that both have one clock: the figures hold every buffer of the sound server, of playing and of recording.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from assistant.audio import FRAME, RATE_HZ
from assistant.audio.messages import Change, Event, Frame, Playback
from assistant.audio.process import AudioProcess, Setup
from evals.pulse_server import PulseServer, pulse_server
from evals.voice_barge_in import Interruption, from_second, word_boundaries
from evals.voice_sounds import ONSET_BELOW_DB, Floats, Remark, Spoken, as_pcm

ECHO_DB = -20.0
_BEGUN_FRAMES = 40  # 1.3 s of our own speech before the user begins; the canceller has heard the answers before
_AFTER_FRAMES = 12  # what is recorded after the decision, and of quiet before the next answer
_LONGEST_FRAMES = 200  # of a trial: without a decision by then there is none
_BLOCK = RATE_HZ // 200  # 5 ms
_TIME_TO_RECORD_S = 0.15
_RESUMED_MS = 60.0  # how much sooner than the event says a resumed answer may be heard again


def interruptions(remarks: Sequence[Remark], own: Sequence[Spoken], rate_hz: int) -> list[Interruption]:
    """Interrupt one answer after another; the user's times count from the onset in the recording."""
    folder = Path(tempfile.mkdtemp(prefix="pulse"))  # a short path: sockets have little room for one
    try:
        with pulse_server(folder) as server, _environment(server.environment):
            server.add_hall()
            server.couple("speaker", "voice_in", ECHO_DB)
            with closing(AudioProcess(Setup(rate_hz, microphone="mic", speaker="speaker"))) as audio:
                events = audio.events(lambda: True)
                return [
                    _interrupt(remark, from_second(own, rate_hz, 2.0 * (number % 15))[:3], server, audio, events)
                    for number, remark in enumerate(remarks)
                ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def silent_from(played: Floats, onset: int, for_ms: float) -> int | None:
    """The first sample from `onset` on at which `played` is 20 dB below what it was before, for so long; None: never.

    A pause of the answer that is as long is silence too: what is heard is what counts.
    """
    blocks = played[: len(played) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    power = np.mean(blocks.astype(np.float64) ** 2, axis=1)
    before = power[max(0, onset // _BLOCK - 400) : onset // _BLOCK]
    loud = power > np.percentile(before, 80) * 10 ** (-ONSET_BELOW_DB / 10)
    needed = max(1, int(for_ms / 5))
    first = -(-onset // _BLOCK)
    for at in range(first, len(loud) - needed + 1):
        if not loud[at : at + needed].any():
            return max(onset, at * _BLOCK)
    return None


def place_of(sound: Floats, recording: Floats) -> int:
    """At which sample of a recording a sound begins, by correlation."""
    n = 1 << (len(sound) + len(recording)).bit_length()
    spectrum = np.fft.rfft(recording, n) * np.conj(np.fft.rfft(sound, n))
    return int(np.argmax(np.fft.irfft(spectrum, n)[: len(recording)]))


# -- one trial --------------------------------------------------------------------------------------------------------


def _interrupt(
    remark: Remark, own: Sequence[Spoken], server: PulseServer, audio: AudioProcess, events: Iterator[Event]
) -> Interruption:
    path = server.folder / "hall.raw"
    recorder = server.record_into(path, "hall", RATE_HZ, 2)
    audio.begin()
    for spoken in own:
        audio.play(spoken.pcm, spoken.word_ends)
    audio.whole()
    changes = _until_decided(remark, server, events)
    audio.stop()
    _pass(events, _AFTER_FRAMES)
    time.sleep(_TIME_TO_RECORD_S)
    recorder.terminate()
    recorder.wait(timeout=10)
    raw = np.frombuffer(path.read_bytes(), np.int16)
    hall = raw[: len(raw) // 2 * 2].reshape(-1, 2).astype(np.float32)
    onset = place_of(remark.pcm, hall[:, 1]) + remark.onset
    ducked = next((c for c in changes if c.change is Change.DUCKED), None)
    decided = next((c for c in changes if c.change in (Change.STOPPED, Change.RESUMED)), None)
    if ducked is None or decided is None:
        return Interruption(remark.name, None, None, None, True)
    waited_ms = (decided.now - ducked.now) / RATE_HZ * 1000
    silent = silent_from(hall[:, 0], onset, waited_ms - _RESUMED_MS)
    if silent is None:
        return Interruption(remark.name, None, None, decided.change, True)
    ducked_ms = (silent - onset) / RATE_HZ * 1000
    at_word = decided.change is Change.STOPPED or decided.at in word_boundaries(own)
    return Interruption(remark.name, ducked_ms, ducked_ms + waited_ms, decided.change, at_word)


def _until_decided(remark: Remark, server: PulseServer, events: Iterator[Event]) -> list[Playback]:
    """What happens to the answer from when the user begins until it was stopped or went on for a while.

    And until the user has ended: the next answer begins in quiet, as the product's do. Begun over the rest of a remark
    it is ducked, the rest soon ends, and this false alarm makes the next remark harder to hear.
    """
    changes: list[Playback] = []
    spoken = _BEGUN_FRAMES + len(remark.pcm) // FRAME + _AFTER_FRAMES
    n_frames = n_left = 0
    for event in events:
        if isinstance(event, Frame):
            n_frames += 1
            if n_frames == _BEGUN_FRAMES:
                server.say("voice_in", as_pcm(remark.pcm), RATE_HZ)
            n_left -= n_left > 1
            if n_left == 1 and n_frames >= spoken:
                break
        elif isinstance(event, Playback) and n_frames >= _BEGUN_FRAMES:
            changes.append(event)
            if event.change in (Change.STOPPED, Change.RESUMED) and not n_left:
                n_left = _AFTER_FRAMES + 1
        if n_frames > _LONGEST_FRAMES:
            break
    return changes


def _pass(events: Iterator[Event], n_frames: int) -> None:
    for event in events:
        n_frames -= isinstance(event, Frame)
        if n_frames <= 0:
            return


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Let this process and those it starts use the server; the home folder stays."""
    before = {name: os.environ.get(name) for name in variables if name != "HOME"}
    os.environ.update({name: variables[name] for name in before})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
