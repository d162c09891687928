"""Calculator, units, quantities, lists, notes, facts, and tools that misbehave."""

from __future__ import annotations

import time
from datetime import datetime
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.quantities import find
from assistant.tools import Outcome, Tool, ToolError, registry
from assistant.tools.calculator import evaluate, shown
from assistant.tools.registry import Registry
from assistant.tools.units import convert
from tool_bench import NOON, Bench


@pytest.mark.parametrize(
    ("text", "value"),
    [("17 times 23", "391"), ("15% of 80", "12"), ("200 + 10%", "220"), ("(3+4)*5/2", "17.5"), ("0.1+0.2", "0.3"),
     ("-2^2", "-4"), ("2^-2", "0.25"), ("two hundred and five minus 6", "199"), ("sqrt(144)", "12"), ("5!", "120"),
     ("the square root of 16 plus 3", "7"), ("10 mod 3", "1"), ("1,234 * 2", "2,468"), ("cube root of 27", "3"),
     ("2 ** 10", "1,024"), ("1/3", "0.333333333333 (rounded)"), ("7 - -3", "10")],
)  # fmt: skip
def test_sums_are_exact(text: str, value: str) -> None:
    assert shown(evaluate(text)) == value


@pytest.mark.parametrize("text", ["1/0", "9**9**9", "2^100000", "5 +", "((1)", "__import__('os')", "sqrt(-1)", "501!",
"",
                                  "(" * 200 + "1" + ")" * 200, "1 mod 0", "0^-1"])  # fmt: skip
def test_sums_that_cannot_be_say_so(text: str) -> None:
    with pytest.raises(ToolError):
        evaluate(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.sampled_from("+-*"))
def test_sums_agree_with_python(a: int, b: int, sign: str) -> None:
    expected = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert evaluate(f"({a}) {sign} ({b})") == expected


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789+-*/^%!(). abcdefghimnoqrstx", max_size=40))
def test_no_expression_does_anything_but_a_number_or_a_refusal(text: str) -> None:
    try:
        assert isinstance(evaluate(text), Fraction)
    except ToolError:
        return


def test_units_are_exact_where_their_definitions_are() -> None:
    assert convert(Fraction(5), "feet", "cm") == Fraction("152.4")
    assert convert(Fraction(60), "mph", "km/h") == Fraction("96.56064")
    assert convert(Fraction(100), "celsius", "fahrenheit") == 212
    with pytest.raises(ToolError, match="do not measure the same"):
        convert(Fraction(1), "kg", "km")
    with pytest.raises(ToolError, match="do not know the unit"):
        convert(Fraction(1), "blorps", "km")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("for an hour and a half", "duration", 5400), ("1h30m", "duration", 5400), ("two hours ten", "duration", 7800),
        ("5 and a half minutes", "duration", 330), ("three quarters of an hour", "duration", 2700),
        ("a fortnight", "duration", 14 * 86400), ("90 seconds", "duration", 90), ("half an hour", "duration", 1800),
        ("all day", "duration", 86400), ("2 days 1 month", "duration", 32 * 86400), ("20 [kg]", "dimension", 20),
        ("seven hundred twenty-one thousand twelve", "number", 721012), ("minus five hundred and four", "number", -504),
        ("1,234.5", "number", 1234.5), ("3 million", "number", 3_000_000), ("two and a half", "number", 2.5),
        ("twenty percent", "percent", 20), ("$5.50", "currency", 5.5), ("-3 °C", "temperature", -3),
        ("7 feet and 10 inches", "dimension", 94), ("20 km", "dimension", 20),
    ],
)  # fmt: skip
def test_quantities(text: str, kind: str, value: float) -> None:
    found = [f for f in find(text, NOON) if f.kind == kind]
    assert found, find(text, NOON)
    got = found[0].value
    assert float(getattr(got, "seconds", getattr(got, "value", got))) == value


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("tomorrow at 5pm", "2026-11-25T17:00"), ("in two weeks", "2026-12-08T00:00"), ("next tuesday",
        "2026-12-01T00:00"),
        ("half past seven in the evening", "2026-11-24T19:30"), ("christmas eve", "2026-12-24T00:00"),
        ("3rd of march 2015", "2015-03-03T00:00"), ("first monday of october", "2027-10-04T00:00"),
        ("10/31/1974", "1974-10-31T00:00"), ("2024-02-29", "2024-02-29T00:00"), ("easter 2027", "2027-03-28T00:00"),
        ("the day after tomorrow", "2026-11-26T00:00"), ("3 days ago", "2026-11-21T00:00"), ("at noon",
        "2026-11-25T12:00"),
    ],
)  # fmt: skip
def test_dates_and_times(text: str, at: str) -> None:
    found = [f for f in find(text, NOON) if f.kind in ("date", "time", "datetime")]
    assert found, find(text, NOON)
    assert found[0].value.at.replace(tzinfo=None) == datetime.fromisoformat(at)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_search_for_quantities(text: str) -> None:
    for found in find(text, NOON):
        assert 0 <= found.start < found.end <= len(text)


def test_lists_notes_and_facts_are_kept_found_and_undone() -> None:
    bench = Bench()
    bench.say("add milk, eggs and bread to the shopping list")
    assert bench.say("what's on my shopping list") == "- milk\n- eggs\n- bread"
    bench.say("check off milk")
    assert bench.say("what's on my shopping list") == "- eggs\n- bread"
    bench.say("undo")
    assert "milk" in bench.say("what's on my shopping list")
    bench.say("note that the spare key is at Anna's")
    assert "Anna" in bench.say("find my note about the key")
    bench.say("remember that my bike is a 56")
    assert "56" in bench.say("what do you know about me")
    bench.yes = True
    bench.say("forget my bike")
    assert "nothing" in bench.say("what do you know about me")


