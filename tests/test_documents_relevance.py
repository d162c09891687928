"""Whether a question is about the documents at all: it decides between a sourced answer and the model's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assistant.chat import Chat
from assistant.conversation import Conversation
from assistant.documents import answering
from assistant.documents.library import Library
from assistant.documents.search import Result, search
from assistant.documents.store import DocumentStore, open_documents
from assistant.history import ephemeral_history
from assistant.home.model import Home, simulated
from assistant.router import Router
from assistant.session import chat_turn
from assistant.tools.calls import Call, Chooser
from assistant.tools.opening import surroundings_for
from assistant.tools.registry import Registry
from assistant.turn import Turn
from document_bench import filled
from fakes import ScriptedModel

MANUAL = """# Boiler manual

## Fault codes

F22: the water pressure is too low. Open the filling loop until the gauge shows 1.3 bar.

## Service

The boiler must be serviced once a year, before the heating season.
"""


@pytest.fixture
def manual(tmp_path: Path) -> DocumentStore:
    (tmp_path / "boiler-manual.md").write_text(MANUAL)
    return filled(open_documents(ephemeral_history()), tmp_path)


def found(store: DocumentStore, question: str, meaning: float) -> Result:
    """What a search with embeddings finds whose best passage has this cosine to the question."""
    result = search(store, question)
    hits = (replace(result.hits[0], meaning=meaning), *result.hits[1:])
    return replace(result, hits=hits, by_meaning=True)


def test_a_word_that_stands_nowhere_does_not_outweigh_two_that_do_in_a_small_library(manual: DocumentStore) -> None:
    result = found(manual, "How often should I service the boiler?", 0.71)  # as all-MiniLM-L6-v2 has it
    assert result.words > 0.5
    assert answering.is_about("How often should I service the boiler?", result) >= answering.SURE


@pytest.mark.parametrize(
    ("question", "meaning", "about"),
    [
        ("My heater shows F22, what should I do?", 0.48, True),
        ("What is an F22 raptor?", 0.29, False),  # another thing of that name
        ("My heater shows F99, what should I do?", 0.48, False),  # a code that stands nowhere
        ("My heater shows a light, what should I do?", 0.48, False),
    ],
)
def test_who_asks_for_a_code_means_the_passage_that_has_it(
    manual: DocumentStore, question: str, meaning: float, about: bool
) -> None:
    result = found(manual, question, meaning) if search(manual, question).hits else Result((), by_meaning=True)
    assert (answering.is_about(question, result) >= answering.SURE) is about


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("How much is the pressure?", True),
        ("What is a boiler?", False),
        ("What is pressure?", False),
        ("Write a poem about the boiler and the water pressure", False),
        ("boiler", False),
        ("what is it", False),
    ],
)
def test_what_a_word_means_and_texts_to_be_written_are_no_questions_about_documents(
    manual: DocumentStore, question: str, about: bool
) -> None:
    result = found(manual, question, 0.45) if search(manual, question).hits else Result((), by_meaning=True)
    assert (answering.is_about(question, result) >= answering.ENOUGH) is about


def test_one_s_own_things_stand_in_one_s_own_documents_sooner(manual: DocumentStore) -> None:
    result = found(manual, "Who looks after the boiler?", 0.4)
    own, any_boiler = "Who looks after my boiler?", "Who looks after a boiler?"
    assert answering.is_about(own, result) > answering.is_about(any_boiler, result)


def asked(
    manual: DocumentStore, model: ScriptedModel, question: str, chooser: Chooser | None = None
) -> tuple[str, Chat]:
    """A turn with the manual as the only document, searched by words alone."""
    history = ephemeral_history()
    chat = Chat(Conversation(), history)
    chat.library = Library(history)
    chat.library._store = manual
    chat.router = Router(surroundings_for(history, simulated()), choosing=lambda model: chooser) if chooser else None
    return "".join(chat_turn(chat.ask(question), Turn(), chat, model)), chat


SUSPECTED = "How do boilers keep their water pressure so low?"  # 0.5 to 0.75, by its words alone


def test_a_question_that_was_only_suspected_to_be_about_documents_is_answered_by_the_model(
    manual: DocumentStore, fake_model: ScriptedModel
) -> None:
    fake_model.enqueue(answering.NOT_THERE)
    fake_model.enqueue("With a valve.")
    said, chat = asked(manual, fake_model, SUSPECTED)
    assert said == "With a valve."
    assert (
        "F22" in fake_model.prompts[0].messages[-1].content and "F22" not in fake_model.prompts[1].messages[-1].content
    )
    assert chat.consulted is None
    assert [m.content for m in chat.conversation.branch()] == [SUSPECTED, "With a valve."]
    assert chat.conversation.branch()[-1].handled_by == "model"


def test_and_from_the_documents_if_they_hold_it(manual: DocumentStore, fake_model: ScriptedModel) -> None:
    fake_model.enqueue("Open the filling loop")
    said, _ = asked(manual, fake_model, SUSPECTED)
    assert said.startswith("Open the filling loop\n\n> ")


class _Calendar:
    """A model that takes every question for one about the calendar."""

    asked = 0

    def choose(self, text: str, home: Home, tools: Registry) -> list[Call]:
        self.asked += 1
        return [Call("event.show", {"title": "service"})]


def test_a_question_that_the_documents_surely_answer_is_not_put_to_the_choice_of_a_tool(
    manual: DocumentStore, fake_model: ScriptedModel
) -> None:
    calendar = _Calendar()
    fake_model.enqueue("once a year")
    said, _ = asked(manual, fake_model, "When must the boiler be serviced each year?", calendar)
    assert said.startswith("once a year")
    assert calendar.asked == 0
    _, chat = asked(manual, fake_model, "When is the cinema open?", calendar)
    assert calendar.asked == 1
    assert chat.acted is not None
    assert chat.consulted is None
