"""Functions by schema: which values of the arguments stand in the request, and when nothing is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from assistant.choosing.functions import NONE, SMALL_TALK, Function, FunctionCaller, relevance
from assistant.choosing.given import copyable, given, standing
from assistant.engines import Prompt
from fakes import ScriptedModel

ORDER = Function(
    "order_pizza",
    "Order a pizza from a restaurant",
    {
        "type": "object",
        "properties": {
            "topping": {"type": "string", "description": "What is on it"},
            "number": {"type": "integer", "description": "How many"},
            "size": {"enum": ["small", "large"]},
        },
        "required": ["topping"],
    },
)
WEATHER = Function("get_weather", "Tell the weather of a city", {"type": "object", "properties": {}, "required": []})


class Scored(ScriptedModel):
    def __init__(self, likes: str, writes: str) -> None:
        super().__init__()
        self.likes = likes
        self.enqueue(writes)

    def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """Sure of what it likes; asked nothing, it leans to calling something."""
        if SMALL_TALK in prompt.messages[-1].content:
            return [-1.0 if c == NONE else 0.0 for c in candidates]
        return [0.0 if c == self.likes else -30.0 for c in candidates]


@pytest.mark.parametrize(
    ("value", "schema", "required", "stands"),
    [
        ("salami", {"type": "string"}, True, True),
        ("tuna", {"type": "string"}, True, False),
        (2, {"type": "integer"}, False, True),
        (5, {"type": "integer"}, True, False),
        (0.15, {"type": "number"}, True, True),
        ("large", {"enum": ["small", "large"]}, False, False),
        ("large", {"enum": ["small", "large"]}, True, True),
        (["salami", "olives"], {"type": "array", "items": {"type": "string"}}, True, True),
        ("2026-05-03", {"type": "string"}, False, True),
        ("2026-06-04", {"type": "string"}, False, False),
        (1, {"type": "integer"}, False, False),
    ],
)
def test_a_value_must_stand_in_the_request(value: Any, schema: dict[str, Any], required: bool, stands: bool) -> None:
    assert given("two salami pizzas with olives on May 3rd, 15 % off", value, schema, required) is stands


@pytest.mark.parametrize(
    ("request_", "value"),
    [("298K and 10 m^3", 298), ("70kg and 1.75m tall", 1.75), ("order a pizza", 1), ("1,500 of them", 1500)],
)
def test_numbers_stand_with_a_unit_behind_them_too(request_: str, value: float) -> None:
    assert given(request_, value, {"type": "number"}, True)
    assert not given(request_, 7, {"type": "number"}, True)


def test_what_is_asked_for_is_called_with_what_the_request_gives() -> None:
    model = Scored("order_pizza", '{"topping": "salami", "number": 2, "size": "large"}')
    call = FunctionCaller(model).call("order two salami pizza", [WEATHER, ORDER])
    assert call is not None
    assert (call.name, call.arguments) == ("order_pizza", {"topping": "salami", "number": 2})


def test_leaning_to_any_function_is_no_reason_to_call_one() -> None:
    class Leaning(Scored):
        def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
            return [-9.0 if c == NONE else 0.0 for c in candidates]

    assert FunctionCaller(Leaning("", "{}")).call("are pizzas healthy", [WEATHER]) is None


def test_a_required_argument_is_never_invented() -> None:
    model = Scored("order_pizza", '{"topping": "pineapple"}')
    assert FunctionCaller(model).call("order a pizza", [ORDER]) is None


def test_nothing_is_called_where_the_model_prefers_none_or_the_words_are_others() -> None:
    assert FunctionCaller(Scored("none", "{}")).call("order a salami pizza", [ORDER]) is None
    assert FunctionCaller(Scored("other", "{}")).call("who wrote Hamlet", [ORDER, WEATHER]) is None
    assert relevance("order a pizza", ORDER) > relevance("who wrote Hamlet", ORDER) == 0


@pytest.mark.parametrize(
    ("value", "required", "left"),
    [
        (["olives", "anchovies"], False, ["olives"]),  # what the request does not name is left out of a list
        (["anchovies"], False, None),
        (["anchovies", "tuna", "olives"], True, ["olives"]),
        (["salami", "olives", "extra cheese"], True, ["salami", "olives"]),
        (["green_olives"], True, ["green_olives"]),
        ("tuna", True, None),
    ],
)
def test_of_a_list_what_stands_in_the_request_is_kept(value: Any, required: bool, left: Any) -> None:
    schema = {"type": "array", "items": {"type": "string"}} if isinstance(value, list) else {"type": "string"}
    assert standing("two salami pizzas with olives", "toppings", value, schema, required) == left


def test_the_prompt_for_the_arguments_shows_the_function_alone_and_then_the_request() -> None:
    model = Scored("order_pizza", '{"topping": "salami"}')
    FunctionCaller(model).call("order a salami pizza", [WEATHER, ORDER])
    (prompt,) = model.prompts
    system, request = (m.content for m in prompt.messages)
    assert request == "order a salami pizza"
    assert '"name": "order_pizza"' in system and "What is on it" in system and "get_weather" not in system
    assert prompt.prefix == '<tool_call>\n{"name": "order_pizza", "arguments": '
    assert prompt.schema is not None and prompt.schema["required"] == ["topping"]


def test_a_required_text_that_was_made_up_is_asked_for_as_a_piece_of_the_request() -> None:
    model = Scored("order_pizza", '{"topping": "pineapple", "number": 2}')
    model.enqueue('{"topping": "salami"}')
    call = FunctionCaller(model).call("order two pizzas with salami", [ORDER])
    assert call is not None and call.arguments == {"topping": "salami", "number": 2}
    schema = model.prompts[-1].schema
    assert schema is not None
    pieces = schema["properties"]["topping"]["enum"]
    assert "salami" in pieces and "pizzas with salami" in pieces
    assert not {"order", "pizzas", "with", "order two"} & set(pieces)  # what the function says itself, and mere joints


def test_where_nothing_but_the_words_of_the_function_is_left_nothing_is_called() -> None:
    assert copyable("order a pizza", "order_pizza Order a pizza from a restaurant topping number size") == []


def test_the_same_words_are_not_two_arguments() -> None:
    fields = {"sender": {"type": "string"}, "receiver": {"type": "string"}}
    send = Function("send_parcel", "Send a parcel", {"type": "object", "properties": fields, "required": list(fields)})
    model = Scored("send_parcel", '{"sender": "Bob", "receiver": "Alice"}')
    model.enqueue('{"sender": "Ann", "receiver": "Ann"}')
    assert FunctionCaller(model).call("send a parcel to Ann", [send]) is None


@pytest.mark.parametrize(
    ("name", "value", "schema", "left"),
    [
        ("size", "small", {"enum": ["small", "large"]}, "large"),  # the choice that is named goes before the model's
        ("rate", 15, {"type": "number"}, 0.15),
        ("rate", 15, {"type": "number", "description": "in percent"}, 15),
        ("rate", 15, {"type": "integer"}, 15),
        ("letters", ["G", "C", "G", "C"], {"type": "array", "items": {"type": "string"}}, ["G", "C"]),
        ("kinds", [], {"type": "array", "items": {"enum": ["more", "large", "hot"]}}, ["more", "large"]),
        ("name", "larger ones", {"type": "string"}, "large ones"),  # as the request has it
        ("counts", [2, 2], {"type": "array", "items": {"type": "integer"}}, [2, 2]),
    ],
)
def test_what_the_request_names_is_read_by_code(name: str, value: Any, schema: dict[str, Any], left: Any) -> None:
    assert standing("two large ones, 15 % off, more G and C", name, value, schema, True) == left


def test_what_is_surely_meant_is_not_put_to_the_model() -> None:
    asked: list[list[str]] = []

    class Counting(Scored):
        def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
            asked.append([*candidates])
            return super().score(prompt, candidates)

    model = Counting("none", '{"topping": "salami"}')
    caller = FunctionCaller(model)
    assert relevance("order a salami pizza from a restaurant", ORDER) > 0.5 > relevance("a salami pizza", ORDER)
    call = caller.call("order a salami pizza from a restaurant", [WEATHER, ORDER])
    assert call is not None and call.name == "order_pizza" and not asked
    assert caller.call("a salami pizza", [WEATHER, ORDER]) is None
    assert asked == [["order_pizza", NONE]] * 2  # what it leans to, and the request; WEATHER is far behind
