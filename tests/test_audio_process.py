"""The audio process with files as devices: the locked child itself, its echo canceller, its speech detector."""

from __future__ import annotations

import os
import signal
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import FRAME, RATE_HZ, devices
from assistant.audio.ladder import Rung
from assistant.audio.messages import Badge, Change, Event, Frame, InputEnded, Playback
from assistant.audio.process import AudioProcess, Setup
from assistant.errors import AudioError, UsageError
from assistant.privacy import sandbox

pytest.importorskip("livekit.rtc")
pytest.importorskip("onnxruntime")
RATE_OUT = 22_050


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(samples.astype(np.int16).tobytes())
    return path


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16)


def voice_like(seconds: float, seed: int = 1) -> np.ndarray:
    """Syllables of noise: what an echo of speech looks like to a canceller."""
    rng = np.random.default_rng(seed)
    n_samples = int(seconds * RATE_OUT)
    syllables = np.clip(np.sin(2 * np.pi * 3 * np.arange(n_samples) / RATE_OUT), 0, 1)
    return (rng.normal(0, 4000, n_samples) * syllables).astype(np.int16)


def collect(audio: AudioProcess, busy: Callable[[], bool] = lambda: False) -> list[Event]:
    return list(audio.events(busy))


def test_a_file_is_heard_frame_by_frame_and_the_answer_is_written_in_step(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", np.arange(FRAME * 20))
    setup = Setup(RATE_OUT, audio_in=source, audio_out=tmp_path / "out.wav", real_pace=False)
    audio = AudioProcess(setup)
    audio.begin()
    audio.play(np.full(4410, 9000, np.int16), [2000, 4000])
    audio.whole()
    events = collect(audio)
    audio.close()
    frames = [event for event in events if isinstance(event, Frame)]
    assert np.array_equal(np.concatenate([f.samples for f in frames])[: FRAME * 20], np.arange(FRAME * 20))
    assert [f.now for f in frames] == [FRAME * (at + 1) for at in range(len(frames))]
    assert frames[-1].played == 4410 and frames[-1].answer == 1
    assert [e.change for e in events if isinstance(e, Playback)] == [Change.BEGUN, Change.FINISHED]
    assert sum(isinstance(event, InputEnded) for event in events) == 1
    out = read(tmp_path / "out.wav")
    assert (out == 9000).sum() == 4410
    assert abs(len(out) / RATE_OUT - 20 * FRAME / RATE_HZ) < 0.05


def test_the_same_file_gives_the_same_events_twice(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", np.random.default_rng(1).normal(0, 3000, RATE_HZ))

    def once() -> list[Event]:
        audio = AudioProcess(Setup(RATE_OUT, audio_in=source, real_pace=False))
        audio.begin()
        audio.play(voice_like(0.5))
        audio.whole()
        events = collect(audio)
        audio.close()
        return events

    assert once() == once()


def test_silence_follows_the_input_for_as_long_as_somebody_is_busy(tmp_path: Path) -> None:
    audio = AudioProcess(Setup(RATE_OUT, audio_in=write(tmp_path / "in.wav", np.full(FRAME, 99)), real_pace=False))
    frames: list[Frame] = []
    for event in audio.events(lambda: len(frames) < 10):
        if isinstance(event, Frame):
            frames.append(event)
    audio.close()
    assert len(frames) == 10 and not frames[-1].samples.any()


def test_the_canceller_removes_our_own_voice_and_the_badge_tells(tmp_path: Path) -> None:
    room = np.zeros(800, np.float32)
    room[700], room[750], room[790] = 0.3, -0.1, 0.05
    source = write(tmp_path / "in.wav", np.random.default_rng(2).normal(0, 20, RATE_HZ * 8))

    def rest_db(cancel_echo: bool) -> tuple[float, list[Event]]:
        audio = AudioProcess(
            Setup(RATE_OUT, audio_in=source, real_pace=False, room=room.tobytes(), cancel_echo=cancel_echo)
        )
        audio.begin()
        audio.play(voice_like(8))
        events = collect(audio)
        audio.close()
        levels = [e.level_db for e in events if isinstance(e, Frame)][-100:]
        return float(np.percentile(levels, 80)), events

    with_echo, _ = rest_db(cancel_echo=False)
    without, events = rest_db(cancel_echo=True)
    assert without < with_echo - 15
    assert [event.rung for event in events if isinstance(event, Badge)][-1] is Rung.CLEAR
    assert not any(isinstance(e, Playback) and e.change is Change.STOPPED for e in events)


def test_muted_nothing_is_heard(tmp_path: Path) -> None:
    audio = AudioProcess(Setup(RATE_OUT, audio_in=write(tmp_path / "in.wav", np.full(FRAME * 9, 5)), real_pace=False))
    audio.mute(True)
    frames = [event for event in collect(audio) if isinstance(event, Frame)]
    audio.close()
    assert not any(frame.samples.any() for frame in frames)


def test_the_process_is_locked_and_can_open_no_connection_any_more(tmp_path: Path) -> None:
    audio = AudioProcess(Setup(RATE_OUT, audio_in=write(tmp_path / "in.wav", np.zeros(9)), cancel_echo=True))
    if sandbox.supported():
        status = sandbox.status(audio.pid)
        assert status.locked and min(status.filters.values()) >= 3  # the network, programs, then all connections
    audio.close()


def test_a_process_that_dies_is_told_in_words(tmp_path: Path) -> None:
    audio = AudioProcess(Setup(RATE_OUT, audio_in=write(tmp_path / "in.wav", np.zeros(RATE_HZ * 60))))
    with pytest.raises(AudioError, match="SIGKILL"):
        for at, _ in enumerate(audio.events(lambda: True)):
            if at == 3:
                os.kill(audio.pid, signal.SIGKILL)
    audio.close()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"#EXTM3U\nhttp://a.b/c.mp3\n", b"RIFF\x24\x00\x00\x00WAVEfmt "])
def test_what_is_no_wav_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UsageError, match="WAV"):
        AudioProcess(Setup(RATE_OUT, audio_in=tmp_path / "a.wav"))


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.wav cannot be read"):
        AudioProcess(Setup(RATE_OUT, audio_in=tmp_path / "none.wav"))
    with pytest.raises(UsageError, match="is a folder"):
        AudioProcess(Setup(RATE_OUT, audio_in=tmp_path))
    source = write(tmp_path / "in.wav", np.zeros(9))
    with pytest.raises(UsageError, match="cannot be written"):
        AudioProcess(Setup(RATE_OUT, audio_in=source, audio_out=tmp_path / "no folder" / "out.wav"))


def test_an_unknown_name_lists_devices_and_no_plugins() -> None:
    listed = [
        devices._Device("Rate Converter Plugin", False, b"lavrate", plugin=True),
        devices._Device("USB microphone", False, b":1,0"),
    ]
    with pytest.raises(AudioError, match=r"there are: USB microphone$"):
        devices._chosen(listed, "blue", "microphone")
    with pytest.raises(AudioError, match="there is none; "):
        devices._chosen(listed[:1], "blue", "microphone")
    assert devices._chosen(listed, "rate", "microphone") == (b"lavrate", "Rate Converter Plugin")
