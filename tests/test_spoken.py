"""What the voice reads out for what was written, and where it may begin to read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.spoken.clauses import FIRST, LATER, clauses
from assistant.spoken.numbers import cardinal, ordinal, year
from assistant.spoken.speakable import CODE_NOTE, speakable

READ = {
    # numbers
    "0": "zero",
    "275": "two hundred seventy-five",
    "1,234,567.89": "one million two hundred thirty-four thousand five hundred sixty-seven point eight nine",
    "-5": "minus five",
    "3.14": "three point one four",
    "version 1.2.3": "version one point two point three",
    "007": "zero zero seven",
    "the 3rd and the 21st": "the third and the twenty-first",
    "1/2 cup": "one half cup",
    "2½ cups": "two and a half cups",
    "5/8": "five eighths",
    "50%": "fifty percent",
    "pages 3-4": "pages three to four",
    "10x": "ten x",
    "3x4": "three by four",
    "A320": "A three twenty",
    "5G": "five G",
    # years, dates, times
    "in 1462": "in fourteen sixty-two",
    "in 1905": "in nineteen oh five",
    "the 1980s": "the nineteen eighties",
    "2000": "two thousand",
    "1990–1995": "nineteen ninety to nineteen ninety-five",
    "2024-03-15": "March fifteenth, twenty twenty-four",
    "3/15/2024": "March fifteenth, twenty twenty-four",
    "Jan 2": "January second",
    "5 May 2021": "the fifth of May, twenty twenty-one",
    "the 9th May": "the ninth of May",
    "The 1st of June": "The first of June",
    "2:15 p.m.": "two fifteen p.m.",
    "14:05": "fourteen oh five",
    "10:00": "ten o'clock",
    "7 pm": "seven p.m.",
    "12:30 AM": "twelve thirty a.m.",
    # money, measures
    "$13.87": "thirteen dollars and eighty-seven cents",
    "$1": "one dollar",
    "$0.99": "ninety-nine cents",
    "£1.01": "one pound and one penny",
    "$5 million": "five million dollars",
    "€1.5 bn": "one point five billion euros",
    "21°C": "twenty-one degrees Celsius",
    "-5 °F": "minus five degrees Fahrenheit",
    "1 km": "one kilometer",
    "3.5 kg": "three point five kilograms",
    "5 km/h": "five kilometers per hour",
    "100 m²": "one hundred square meters",
    "12 in long": "twelve inches long",
    "5 in the house": "five in the house",
    "5'10\"": "five foot ten",
    "8 GB": "eight gigabytes",
    # names and addresses
    "Henry VIII": "Henry the eighth",
    "World War II": "World War two",
    "When I came": "When I came",
    "Call 555-123-4567": "Call five five five, one two three, four five six seven",
    "see https://www.example.com/a/b?c=1.": "see example dot com.",
    "bob.x@example.org": "bob dot x at example dot org",
    # symbols
    "a & b": "a and b",
    "2 + 3 = 5": "two plus three equals five",
    "x >= 3": "x at least three",
    "~5": "about five",
    "and/or": "and or",
    "wait…": "wait.",
    # layout
    "**Bold**, _italic_, `code`, ~~gone~~": "Bold, italic, code, gone",
    "[the docs](https://x.org/a_b)": "the docs",
    "# Title": "Title",
    "- one\n- two": "one. two.",
    "> said": "said",
    "| a | b |\n|---|---|\n| 1 | 2 |": "a, b. one, two.",
    "```py\nx = 1\n```": CODE_NOTE,
    "<b>x</b>": "x",
    "---": "",
    # emoji
    "Done 🎉!": "Done!",
    "👍🏽": "thumbs up sign",
    "": "",
    "***": "",
}


@pytest.mark.parametrize("written", READ)
def test_what_is_read(written: str) -> None:
    assert speakable(written) == READ[written]


def test_other_languages_keep_their_numbers_for_the_voice() -> None:
    assert speakable("**21** Grad am 3. Mai", "de") == "21 Grad am 3. Mai"


@given(st.text(max_size=200))
def test_any_text_becomes_one_line_without_markup(text: str) -> None:
    said = speakable(text)
    assert "\n" not in said and "`" not in said
    assert said == "" or any(c.isalnum() for c in said)


@given(st.integers(min_value=0, max_value=10**30))
def test_no_digit_is_left_in_words(number: int) -> None:
    for words in (cardinal(str(number)), ordinal(str(number)), speakable(f"x {number} y")):
        assert words and not any(c.isdigit() for c in words)


@pytest.mark.parametrize("number", range(1000, 3000, 7))
def test_years_are_read_as_a_year_or_a_number(number: int) -> None:
    assert year(str(number)).split()[0] in {
        "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
        "twenty", "twenty-one", "twenty-two", "twenty-three", "twenty-four", "twenty-five", "twenty-six",
        "twenty-seven", "twenty-eight", "twenty-nine", "one", "two",
    }  # fmt: skip


def cut(text: str) -> list[str]:
    """Clauses of a reply whose tokens are separated by bars."""
    return [clause.written for clause in clauses(text.split("|"))]


def test_a_sentence_is_spoken_when_the_next_word_begins() -> None:
    assert cut("Yes|.| It| is|.") == ["Yes. ", "It is."]


def test_the_first_clause_ends_at_a_comma_later_ones_do_not_so_soon() -> None:
    reply = "Sure, I know. Well, yes, it is so, and it stays so."
    assert cut("|".join(reply)) == ["Sure, I know. ", "Well, yes, it is so, ", "and it stays so."]


@pytest.mark.parametrize(
    ("tokens", "first"),
    [
        ("The| capital| city| of| France| is", "The capital city of France "),
        ("A| refrigerator| stays| cold| by", "A refrigerator stays cold "),
        ("Whales| are| amazing| creatures|,", "Whales are amazing creatures,"),
        ("In| Brazil|,", "In Brazil,"),
        ("It| is| very| cold| there| in", "It is very cold there "),
        ("The| sky| is| blue| because", "The sky is blue "),
        ("The| beach| should| have| sand| and", "The beach should have sand "),
    ],
)
def test_the_first_clause_is_cut_as_soon_as_a_comma_or_a_joint_is_there(tokens: str, first: str) -> None:
    def written() -> Iterator[str]:
        yield from tokens.split("|")
        pytest.fail("it waits for what follows")

    assert next(clauses(written())).written == first


def test_no_comma_inside_a_number_is_one_and_a_short_subject_stays_with_its_verb() -> None:
    assert cut("About 1,|000 people") == ["About 1,000 people"]
    assert cut("It| is| in| Paris") == ["It is in Paris"]


def test_later_clauses_wait_for_what_follows() -> None:
    assert cut("Yes. |The old tower of the town is| tall")[1:] == ["The old tower of the town is tall"]


@pytest.mark.parametrize(
    "whole",
    ["Dr. Smith left.", "It costs 3.50 dollars.", "See example.com now.", "E.g. this one.", "1. First things first."],
)
def test_a_point_that_ends_no_sentence_does_not_cut(whole: str) -> None:
    assert cut("|".join(whole)) == [whole]


def test_code_is_one_clause_of_which_a_note_is_spoken() -> None:
    reply = "Like this:\n```python\nprint(1). Yes, no.\n```\nThat is it."
    said = list(clauses(list(reply)))
    assert [c.spoken for c in said] == ["Like this:", CODE_NOTE, "That is it."]
    assert said[1].written == "```python\nprint(1). Yes, no.\n```\n"


def test_bold_and_links_are_not_cut_apart() -> None:
    assert cut("See [this, that; other](http://a.b/c) now.") == ["See [this, that; other](http://a.b/c) now."]
    assert cut("It is **very, very** good.") == ["It is **very, very** good."]


@given(
    st.lists(
        st.sampled_from(
            ["a", "word", " ", ", ", ". ", "\n", "\n\n", "```", "`", "**", "1.", "- ", "|", "[x](y)", "!", "é"]
        ),
        max_size=80,
    )
)
def test_nothing_is_lost_or_changed(tokens: list[str]) -> None:
    assert "".join(c.written for c in clauses(tokens)) == "".join(tokens)


@given(st.text(alphabet="ab .,;:!?\n`*1", max_size=120), st.integers(1, 7))
def test_how_a_reply_is_cut_into_tokens_changes_no_text(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert "".join(c.written for c in clauses(pieces)) == text


def test_no_clause_is_longer_than_allowed_where_there_are_spaces() -> None:
    reply = "word " * 200
    lengths = [len(c.written.split()) for c in clauses(reply.split(" ")[i] + " " for i in range(200))]
    assert lengths[0] <= FIRST.most and max(lengths) <= LATER.most
