"""What a chat answers to questions that only the user can know: from what was told, from documents, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.chat import Chat
from assistant.conversation import Conversation, Message
from assistant.documents.library import Library
from assistant.home.model import Home
from assistant.session import chat_turn
from assistant.tools.calls import Call
from assistant.tools.registry import Registry
from assistant.turn import Turn
from fakes import ScriptedModel
from tool_bench import Bench


@pytest.fixture
def chat() -> Iterator[Chat]:
    bench = Bench()
    chat = Chat(Conversation(system="Be brief."), bench.history)
    chat.router = bench.router
    chat.library = Library(bench.history)
    yield chat
    chat.library.close()
    bench.history.close()


def said(chat: Chat, question: str, model: ScriptedModel) -> str:
    return "".join(chat_turn(chat.ask(question), Turn(), chat, model))


def last(chat: Chat) -> Message:
    return chat.history.load(chat.conversation.id).branch()[-1]


def test_nothing_is_made_up_where_nothing_tells_it(chat: Chat, fake_model: ScriptedModel) -> None:
    text = said(chat, "How much is my rent?", fake_model)
    assert "nothing about your rent" in text
    assert "remember that my rent is" in text
    assert not fake_model.prompts
    assert last(chat).handled_by.startswith("rule fact.recall, ")
    assert last(chat).finish_reason == "stop"


def test_what_was_told_is_read_out(chat: Chat, fake_model: ScriptedModel) -> None:
    said(chat, "remember that my rent is 940 euros", fake_model)
    assert "my rent is 940 euros" in said(chat, "How much is my rent?", fake_model)
    assert not fake_model.prompts


def test_what_was_said_in_the_conversation_is_the_models(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("I see.")
    fake_model.enqueue("940 euros.")
    said(chat, "My rent went up to 940 euros, that makes me sad.", fake_model)
    assert said(chat, "How much is my rent?", fake_model) == "940 euros."


def test_who_said_what_they_are_called_is_answered_by_the_model(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("Hello Anna.")
    fake_model.enqueue("Anna.")
    said(chat, "I'm Anna from Bonn and I like tea.", fake_model)
    assert said(chat, "What's my name?", fake_model) == "Anna."


def test_no_model_chooses_a_tool_for_it(chat: Chat, fake_model: ScriptedModel) -> None:
    class Chooses:
        def choose(self, text: str, home: Home, tools: Registry) -> list[Call]:
            return [Call("clock.time")]

    assert chat.router is not None
    chat.router.choosing = lambda model: Chooses()
    assert "nothing about your rent" in said(chat, "How much is my rent?", fake_model)
    assert said(chat, "what does the tower say", fake_model).startswith("It is ")


def test_asking_twice_tells_nothing(chat: Chat, fake_model: ScriptedModel) -> None:
    said(chat, "How much is my rent?", fake_model)
    assert "nothing about your rent" in said(chat, "How much is my rent?", fake_model)
    assert not fake_model.prompts


def test_a_text_that_comes_along_is_what_is_asked_about(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("940 euros.")
    chat.words = "How much is my rent?"
    assert said(chat, "How much is my rent?\n\nThe rent is 940 euros.", fake_model) == "940 euros."


def test_without_tools_everything_is_the_models(chat: Chat, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("I cannot know.")
    chat.router = None
    assert said(chat, "How much is my rent?", fake_model) == "I cannot know."


def test_documents_answer_until_they_are_forgotten(chat: Chat, fake_model: ScriptedModel, tmp_path: Path) -> None:
    lease = tmp_path / "lease.md"
    lease.write_text("# Lease\n\nThe rent of the flat is 940 euro a month.\n", encoding="utf-8")
    assert chat.library is not None
    chat.library.add([tmp_path])
    fake_model.enqueue("940 euro a month")
    assert "940 euro" in said(chat, "How much is my rent?", fake_model)
    chat.library.store.forget([kept.row for kept in chat.library.store.documents()])
    assert "nothing about your rent" in said(chat, "How much is my rent?", fake_model)


def test_the_nearest_line_of_a_document_is_shown_rather_than_nothing(
    chat: Chat, fake_model: ScriptedModel, tmp_path: Path
) -> None:
    (tmp_path / "lease.md").write_text("The rent of the flat is due on the third.\n", encoding="utf-8")
    assert chat.library is not None
    chat.library.add([tmp_path])
    fake_model.enqueue("Not in the documents")
    assert "The rent of the flat is due on the third." in said(chat, "How much is my rent?", fake_model)
