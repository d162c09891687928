"""What a spoken turn answers with: documents, matters of the user's own, and what is said when the model fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.conversation import State
from assistant.documents.library import Library
from assistant.engines import Prompt
from assistant.errors import EngineCrashed, PromptTooLong
from assistant.router import Router
from assistant.tools.opening import surroundings_for
from assistant.turn import Turn
from document_bench import filled, papers
from voice_fakes import Talk

QUESTION = "What pressure should the boiler have?"


def asking(*questions: str, papers_in: Path) -> Talk:
    """Spoken questions to somebody with a folder of papers."""
    numbered = dict(enumerate(questions, 1))
    talk = Talk("".join(str(n) * 4 + "." * 60 for n in numbered), numbered)
    talk.chat.router = Router(surroundings_for(talk.history))
    talk.chat.library = Library(talk.history)
    filled(talk.chat.library.store, papers_in)
    return talk


def test_an_answer_from_a_document_is_spoken_with_its_file_and_kept_with_its_sentence(tmp_path: Path) -> None:
    talk = asking(QUESTION, papers_in=papers(tmp_path))
    talk.model.enqueue("1.5 bar")
    talk.run()
    assert " ".join(talk.voice.said) == "one point five bar That is from boiler."
    assert talk.transcript[1] == (
        "assistant",
        "1.5 bar\n\n> Keep the pressure at 1.5 bar.\n\n— papers/boiler.md, Boiler",
    )
    kept = talk.history.load(talk.chat.conversation.id).branch()[-1]
    assert kept.handled_by.startswith("model documents")
    assert "Keep the pressure" in talk.asked[0][-1].content


def test_what_the_documents_do_not_hold_is_spoken_without_a_model(tmp_path: Path) -> None:
    talk = asking("What do my documents say about giraffes in Kenya?", papers_in=papers(tmp_path))
    talk.run()
    assert talk.voice.said == ["Your documents do not say."] and talk.asked == []


def test_what_they_were_only_suspected_to_hold_is_answered_by_the_model(tmp_path: Path) -> None:
    talk = asking("Where can I buy roses?", papers_in=papers(tmp_path))
    talk.model.enqueue("Not in the documents.")
    talk.model.enqueue("At a florist's.")
    talk.run()
    assert talk.transcript[1] == ("assistant", "At a florist's.")


def test_spoken_questions_that_go_on_from_an_answer_are_put_to_the_documents(tmp_path: Path) -> None:
    """As typed ones are: "and by whom?" went to the model alone; the third is about what the first was."""
    folder = papers(tmp_path)
    (folder / "boiler.md").write_text("# Boiler\n\nIt was serviced on 9 September by Firma Thoms, in the cellar.\n")
    talk = asking("When was the boiler serviced?", "And by whom?", "And where?", papers_in=folder)
    for answer in ("9 September", "Firma Thoms", "in the cellar"):
        talk.model.enqueue(answer)
    talk.run()
    assert [text.partition("\n\n")[0] for role, text in talk.transcript if role == "assistant"] == [
        "9 September",
        "Firma Thoms",
        "in the cellar",
    ]
    asked = [m.content for m in talk.asked[-1][-3:]]
    assert asked[0].endswith("Question: When was the boiler serviced? And by whom?")
    assert asked[1:] == ["Firma Thoms", "Question: And where?"]


def test_a_matter_of_the_users_own_is_not_made_up() -> None:
    talk = Talk("1111" + "." * 40, {1: "How much is my rent?"})
    talk.chat.router = Router(surroundings_for(talk.history))
    (report,) = talk.run()
    assert talk.asked == [] and "rent" in report.reply
    assert talk.transcript[1] == ("assistant", report.reply)


def test_a_model_that_dies_in_mid_answer_is_told_and_what_was_heard_is_kept() -> None:
    talk = Talk("1111" + "." * 40, {1: "Tell me a story"})
    talk.model.enqueue(["Once upon a time. ", EngineCrashed("the model process died; ask again")])
    (report,) = talk.run()
    assert report.error == "the model process died; ask again"
    kept = talk.history.load(talk.chat.conversation.id).branch()[-1]
    assert kept.state is State.INTERRUPTED and "Once upon a time. ".startswith(kept.content)


def test_a_full_context_is_trimmed_once_the_question_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk("1111" + "." * 40, {1: "And now?"})
    for n in range(4):
        talk.chat.record(talk.chat.ask(f"question {n}"), f"answer {n}", State.COMPLETE)
    answers = talk.model.stream

    def small(prompt: Prompt, turn: Turn) -> Iterator[str]:
        if len(prompt.messages) > 6:
            raise PromptTooLong([100] * len(prompt.messages), 512)
        return answers(prompt, turn)

    monkeypatch.setattr(talk.model, "stream", small)
    talk.model.enqueue("Noon.")
    talk.events = list(talk.loop.run())
    assert talk.transcript[-2:] == [("user", "And now?"), ("assistant", "Noon.")]
