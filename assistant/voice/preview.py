"""What is being said, while it is being said: captions word by word, and a model that reads along.

    speaking -> Whisper on what was said so far, a draft -> a caption
                                                         -> the model's cache

A draft has no consequences: what is heard at the pause counts, and of what the model has read it keeps as much as the
words agree with. Drafts begin in mid-word only, where no end is near, and leave recognition idle most of the time: an
end that comes while one is at work waits for it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from assistant.audio import samples
from assistant.audio.messages import Frame
from assistant.audio.utterances import Utterances
from assistant.chat import Chat
from assistant.engines.hearing import Pcm
from assistant.errors import AssistantError
from assistant.turn import Turn
from assistant.voice import turn_taking
from assistant.voice.turn import rehearse
from assistant.voice.understanding import Engines, Manner

_EVERY_MS = 480.0
_REST = 4  # times as long as a draft took
_STEADY_PROBABILITY = 0.9  # of speech: below, the word may be ending


class Preview:
    """Of one utterance after another; for the loop's thread. Times in input samples."""

    def __init__(self, chat: Chat, engines: Engines, manner: Manner, threads: ThreadPoolExecutor) -> None:
        self._chat, self._engines, self._manner, self._threads = chat, engines, manner, threads
        self._draft: Future[str] | None = None
        self._began = self._due = 0
        self._reading = Turn()
        self._read: Future[None] | None = None

    def begin(self, now: int) -> None:
        """Somebody has begun to speak."""
        self._due = now + samples(_EVERY_MS)

    def follow(self, frame: Frame, utterances: Utterances) -> str:
        """To be called for each frame of speech; returns a caption of what was heard so far where there is a new one,
        "" otherwise."""
        if self._draft is None:
            if frame.now >= self._due and frame.probability >= _STEADY_PROBABILITY:
                self._began, self._due = frame.now, frame.now + samples(_EVERY_MS)
                self._draft = self._threads.submit(self._hear, utterances.so_far())
            return ""
        if not self._draft.done():
            return ""
        text, self._draft = self._draft.result(), None
        self._due = max(self._due, frame.now + _REST * (frame.now - self._began))
        if not text:
            return ""
        self._reading.cancel()
        if self._read is not None and self._read.done():
            self._read.result()  # what went wrong unforeseen is not lost in a thread
        self._reading = Turn()
        self._read = self._threads.submit(rehearse, self._chat, self._engines.model, self._reading, text)
        return f"{text}…"

    def stop(self) -> None:
        """The speech has paused, or is over: what was begun is of no use any more."""
        self._draft = None
        self._reading.cancel()

    def _hear(self, pcm: Pcm) -> str:
        manner = self._manner
        try:
            heard = self._engines.transcriber.transcribe(pcm, manner.language, manner.hot_words, draft=True)
        except AssistantError:  # told when the words are needed
            return ""
        text = turn_taking.without_name(heard.text, manner.wake_word)
        return text.rstrip(" .?!,…")  # recognition takes the end of the sound for that of the sentence
