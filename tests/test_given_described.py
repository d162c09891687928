"""What descriptions of arguments tell about values: codes, categories, forms of dates, short forms; and what they do
not."""

from __future__ import annotations

from typing import Any

import pytest

from assistant.choosing.functions import Function, FunctionCaller
from assistant.choosing.given import standing
from test_functions import Scored

PROVINCE = {"type": "integer", "description": "Which province. 1 represents Bangkok, 2 for Chiang Mai, 3 for Chonburi."}
SERVICE = {
    "type": "integer",
    "description": "1 for cleaning service, 2 for ironing service, 3 for deep cleaning service",
}
STATE = {"type": "string", "description": "The state, such as 'CA' for California or 'NY' for New York."}
DAY = {"type": "string", "description": "The day, in the format YYYY-MM-DD."}
AMERICAN = {"type": "string", "description": "The day (MM/DD/YYYY)"}
TIME = {"type": "string", "description": "When, as HH:MM."}
KIND = {"type": "string", "description": "Type of the recipe. E.g. dessert, main course, breakfast."}
CITY = {"type": "string", "description": "The city, such as 'San Francisco, CA' or 'Berlin, DE'"}
TICKER = {"type": "string", "description": "Stock symbol of the company"}
TEXT = {"type": "string"}
SWITCH = {"type": "boolean", "description": "Indicates whether the salon caters to all genders."}
YES_NO = {"enum": ["True", "False", "dontcare"], "description": "Whether there is a laundry service."}
STARS = {"enum": ["1", "2", "3", "dontcare"]}


@pytest.mark.parametrize(
    ("request_", "name", "schema", "value", "stands"),
    [
        ("a cleaner in Bangkok", "province_id", PROVINCE, 7, 1),
        ("a cleaner in Phuket", "province_id", PROVINCE, 7, None),
        ("cleaning in Bangkok", "service_id", SERVICE, 1, 1),  # of two that are named, the one that the model wrote
        ("ironing, please", "service_id", SERVICE, 3, 2),
        ("20 cleaners in Bangkok", "province_id", PROVINCE, 20, 20),  # a number that is said is no code
        ("sales tax in New York", "state", STATE, "California", "NY"),
        ("sales tax in Texas", "state", STATE, "CA", None),
        ("a room from 10th December 2022", "start", DAY, "2022", "2022-12-10"),
        ("a room from 10th December 2022", "start", AMERICAN, "x", "12/10/2022"),
        ("a show on 2023.10.2", "date", DAY, "2023-10-02", "2023-10-02"),
        ("the weather tomorrow, today is 2023.10.1", "date", DAY, "2023-10-01", "2023-10-02"),
        ("the weather for today April 25th 2023", "date", DAY, "2023-04-25T00:00:00Z", "2023-04-25"),
        ("from 3 May 2025 to 7 May 2025", "start_date", DAY, "2025-05-07", "2025-05-03"),
        ("from 3 May 2025 to 7 May 2025", "end_date", DAY, "2025-05-03", "2025-05-07"),
        ("from 3 May 2025 to 7 May 2025", "day", DAY, "2025-05-09", None),
        ("a table at 7 pm", "time", TIME, "07:00", "19:00"),
        ("a table for two", "time", TIME, "19:00", None),
        ("a recipe for brownies", "recipe_type", KIND, "dessert", "dessert"),
        ("a recipe for brownies", "recipe_type", KIND, "cake", None),
        ("the weather", "city", CITY, "Berlin, DE", None),  # an example is no value that may be inferred
        ("the weather in LA", "city", CITY, "Los Angeles, CA", "Los Angeles, CA"),
        ("the price of Apple", "company", TICKER, "AAPL", "AAPL"),
        ("the price of Apple", "company", TICKER, "MSFT", None),
        ("the price of Apple", "company", TEXT, "AAPL", None),  # where no symbol is asked for
        ("the weather in Philly", "city", TEXT, "Philadelphia", "Philadelphia"),
        ("a taxi from 221B Baker Street, London", "loc", TEXT, "221 Baker Street, London", "221B Baker Street, London"),
        ("seat 20 in row 3", "seat", TEXT, "seat 2 in row 3", "seat 2 in row 3"),
        ("the table of the Premier League", "league", TEXT, "Premier League", "Premier League"),
        ("买10个麦辣鸡腿堡", "item", TEXT, "麦辣鸡腿堡", "麦辣鸡腿堡"),
        ("cash_flows=[200,300,400]", "cash_flows", {"type": "array", "items": {"type": "integer"}}, [200, 300, 400],
         [200, 300, 400]),
        ("a three star hotel", "stars", STARS, "3", "3"),
        ("a hotel", "stars", STARS, "3", None),
    ],
)  # fmt: skip
def test_values_are_what_the_description_says(
    request_: str, name: str, schema: dict[str, Any], value: Any, stands: Any
) -> None:
    assert standing(request_, name, value, schema, required=name == "recipe_type") == stands


