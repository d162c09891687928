"""Kitchen measures: an amount of an ingredient between volume and weight, by a table and never by a model."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import pytest

from assistant.rules import table as rules
from assistant.tools import ToolError, cooking
from tool_bench import Bench

NOW = datetime(2026, 3, 4, 12, 0)


@pytest.mark.parametrize(
    ("request_text", "reply"),
    [
        ("convert 3 cups of flour to grams", "3 cups of flour is about 375 grams."),
        ("how many grams are in a cup of sugar?", "1 cup of sugar is about 200 grams."),
        ("3 cups flour in grams", "3 cups of flour is about 375 grams."),
        ("how many cups is 500 g of flour", "500 g of flour is about 4 cups."),
        ("how many cups of all-purpose flour is 500 grams", "500 grams of all-purpose flour is about 4 cups."),
        ("how much does a cup of butter weigh", "1 cup of butter is about 227 grams."),
        ("a stick of butter in grams", "1 stick of butter is about 114 grams."),
        ("half a cup of brown sugar in grams", "0.5 cup of brown sugar is about 110 grams."),
        ("two thirds of a cup of milk in ml", "2/3 cup of milk is about 158 ml."),
        ("1 1/2 cups of caster sugar in grams", "1.5 cups of caster sugar is about 300 grams."),
        ("how many grams of salt in a teaspoon", "1 teaspoon of salt is about 6.1 grams."),
    ],
)
def test_amounts_are_told_in_the_unit_that_is_asked_for(request_text: str, reply: str) -> None:
    bench = Bench()
    assert [call.tool for call in bench.decide(request_text).calls] == ["cooking.convert"]
    assert bench.say(request_text) == reply


@pytest.mark.parametrize(
    "request_text",
    ["3 cups of gravel in grams", "turn 2 cups of flour into a cake", "how many cups in a pint", "add 3 cups of flour"],
)
def test_what_is_no_question_about_a_known_ingredient_is_left_to_others(request_text: str) -> None:
    assert "cooking.convert" not in [r.tool for r in rules.ruled(request_text, NOW)]


def test_there_and_back_is_the_same() -> None:
    grams = cooking.convert(Fraction(3), "tablespoon", "honey", "gram")
    assert cooking.convert(grams, "gram", "honey", "tablespoon") == 3


def test_unknown_ingredients_and_units_that_measure_something_else_are_refused() -> None:
    with pytest.raises(ToolError, match="gravel"):
        cooking.convert(Fraction(1), "cup", "gravel", "gram")
    with pytest.raises(ToolError, match="neither a weight nor a volume"):
        cooking.convert(Fraction(1), "mile", "flour", "gram")


def test_an_amount_below_zero_is_refused() -> None:
    assert "no amount below zero" in Bench().say("-2 cups of flour in grams")


def test_every_other_name_leads_to_an_ingredient_that_is_weighed() -> None:
    grams, others = cooking._tables()
    assert set(others.values()) <= set(grams)
    assert not set(others) & set(grams)
