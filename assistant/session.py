"""One turn of a conversation, start to end. Read this first.

    for piece in chat_turn(chat.ask("How far is the moon?"), turn, chat, model):
        screen.write(piece)

A rule that handles the request answers at once, without the model; where none does, the model may choose a tool
(router.py). What the user's documents are about is answered from them, with the source (documents/); a question that
they surely answer is not put to the model's choice of a tool. Everything else streams from the model. A turn is a
chain of generators pulled from the end. The question is committed before the model is asked, what is shown is committed
at least every 0.4 s, so that a crash loses neither the question nor more than the last half second.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assistant.claims import told_apart
from assistant.conversation import Conversation, Message, Role, State
from assistant.documents import answering
from assistant.documents.library import Consultation, Library, from_documents
from assistant.engines import LanguageModel, Prompt, Sampling
from assistant.errors import PromptTooLong
from assistant.history import History
from assistant.router import Confirm, Reply, Router, refuse
from assistant.rules import own
from assistant.rules.table import is_question
from assistant.text import without_repetition
from assistant.tools.calls import Unless
from assistant.turn import Turn, Usage

CHECKPOINT_S = 0.4  # the longest time shown text stays uncommitted; the promise is 0.5 s
TITLE_CHARS = 60


@dataclass(slots=True)
class Chat:
    """A conversation that remembers: every change goes to `history` before it is acted on."""

    conversation: Conversation
    history: History
    sampling: Sampling = field(default_factory=Sampling)
    schema: dict[str, Any] | None = None
    reply_id: str = ""  # the message being written, "" between turns
    router: Router | None = None  # without one the model answers everything
    confirm: Confirm = refuse  # asks the user before what has consequences
    words: str | None = None  # what the user typed, where the question holds more than that
    acted: Reply | None = None  # what the router did in the last turn
    library: Library | None = None  # the user's documents
    consulted: Consultation | None = None  # what they held about the last question

    # -- what the user can do: each returns the reply that chat_turn() will fill ---------------------------------

    def ask(self, question: str) -> Message:
        """Add a question to the branch on screen."""
        if not self.conversation.title:
            self.conversation.title = _title(question)
        self._save(self.conversation.add(Role.USER, question))
        return self._open_reply()

    def edit(self, message_id: str, text: str) -> Message:
        """Ask again with other words: a new branch beside the old question, which is kept."""
        self.conversation.branch_before(message_id)
        return self.ask(text)

    def regenerate(self, reply_id: str) -> Message:
        """Answer again: a new branch beside the old reply, which is kept."""
        self.conversation.branch_before(reply_id)
        return self._open_reply()

    def continue_from(self, reply_id: str, text: str) -> Message:
        """Continue a reply whose beginning the user has edited: a new branch that starts with `text`."""
        self.conversation.branch_before(reply_id)
        return self._open_reply(text)

    # -- what a turn does ----------------------------------------------------------------------------------------

    def seen(self) -> list[Message]:
        """What the model sees of the conversation: an answer from documents without the form of a citation."""
        return [
            replace(m, content=answering.without_source(m.content)) if from_documents(m) else m
            for m in self.conversation.visible_to_model()
        ]

    def prompt(self, reply: Message) -> Prompt:
        """What the model sees: everything visible before the reply, and the reply's own beginning."""
        before = [m for m in self.seen() if m.id != reply.id]
        return Prompt(before, self.sampling, reply.content, self.schema, self.conversation.id)

    def act(self, reply: Message, model: LanguageModel) -> Reply | None:
        """Handle the question with a tool, if a rule or else the model chooses one; None if the model shall answer.

        Only the user's own words are looked at, and only for a reply that begins: never a document or an earlier reply.
        """
        self.acted = self.consulted = None
        question = self.conversation.messages.get(reply.parent_id)
        if self.router is None or self.schema is not None or reply.content or question is None:
            return None
        words = question.content if self.words is None else self.words
        alone = words == question.content  # a question about a text that came with it is not put to the model's choice
        self.router.surroundings.last_reply = self._last_reply(question)
        chooser = self.router.chooser_for(model) if alone and self.of_own(words) is None else None
        if chooser is not None and self.library is not None and is_question(words):
            chooser = Unless(lambda: self._surely_in_documents(words), chooser)
        decision = self.router.decide(words, chooser)
        if decision.calls:
            self.consulted = None  # looked at for the choice, and not used
            self.acted = self.router.act(decision, self.confirm)
        return self.acted

    def asked_by(self, reply: Message) -> str:
        """The user's own words that a reply which begins answers; "" for one that goes on with a text."""
        question = self.conversation.messages.get(reply.parent_id)
        if question is None or reply.content:
            return ""
        return question.content if self.words is None else self.words

    def _last_reply(self, question: Message) -> str:
        before = self.conversation.messages.get(question.parent_id)
        return before.content if before is not None and before.role == Role.ASSISTANT else ""

    def consult(self, reply: Message) -> Consultation | None:
        """What the documents hold about the user's own words; None if the model shall answer by itself."""
        question = self.alone(reply)
        if self.library is None or not question:
            return None
        if self.consulted is None:
            self.consulted = self.library.consult(question, earlier=self._answered_before(reply))
        return self.consulted

    def _answered_before(self, reply: Message) -> answering.Exchange | None:
        """The question before that of `reply`, if the documents answered it."""
        read = [m for m in self.seen() if m.id != reply.id]
        said = read[-2] if len(read) > 2 else None
        if said is None or not from_documents(said):
            return None
        return answering.Exchange(read[-3].content, said.content.partition("\n\n")[0])

    def of_own(self, question: str) -> Reply | None:
        """What is told of a matter of the user's own that only the user can know; None if the model may answer."""
        if self.router is None or not question:
            return None
        return own.answer(question, self.conversation.visible_to_model(), self.router.surroundings)

    def alone(self, reply: Message) -> str:
        """The question, for a reply in words that begins; "" if it brings a text along (`words`), which it is about."""
        question = self.conversation.messages.get(reply.parent_id)
        if self.schema is not None or reply.content or question is None:
            return ""
        return question.content if self.words in (None, question.content) else ""

    def _surely_in_documents(self, words: str) -> bool:
        self.consulted = self.library.consult(words) if self.library is not None else None
        return self.consulted is not None and not self.consulted.tentative

    def record(self, reply: Message, text: str, state: State, **fields: object) -> Message:
        """Commit what of the reply exists so far."""
        changed = self.conversation.update(reply.id, content=text, state=state, **fields)
        self.history.save_message(self.conversation.id, changed)
        return changed

    def _open_reply(self, text: str = "") -> Message:
        reply = self.conversation.add(Role.ASSISTANT, text, state=State.STREAMING)
        self._save(reply)
        return reply

    def _save(self, message: Message) -> None:
        self.history.save_conversation(self.conversation)
        self.history.save_message(self.conversation.id, message)


