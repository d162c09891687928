"""Accuracy: every check can be passed and failed, rows are read strictly, the real model is scored as by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from assistant.conversation import Message, Role
from assistant.engines import Likelihood, Prompt
from assistant.engines.llama import LlamaModel
from assistant.errors import EngineCrashed, UsageError
from assistant.turn import Turn
from engine_talks import PLAN, smollm2
from evals import accuracy, checks, instructions
from evals.__main__ import main
from evals.accuracy_rows import (
    Checked,
    Choice,
    Cloze,
    ContextChoice,
    EvalSet,
    Named,
    Number,
    data_sets,
    own_sets,
    read_rows,
)
from evals.accuracy_scoring import lead, normalised, score
from evals.checks import Checks
from evals.results import Document
from evals.task import Outcome, Progress

OWN = [(row, one.name) for one in own_sets() for row in one.rows if isinstance(row, Checked)]


@pytest.mark.parametrize(("row", "name"), OWN, ids=[f"{name} {row.prompt[:40]}" for row, name in OWN])
def test_every_row_of_ours_can_be_passed_and_failed(row: Checked, name: str) -> None:
    assert checks.failed(row.checks, row.good) == [], name
    assert checks.failed(row.checks, row.bad) != [], name
    assert checks.failed(row.checks, "") != [], name
    assert checks.failed(row.checks, row.prompt) != [], "an echo of the task passes"


def test_our_sets_hold_what_an_assistant_is_asked_for() -> None:
    names = {one.name: len(one.rows) for one in own_sets()}
    assert {f"assistant_{n}" for n in ("instructions", "summarising", "rewriting", "json", "needs_the_net")} < set(
        names
    )
    assert min(names.values()) >= 12
    questions = [r.query for one in own_sets() for r in one.rows if isinstance(r, Choice)]
    assert len(set(questions)) == len(questions) >= 40


@pytest.mark.parametrize(
    ("given", "passes", "fails"),
    [
        ({"exactly": ["yes"]}, " Yes. ", "yes sir"),
        ({"words": [2, 3]}, "one two-three", "one two three four"),
        ({"sentences": [2, 2]}, "It rains. It pours!", "It rains and pours."),
        ({"sentences": [1, 1]}, "About 3.5 litres", "One. Two."),
        ({"bullets": [2, 2]}, "- a\n* b", "- a"),
        ({"avoids": r"\d ?km"}, "far", "6 km"),
        ({"spoken": True}, "Well, that's it.", "- well"),
        ({"spoken": True}, "Hello.", "Hello 😀"),
        ({"case": "upper"}, "NO 1", "No 1"),
        ({"json": {"keys": {"a": "number"}}}, '{"a": 1.5}', '{"a": true}'),
        ({"json": {"equal": {"a": 1}}}, '{"a": 1, "b": 2}', '{"a": 2}'),
        ({"json": {"type": "array", "length": 1}}, "[null]", "{}"),
        ({"json": {}}, "{}", "```json\n{}\n```"),
    ],
)
def test_checks(given: dict[str, object], passes: str, fails: str) -> None:
    wanted = msgspec.convert(given, Checks)
    assert checks.failed(wanted, passes) == []
    assert checks.failed(wanted, fails) == list(given)


@pytest.mark.parametrize(
    ("name", "arguments", "passes", "fails"),
    [
        (
            "length_constraints:number_words",
            {"relation": "less than", "num_words": 3},
            "two words",
            "these are four words",
        ),
        ("length_constraints:number_sentences", {"relation": "at least", "num_sentences": 2}, "One. Two.", "One"),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n\nb"),
        (
            "length_constraints:nth_paragraph_first_word",
            {"first_word": "so", "num_paragraphs": 2, "nth_paragraph": 2},
            "a\n\nSo it is",
            "So\n\na",
        ),
        ("punctuation:no_comma", {}, "a b", "a, b"),
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "category", "a Cat"),
        ("keywords:existence", {"keywords": ["cat"]}, "a Cat", "a dog"),
        (
            "keywords:frequency",
            {"relation": "at least", "keyword": "the", "frequency": 2},
            "the end of The day",
            "the end",
        ),
        (
            "keywords:letter_frequency",
            {"let_relation": "less than", "letter": "t", "let_frequency": 2},
            "cat",
            "totter",
        ),
        ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Do it."}, "Do it. Done.", "Done."),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a b* and **c**", "*a*"),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n* b", "* a"),
        (
            "detectable_format:multiple_sections",
            {"section_spliter": "Section", "num_sections": 2},
            "Section 1 x Section 2",
            "Section 1",
        ),
        ("detectable_format:title", {}, "<<A title>>\ntext", "A title"),
        ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "a: 1"),
        ("detectable_format:constrained_response", {}, "My answer is no.", "No."),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a]"),
        ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\nP.P.S. more", "Bye. P.S. more"),
        ("change_case:english_lowercase", {}, "no capitals 1", "No"),
        ("change_case:english_capital", {}, "CAPITALS", "Capitals"),
        (
            "change_case:capital_word_frequency",
            {"capital_relation": "at least", "capital_frequency": 2},
            "BIG DOG",
            "BIG dog",
        ),
        ("startend:quotation", {}, '"quoted"', "not quoted"),
        ("startend:end_checker", {"end_phrase": "Peace!"}, "Yes. Peace!", "Peace! Yes."),
        ("language:response_language", {"language": "hi"}, "नमस्ते दुनिया", "hello"),
        ("language:response_language", {"language": "ja"}, "これはペンです", "hello"),
    ],
)
def test_instructions_of_ifeval(name: str, arguments: dict[str, object], passes: str, fails: str) -> None:
    (judge,) = instructions.judges([name], [{**arguments, "unused": None}]) or []
    assert judge(passes)
    assert not judge(fails)


def test_a_row_with_an_instruction_we_cannot_judge_is_left_out() -> None:
    assert instructions.judges(["language:response_language"], [{"language": "sw"}]) is None
    assert instructions.judges(["made:up"], [{}]) is None


# -- reading sets --------------------------------------------------------------------------------------------------


def write(path: Path, *rows: dict[str, object] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


CHOICE = {"query": "Question: 1 + 1?", "choices": ["2", "3"], "gold": 0}


def test_each_kind_of_row_is_told_by_its_keys(tmp_path: Path) -> None:
    rows = {
        Choice: CHOICE,
        ContextChoice: {"context_options": ["a", "b"], "continuation": "c", "gold": 1},
        Cloze: {"context": "a", "continuation": "b"},
        Named: {"context": "a", "answer": "b", "aliases": ["c"]},
        Number: {"context": "a", "answer": "2", "chain_of_thought": "x"},
        Checked: {"prompt": "a", "checks": {"words": [1, 2]}},
    }
    for kind, row in rows.items():
        assert [type(r) for r in read_rows(write(tmp_path / f"{kind.__name__}.jsonl", row, "", row))] == [kind, kind]


@pytest.mark.parametrize(
    "bad",
    ["{}", "[1]", "not JSON", '{"query": "a", "choices": ["b"], "gold": 1}', '{"prompt": "a", "checks": {"wrods": 1}}'],
)
def test_a_bad_row_is_refused_with_its_file_and_line(tmp_path: Path, bad: str) -> None:
    file = write(tmp_path / "set.jsonl", "", bad)
    with pytest.raises(UsageError, match=r"set\.jsonl, line 2"):
        read_rows(file)


def test_samples_are_drawn_with_the_seed_and_have_a_fingerprint(tmp_path: Path) -> None:
    write(tmp_path / "lm" / "sums.jsonl", *({**CHOICE, "query": f"Question: {n}"} for n in range(50)))
    one, again, other = (data_sets(tmp_path, 10, seed)[0] for seed in (1, 1, 2))
    assert len(one.rows) == 10
    assert (one.rows, one.fingerprint) == (again.rows, again.fingerprint)
    assert one.fingerprint != other.fingerprint
    with pytest.raises(UsageError, match="holds a"):
        data_sets(tmp_path / "lm" / "none", 10, 1)


def test_questions_get_a_line_for_the_answer() -> None:
    assert lead("Question: why?\n") == "Question: why?\nAnswer:"
    assert lead("Question: which?\nA. x\nAnswer:") == "Question: which?\nA. x\nAnswer:"
    assert lead("The pond is") == "The pond is"
    assert normalised("The Lone-Ranger!") == "lone ranger"


# -- the real model ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[LlamaModel]:
    loaded = LlamaModel(smollm2(smollm2_path), PLAN)
    yield loaded
    loaded.close()


@pytest.mark.models
def test_the_real_model_is_right_where_it_must_be_and_wrong_where_gold_is_wrong(model: LlamaModel) -> None:
    right = Choice("The capital of France is", ["Paris", "the moon"], 0)
    assert score(model, right).right  # type: ignore[union-attr]
    assert not score(model, msgspec.structs.replace(right, gold=1)).right  # type: ignore[union-attr]
    assert score(model, Cloze("one, two, three, four,", "five")).right  # type: ignore[union-attr]
    assert not score(model, Cloze("one, two, three, four,", "cheese")).right  # type: ignore[union-attr]
    assert score(model, Named("The capital of France is", "x", ["Paris"])).right  # type: ignore[union-attr]
    assert score(model, ContextChoice(["Bread is made of stones", "Bread is made of flour"], "and water.", 1)).right  # type: ignore[union-attr]
    shown = score(model, Checked("Say hello.", Checks(all_of=["hello"])))
    assert shown is not None and shown.said
    assert shown.failed == (() if "hello" in shown.said.lower() else ("all_of",))


class Failing:
    """An engine that dies at every row but the first."""

    def __init__(self) -> None:
        self.n = 0

    def likelihoods(self, prompt: Prompt, candidates: object) -> list[Likelihood]:
        self.n += 1
        if self.n > 1:
            raise EngineCrashed("it died")
        return [Likelihood(-1.0, 1, True), Likelihood(-2.0, 1, False)]

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        return iter(())


def test_rows_that_fail_are_wrong_and_keep_their_kind_and_a_dead_engine_ends_the_set() -> None:
    rows = (Choice("a", ["b", "c"], 0),) * 3
    outcome = Outcome()
    done = accuracy.answer(Failing(), EvalSet("s", rows, False), Progress({"s": 1}), outcome)
    accuracy.report([done], outcome)
    assert done.right == [1.0, 0.0, 0.0]
    assert [(f.what, f.kind) for f in outcome.failures] == [("s row 2", "EngineCrashed"), ("s row 3", "EngineCrashed")]
    assert outcome.metrics["s_accuracy"].value == pytest.approx(1 / 3)
    assert outcome.metrics["s_accuracy"].paired
    with pytest.raises(EngineCrashed):
        accuracy.answer(Failing(), EvalSet("s", rows * 3, False), Progress({"s": 1}), Outcome())


@pytest.mark.models
def test_likelihoods_come_through_the_worker_too(home_with_model: Path) -> None:
    from evals.product import open_product, resolve

    prompt = Prompt([Message(Role.USER, "one, two,", id="a")], plain=True)
    with open_product(resolve("smollm2-135m"), 512) as product:
        three, cheese = product.model.likelihoods(prompt, [" three", " cheese"])
        assert three.is_greedy
        assert not cheese.is_greedy
        assert product.model.score(prompt, [" three"]) == [pytest.approx(three.log_probability)]


@pytest.mark.slow
@pytest.mark.models
def test_the_command_ends_with_one_document(
    home_with_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "data" / "sums.jsonl", CHOICE)
    out = tmp_path / "r.jsonl"
    assert main(["run", "accuracy", "--quick", "--data", str(tmp_path / "data"), "--out", str(out)]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1], type=Document)
    assert document.metrics["sums_accuracy"].n == 1
    assert document.metrics["assistant_json_accuracy"].n == 12
    assert 0.3 < document.metrics["assistant_everyday_accuracy"].value <= 1
    assert document.metrics["accuracy"].n == 122
