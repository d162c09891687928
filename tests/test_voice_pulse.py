"""Talking to the real program through a sound server: what is said into the microphone, what comes out of the speaker.

Piper asks, Whisper reads back what was recorded; between them is the product, with nothing of it replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import RATE_HZ
from assistant.audio.echo import Resampler
from assistant.engines.hearing import Pcm
from assistant.engines.piper import PiperVoice
from assistant.engines.whisper import WhisperTranscriber
from assistant.models.store import Store
from assistant.spoken.clauses import Clause
from assistant.turn import Turn
from evals.pulse_server import MISSING, PulseServer, pulse_server
from terminal_session import TerminalSession

pytest.importorskip("miniaudio")
pytest.importorskip("livekit.rtc")
pytestmark = [pytest.mark.models, pytest.mark.slow]

CTRL_T, CTRL_C, CTRL_Q = "\x14", "\x03", "\x11"


class Room:
    """A microphone to speak into, and a recording of the speaker."""

    def __init__(self, server: PulseServer, store: Store) -> None:
        self._server, self._store = server, store
        self._voice = PiperVoice(store.resolve("voice-en-us-joe").path, steady=True)
        self._recorder = server.record("speaker", RATE_HZ)

    def say(self, text: str) -> None:
        pcm = np.concatenate([sound.pcm for sound in self._voice.say([Clause(text, text)], Turn())])
        self._server.say("voice_in", Resampler(self._voice.rate_hz, RATE_HZ).feed(pcm), RATE_HZ)

    def heard(self) -> str:
        """Everything that came out of the speaker, read by recognition."""
        self._recorder.terminate()
        assert self._recorder.stdout is not None
        played: Pcm = np.frombuffer(self._recorder.stdout.read(), np.int16)
        transcriber = WhisperTranscriber(self._store.resolve("whisper-base").path)
        loud = np.flatnonzero(np.abs(played.astype(int)) > 300)
        cuts = np.flatnonzero(np.diff(loud) > 2 * RATE_HZ)  # answers stand seconds apart
        starts, ends = loud[np.r_[0, cuts + 1]], loud[np.r_[cuts, len(loud) - 1]]
        return " ".join(
            transcriber.transcribe(played[max(0, start - 1600) : end + 1600], "en").text
            for start, end in zip(starts, ends, strict=True)
        )


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, speech_store: Store) -> Iterator[Room]:
    if MISSING and not os.environ.get("PULSE_TESTS_MUST_RUN"):
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="pulse"))
    with pulse_server(folder) as server:
        for name, value in server.environment.items():
            if name != "HOME":
                monkeypatch.setenv(name, value)
        server.speaker, server.voice_in = server.add_sink("speaker"), server.add_sink("voice_in")
        server.mic = server.add_microphone("mic", "voice_in")
        server.set_default("sink", "speaker")
        server.set_default("source", "mic")
        yield Room(server, speech_store)
    shutil.rmtree(folder)


@pytest.fixture
def home(assistant_home: Path, speech_store: Store) -> Path:
    shutil.copytree(speech_store.folder, assistant_home / "models", copy_function=os.link)
    (assistant_home / "settings.toml").write_text('model = "smollm2-135m"\n')
    return assistant_home


def _history(*arguments: str) -> object:
    command = [sys.executable, "-m", "assistant", "history", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


def test_typed_and_spoken_turns_are_one_conversation(room: Room, home: Path) -> None:
    chat = TerminalSession(home)
    chat.wait_for(lambda text: "● ready" in text, "the chat")
    chat.ask("What is twelve times twelve?")
    chat.wait_for(lambda text: "144" in text, "the typed answer")
    chat.type(CTRL_T)
    chat.wait_for(lambda text: "○ listening" in text, "that it listens")
    room.say("What is seventeen times twelve?")
    chat.wait_for(lambda text: "204" in text, "the spoken answer on the screen")
    chat.wait_for(lambda text: "○ listening" in text and "answered in" in text, "the end of the answer")
    chat.type(CTRL_T)
    chat.wait_for(lambda text: "listening" not in text, "the end of talking")
    chat.ask("What is eleven times eleven?")
    chat.wait_for(lambda text: "121" in text, "the second typed answer")
    chat.type(CTRL_Q)
    assert chat.wait() == 0
    assert "204" in room.heard()

    (conversation,) = _history("list")  # type: ignore[misc]
    messages = [m for m in _history("show", conversation["id"])["messages"] if m["role"] != "system"]  # type: ignore[index]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 3
    for answer, number in zip(messages[1::2], ("144", "204", "121"), strict=True):
        assert number in answer["content"]
    assert "seventeen" in messages[2]["content"].lower() or "17" in messages[2]["content"]


def test_a_spoken_timer_rings_by_voice_and_keys_come_from_elsewhere(room: Room, home: Path) -> None:
    talk = TerminalSession(home, "voice")
    talk.wait_for(lambda text: "[listening]" in text, "that it listens")
    room.say("Set a timer for two seconds.")
    talk.wait_for(lambda text: "Timer set for 2 seconds" in text, "the answer")
    talk.wait_for(lambda text: "timer is done" in text, "the ringing")
    talk.wait_for(lambda text: "[speaking]" in text, "the announcement")
    talk.wait_for(lambda text: "[listening]" in text, "its end")
    muted = subprocess.run([sys.executable, "-m", "assistant", "voice", "mute"], capture_output=True, timeout=60)
    assert muted.returncode == 0, muted.stderr
    talk.wait_for(lambda text: "[muted]" in text, "that it is muted")
    talk.type("m")  # the terminal's own key does not know: it mutes
    talk.type("m")
    talk.wait_for(lambda text: "[listening]" in text, "that it listens again")
    talk.type("q")
    assert talk.wait() == 0
    heard = room.heard().lower()
    assert "timer set" in heard and "done" in heard
