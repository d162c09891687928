"""The catalogue of faults is complete, and what it names exists."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from catalogue import FAULTS

TESTS = Path(__file__).parent.parent


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_all_85_are_there() -> None:
    assert list(FAULTS) == list(range(1, 86))
    assert sum(bool(fault.by) for fault in FAULTS.values()) >= 83


@pytest.mark.parametrize("number", FAULTS)
def test_every_fault_has_a_test_or_a_reason(number: int) -> None:
    fault = FAULTS[number]
    assert fault.by or fault.why
    for name in fault.by:
        file, _, function = name.partition("::")
        assert function in functions(file), f"{fault.what}: {name} is gone"
