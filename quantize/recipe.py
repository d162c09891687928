"""A recipe: an ordered list of stages in TOML, each with its parameters. Misspelt keys are refused.

name = "smollm2-135m-q4_0-qad"
source = "smollm2-135m"            # a name in the model store, or a path
seed = 1

[[stage]]
do = "convert"                     # which stage: quantize/stages/__init__.py lists them
id = "reference"                   # how later stages name its result; default: the value of `do`
with = { float_type = "F16" }      # its parameters
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from assistant.errors import UsageError


class Step(msgspec.Struct, forbid_unknown_fields=True, rename={"parameters": "with"}):
    do: str
    id: str = ""
    parameters: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self.id or self.do


class Recipe(msgspec.Struct, forbid_unknown_fields=True, rename={"stages": "stage"}):
    name: str
    source: str
    stages: list[Step]
    seed: int = 0
    note: str = ""


RECIPES = Path(__file__).parent / "recipes"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file, or a shipped one by its bare name. Raises UsageError with the place of the mistake."""
    if not path.exists() and (RECIPES / f"{path.name.removesuffix('.toml')}.toml").exists():
        path = RECIPES / f"{path.name.removesuffix('.toml')}.toml"
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a recipe; name a TOML file")
    try:
        recipe = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Recipe)
    except FileNotFoundError:
        shipped = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise UsageError(f"no recipe at {path}; shipped recipes: {shipped}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    names = [step.name for step in recipe.stages]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"{path}: two stages are called {', '.join(sorted(twice))}; give one an `id`")
    return recipe