def chat_turn(reply: Message, turn: Turn, chat: Chat, model: LanguageModel) -> Iterator[str]:
    """Stream `reply` (from Chat.ask, edit, regenerate or continue_from), committing it as it grows.

    Yields pieces of text. Ends without an error when the turn is cancelled. Raises what the model raises, after the
    reply is marked interrupted; PromptTooLong only if the last question alone does not fit.
    """
    acted = chat.act(reply, model)
    if acted is None:
        of_own = chat.of_own(chat.alone(reply))
        if (consulted := chat.consult(reply)) is not None:
            if (yield from _from_documents(consulted, reply, turn, chat, model, of_own is not None)):
                return
            chat.consulted, turn.usage = None, Usage()
        chat.acted = acted = of_own
    handled_by = acted.decision.label if acted else "model"
    if acted is not None and not acted.writes:
        turn.usage.finish_reason = "stop"
        chat.record(reply, acted.text, State.COMPLETE, handled_by=handled_by, finish_reason="stop")
        yield acted.text
        return
    text = reply.content
    if acted is not None and acted.text:  # what was done beside what is to be written
        text = f"{acted.text}\n\n"
        yield text
    saved_at_s = time.monotonic()
    state = State.INTERRUPTED
    written = acted.writes if acted else ()
    pieces = _written(written, turn, chat, model) if written else _stream_trimming(reply, turn, chat, model)
    if chat.router is not None and not written and chat.schema is None:
        pieces = told_apart(chat.asked_by(reply), pieces, turn)
    try:
        for piece in pieces:
            text += piece
            if time.monotonic() - saved_at_s >= CHECKPOINT_S:
                chat.record(reply, text, State.STREAMING)
                saved_at_s = time.monotonic()
            yield piece
        state = State.STOPPED if turn.cancelled else State.COMPLETE
    except GeneratorExit:
        turn.cancel()  # the screen went away in mid-reply
        state = State.STOPPED
        raise
    finally:
        usage = turn.usage
        chat.record(
            reply,
            without_repetition(text, chat.alone(reply)) if usage.finish_reason == "repetition" else text,
            state,
            model=model.file_name,
            handled_by=handled_by,
            prompt_tokens=usage.prompt_tokens,
            reply_tokens=usage.reply_tokens,
            ttft_ms=usage.ttft_ms,
            tokens_per_s=usage.tokens_per_s,
            finish_reason=usage.finish_reason,
        )


