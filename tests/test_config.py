"""Settings: defaults, round trip, and errors that name what is wrong and the nearest right thing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from assistant import config
from assistant.config import Persona, Settings
from assistant.errors import SettingsError


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert config.load(tmp_path / "settings.toml") == Settings()


def test_round_trip_writes_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    settings = msgspec.structs.replace(Settings(), temperature=0.2, personas=(Persona("pirate", 'Say "arr"\nonly.'),))
    config.save(settings, path)
    assert config.load(path) == settings
    assert "top_k" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("temprature = 0.5", "did you mean 'temperature'"),
        ("context-tokens = 512", "did you mean 'context_tokens'"),
        ("model = 3", "model must be text in quotes, not a whole number"),
        ('push_to_talk = "yes"', "push_to_talk must be true or false, not text in quotes"),
        ("[gateway]\naddress = 1", "gateway.address must be text in quotes"),
        ("top_k = 0", "top_k = 0 is outside 1 to 1000"),
        ("max_tokens = -1", "max_tokens"),
        ("model = ", "not valid TOML"),
        ("[[personas]]\nname = 'x'\nsytem = 'y'", "sytem"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        config.load(path)
    assert str(path) in str(caught.value)


def test_binary_junk_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not valid TOML"):
        config.load(path)
