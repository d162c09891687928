"""`assistant explain` as a user runs it, with an empty home and no model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.cli import main


@pytest.fixture(autouse=True)
def home(assistant_home: Path) -> Path:
    return assistant_home


def test_a_rule_and_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "set a timer for ten minutes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["handled_by"], document["tool"]) == ("rule", "timer.start")
    assert document["arguments"] == {"minutes": 10} and document["confidence"] == 1.0 and document["ms"] > 0


def test_without_a_model_it_does_not_claim_to_know_what_one_would_choose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "write a poem about snow"]) == 0
    assert "or choose a tool (`--model NAME` shows which)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["  "], "nothing was asked"), (["turn on the light", "--area", "Nowhere"], "no room is called 'Nowhere'")],
)
def test_what_cannot_be_explained_is_a_mistake_of_usage(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""


def test_a_room_is_taken_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "turn on the light", "--area", "kitchen", "--json"]) == 0
    assert "itchen" in json.dumps(json.loads(capsys.readouterr().out)["arguments"])