class Sides(msgspec.Struct):
    sides: int = 6


def _foreign(run: object) -> Registry:
    return Registry([Tool("dice.roll", "roll dice", Sides, run, trusted=False)])  # type: ignore[arg-type]


def test_a_tool_that_raises_or_lies_or_floods_is_answered_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(arguments: Sides, surroundings: object) -> Outcome:
        raise RuntimeError("boom")

    def lies(arguments: Sides, surroundings: object) -> object:
        return 42

    def floods(arguments: Sides, surroundings: object) -> Outcome:
        return Outcome("\x1b[31m" + "x" * 10_000_000)

    bench = Bench()
    with pytest.raises(ToolError, match="failed: RuntimeError: boom"):
        _foreign(raises).run("dice.roll", Sides(), bench.surroundings)
    with pytest.raises(ToolError, match="no text"):
        _foreign(lies).run("dice.roll", Sides(), bench.surroundings)
    answer = _foreign(floods).run("dice.roll", Sides(), bench.surroundings).text
    assert len(answer) < 21_000 and "\x1b" not in answer
    with pytest.raises(ToolError, match="cannot be called like that"):
        _foreign(floods).checked("dice.roll", {"sides": "many"})


def test_a_tool_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.tools.registry.DEADLINE_S", 0.2)

    def hangs(arguments: Sides, surroundings: object) -> Outcome:
        time.sleep(5)
        return Outcome("late")

    with pytest.raises(ToolError, match="did not answer"):
        _foreign(hangs).run("dice.roll", Sides(), Bench().surroundings)


def test_foreign_tools_always_need_a_confirmation() -> None:
    from assistant.tools import Level, read_only

    tools = Registry([Tool("dice.roll", "roll dice", Sides, lambda a, s: Outcome("4"), read_only, trusted=False)])
    assert tools.level("dice.roll", Sides(), Bench().surroundings) is Level.CONFIRM


def test_all_built_in_tools_have_distinct_names_and_examples() -> None:
    tools = registry.registry()
    assert tools.problems == ()
    assert all(tool.examples and tool.summary for tool in tools)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("what is on next week", "2026-11-30T00:00", "2026-12-07T00:00"),
        ("sales of Q3 2019", "2019-07-01T00:00", "2019-10-01T00:00"),
        ("from 9:30 to 11:00 on Thursday", "2026-11-26T09:30", "2026-11-26T11:01"),
        ("away from Monday to Friday", "2026-11-30T00:00", "2026-12-05T00:00"),
        ("13th to 15th July", "2027-07-13T00:00", "2027-07-16T00:00"),
        ("before 2010", None, "2010-01-01T00:00"),
        ("since last Friday", "2026-11-20T00:00", None),
        ("the last week of this month", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("on the 28 from 2pm to 4pm", "2026-11-28T14:00", "2026-11-28T17:00"),
        ("Friday between 9-6", "2026-11-27T09:00", "2026-11-27T19:00"),
        ("Monday morning 6-8", "2026-11-30T06:00", "2026-11-30T09:00"),
        ("from the 27th to the third of april", "2027-03-27T00:00", "2027-04-04T00:00"),
        ("the year to date", "2026-01-01T00:00", "2026-11-24T00:00"),
        ("as early as 3 pm", "2026-11-24T15:00", None),
    ],
)
def test_stretches_of_time(text: str, start: str | None, end: str | None) -> None:
    (found,) = find(text, NOON, ("span",))
    told = tuple(m and m.replace(tzinfo=None) for m in (found.value.start, found.value.end))
    assert told == tuple(t and datetime.fromisoformat(t) for t in (start, end))


@pytest.mark.parametrize("text", ["early next week", "the end of the month", "in the summer of 1999", "feb 30 2019"])
def test_what_has_no_agreed_borders_gets_no_value(text: str) -> None:
    assert find(text, NOON, ("span", "date")) == []


def test_limits_and_repetitions_are_not_taken_for_values() -> None:
    assert find("over 5 km", NOON, ("dimension",)) == []
    assert find("over 5 km", NOON, ("bounds",))[0].value.low == 5
    for often in ("every two weeks", "one a day", "three times a week", "the 19th of every month"):
        assert [f.kind for f in find(often, NOON)] == ["recurring"]


def test_names_and_codes_are_not_taken_for_values() -> None:
    assert find("$DEC is up and so is #monday", NOON) == []
    assert find("part 24703m212", NOON, ("dimension",)) == []
    assert find("a 250ml bottle", NOON, ("number",)) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("two hundred and fifth", 205), ("three trillionth", 3 * 10**12), ("3 hundred and 21", 321), ("2^10", 1024),
     ("1 234 567", 1_234_567), ("half million", 500_000), ("two out of five", 0.4), ("twentyone", 21),
     ("two hundred and fifty-four hundredths", 200.54), ("a quarter million", 250_000), ("twenty twenty-fifths", 0.8)],
)  # fmt: skip
def test_more_ways_to_say_a_number(text: str, value: float) -> None:
    (found,) = find(text, NOON, ("number", "ordinal"))
    assert float(found.value) == value


def test_tonight_is_not_this_morning() -> None:
    (found,) = find("remind me tonight at 8", NOON, ("datetime",))
    assert found.value.at.hour == 20