def test_a_yes_stands_where_the_request_speaks_of_it() -> None:
    assert standing("a unisex salon in San Jose", "is_unisex", True, SWITCH, False) is True
    assert standing("a salon in San Jose", "is_unisex", True, SWITCH, False) is None
    assert standing("a house, laundry included", "has_laundry_service", "True", YES_NO, False) == "True"
    assert standing("a house", "has_laundry_service", "True", YES_NO, False) is None


def test_what_is_optional_and_was_not_written_is_not_filled_in() -> None:
    assert standing("a cleaner in Bangkok", "province_id", None, PROVINCE, False) is None
    assert standing("a cleaner in Bangkok", "province_id", None, PROVINCE, True) == 1


def test_of_many_arguments_those_are_asked_for_that_the_request_speaks_of() -> None:
    fields = {f"field_{n}": {"type": "string"} for n in range(12)} | {"rating": {"type": "number"}}
    search = Function("search_maid", "Search a maid", {"type": "object", "properties": fields, "required": []})
    model = Scored("search_maid", '{"rating": 4}')
    call = FunctionCaller(model).call("search a maid with a rating of 4", [search])
    assert call is not None and call.arguments == {"rating": 4}


def test_a_required_number_may_be_a_code_that_a_name_stands_for() -> None:
    fields = {"province_id": PROVINCE}
    find = Function(
        "find_cleaner", "Find a cleaner", {"type": "object", "properties": fields, "required": ["province_id"]}
    )
    call = FunctionCaller(Scored("find_cleaner", '{"province_id": 9}')).call("find a cleaner in Chiang Mai", [find])
    assert call is not None and call.arguments == {"province_id": 2}


def test_of_an_object_what_is_not_required_must_stand_in_the_request() -> None:
    fields = {"mode": {"enum": ["dry", "cool"]}, "target": {"type": "number"}, "fan": {"enum": ["low", "high"]}}
    body = {"type": "object", "properties": fields, "required": ["mode"]}
    written = {"mode": "dry", "target": 18, "fan": "high"}
    assert standing("air dry with a high wind", "body", written, body, True) == {"mode": "dry", "fan": "high"}


def test_a_text_that_was_made_up_is_not_asked_for_again_where_the_request_is_about_nothing_of_the_function() -> None:
    fields = {"soil_type": {"type": "string"}}
    analyse = Function(
        "analyse_ground", "Analyse ground", {"type": "object", "properties": fields, "required": ["soil_type"]}
    )
    model = Scored("analyse_ground", '{"soil_type": "clay"}')
    model.enqueue('{"soil_type": "tomatoes"}')
    assert FunctionCaller(model).call("which fertilizer do tomatoes like", [analyse]) is None
    assert len(model.prompts) == 1


def test_what_the_request_says_once_is_one_argument() -> None:
    text = {"type": "string"}
    fields = {"leaves": text, "returns": text, "from": text, "to": text}
    book = Function("book_flight", "Book a flight", {"type": "object", "properties": fields, "required": ["leaves"]})
    written = '{"leaves": "20/06/2022", "returns": "20/06/2022", "from": "Rome", "to": "Rome"}'
    call = FunctionCaller(Scored("book_flight", written)).call("book a flight from Rome on 20/06/2022", [book])
    assert call is not None and call.arguments == {"leaves": "20/06/2022", "from": "Rome"}
    twice = FunctionCaller(Scored("book_flight", written)).call("book a flight, Rome to Rome, on 20/06/2022", [book])
    assert twice is not None and twice.arguments == {"leaves": "20/06/2022", "from": "Rome", "to": "Rome"}
