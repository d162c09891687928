"""What the engine reuses of earlier prompts, and replies constrained by a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.conversation import Conversation, Message, Role
from assistant.engines import Prompt, Sampling
from assistant.engines.context import Context
from assistant.engines.grammar import compile_schema
from assistant.engines.llama import LlamaModel
from assistant.engines.native import library
from assistant.errors import PromptTooLong, SchemaError
from assistant.turn import Turn
from engine_talks import GREEDY, LONG, PLAN, SYSTEM, Memory, question, say, smollm2
from gbnf import to_regex

pytestmark = pytest.mark.models


# -- what it reuses ------------------------------------------------------------------------------------------------


def test_a_conversation_computes_only_what_is_new(model: LlamaModel) -> None:
    said: list[Message] = []
    known = 0
    for text in ("Name a colour.", "Name another one.", "And an animal?", "Thank you."):
        messages = question(text, *said)
        reply, turn = say(model, messages, Sampling(temperature=0.8, max_tokens=16), "growing")
        assert turn.usage.cached_tokens >= known
        known = turn.usage.prompt_tokens + turn.usage.reply_tokens - 1
        said = [*messages[1:], Message(Role.ASSISTANT, reply)]


def test_conversations_take_turns_without_computing_again(model: LlamaModel) -> None:
    talks = {name: question(f"Say {name}.", system=f"You are {name}.") for name in ("one", "two")}
    for name in talks:
        reply, turn = say(model, talks[name], conversation=name)
        talks[name] += [Message(Role.ASSISTANT, reply), Message(Role.USER, "Again.")]
    for name in talks:
        _, turn = say(model, talks[name], conversation=name)
        assert turn.usage.cached_tokens > turn.usage.prompt_tokens - 16


def test_an_edited_question_keeps_what_comes_before_it(model: LlamaModel) -> None:
    first, turn = say(model, question("Name a fruit."), conversation="edit")
    before = question("Name a fruit.")[1:]
    _, full = say(model, question("Is it red?", *before, Message(Role.ASSISTANT, first)), conversation="edit")
    _, edited = say(model, question("Is it yellow?", *before, Message(Role.ASSISTANT, first)), conversation="edit")
    assert edited.usage.cached_tokens > turn.usage.prompt_tokens
    _, again = say(model, question("Is it red?", *before, Message(Role.ASSISTANT, first)), conversation="edit")
    assert again.usage.cached_tokens <= full.usage.prompt_tokens


def test_trimming_moves_the_cache_and_computes_only_what_is_new(model: LlamaModel) -> None:
    chat = Conversation(system=SYSTEM)
    sampling = Sampling(temperature=0, max_tokens=12)
    while True:
        chat.add(Role.USER, f"Number {len(chat.messages)}. {LONG * 3}")
        try:
            reply, turn = say(model, chat.visible_to_model(), sampling, chat.id)
        except PromptTooLong as error:
            counts = {m.id: n for m, n in zip(chat.visible_to_model(), error.message_tokens, strict=True)}
            break
        chat.add(Role.ASSISTANT, reply)
        full = turn.usage
    dropped = chat.drop_older_half(counts)
    assert dropped >= 4
    reply, turn = say(model, chat.visible_to_model(), sampling, chat.id)
    assert turn.usage.prompt_tokens < full.prompt_tokens * 0.7
    assert turn.usage.prompt_tokens - turn.usage.cached_tokens < 100
    chat.add(Role.ASSISTANT, reply)
    chat.add(Role.USER, "What is the capital of France?")
    reply, turn = say(model, chat.visible_to_model(), sampling, chat.id)
    assert "Paris" in reply
    assert turn.usage.prompt_tokens - turn.usage.cached_tokens < 30


def test_a_cancel_while_the_cache_is_moved_leaves_nothing_half_moved(model: LlamaModel) -> None:
    chat = Conversation(system=SYSTEM)
    for number in range(4):
        chat.add(Role.USER, f"Number {number}. {LONG * 3}")
        chat.add(Role.ASSISTANT, f"It is {number}.")
    chat.add(Role.USER, "What is the capital of France?")
    say(model, chat.visible_to_model(), conversation=chat.id)
    chat.first_kept_id = chat.branch()[4].id
    stopped = Turn()
    stopped.cancel()  # the flag is up when llama.cpp begins to rotate the moved keys
    assert list(model.stream(Prompt(chat.visible_to_model(), GREEDY, conversation=chat.id), stopped)) == []
    answer = ["The capital of France is Paris."]
    (afresh,) = model.score(Prompt(chat.visible_to_model(), conversation="computed afresh"), answer)
    (after,) = model.score(Prompt(chat.visible_to_model(), conversation=chat.id), answer)
    assert after == pytest.approx(afresh, abs=0.02)


def test_the_heads_state_is_given_out_once_and_taken_back_with_the_same_reply(smollm2_path: Path) -> None:
    store = Memory()
    fresh = LlamaModel(smollm2(smollm2_path), PLAN, store)
    expected, turn = say(fresh, question("Tell me about the moon."))
    assert turn.usage.cached_tokens == 0
    assert len(store) == 1
    _, turn = say(fresh, question("Tell me about the sun."), conversation="b")
    assert turn.usage.cached_tokens > 16
    fresh.close()
    assert len(store) == 1

    started_again = LlamaModel(smollm2(smollm2_path), PLAN, store)
    text, turn = say(started_again, question("Tell me about the moon."))
    assert text == expected
    assert turn.usage.cached_tokens > 16
    started_again.close()


@pytest.mark.parametrize(
    "damage", [lambda s: s[: len(s) // 2], lambda s: b"\0" * len(s), lambda s: b"", lambda s: s + b"x"]
)
def test_a_damaged_head_state_is_computed_again(smollm2_path: Path, damage: Any) -> None:
    store = Memory()
    model = LlamaModel(smollm2(smollm2_path), PLAN, store)
    expected, _ = say(model, question("Tell me about the moon."))
    model.close()
    (key,) = store
    store[key] = damage(store[key])
    model = LlamaModel(smollm2(smollm2_path), PLAN, store)
    text, turn = say(model, question("Tell me about the moon."))
    assert text == expected
    assert turn.usage.cached_tokens == 0
    model.close()


# -- constrained replies -------------------------------------------------------------------------------------------


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 30},
        "population": {"type": "integer", "minimum": 1000, "maximum": 99_999_999},
        "tags": {"type": "array", "items": {"enum": ["big", "small", "old"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["city", "population", "tags"],
}


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_a_constrained_reply_is_what_the_schema_says(model: LlamaModel, temperature: float) -> None:
    prompt = Prompt(
        question("Describe Berlin as JSON."),
        Sampling(temperature=temperature, seed=7, max_tokens=200),
        schema=SCHEMA,
        conversation="json",
    )
    turn = Turn()
    value = json.loads("".join(model.stream(prompt, turn)))
    assert turn.usage.finish_reason == "stop"
    assert list(value) == ["city", "population", "tags"]
    assert 1000 <= value["population"] <= 99_999_999
    assert set(value["tags"]) <= {"big", "small", "old"}


def test_a_schema_the_model_would_never_follow_is_followed(model: LlamaModel) -> None:
    prompt = Prompt(question("What is the capital of France?"), GREEDY, schema={"enum": ["qx-17", 'zz"9']})
    assert json.loads("".join(model.stream(prompt, Turn()))) in ("qx-17", 'zz"9')


def test_a_bad_schema_is_refused_before_anything_runs(model: LlamaModel) -> None:
    with pytest.raises(SchemaError, match="pattern"):
        list(model.stream(Prompt(question("x"), schema={"type": "string", "pattern": "a"}), Turn()))


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {"type": "string"},
        {"type": "string", "maxLength": 2000, "minLength": 2000},
        {"type": "array", "items": {"type": "array", "items": SCHEMA, "maxItems": 256}, "maxItems": 256},
        {
            "anyOf": [
                {"const": 'a\nb"c\\'},
                {"type": ["number", "null", "boolean"]},
                {"type": "string", "format": "uuid"},
            ]
        },
        {"type": "object", "properties": {f"\u2028 {i} ]": {"type": "integer", "minimum": -i} for i in range(60)}},
    ],
)
def test_llama_cpp_accepts_our_grammars(context: Context, schema: dict[str, Any]) -> None:
    grammar = compile_schema(schema)
    assert to_regex(grammar)
    sampler = library().llama_sampler_init_grammar(context.vocabulary.handle, grammar.encode(), b"root")
    assert sampler
    library().llama_sampler_free(sampler)
