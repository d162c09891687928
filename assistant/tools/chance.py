"""A coin, dice, a number: drawn by the system's source of chance, since a model's "random" number is a habit."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

import msgspec

from assistant.tools import Nothing, Outcome, Surroundings, Tool, ToolError, read_only

Whole = Annotated[int, msgspec.Meta(ge=-1_000_000_000, le=1_000_000_000)]


class Dice(msgspec.Struct, frozen=True):
    """`n` dice of `sides`."""

    n: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    sides: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 6


class Between(msgspec.Struct, frozen=True):
    """Both ends belong to it."""

    low: Whole = 1
    high: Whole = 100


def coin(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    return Outcome(secrets.choice(("Heads.", "Tails.")))


def dice(arguments: Dice, surroundings: Surroundings) -> Outcome:
    rolled = [secrets.randbelow(arguments.sides) + 1 for _ in range(arguments.n)]
    told = " + ".join(map(str, rolled))
    return Outcome(f"{told} = {sum(rolled)}." if arguments.n > 1 else f"{told}.", {"rolled": rolled})


def number(arguments: Between, surroundings: Surroundings) -> Outcome:
    """Raises ToolError where there is nothing between the ends."""
    low, high = sorted((arguments.low, arguments.high))
    if low == high:
        raise ToolError(f"there is only {low} between these")
    drawn = low + secrets.randbelow(high - low + 1)
    return Outcome(f"{drawn}.", {"number": drawn})


TOOLS: Final = (
    Tool("chance.coin", "flip a coin", Nothing, coin, read_only, ("flip a coin",), by_model=False),
    Tool("chance.dice", "roll dice", Dice, dice, read_only, ("roll two dice",), by_model=False),
    Tool("chance.number", "draw a number", Between, number, read_only, ("pick a number between 1 and 10",),
         by_model=False),
)  # fmt: skip
