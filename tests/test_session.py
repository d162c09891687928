"""One turn, start to end, against a scripted model and a real (in-memory) history: whole transcripts are compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant import session
from assistant.chat import Chat
from assistant.conversation import Conversation, Message, Role, State
from assistant.engines import Prompt
from assistant.errors import EngineCrashed, PromptTooLong
from assistant.history import History, ephemeral_history
from assistant.session import chat_turn
from assistant.turn import Turn
from fakes import ScriptedModel


@pytest.fixture
def history() -> Iterator[History]:
    opened = ephemeral_history()
    yield opened
    opened.close()


@pytest.fixture
def chat(history: History) -> Chat:
    return Chat(Conversation(system="Be brief."), history)


def saved(chat: Chat) -> list[tuple[str, str, str]]:
    """The branch as the history has it: role, text, state."""
    return [(m.role, m.content, m.state) for m in chat.history.load(chat.conversation.id).branch()]


def seen(prompt: Prompt) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in prompt.messages]


def answer(chat: Chat, reply: Message, model: ScriptedModel) -> str:
    return "".join(chat_turn(reply, Turn(), chat, model))


def test_a_turn_streams_saves_and_titles(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("Par|is.")
    assert answer(chat, chat.ask("Capital of France?\nShort, please."), fake_model) == "Paris."
    assert saved(chat) == [
        ("user", "Capital of France?\nShort, please.", "complete"),
        ("assistant", "Paris.", "complete"),
    ]
    assert seen(fake_model.prompts[0]) == [("system", "Be brief."), ("user", "Capital of France?\nShort, please.")]
    loaded = chat.history.load(chat.conversation.id)
    assert loaded.title == "Capital of France?"
    reply = loaded.branch()[-1]
    assert (reply.model, reply.handled_by, reply.finish_reason) == ("scripted.gguf", "model", "stop")
    assert reply.reply_tokens == 2


def test_prompts_only_ever_grow_at_the_end(chat: Chat, fake_model: ScriptedModel) -> None:
    for n in range(4):
        fake_model.enqueue(f"answer {n}")
        answer(chat, chat.ask(f"question {n}"), fake_model)
    for earlier, later in zip(fake_model.prompts, fake_model.prompts[1:], strict=False):
        assert seen(later)[: len(earlier.messages)] == seen(earlier)


def test_the_question_is_on_disk_before_the_model_is_asked(chat: Chat, fake_model: ScriptedModel) -> None:
    chat.ask("Will you remember?")
    assert saved(chat)[0] == ("user", "Will you remember?", "complete")
    assert fake_model.prompts == []


def test_shown_text_is_committed_while_it_grows(
    chat: Chat, fake_model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(session.time, "monotonic", lambda: next(clock) * session.CHECKPOINT_S)
    fake_model.enqueue("one |two |three")
    pieces = chat_turn(chat.ask("Count."), Turn(), chat, fake_model)
    next(pieces)
    next(pieces)
    assert "one" in chat.history.load(chat.conversation.id).branch()[-1].content


def test_stopping_keeps_what_was_said(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("one |two |three")
    turn = Turn()
    pieces = chat_turn(chat.ask("Count."), turn, chat, fake_model)
    assert next(pieces) == "one "
    turn.cancel()
    assert list(pieces) == []
    assert saved(chat)[-1] == ("assistant", "one ", "stopped")


def test_a_screen_that_goes_away_stops_the_turn(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("one |two |three")
    turn = Turn()
    pieces = chat_turn(chat.ask("Count."), turn, chat, fake_model)
    next(pieces)
    pieces.close()
    assert turn.cancelled
    assert saved(chat)[-1] == ("assistant", "one ", "stopped")


def test_a_crash_marks_the_reply_and_the_next_turn_works(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue(["half an ans", EngineCrashed("the model process died")])
    with pytest.raises(EngineCrashed):
        answer(chat, chat.ask("First?"), fake_model)
    assert saved(chat)[-1] == ("assistant", "half an ans", "interrupted")
    fake_model.enqueue("fine")
    assert answer(chat, chat.ask("Second?"), fake_model) == "fine"


def test_regenerate_and_edit_make_branches(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("first answer")
    first = chat.ask("Question?")
    answer(chat, first, fake_model)
    fake_model.enqueue("second answer")
    second = chat.regenerate(first.id)
    answer(chat, second, fake_model)
    assert [m.content for m in chat.conversation.siblings(first.id)] == ["first answer", "second answer"]
    question = chat.conversation.branch()[0]
    fake_model.enqueue("third answer")
    answer(chat, chat.edit(question.id, "Other question?"), fake_model)
    assert saved(chat) == [("user", "Other question?", "complete"), ("assistant", "third answer", "complete")]
    assert [m.content for m in chat.conversation.siblings(question.id)] == ["Question?", "Other question?"]
    chat.conversation.switch(question.id)
    assert [m.content for m in chat.conversation.branch()] == ["Question?", "second answer"]


def test_continue_from_an_edited_reply(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("It is blue.")
    reply = chat.ask("Sky?")
    answer(chat, reply, fake_model)
    fake_model.enqueue(" green.")
    continued = chat.continue_from(reply.id, "It is")
    assert answer(chat, continued, fake_model) == " green."
    assert fake_model.prompts[-1].prefix == "It is"
    assert saved(chat)[-1] == ("assistant", "It is green.", "complete")


def test_a_full_context_drops_the_older_half_and_goes_on(chat: Chat, fake_model: ScriptedModel) -> None:
    for n in range(6):
        fake_model.enqueue(f"answer {n}")
        answer(chat, chat.ask(f"question {n}"), fake_model)
    counts = [5] + [10] * 13
    fake_model.enqueue([PromptTooLong(counts, 100)])
    fake_model.enqueue("after trimming")
    assert answer(chat, chat.ask("question 6"), fake_model) == "after trimming"
    texts = [text for _, text in seen(fake_model.prompts[-1])]
    assert texts[0] == "Be brief."
    assert texts[1] == "question 4"  # a question comes first, never an answer without its question
    assert texts[-1] == "question 6"
    assert len(saved(chat)) == 14  # nothing is lost on screen or on disk


def test_a_question_that_alone_is_too_long_is_an_error(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue([PromptTooLong([5, 5000], 4096)])
    with pytest.raises(PromptTooLong, match="5005 tokens"):
        answer(chat, chat.ask("word " * 5000), fake_model)
    assert [state for *_, state in saved(chat)] == [State.COMPLETE, State.INTERRUPTED]
    assert saved(chat)[0][0] == Role.USER
    assert [m.finish_reason for m in chat.conversation.branch()] == ["", "too_long"]  # answering again would not help
