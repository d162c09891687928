"""One-shot questions: what is asked, cut and saved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.config import Settings
from assistant.errors import PromptTooLong, UsageError
from assistant.history import History, ephemeral_history
from assistant.oneshot import Handling, Question, answer, sampling, stream_answer
from assistant.router import Router
from assistant.tools.opening import surroundings_for
from assistant.turn import Turn
from fakes import ScriptedModel


@pytest.fixture
def history() -> Iterator[History]:
    opened = ephemeral_history()
    yield opened
    opened.close()


def run(question: Question, history: History, model: ScriptedModel) -> tuple[str, list[str], Turn]:
    notices: list[str] = []
    turn = Turn()
    reply = "".join(stream_answer(question, Settings(), history, model, turn, notices.append))
    return reply, notices, turn


def test_question_and_context_reach_the_model_and_the_turn_is_saved(
    history: History, fake_model: ScriptedModel
) -> None:
    fake_model.enqueue("Fix the |bug")
    reply, notices, turn = run(Question("Write the commit message.", context="- a\n+ b"), history, fake_model)
    assert fake_model.prompts[0].messages[-1].content == "Write the commit message.\n\n- a\n+ b"
    assert notices == []
    document = answer(reply, fake_model, turn)
    assert (document.reply, document.model, document.finish_reason) == ("Fix the bug", "scripted.gguf", "stop")
    assert [s.title for s in history.list()] == ["Write the commit message."]


def test_a_reply_that_went_in_circles_is_kept_once(history: History, fake_model: ScriptedModel) -> None:
    fake_model.ends_for = "repetition"
    fake_model.enqueue("Hi. |" + "hello! |" * 40)
    reply, _, turn = run(Question("Hello"), history, fake_model)
    document = answer(reply, fake_model, turn)
    assert (document.reply, document.finish_reason) == ("Hi. hello!", "repetition")
    assert history.load(history.list()[0].id).branch()[-1].content == "Hi. hello!"


def test_a_repetition_that_was_asked_for_is_kept(history: History, fake_model: ScriptedModel) -> None:
    fake_model.ends_for = "repetition"
    fake_model.enqueue("hello! |" * 40)
    run(Question("Write hello 100 times"), history, fake_model)
    assert history.load(history.list()[0].id).branch()[-1].content == "hello! " * 40


def test_a_translation_is_the_models_words_though_a_rule_took_the_request(
    history: History, fake_model: ScriptedModel
) -> None:
    fake_model.enqueue("Guten |Morgen")
    turn, handling = Turn(), Handling(Router(surroundings_for(history)))
    question = Question("translate good morning into German")
    reply = "".join(stream_answer(question, Settings(), history, fake_model, turn, print, handling))
    document = answer(reply, fake_model, turn, handling)
    assert (document.reply, document.handled_by, document.tool) == ("Guten Morgen", "rule", "text.translate")
    assert (document.model, document.reply_tokens > 0) == ("scripted.gguf", True)
    turn, handling = Turn(), Handling(Router(surroundings_for(history)))
    reply = "".join(stream_answer(Question("what is 12*7"), Settings(), history, fake_model, turn, print, handling))
    assert answer(reply, fake_model, turn, handling).model == ""


def test_long_input_is_cut_in_the_middle_and_said(history: History, fake_model: ScriptedModel) -> None:
    context = "begin " + "x" * 200_000 + " end"
    fake_model.enqueue([PromptTooLong([20, 50_000], 4096)])
    fake_model.enqueue("a summary")
    reply, notices, _ = run(Question("Summarise.", context=context), history, fake_model)
    assert reply == "a summary"
    text = fake_model.prompts[-1].messages[-1].content
    assert text.startswith("Summarise.\n\nbegin ")
    assert text.endswith(" end")
    assert "cut here" in text
    assert len(text) < 20_000
    assert "4096 tokens" in notices[0]
    assert len(history.list()) == 1  # the attempt that did not fit leaves nothing behind


def test_a_question_too_long_by_itself_is_an_error(history: History, fake_model: ScriptedModel) -> None:
    fake_model.enqueue([PromptTooLong([20, 50_000], 4096)])
    with pytest.raises(PromptTooLong):
        run(Question("x" * 200_000), history, fake_model)


@pytest.mark.parametrize(
    "question", [Question("q", temperature=-1), Question("q", max_tokens=0), Question("q", seed=-5)]
)
def test_values_out_of_range(question: Question) -> None:
    with pytest.raises(UsageError):
        sampling(Settings(), question)


def test_overrides() -> None:
    chosen = sampling(Settings(temperature=0.9, top_k=7), Question("q", temperature=0, max_tokens=5, seed=1))
    assert (chosen.temperature, chosen.max_tokens, chosen.seed, chosen.top_k) == (0, 5, 1, 7)
