"""What the assistant says of itself: of its network lock, what the kernel reports, and of its model."""

from __future__ import annotations

import pytest

from assistant.privacy import sandbox
from tool_bench import Bench


@pytest.mark.parametrize(
    "question",
    [
        "are you online?",
        "do you need the internet",
        "do you send my data to the cloud?",
        "does anything leave this computer?",
        "where does my data go",
        "is this private?",
    ],
)
def test_questions_about_what_leaves_the_machine_are_no_business_of_the_model(question: str) -> None:
    assert [call.tool for call in Bench().decide(question).calls] == ["system.network"]


@pytest.mark.parametrize(
    "request_text", ["did you send my message", "do you have data about Spain", "can you send my wife a message"]
)
def test_other_requests_are_not_taken_for_them(request_text: str) -> None:
    assert "system.network" not in [call.tool for call in Bench().decide(request_text).calls]


@pytest.mark.parametrize("locked", [True, False])
def test_the_lock_is_told_as_the_kernel_reports_it(locked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    report = sandbox.LockStatus(True, {1: 2 if locked else 0}, {1: int(locked)})
    monkeypatch.setattr(sandbox, "status", lambda: report)
    said = Bench().say("are you offline?")
    assert ("refuses every network connection" in said) is locked
    assert ("nothing enforces that" in said) is not locked


def test_the_one_process_that_may_reach_a_home_is_not_kept_quiet_about() -> None:
    bench = Bench()
    bench.surroundings.facts = {"gateway": lambda: "192.168.1.20"}
    assert bench.say("are you offline?").endswith("may connect, and only to 192.168.1.20.")


def test_the_model_is_named_where_one_is_there() -> None:
    bench = Bench()
    assert bench.say("which model are you?") == "No model is loaded here."
    bench.surroundings.facts = {"model": lambda: "I run small.gguf on this machine."}
    assert bench.say("which model are you?") == "I run small.gguf on this machine."