def _from_documents(
    consulted: Consultation, reply: Message, turn: Turn, chat: Chat, model: LanguageModel, own_matter: bool
) -> Generator[str, None, bool]:
    """Answer from the passages found, or say that they do not answer: in one piece, shown only if it is grounded.

    The model sees the passages and the question and nothing else of the conversation; the passages themselves do not
    become part of it. Returns whether there is a reply: not, if it was only suspected that the passages answer; but
    about the user's own matter, which no model knows, the line that comes nearest is one.
    """
    text, state, passed_on, usage = "", State.INTERRUPTED, False, turn.usage
    try:
        found = answer_from(consulted, chat.sampling, turn, model) if consulted.contains else answering.Cited("")
        passed_on = consulted.tentative and not found.answer and not turn.cancelled
        passed_on = passed_on and not (own_matter and answering.nearest(consulted.result).quote)
        text = found.text if found.answer else answering.refusal(consulted.result)
        state = State.STOPPED if turn.cancelled else State.COMPLETE
    finally:
        if not passed_on:
            usage.finish_reason = usage.finish_reason or "stop"
            chat.record(
                reply,
                text,
                state,
                model=model.file_name if consulted.contains else "",
                handled_by=consulted.label,
                prompt_tokens=usage.prompt_tokens,
                reply_tokens=usage.reply_tokens,
                ttft_ms=usage.ttft_ms,
                tokens_per_s=usage.tokens_per_s,
                finish_reason=usage.finish_reason,
            )
    if not passed_on:
        yield text
    return not passed_on


def answer_from(consulted: Consultation, sampling: Sampling, turn: Turn, model: LanguageModel) -> answering.Cited:
    """The model's answer with its source, without words if the passages do not hold it; raises what the model raises.

    Passages are left out, the last first, where the context is too small for all.
    """
    passages = consulted.passages
    greedy = replace(sampling, temperature=0.0, repeat_penalty=1.0, max_tokens=answering.MAX_ANSWER_TOKENS)
    while True:
        prompt = Prompt(
            answering.messages(consulted.question, passages, consulted.result.rarity, consulted.earlier),
            greedy,
            conversation="documents",
        )
        try:
            said = "".join(model.stream(prompt, turn))
        except PromptTooLong:
            if len(passages) <= 1:
                raise
            passages = passages[:-1]
            continue
        return answering.cited(said, consulted.asked, passages)


def _written(writes: Sequence[tuple[str, str]], turn: Turn, chat: Chat, model: LanguageModel) -> Iterator[str]:
    """What tools let the model write: it sees the instruction and the text, and nothing of the conversation."""
    for number, (instruction, text) in enumerate(writes):
        if number and turn.cancelled:
            return
        if number:
            yield "\n\n"
        messages = [Message(Role.SYSTEM, instruction, id="instruction"), Message(Role.USER, text, id="text")]
        yield from model.stream(Prompt(messages, chat.sampling, conversation="writing"), turn)


def _stream_trimming(reply: Message, turn: Turn, chat: Chat, model: LanguageModel) -> Iterator[str]:
    """Stream the reply; when the context is full, drop the older half of what the model sees and try again."""
    while True:
        prompt = chat.prompt(reply)
        try:
            yield from model.stream(prompt, turn)
        except PromptTooLong as too_long:
            counts = dict(zip((m.id for m in prompt.messages), too_long.message_tokens, strict=False))
            if not chat.conversation.drop_older_half(counts):
                raise
            turn.mark("trimmed")
            chat.history.save_conversation(chat.conversation)
        else:
            return


def _title(question: str) -> str:
    line = next((line.strip() for line in question.splitlines() if line.strip()), "")
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1].rstrip() + "…"
