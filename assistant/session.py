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
from dataclasses import replace

from assistant.chat import Chat
from assistant.claims import told_apart
from assistant.conversation import Message, Role, State
from assistant.documents import answering
from assistant.documents.library import Consultation
from assistant.engines import LanguageModel, Prompt, Sampling
from assistant.errors import PromptTooLong
from assistant.text import without_repetition
from assistant.turn import Turn, Usage

CHECKPOINT_S = 0.4  # the longest time shown text stays uncommitted; the promise is 0.5 s


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
        if turn.usage.finish_reason == "repetition":
            text = without_repetition(text, chat.alone(reply))
        chat.close(reply, text, state, handled_by, model.file_name, turn.usage)


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
        found = said_by(consulted, chat.sampling, turn, model, own_matter)
        passed_on = found is None
        text = found.text if found and found.answer else answering.refusal(consulted.result)
        state = State.STOPPED if turn.cancelled else State.COMPLETE
    finally:
        if not passed_on:
            usage.finish_reason = usage.finish_reason or "stop"
            chat.close(reply, text, state, consulted.label, model.file_name if consulted.contains else "", usage)
    if not passed_on:
        yield text
    return not passed_on


def said_by(
    consulted: Consultation, sampling: Sampling, turn: Turn, model: LanguageModel, own_matter: bool
) -> answering.Cited | None:
    """The answer from the passages, without words where they are to be said not to hold it; None if it was only
    suspected that they do, so that the model answers by itself. Of the user's own matter the nearest line is told."""
    found = answer_from(consulted, sampling, turn, model) if consulted.contains else answering.Cited("")
    if found.answer or turn.cancelled or not consulted.tentative:
        return found
    return found if own_matter and answering.nearest(consulted.result).quote else None


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
                turn.usage.finish_reason = "too_long"
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
                turn.usage.finish_reason = "too_long"
                raise
            turn.mark("trimmed")
            chat.history.save_conversation(chat.conversation)
        else:
            return
