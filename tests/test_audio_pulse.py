"""The audio process on a real PulseAudio server, with null sinks as microphone and speaker."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import RATE_HZ
from assistant.audio.devices import Reference
from assistant.audio.echo import BLOCK
from assistant.audio.messages import Change, DeviceBack, DeviceLost, Event, Frame, Playback
from assistant.audio.process import AudioProcess, Setup, list_devices
from assistant.engines.piper import PiperVoice
from assistant.errors import AudioError
from assistant.models.store import Store
from assistant.spoken.clauses import Clause
from assistant.turn import Turn
from evals.pulse_server import MISSING, PulseServer, pulse_server
from vowels import vowels

pytest.importorskip("miniaudio")
pytest.importorskip("livekit.rtc")
RATE_OUT = 22_050
INTERRUPTION = "Please wait a moment, I would like to ask you about something else before you go on."
ENOUGH = 800  # frames: 25 s
ATTEMPTS = 3  # on a machine too busy for real time the sound server loses pieces of what is said: no fault of ours


@pytest.fixture
def pulse(monkeypatch: pytest.MonkeyPatch) -> Iterator[PulseServer]:
    """A server with the devices `mic` (fed by the sink `voice_in`) and `speaker`, and this process pointed at it."""
    if MISSING and not os.environ.get("PULSE_TESTS_MUST_RUN"):
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="pulse"))  # a short path: sockets have little room for one
    with pulse_server(folder) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.speaker, server.voice_in = server.add_sink("speaker"), server.add_sink("voice_in")
        server.mic = server.add_microphone("mic", "voice_in")
        server.set_default("sink", "speaker")
        server.set_default("source", "mic")
        yield server
    shutil.rmtree(folder)


def until(
    audio: AudioProcess, done: Callable[[list[Event]], bool], act: dict[int, Callable[[], object]]
) -> list[Event]:
    """Events until `done(events)`; act[n]() is called at frame n."""
    events: list[Event] = []
    n_frames = 0
    for event in audio.events(lambda: True):
        events.append(event)
        if isinstance(event, Frame):
            n_frames += 1
            if n_frames in act:
                act[n_frames]()
        assert n_frames < ENOUGH, [e for e in events if not isinstance(e, Frame)]
        if done(events):
            return events
    return events


def changes(events: list[Event]) -> list[Change]:
    return [event.change for event in events if isinstance(event, Playback)]


def begin(audio: AudioProcess, pcm: np.ndarray) -> None:
    audio.begin()
    audio.play(pcm, range(RATE_OUT // 10, len(pcm), RATE_OUT // 10))
    audio.whole()


def test_devices_are_listed_and_chosen_by_name_or_by_the_system(pulse: PulseServer) -> None:
    devices = list_devices()
    assert "mic" in devices.microphones and {"speaker", "voice_in"} <= set(devices.speakers)
    assert devices.backend == "PulseAudio"
    with closing(AudioProcess(Setup(RATE_OUT))) as audio:
        assert (audio.opened.microphone, audio.opened.speaker) == ("mic", "speaker")
    with pytest.raises(AudioError, match=r"no microphone is called 'blue'; there are: .*mic"):
        AudioProcess(Setup(RATE_OUT, microphone="blue"))


def test_a_reference_that_waits_for_long_is_left_out() -> None:
    reference = Reference(RATE_HZ)
    reference.put(np.zeros(20 * BLOCK, np.int16))  # the speaker ran before the microphone did
    for number in range(150):
        reference.put(np.full(BLOCK, number, np.int16))
        taken = reference.take()
    assert 148 <= taken[0] <= 149


def test_what_is_said_is_heard_and_what_is_answered_can_be_recorded(pulse: PulseServer) -> None:
    with closing(AudioProcess(Setup(RATE_OUT))) as audio:
        recorder = pulse.record("speaker", RATE_HZ)
        begin(audio, vowels(1, RATE_OUT))
        events = until(audio, lambda e: Change.FINISHED in changes(e), {})
        talk = {2: lambda: pulse.say("voice_in", vowels(2), RATE_HZ)}
        heard = until(audio, lambda e: sum(f.probability > 0.5 for f in e if isinstance(f, Frame)) > 20, talk)
        recorder.terminate()
        assert recorder.stdout is not None
        played = np.frombuffer(recorder.stdout.read(), np.int16)
    assert changes(events) == [Change.BEGUN, Change.FINISHED]
    assert max(frame.level_db for frame in heard if isinstance(frame, Frame)) > -30
    assert np.abs(played.astype(int)).max() > 8000


@pytest.mark.models
def test_a_user_ducks_the_answer_and_each_decision_falls_in_time(pulse: PulseServer, speech_store: Store) -> None:
    voice = PiperVoice(speech_store.resolve("voice-en-us-joe").path, steady=True)
    sounds = list(voice.say([Clause(INTERRUPTION, INTERRUPTION)], Turn()))
    talking = np.concatenate([sound.pcm for sound in sounds])
    for attempt in range(ATTEMPTS):
        try:
            assert_each_decision_falls_in_time(interrupted(pulse, talking, voice.rate_hz))
            return
        except AssertionError:
            if attempt == ATTEMPTS - 1:
                raise


def interrupted(pulse: PulseServer, talking: np.ndarray, rate_hz: int) -> list[Event]:
    """What happens when somebody talks two seconds into an answer of eight, until it ends."""
    with closing(AudioProcess(Setup(RATE_OUT))) as audio:
        begin(audio, vowels(8, RATE_OUT, pitch_hz=210))
        talk = {60: lambda: pulse.say("voice_in", talking, rate_hz)}
        return until(audio, lambda e: {Change.STOPPED, Change.FINISHED} & set(changes(e)), talk)


def assert_each_decision_falls_in_time(events: list[Event]) -> None:
    begun, *rest = [e for e in events if isinstance(e, Playback) and e.change is not Change.FINISHED]
    assert begun.change is Change.BEGUN and rest
    for ducked, decided in zip(rest[::2], rest[1::2], strict=True):
        assert ducked.change is Change.DUCKED and decided.change in (Change.RESUMED, Change.STOPPED)
        assert (decided.now - ducked.onset) / RATE_HZ <= 0.8


def test_our_own_voice_in_the_room_does_not_stop_us(pulse: PulseServer) -> None:
    pulse.couple("speaker", "voice_in", gain_db=-20)
    with closing(AudioProcess(Setup(RATE_OUT))) as audio:
        begin(audio, vowels(6, RATE_OUT, pitch_hz=210))
        events = until(audio, lambda e: Change.FINISHED in changes(e) or Change.STOPPED in changes(e), {})
    assert changes(events)[-1] is Change.FINISHED


def test_what_a_speaker_plays_is_no_microphone_unless_it_is_asked_for(pulse: PulseServer) -> None:
    pulse.unload(pulse.mic)  # PulseAudio's default source is now the monitor of a sink
    with pytest.raises(AudioError, match="there is no microphone"):
        AudioProcess(Setup(RATE_OUT))
    with closing(AudioProcess(Setup(RATE_OUT, microphone="onitor of voice_in"))) as audio:
        assert audio.opened.microphone == "Monitor of voice_in"


@pytest.mark.parametrize("chosen", ["mic", ""])
def test_a_microphone_pulled_out_while_we_talk_is_told_and_survived(pulse: PulseServer, chosen: str) -> None:
    pulse.add_microphone("other", "voice_in")
    with closing(AudioProcess(Setup(RATE_OUT, microphone=chosen))) as audio:
        begin(audio, vowels(4, RATE_OUT))
        events = until(audio, lambda e: Change.FINISHED in changes(e), {50: lambda: pulse.unload(pulse.mic)})
    (lost,) = [event for event in events if isinstance(event, DeviceLost)]
    assert "the microphone mic is gone" in lost.words
    (back,) = [event for event in events if isinstance(event, DeviceBack)]
    assert back.microphone == "other" and back.speaker == "speaker"
    at = events.index(back)
    before = max(e.played for e in events[:at] if isinstance(e, Frame))
    resumed = next(e for e in events[at:] if isinstance(e, Playback) and e.change is Change.BEGUN)
    assert before - RATE_OUT // 2 < resumed.at < before + RATE_OUT // 2  # goes on where it was cut off
    times = [event.now for event in events if isinstance(event, Frame)]
    assert times == sorted(times)


def test_a_speaker_that_takes_no_sound_is_told(pulse: PulseServer) -> None:
    with closing(AudioProcess(Setup(RATE_OUT, give_up_s=0))) as audio:
        begin(audio, vowels(6, RATE_OUT))
        events = until(
            audio,
            lambda e: any(isinstance(event, DeviceLost) for event in e),
            {40: lambda: pulse.suspend("speaker")},
        )
    assert isinstance(events[-1], DeviceLost) and "the speaker speaker is gone, or takes no sound" in events[-1].words


def test_a_server_that_dies_is_told_and_given_up_in_words(pulse: PulseServer) -> None:
    with closing(AudioProcess(Setup(RATE_OUT, give_up_s=0))) as audio, pytest.raises(AudioError, match="type instead"):
        until(audio, lambda e: False, {20: pulse.stop})


def test_without_any_sound_the_words_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "none.conf"))
    with pytest.raises(AudioError, match=r"connect a device|start PulseAudio|check the sound settings|group 'audio'"):
        AudioProcess(Setup(RATE_OUT))


def test_a_broken_alsa_configuration_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "broken.conf").write_text("pcm.!default { type nonsense\n}}}}")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "broken.conf"))
    with pytest.raises(AudioError, match=r"cannot be opened|no sound|there is no"):
        AudioProcess(Setup(RATE_OUT))
