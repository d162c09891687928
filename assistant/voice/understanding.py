"""What was said up to a pause, worked out while it is not yet known whether the pause is the end.

soft end -> recognition -> a spoken answer, begun       on one thread; thrown away when speech resumes
                           whose model also tells whether the words are whole
         -> the turn model's judgement                  on another; both say how long the pause must last
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from assistant.audio.speaker import Speaker
from assistant.audio.utterances import SoftEnd
from assistant.chat import Chat
from assistant.engines import LanguageModel
from assistant.engines.hearing import Transcriber, TurnJudge, Voice
from assistant.errors import AssistantError
from assistant.turn import Turn
from assistant.voice import turn_taking
from assistant.voice.attention import Mode
from assistant.voice.turn import SpokenAnswer


@dataclass(frozen=True, slots=True)
class Engines:
    """Everything that is loaded before "ready"."""

    model: LanguageModel
    transcriber: Transcriber
    voice: Voice
    judge: TurnJudge


@dataclass(frozen=True, slots=True)
class Manner:
    """How to listen. `language` "" is detected; `hot_words` are names that recognition should expect."""

    language: str = "en"
    mode: Mode = Mode.OPEN
    hot_words: tuple[str, ...] = ()
    wake_word: str = ""  # left out of what was said


@dataclass(frozen=True, slots=True)
class Heard:
    """The words, "" for none, and the answer begun to them, if it was. `error`: why recognition failed, if it did."""

    text: str
    answer: SpokenAnswer | None = None
    error: str = ""


@dataclass(eq=False, slots=True)
class Guess:
    """What is done about one soft end. `turn` is cancelled when speech resumes, and with it the answer."""

    soft: SoftEnd
    turn: Turn
    understood: Future[Heard]
    complete: Future[float]
    started_s: float = field(default_factory=time.monotonic)
    shown: bool = False
    _held_for: tuple[bool, bool, bool] | None = None

    def heard(self, wait: bool = False) -> Heard | None:
        """None while recognition is at work; no text when it failed."""
        if not wait and not self.understood.done():
            return None
        try:
            return self.understood.result()
        except AssistantError as error:
            return Heard("", error=str(error))

    def hold_ms(self) -> float | None:
        """How long the pause must last, each time something new is known about it; None otherwise."""
        heard = self.heard()
        answer = None if heard is None else heard.answer
        known = heard is not None, self.complete.done(), answer is None or answer.considered
        if self._held_for == known:
            return None
        self._held_for = known
        text = "" if heard is None else heard.text
        complete: float | None = None
        if self.complete.done():
            complete = 0.0 if self.complete.exception() else self.complete.result()
        if answer is not None and answer.by_rule and not turn_taking.is_unfinished(text):
            return turn_taking.command_hold_ms(complete)
        if heard is None or complete is None or not known[2]:
            return None  # nothing is lost: there is no sound to be heard yet
        return turn_taking.hold_ms(complete, text, None if answer is None else answer.turn.usage.end_log_odds)

    def wait(self) -> None:
        """Until everything is known and the answer has something to say."""
        self.complete.exception()
        if (answer := self.heard(wait=True)) and answer.answer is not None:
            answer.answer.prepared.wait()


class Understanding:
    """Begins guesses and answers."""

    def __init__(
        self, chat: Chat, engines: Engines, speaker: Speaker, manner: Manner, threads: ThreadPoolExecutor
    ) -> None:
        self._chat, self._engines, self._speaker = chat, engines, speaker
        self._manner, self._threads = manner, threads

    def begin(self, soft: SoftEnd, over_answer: bool) -> Guess:
        """Start recognition and judgement of what was said until `soft`."""
        turn = Turn()
        understood = self._threads.submit(self._understand, soft, turn, over_answer)
        complete = self._threads.submit(self._judge, soft, turn)
        return Guess(soft, turn, understood, complete)

    def answer(self, text: str) -> SpokenAnswer:
        return SpokenAnswer(text, self._chat, self._engines.model, self._engines.voice)

    def is_reaction(self, text: str, over_answer: bool) -> bool:
        """Whether what was said over our answer asks for no answer of its own."""
        return over_answer and (turn_taking.is_stop(text) or turn_taking.is_backchannel(text))

    def _understand(self, soft: SoftEnd, turn: Turn, over_answer: bool) -> Heard:
        if turn.cancelled:  # recognition was busy with an earlier pause until now
            return Heard("")
        manner = self._manner
        transcript = self._engines.transcriber.transcribe(soft.pcm, manner.language, manner.hot_words)
        turn.mark("heard")
        text = turn_taking.without_name(transcript.text, manner.wake_word)
        if not text or turn.cancelled or self._speaker.playing or self.is_reaction(text, over_answer):
            return Heard(text)
        answer = self.answer(text)
        turn.on_cancel(answer.cancel)
        return Heard(text, answer)

    def _judge(self, soft: SoftEnd, turn: Turn) -> float:
        complete = self._engines.judge.complete_probability(soft.pcm)
        turn.mark("judged")
        return complete
