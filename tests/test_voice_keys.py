"""Keys of the spoken conversation, pressed in another process."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant import instance, instance_client, instance_server
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.history import ephemeral_history
from assistant.instance_wire import Key
from assistant.voice.keys import VoiceKeys


class Recorder:
    """Keeps what it is asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def press(self, down: bool) -> None:
        self.seen.append("down" if down else "up")

    def hush(self) -> None:
        self.seen.append("hush")

    def mute(self, on: bool) -> None:
        self.seen.append("mute" if on else "unmute")


def press(key: Key) -> None:
    connection = instance.connect()
    assert connection is not None
    with connection:
        instance_client.press(connection, key)


def test_a_key_pressed_elsewhere_reaches_the_conversation_that_is_spoken(assistant_home: Path) -> None:
    keys, history, talking = VoiceKeys(), ephemeral_history(), Recorder()
    claim = instance.claim()
    try:
        instance_server.start(claim, instance_server.Served(Settings, history, lambda: None, press=keys.press))
        with pytest.raises(UsageError, match="nobody is talking"):
            press(Key.HOLD)
        with keys.of(talking):
            for key in Key:
                press(key)
        with pytest.raises(UsageError, match="nobody is talking"):
            press(Key.HUSH)
    finally:
        claim.release()
        history.close()
    assert talking.seen == ["down", "up", "hush", "mute", "unmute"]


def test_an_instance_without_a_voice_says_so(assistant_home: Path) -> None:
    history = ephemeral_history()
    claim = instance.claim()
    try:
        instance_server.start(claim, instance_server.Served(Settings, history, lambda: None))
        with pytest.raises(UsageError, match="not talking"):
            press(Key.HOLD)
    finally:
        claim.release()
        history.close()
