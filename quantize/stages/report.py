"""Stages that measure and tell: evaluate, card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from quantize.runner import Place, Stage
from quantize.stages.data import EVALUATION_PACK


class Evaluate(Stage, frozen=True):
    """Measure `models` against `reference` on packs and texts: evaluation.json, in the shape that `evals` prints.

    `texts` maps a name to a path; the shipped conversation pack is always measured. `gates` maps a metric to the
    largest value allowed for the first model, on every text.
    """

    models: list[str]
    reference: str = "reference"
    texts: dict[str, str] = msgspec.field(default_factory=dict)
    n_scored: int = 4096
    gates: dict[str, float] = msgspec.field(default_factory=dict)

    def inputs(self) -> list[str]:
        return [*self.models, self.reference, str(EVALUATION_PACK), *self.texts.values()]

    def run(self, place: Place) -> None:
        from quantize.evaluate import compare_many
        from quantize.gguf_io import summarise

        files = [place.model(name) for name in self.models]
        result: dict[str, Any] = {}
        for text, path in {"conversations": str(EVALUATION_PACK), **self.texts}.items():
            place.report(f"scoring {text}")
            pairs = compare_many(files, place.model(self.reference), Path(path), self.n_scored)
            result[text] = {name: pair.metrics() for name, pair in zip(self.models, pairs, strict=True)}
        sizes = {name: summarise(file) for name, file in zip(self.models, files, strict=True)}
        failed = [
            f"{metric} on {text} is {by_model[self.models[0]][metric]['value']:.4f}, wanted at most {limit}"
            for text, by_model in result.items()
            for metric, limit in self.gates.items()
            if by_model[self.models[0]][metric]["value"] > limit
        ]
        for line in failed:
            place.report(f"gate failed: {line}")
        document = {"texts": result, "files": sizes, "gates_failed": failed}
        (place.folder / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(document)))


class Card(Stage, frozen=True):
    """The model card, README.md, from the manifests and the evaluation (card.py)."""

    title: str
    model: str
    evaluation: str = "evaluate"
    limits: tuple[str, ...] = ()

    def inputs(self) -> list[str]:
        return [self.model, self.evaluation]

    def run(self, place: Place) -> None:
        from quantize.card import write_card

        write_card(self, place)
