"""Engines of speech that follow a script, for the logic of turns: what is heard is written into the samples.

A frame's first sample tells: 0 is silence, n > 0 is speech of utterance number n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from assistant.audio import FRAME, messages
from assistant.audio.core import Core
from assistant.audio.echo import BLOCK
from assistant.audio.messages import Event
from assistant.audio.playback import PlaybackBuffer
from assistant.chat import Chat
from assistant.conversation import Conversation, Message
from assistant.engines.hearing import Pcm, Sound, Transcript
from assistant.history import ephemeral_history
from assistant.spoken.clauses import Clause
from assistant.turn import Turn
from assistant.voice.events import TurnReport, VoiceEvent
from assistant.voice.loop import VoiceLoop
from assistant.voice.understanding import Engines
from fakes import ScriptedModel

RATE_HZ = 16_000
WORD = 1600  # samples that each word takes


def audio(line: str) -> Pcm:
    """`111..22` is three frames of utterance 1, two of silence, two of utterance 2."""
    return np.concatenate([np.full(FRAME, 0 if sign == "." else 1000 * int(sign), np.int16) for sign in line])


class ScriptedEars:
    """SpeechDetector, TurnJudge and Transcriber at once."""

    def __init__(self, texts: dict[int, str], unfinished: frozenset[int] = frozenset()) -> None:
        self.texts, self.unfinished = texts, unfinished
        self.transcribed: list[str] = []

    def probability(self, frame: Pcm) -> float:
        return 0.9 if frame[0] else 0.05

    def reset(self) -> None:
        pass

    def complete_probability(self, pcm: Pcm) -> float:
        return 0.1 if self._number(pcm) in self.unfinished else 0.98

    def transcribe(
        self, pcm: Pcm, language: str = "", hot_words: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        text = self.texts[self._number(pcm)]
        self.transcribed.append(text)
        return Transcript(text)

    def close(self) -> None:
        pass

    def _number(self, pcm: Pcm) -> int:
        return int(pcm.max()) // 1000


class ScriptedVoice:
    """Says each word as WORD loud samples."""

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, words: Iterable[Clause], turn: Turn) -> Iterator[Sound]:
        for clause in words:
            if turn.cancelled:
                return
            self.said.append(clause.spoken)
            n_words = len(clause.spoken.split())
            ends = tuple(WORD * (at + 1) for at in range(n_words))
            yield Sound(np.full(WORD * n_words, 9000, np.int16), clause.written, WORD * n_words, ends)

    def close(self) -> None:
        pass


class ScriptedAudio:
    """What the audio process does, in this one and without a clock; keeps what was played."""

    rate_out_hz = RATE_HZ
    real_pace = False

    def __init__(self, line: str, ears: ScriptedEars) -> None:
        self._input = audio(line)
        self._core = Core(PlaybackBuffer(RATE_HZ), ears, None)
        self._answer = 0
        self.output: list[Pcm] = []

    def events(self, busy: Callable[[], bool]) -> Iterator[Event]:
        at = 0
        while at < len(self._input) or busy():
            block = self._input[at : at + BLOCK]
            block = np.concatenate([block, np.zeros(BLOCK - len(block), np.int16)])
            at += BLOCK
            played = self._core.playback.take(BLOCK, self._core.now, RATE_HZ)
            self.output.append(played)
            yield from self._core.step(block, played)

    def begin(self) -> int:
        self._answer += 1
        self._core.obey(messages.Begin(self._answer))
        return self._answer

    def play(self, pcm: Pcm, word_ends: Sequence[int] = ()) -> None:
        self._core.obey(messages.Play(self._answer, pcm.tobytes(), list(word_ends)))

    def whole(self) -> None:
        self._core.obey(messages.Whole(self._answer))

    def duck(self) -> None:
        self._core.obey(messages.Duck())

    def resume(self) -> None:
        self._core.obey(messages.Resume())

    def stop(self) -> None:
        self._core.obey(messages.Stop())

    def mute(self, on: bool) -> None:
        self._core.obey(messages.Mute(on))

    def close(self) -> None:
        pass

    @property
    def heard(self) -> str:
        """The output in the notation of audio(): `#` is a frame with sound."""
        samples = np.concatenate(self.output)
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        return "".join("#" if np.abs(frame.astype(int)).max() > 400 else "." for frame in frames)


class Talk:
    """One conversation over a scripted device."""

    def __init__(self, line: str, texts: dict[int, str], **ears: frozenset[int]) -> None:
        self.history = ephemeral_history()
        self.chat = Chat(Conversation(system="Be brief."), self.history)
        self.model = ScriptedModel()
        self.ears = ScriptedEars(texts, **ears)
        self.voice = ScriptedVoice()
        self.device = ScriptedAudio(line, self.ears)
        engines = Engines(self.model, self.ears, self.voice, self.ears)
        self.loop = VoiceLoop(self.chat, engines, self.device)
        self.events: list[VoiceEvent] = []

    def run(self) -> list[TurnReport]:
        """The scripted model first answers the rehearsal."""
        self.model._replies.appendleft(["x"])
        self.events = list(self.loop.run())
        return [event for event in self.events if isinstance(event, TurnReport)]

    @property
    def asked(self) -> list[list[Message]]:
        """The prompts that were answered: without the rehearsal before the first turn."""
        return [list(p.messages) for p in self.model.prompts if p.messages[-1].content != "…"]

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """What the history holds, role and text."""
        kept = self.history.load(self.chat.conversation.id)
        return [(str(m.role), m.content) for m in kept]
