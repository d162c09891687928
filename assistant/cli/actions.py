"""Commands that consist of actions, such as `assistant models list`: each with its summary and `--json`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol


class AddAction(Protocol):
    def __call__(self, name: str, run: Callable[..., int], summary: str) -> argparse.ArgumentParser: ...


def actions_of(parser: argparse.ArgumentParser) -> AddAction:
    """A function that adds an action to `parser` and returns the action's own parser."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run: Callable[..., int], summary: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        added.add_argument("--json", action="store_true", help="print one JSON document")
        added.set_defaults(run=run)
        return added

    return action
