"""Whether a question is about the documents at all: it decides between a sourced answer and the model's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assistant.documents import answering
from assistant.documents.search import Result, search
from assistant.documents.store import DocumentStore, open_documents
from assistant.history import ephemeral_history
from document_bench import filled

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
    assert answering.is_about(result)


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
    assert answering.is_about(result) is about
    assert answering.holds(result) is about
