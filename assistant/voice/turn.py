"""A spoken answer: begun on speculation when the user pauses, audible and remembered only once their turn is over.

    answer = SpokenAnswer("How far is the moon?", chat, model, voice)     # the model begins; nothing has happened yet
    answer.cancel()                                                       # the user went on speaking
    answer.commit(speaker)                                                # or: say it, remember what was heard

What a rule does has consequences, so rules act at the commit; they are fast. Model answers begin before it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

import numpy as np

from assistant.audio.speaker import Speaker
from assistant.chat import Chat
from assistant.claims import told_apart
from assistant.conversation import Message, Role, State
from assistant.documents import answering
from assistant.documents.library import Consultation
from assistant.engines import LanguageModel, Prompt
from assistant.engines.hearing import Sound, Voice
from assistant.errors import AssistantError, PromptTooLong
from assistant.flow import buffered
from assistant.session import chat_turn, said_by
from assistant.spoken.clauses import Clause, clauses
from assistant.spoken.speakable import speakable
from assistant.turn import Turn, Usage

SPOKEN_TOKENS = 160  # a reply is heard in real time: about 40 s
SPOKEN_HINT = "Your replies are spoken aloud: answer in one or two short sentences, without lists or code."
_QUIET = 164  # 0.5 % of full scale
_KEPT = 110  # samples, 5 ms, so that the first sound is not cut into


class SpokenAnswer:
    """One answer, on a thread of its own.

    `prepared` is set when its first sound is there (a rule's answer has none before the commit), `finished` when it was
    played, stopped or cancelled.
    """

    def __init__(self, question: str, chat: Chat, model: LanguageModel, voice: Voice) -> None:
        self.question = question
        self.turn = Turn()
        self.prepared = threading.Event()
        self.finished = threading.Event()
        self.committed = False
        self.reply: Message | None = None
        self.heard = ""
        self.written = ""
        self.error: AssistantError | None = None
        self._chat, self._model, self._voice = chat, model, voice
        self._go = threading.Event()
        self._speaker: Speaker | None = None
        self._prompt = spoken_prompt(chat, question, SPOKEN_TOKENS)
        self._source: Clause | None = None  # where an answer from documents stands
        self._label = "model"
        self.by_rule = chat.router is not None and bool(chat.router.decide(question).calls)
        threading.Thread(target=self._run, name="spoken answer", daemon=True).start()

    def cancel(self) -> None:
        """Throw the answer away, or stop speaking it."""
        self.turn.cancel()
        self._go.set()

    def commit(self, speaker: Speaker) -> None:
        """The turn is ours: put the question into the conversation and speak."""
        self.turn.mark("commit")
        self._speaker = speaker
        self.committed = True
        self._go.set()

    @property
    def considered(self) -> bool:
        """Whether the model has looked at the question, or will not any more."""
        return self.prepared.is_set() or "first_piece" in self.turn.marks

    @property
    def spoken_fraction(self) -> float:
        """How much of what was written was heard."""
        return len(self.heard.strip()) / len(self.written.strip()) if self.written.strip() else 1.0

    # -- the answer's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._answer()
        except AssistantError as error:
            self.error = error
            if self.committed:
                self._chat.record(self._remember(), self.heard, State.INTERRUPTED)
        finally:
            self.prepared.set()
            self.finished.set()

    def _answer(self) -> None:
        if self.by_rule:
            self.prepared.set()
            self._go.wait()
            if not self.committed:
                return
        self.turn.mark("begin")
        audio = buffered(self._voice.say(self._clauses(), self.turn), self.turn)
        first = next(audio, None)  # from here on the chain runs ahead
        self.turn.mark("first_sound")
        self.prepared.set()
        self._go.wait()
        if not self.committed or self._speaker is None:
            self.turn.cancel()
            return
        self.heard = self._speaker.play(self._audible(first, audio), self.turn)
        everything = self.heard.strip() == self.written.strip() and not self.turn.cancelled and self.error is None
        cut_off = State.STOPPED if self.error is None else State.INTERRUPTED
        self.turn.cancel()
        if self.by_rule:
            if not everything:
                self._chat.record(self._remember(), self.heard, cut_off)
            return
        usage = self.turn.usage
        self._chat.record(
            self._remember(),
            self.heard,
            State.COMPLETE if everything else cut_off,
            model=self._model.file_name,
            handled_by=self._label,
            prompt_tokens=usage.prompt_tokens,
            reply_tokens=usage.reply_tokens,
            ttft_ms=usage.ttft_ms,
            tokens_per_s=usage.tokens_per_s,
            finish_reason=usage.finish_reason if everything else "interrupted",
        )

    def _audible(self, first: Sound | None, rest: Iterator[Sound]) -> Iterator[Sound]:
        """The question is saved once the first sound is on its way: the disk is not what the listener waits for."""
        if first is not None:
            yield without_leading_silence(first)
        self._remember()
        try:
            yield from rest
        except AssistantError as error:  # what was made until then is played to its end, and is what was heard
            self.error = error

    def _remember(self) -> Message:
        """Put the question into the conversation, once."""
        if self.reply is None:
            self.reply = self._chat.ask(self.question)
        return self.reply

    def _clauses(self) -> Iterator[Clause]:
        for clause in buffered(clauses(self._pieces()), self.turn):
            self.turn.mark("first_clause")
            yield clause
        if self._source is not None:
            self.written += self._source.written
            yield self._source

    def _pieces(self) -> Iterator[str]:
        for piece in self._from_rule() if self.by_rule else self._from_model():
            self.turn.mark("first_piece")
            self.written += piece
            yield piece

    def _from_rule(self) -> Iterator[str]:
        """The voice speaks English, whatever language the request was in."""
        router = self._chat.router
        if router is not None:
            router.only_english = True
        try:
            yield from chat_turn(self._remember(), self.turn, self._chat, self._model)
        finally:
            if router is not None:
                router.only_english = False

    def _from_model(self) -> Iterator[str]:
        """The reply to the conversation with the question at its end, which is not in the conversation yet."""
        of_own = self._chat.of_own(self.question)
        if (consulted := self._chat.look_up(self.question)) is not None:
            if said := self._from_documents(consulted, of_own is not None):
                self._label = consulted.label
                yield said
                return
            self.turn.usage = Usage()
        if of_own is not None:
            self._label, self.turn.usage.finish_reason = of_own.decision.label, "stop"
            yield of_own.text
            return
        try:
            pieces = self._model.stream(self._prompt, self.turn)
            yield from told_apart(self.question, pieces, self.turn) if self._chat.router is not None else pieces
        except PromptTooLong:
            self.prepared.set()
            self._go.wait()  # only a committed question may trim the conversation
            if self.committed:
                yield from self._from_rule()

    def _from_documents(self, consulted: Consultation, own_matter: bool) -> str:
        """The answer that the documents hold; its sentence and place are shown, of which only the file is spoken.

        "" if it was only suspected that they hold one: then the model answers.
        """
        found = said_by(consulted, self._chat.sampling, self.turn, self._model, own_matter)
        if found is None:
            return ""
        if not found.answer:
            return answering.refusal(consulted.result)
        file_name = PurePath(found.place.split(",")[0]).stem
        self._source = Clause(found.text.removeprefix(found.answer), speakable(f"That is from {file_name}."))
        return found.answer


def spoken_prompt(chat: Chat, question: str, max_tokens: int) -> Prompt:
    """The conversation with `question` at its end, for a reply that is heard.

    Under a conversation id of its own: the head differs from that of typed turns, and the model keeps both.
    """
    messages = [m for m in chat.seen() if m.role is not Role.SYSTEM]
    system = f"{chat.conversation.system} {SPOKEN_HINT}".strip()
    head = Message(Role.SYSTEM, system, id="system")
    sampling = replace(chat.sampling, max_tokens=min(chat.sampling.max_tokens, max_tokens))
    conversation = f"{chat.conversation.id} spoken"
    messages = [head, *messages, Message(Role.USER, question)]
    return Prompt(messages, sampling, conversation=conversation, judges_end=True)


def rehearse(chat: Chat, model: LanguageModel, turn: Turn, words: str = "…") -> None:
    """Have the model read the conversation so far and the first `words` of what is being said, so that the next prompt
    finds them in its cache.

    Errors are left to the turn that needs the model.
    """
    try:
        for _ in model.stream(spoken_prompt(chat, words, 1), turn):
            pass
    except AssistantError:
        return


def without_leading_silence(sound: Sound) -> Sound:
    """The listener has waited enough: what the voice is silent at the beginning of an answer is left out."""
    loud = np.flatnonzero(np.abs(sound.pcm.astype(np.int32)) > _QUIET)
    n_cut = max(0, int(loud[0]) - _KEPT) if len(loud) else 0
    return Sound(
        sound.pcm[n_cut:],
        sound.written,
        sound.n_samples - n_cut,
        tuple(max(0, end - n_cut) for end in sound.word_ends),
    )
