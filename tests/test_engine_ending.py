"""Whether a question is over, by what the real SmolLM2-135M expects behind its last word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.conversation import Message, Role
from assistant.engines import LanguageModel, Prompt, Sampling
from assistant.engines.ending import Endings
from assistant.engines.llama import LlamaModel
from assistant.engines.remote import RemoteLanguageModel
from assistant.turn import Turn
from engine_talks import PLAN, question, smollm2

pytestmark = pytest.mark.models

ONE = Sampling(temperature=0, max_tokens=1)


@pytest.fixture(scope="module", params=[512, 16])
def model(request: pytest.FixtureRequest, smollm2_path: Path) -> Iterator[LlamaModel]:
    loaded = LlamaModel(smollm2(smollm2_path), replace(PLAN, n_batch=request.param))  # 16: the prompt in several parts
    yield loaded
    loaded.close()


def log_odds(model: LanguageModel, text: str, conversation: str = "a", judges_end: bool = True) -> float | None:
    turn = Turn()
    prompt = Prompt(question(text), ONE, conversation=conversation, judges_end=judges_end)
    for _ in model.stream(prompt, turn):
        pass
    return turn.usage.end_log_odds


def alone(model: LlamaModel, text: str) -> float:
    """The same without the row beside the last one: only what stands before the end of the last word is computed."""
    context = model._context
    encoded = model._encoder.encode(prompt := Prompt(question(text)))
    endings = Endings(context.vocabulary)
    at = endings.last_word(prompt, encoded)
    assert at is not None
    context.cache.clear()
    context.prefill(encoded.tokens[: at + 1])
    return endings.log_odds(context.log_softmax(-1))


@pytest.mark.parametrize("text", ["What is the capital of France?", "Turn off the", "Wait … what"])
def test_the_judgement_is_that_of_the_words_before_the_full_stop(model: LlamaModel, text: str) -> None:
    judged = log_odds(model, text, "fresh")
    assert judged == pytest.approx(alone(model, text), abs=0.3)
    assert log_odds(model, text, "fresh") == pytest.approx(judged, abs=0.3)  # all of it is in the cache


def test_a_question_without_its_object_is_less_likely_over(model: LlamaModel) -> None:
    whole, half = log_odds(model, "What is the capital of France?"), log_odds(model, "What is the capital of?")
    assert whole is not None and half is not None and whole > half + 1


def test_nothing_is_judged_without_words_or_unasked(model: LlamaModel) -> None:
    assert log_odds(model, "… ?!") is None and log_odds(model, "What is it?", judges_end=False) is None
    turn = Turn()
    ended_by_us = [*question("Hello."), Message(Role.ASSISTANT, "Hello there.")]
    for _ in model.stream(Prompt(ended_by_us, ONE, judges_end=True), turn):
        pass
    assert turn.usage.end_log_odds is None


def test_the_judgement_comes_with_the_first_piece(smollm2_path: Path) -> None:
    model = RemoteLanguageModel(smollm2(smollm2_path), PLAN)
    try:
        turn = Turn()
        prompt = Prompt(question("What is the capital of France?"), Sampling(temperature=0), judges_end=True)
        pieces = model.stream(prompt, turn)
        assert next(pieces)
        assert turn.usage.end_log_odds is not None and not turn.usage.finish_reason
        pieces.close()  # type: ignore[attr-defined]  # a generator
    finally:
        model.close()
