"""A model's way to a tool, opened when it is first needed: the examples take a second to index."""

from __future__ import annotations

from collections.abc import Callable

from assistant.config import Settings
from assistant.engines import LanguageModel
from assistant.tools.calls import Chooser


def choosing(settings: Settings) -> Callable[[LanguageModel], Chooser] | None:
    """How a model chooses a tool where no rule takes the request; None where the user has switched that off."""

    def chooser(model: LanguageModel) -> Chooser:
        from assistant.choosing.choice import LateChooser, chooser_for
        from assistant.engines.late import LateModel

        return LateChooser(model) if isinstance(model, LateModel) else chooser_for(model)

    return chooser if settings.model_chooses_tools else None


def prepare_choice() -> None:
    """Index how people ask for each tool (about a second), so that the first question need not wait for it."""
    from assistant.choosing.choice import prepare

    prepare()
