"""Talking in the chat: one conversation typed and spoken, what the bar shows, what happens when there is no voice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant.audio.ladder import Rung
from assistant.audio.messages import Event
from assistant.chat import Chat as Session
from assistant.cli.chat import voice_with
from assistant.config import Settings
from assistant.conversation import Conversation
from assistant.engines import LanguageModel
from assistant.errors import AudioError
from assistant.history import ephemeral_history
from assistant.ringing import Ringing
from assistant.tui.services import Services
from assistant.tui.voice_bar import VoiceBar, VoiceStatus, last_words, meter
from assistant.voice import build as voice_build
from assistant.voice.events import Phase
from assistant.voice.keys import VoiceKeys
from assistant.voice.loop import VoiceLoop
from assistant.voice.understanding import Engines
from tui_chat import Chat, opened, scripted, services
from voice_fakes import ScriptedAudio, ScriptedEars, ScriptedVoice


class Room(ScriptedAudio):
    """A microphone that stays open: silence follows until somebody leaves."""

    block_s = 0.0005  # how long 10 ms take

    def events(self, busy: Callable[[], bool]) -> Iterator[Event]:
        for event in super().events(lambda: True):
            time.sleep(self.block_s)
            yield event


def speaking(line: str, texts: dict[int, str], block_s: float = 0.0005) -> Callable[..., object]:
    """Services.open_voice over scripted engines."""

    @contextmanager
    def open_voice(chat: Session, model: LanguageModel) -> Iterator[VoiceLoop]:
        ears = ScriptedEars(texts)
        room = Room(line, ears)
        room.block_s = block_s
        yield VoiceLoop(chat, Engines(model, ears, ScriptedVoice(), ears), room)

    return open_voice


def run(given: Services, story: Callable[[Chat], Awaitable[None]]) -> None:
    async def play() -> None:
        async with opened(given) as chat:
            await story(chat)

    asyncio.run(play())


def bar(chat: Chat) -> VoiceBar:
    return chat.screen.query_one(VoiceBar)


def test_one_key_talks_and_types_in_one_conversation() -> None:
    history = ephemeral_history()
    model = scripted("Typed answer.", "x", "Spoken answer.", "Typed again.")

    async def story(chat: Chat) -> None:
        await chat.ask("A typed question")
        await chat.press("ctrl+t")
        await chat.until(lambda: len(chat.texts) == 4 and chat.texts[-1] == "Spoken answer.")
        await chat.until(lambda: bar(chat).status.phase is Phase.LISTENING)
        assert bar(chat).display and chat.screen.status.state == "ready"
        await chat.press("ctrl+t")
        await chat.until(lambda: chat.screen.talking is None)
        assert not bar(chat).display
        await chat.ask("A second one")
        stored = history.load(chat.screen.chat.conversation.id)
        expected = ["A typed question", "Typed answer.", "And by voice?", "Spoken answer.", "A second one"]
        assert [m.content for m in stored][:5] == expected

    run(services(model, history, open_voice=speaking("..1111" + "." * 30, {1: "And by voice?"})), story)


def test_escape_stops_the_spoken_answer_and_only_what_was_heard_stays() -> None:
    model = scripted("x", "Once upon a time there was a king, who had a very long story to tell about his crown. " * 4)

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+t")
        await chat.until(lambda: chat.screen.status.state == "speaking" and chat.texts)
        await chat.press("escape")
        await chat.until(lambda: chat.screen.status.state == "ready")
        assert len(chat.texts[-1]) < 300
        assert chat.screen.talking is not None

    run(services(model, open_voice=speaking("..1111....", {1: "Tell me a story"}, block_s=0.03)), story)


def test_without_a_microphone_the_chat_goes_on_in_words() -> None:
    @contextmanager
    def open_voice(chat: Session, model: LanguageModel) -> Iterator[VoiceLoop]:
        raise AudioError("there is no microphone; connect one")
        yield

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+t")
        await chat.until(lambda: chat.notices)
        assert chat.notices == ["The voice cannot be used: there is no microphone; connect one"]
        await chat.ask("Still there?")
        assert chat.texts[-1] == "Yes."

    run(services(scripted("Yes."), open_voice=open_voice), story)


def test_leaving_the_conversation_ends_the_talking() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("ctrl+t")
        await chat.until(lambda: chat.screen.talking is not None and chat.screen.talking.loop is not None)
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.screen.talking is None)

    run(services(scripted("x"), open_voice=speaking("." * 10, {})), story)


def test_the_microphone_can_be_muted() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("ctrl+t")
        await chat.until(lambda: bar(chat).status.phase is Phase.LISTENING and not bar(chat).status.opening)
        await chat.send("/mute")
        await chat.until(lambda: bar(chat).status.phase is Phase.MUTED)
        await chat.send("/mute")
        await chat.until(lambda: bar(chat).status.phase is Phase.LISTENING)

    run(services(scripted("x"), open_voice=speaking("." * 10, {})), story)


@pytest.mark.parametrize(("level_db", "filled"), [(-96.0, 0), (-60.0, 0), (-35.0, 4), (-10.0, 8), (0.0, 8)])
def test_the_meter_shows_the_level(level_db: float, filled: int) -> None:
    assert meter(level_db) == "▮" * filled + "▯" * (8 - filled)


@pytest.mark.parametrize(
    ("text", "n_cells", "shown"),
    [("what is the", 20, "what is the"), ("what is the", 6, "…s the"), ("你好吗", 5, "…好吗"), ("what", 0, "")],
)
def test_of_a_long_caption_the_last_words_are_shown(text: str, n_cells: int, shown: str) -> None:
    assert last_words(text, n_cells) == shown


def test_the_bar_says_what_goes_on() -> None:
    async def story(chat: Chat) -> None:
        bar(chat).display = True
        bar(chat).status = VoiceStatus(False, Phase.HEARING, -30.0, "what time is it", Rung.CLEAR, 412.0)
        await chat.pilot.pause()
        text = bar(chat).render().plain
        assert text.startswith("● hearing you  ▮▮▮▮▮▯▯▯  what time is it")
        assert "answered in 412 ms" in text and "interrupt me any time" in text

    run(services(scripted("x")), story)


def test_what_is_wrong_with_the_sound_is_told_before_the_engines_are_loaded(
    monkeypatch: pytest.MonkeyPatch, assistant_home: Path
) -> None:
    def no_microphone(settings: Settings) -> None:
        raise AudioError("no microphone was found; connect one")

    monkeypatch.setattr(voice_build, "require_installed", lambda: None)
    monkeypatch.setattr(voice_build, "require_sound", no_microphone)
    monkeypatch.setattr(voice_build, "opened", lambda model: pytest.fail("the engines are loaded first"))
    history = ephemeral_history()
    opening = voice_with(VoiceKeys(), Ringing(history))(Session(Conversation(), history), scripted("x"))
    with pytest.raises(AudioError, match="no microphone was found"), opening:
        pass
