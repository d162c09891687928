"""A model made here enters the assistant's store: copied, hashed, approved, with its recipe beside its name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from assistant.errors import UsageError
from quantize.recipe import Recipe


def product(recipe: Recipe, folders: dict[str, Path]) -> Path:
    """The file a recipe is for: the model on its card, else the last one made. Raises UsageError if it makes none."""
    cards = [str(step.parameters["model"]) for step in recipe.stages if step.do == "card"]
    made = [folder for folder in folders.values() if (folder / "model.gguf").exists()]
    if not made:
        raise UsageError(f"the recipe {recipe.name} makes no model that could be installed")
    return (folders[cards[-1]] if cards else made[-1]) / "model.gguf"


def install(file: Path, recipe: Recipe, name: str = "", template: str | None = None) -> str:
    """Add the file to the model store; returns the name it has there.

    Its general name is its source's, so the store's guard against look-alikes is told that this is meant. Raises
    UsageError when the name is taken, ModelRefusedError for a chat template that the product does not know.
    """
    from assistant.models.admission import Approval, add
    from assistant.models.store import Store
    from assistant.paths import models_folder

    note = f"made here by the recipe {recipe.name} from {Path(recipe.source).name}"
    with tempfile.TemporaryDirectory(dir=file.parent.parent, prefix=".install-") as folder:
        named = Path(folder) / f"{recipe.name}.gguf"  # the name under which it will be listed
        os.link(file, named)
        entry = add(Store(models_folder()), named, Approval(template, name or recipe.name, force=True, note=note))
    return entry.name
