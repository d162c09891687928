"""A conversation with what belongs to it while it goes on: its history, its router, the user's documents.

What the user can do (ask, edit, answer again, go on) opens a reply; session.py fills it. Every change is committed
before it is acted on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from assistant.conversation import Conversation, Message, Role, State
from assistant.documents import answering
from assistant.documents.library import Consultation, Library, answered_before, from_documents
from assistant.engines import LanguageModel, Prompt, Sampling
from assistant.history import History
from assistant.router import Confirm, Reply, Router, refuse
from assistant.rules import own
from assistant.rules.table import is_question
from assistant.tools.calls import Unless
from assistant.turn import Usage

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

    # -- what the user can do: each returns the reply that session.chat_turn() will fill -------------------------

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
        if question and self.consulted is None:
            self.consulted = self.look_up(question, reply)
        return self.consulted if question else None

    def look_up(self, question: str, reply: Message | None = None) -> Consultation | None:
        """What the documents hold about a question behind all that was said; `reply` is the one that answers it, if the
        question is in the conversation already."""
        if self.library is None:
            return None
        now = () if reply is None else (reply.id, reply.parent_id)
        said = [m for m in self.seen() if m.id not in now]
        return self.library.consult(question, earlier=answered_before(said))

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

    def close(self, reply: Message, text: str, state: State, handled_by: str, model_file: str, usage: Usage) -> None:
        """Commit the whole reply: who gave it, and what it took."""
        self.record(
            reply,
            text,
            state,
            model=model_file,
            handled_by=handled_by,
            prompt_tokens=usage.prompt_tokens,
            reply_tokens=usage.reply_tokens,
            ttft_ms=usage.ttft_ms,
            tokens_per_s=usage.tokens_per_s,
            finish_reason=usage.finish_reason,
        )

    def _open_reply(self, text: str = "") -> Message:
        reply = self.conversation.add(Role.ASSISTANT, text, state=State.STREAMING)
        self._save(reply)
        return reply

    def _save(self, message: Message) -> None:
        self.history.save_conversation(self.conversation)
        self.history.save_message(self.conversation.id, message)


def _title(question: str) -> str:
    line = next((line.strip() for line in question.splitlines() if line.strip()), "")
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1].rstrip() + "…"
