"""What is heard while somebody is still speaking: captions, and a model that reads along. Threads work at once here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from assistant.audio import FRAME
from assistant.audio.messages import Frame, Pcm
from assistant.audio.utterances import State, Utterances
from assistant.chat import Chat
from assistant.conversation import Conversation
from assistant.engines.hearing import Transcript
from assistant.errors import EngineCrashed
from assistant.history import ephemeral_history
from assistant.voice.preview import Preview
from assistant.voice.understanding import Engines, Manner
from fakes import ScriptedModel
from voice_fakes import ScriptedEars, ScriptedVoice, audio


class Threads:
    """Does what it is given when told to."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.append(lambda: future.set_result(function(*arguments)))
        return future

    def work(self) -> None:
        while self._waiting:
            self._waiting.pop(0)()


class Ears(ScriptedEars):
    """Hears one text after another."""

    def __init__(self, *texts: str) -> None:
        super().__init__({})
        self.next = list(texts)
        self.lengths: list[int] = []

    def transcribe(
        self, pcm: Pcm, language: str = "", hot_words: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        assert draft
        self.lengths.append(len(pcm))
        return Transcript(self.next.pop(0))


class Speech:
    """Somebody who speaks, frame by frame; `steady` is how sure the detector is of it."""

    def __init__(self, *texts: str) -> None:
        self.ears, self.model, self.threads = Ears(*texts), ScriptedModel(), Threads()
        engines = Engines(self.model, self.ears, ScriptedVoice(), self.ears)
        chat = Chat(Conversation(system="Be brief."), ephemeral_history())
        manner = Manner(wake_word="alexa")
        self.preview = Preview(chat, engines, manner, self.threads)  # type: ignore[arg-type]
        self.utterances = Utterances()
        self.utterances.feed(audio("1"), 1.0)
        self.preview.begin(self.utterances.now)
        for _ in range(len(texts)):
            self.model.enqueue("x")

    def go_on(self, n_frames: int, steady: float = 1.0, work: bool = True) -> list[str]:
        """What is told within so many frames."""
        told = []
        for _ in range(n_frames):
            self.utterances.feed(audio("1"), 1.0)
            frame = Frame(self.utterances.now, audio("1").tobytes(), steady, -20.0, -96.0, 0, 0)
            told.append(self.preview.follow(frame, self.utterances))
            if work:
                self.threads.work()
        return [text for text in told if text]

    @property
    def read(self) -> list[str]:
        """What the model was given to read."""
        return [prompt.messages[-1].content for prompt in self.model.prompts]


def test_the_words_so_far_are_told_and_read() -> None:
    speech = Speech("Why is the?", "Why is the sky bl...")
    assert speech.go_on(20) == ["Why is the…"]
    assert speech.go_on(20) == ["Why is the sky bl…"]
    assert speech.read == ["Why is the", "Why is the sky bl"]
    assert speech.ears.lengths == sorted(speech.ears.lengths) and len(set(speech.ears.lengths)) == 2


def test_nothing_is_begun_where_the_sound_is_fading() -> None:
    speech = Speech("Why")
    assert speech.go_on(60, steady=0.6) == [] and speech.ears.lengths == []
    assert speech.go_on(2) == ["Why…"]


def test_recognition_that_is_slow_is_left_alone_for_longer() -> None:
    speech = Speech("Why is", "Why is the")
    speech.go_on(17, work=False)
    took = 10  # frames
    assert speech.go_on(took, work=False) == []
    speech.threads.work()
    assert speech.go_on(3 * took) == ["Why is…"] and len(speech.ears.lengths) == 1
    assert speech.go_on(3 * took) == ["Why is the…"]


def test_a_pause_makes_what_was_begun_void() -> None:
    speech = Speech("Why is the", "Why is the sky")
    speech.go_on(17, work=False)
    speech.preview.stop()
    speech.threads.work()
    assert speech.go_on(1, steady=0.0) == [] and speech.read == []


def test_the_wake_word_is_no_part_of_what_is_said() -> None:
    speech = Speech("Alexa, why is the")
    assert speech.go_on(20) == ["why is the…"]


def test_a_draft_that_fails_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **named: object) -> Transcript:
        raise EngineCrashed("gone")

    speech = Speech("x")
    monkeypatch.setattr(speech.ears, "transcribe", fail)
    assert speech.go_on(20) == [] and speech.read == []


def test_what_was_said_so_far_begins_before_the_first_speech() -> None:
    utterances = Utterances()
    for sign in "..111":
        utterances.feed(audio(sign), 0.9 if sign == "1" else 0.0)
    assert utterances.state is State.SPEAKING and len(utterances.so_far()) == 5 * FRAME
