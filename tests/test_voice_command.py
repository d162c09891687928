"""`assistant voice`: what recognition is told, and what is refused before any model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant import build
from assistant.audio.process import Setup
from assistant.cli import main
from assistant.errors import AudioError
from assistant.history import ephemeral_history
from assistant.router import Router
from assistant.tools.opening import surroundings_for
from assistant.voice import build as voice_build
from assistant.voice.build import hot_words


def test_recognition_is_told_the_names_of_the_home_and_of_lists() -> None:
    history = ephemeral_history()
    router = Router(surroundings_for(history))
    router.act(router.decide("Add nails to my hardware list"))
    names = hot_words(router.surroundings)
    assert {"Kitchen", "Living Room", "hardware"} <= set(names) and len(names) == len(set(names))


def test_a_microphone_that_cannot_be_used_is_told_before_any_model_is_loaded(
    assistant_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_sound(setup: Setup) -> None:
        raise AudioError(f"no microphone is called {setup.microphone!r}")

    monkeypatch.setattr(voice_build, "require_installed", lambda: None)
    monkeypatch.setattr(voice_build, "AudioProcess", no_sound)
    monkeypatch.setattr(build, "open_model", lambda *_, **__: pytest.fail("a model was loaded"))
    assert main(["voice", "--ephemeral", "--microphone", "blue"]) == AudioError.exit_code
    assert "no microphone is called 'blue'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wake", "zorro"], "there are: okay_nabu, hey_jarvis"),
        (["--language", "klingon"], "'klingon' is no language code"),
        (["--audio-in", "nowhere.wav"], "nowhere.wav cannot be read"),
    ],
)
def test_what_is_not_known_is_told_before_any_model_is_loaded(
    arguments: list[str],
    said: str,
    assistant_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(voice_build, "require_installed", lambda: None)
    monkeypatch.setattr(voice_build, "require_sound", lambda settings: None)
    monkeypatch.setattr(build, "open_model", lambda *_, **__: pytest.fail("a model was loaded"))
    assert main(["voice", "--ephemeral", *arguments]) == 2
    assert said in capsys.readouterr().err
