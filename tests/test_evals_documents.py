"""The parts of `evals run tools` about documents: a run that is stopped keeps its replies, the next does the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.engines import Prompt
from assistant.turn import Turn
from evals.kept import Kept
from evals.tools_documents import Answers, Invented, key_of, paragraphs
from fakes import ScriptedModel

ROWS = [
    {
        "id": "1",
        "title": "Mill",
        "context": "The old mill of Korenburg was sold in March 2019 to a Dutch firm.",
        "question": "When was the old mill of Korenburg sold?",
        "answers": ["March 2019"],
    },
    {
        "id": "2",
        "title": "Radio",
        "context": "The blue radio of the harbour runs on four lithium cells for ninety hours.",
        "question": "How long do the lithium cells of the blue harbour radio run?",
        "answers": ["ninety hours"],
    },
]


class Stopped(ScriptedModel):
    """Is interrupted when it is asked the second time."""

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        if self.prompts:
            raise KeyboardInterrupt
        return super().stream(prompt, turn)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "qa"
    folder.mkdir()
    lines = (json.dumps(row) for row in ROWS)
    (folder / "documents_xquad_en.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_a_stopped_run_goes_on_with_the_questions_that_are_left(data: Path, tmp_path: Path) -> None:
    kept, key = tmp_path / "kept.jsonl", key_of("answers", "0" * 64)
    stopped, model, found = Stopped(), ScriptedModel(), Answers()
    stopped.enqueue("March 2019")
    model.enqueue("ninety hours")
    with paragraphs(data) as indexed:
        with pytest.raises(KeyboardInterrupt):
            indexed.answers(stopped, 2, 1, found, Kept(kept), key)
        assert (found.exact, found.told) == ([1.0], [1.0])
        again = Answers()
        indexed.answers(model, 2, 1, again, Kept(kept), key)
    assert (again.exact, again.told, again.wrong) == ([1.0, 1.0], [1.0, 1.0], [])
    assert len(model.prompts) == 1, "the first reply was kept"


def test_a_question_without_its_paragraph_is_not_answered_from_another(data: Path, tmp_path: Path) -> None:
    model, found = ScriptedModel(), Invented()
    with paragraphs(data) as indexed:
        indexed.invented(model, 2, 1, found, Kept(tmp_path / "kept.jsonl"), key_of("invented", "0" * 64))
        assert len(indexed.library.store.documents()) == 2, "what was taken away is put back"
    assert found.false == [0.0, 0.0]
