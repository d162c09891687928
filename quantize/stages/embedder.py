"""Stages for an embedding model: BERT from safetensors to GGUF, and how far a quantised one is from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from assistant.engines import minilm_gguf
from assistant.engines.embedding import ARCHITECTURE, EmbeddingModel
from assistant.engines.plan import Plan
from assistant.errors import UsageError
from assistant.models.spec import ModelSpec
from quantize.evaluate import measured
from quantize.gguf_io import metadata, open_gguf, summarise
from quantize.packs import read_pack
from quantize.runner import Place, Stage
from quantize.stages.data import EVALUATION_PACK

Vectors = NDArray[np.float32]


class ConvertBert(Stage, frozen=True):
    """model.gguf in half precision. The source is a folder with config.json, vocab.txt and model.safetensors of a BERT,
    or the file that was made of it at `assistant models pull minilm`, which is the same to the byte."""

    def run(self, place: Place) -> None:
        target = place.folder / "model.gguf"
        if place.source.is_dir():
            with target.open("wb") as out:
                minilm_gguf.write(place.source, out)
            return
        kind = metadata(open_gguf(place.source), "general.architecture")
        if kind != ARCHITECTURE:
            raise UsageError(f"{place.source} is no embedding model but of the architecture {kind}; see `convert`")
        shutil.copyfile(place.source, target)


class CompareEmbeddings(Stage, frozen=True):
    """Measure `models` against `reference` on texts: evaluation.json.

    A text is one message of a pack, `n_texts` of them at most. Cosine: of a text's vector to the reference's. Nearest
    agreement: how often the same other text is the nearest, which is what a search notices.
    """

    models: list[str]
    reference: str = "convert-bert"
    pack: str = str(EVALUATION_PACK)
    n_texts: int = 500
    gates: dict[str, float] = msgspec.field(default_factory=dict)  # the least of a metric that the first may have

    def inputs(self) -> list[str]:
        return [*self.models, self.reference, self.pack]

    def run(self, place: Place) -> None:
        messages = (
            m["content"] for row in read_pack(Path(self.pack)) for m in row.get("messages", [row]) if "content" in m
        )
        texts = list(dict.fromkeys(messages))[: self.n_texts]
        if len(texts) < 3:
            raise UsageError(f"{self.pack} has {len(texts)} different messages: too few to compare embeddings on")
        place.report(f"embedding {len(texts)} texts by {1 + len(self.models)} models")
        expected = _embed(place.model(self.reference), texts)
        found = {name: _metrics(_embed(place.model(name), texts), expected) for name in self.models}
        failed = [
            f"{metric} is {found[self.models[0]][metric]['value']:.4f}, wanted at least {limit}"
            for metric, limit in self.gates.items()
            if found[self.models[0]][metric]["value"] < limit
        ]
        for name, metrics in found.items():
            place.report(f"{name}: " + ", ".join(f"{m} {v['value']:.4f}" for m, v in metrics.items()))
        sizes = {name: summarise(place.model(name)) for name in self.models}
        document = {"texts": {"messages": found}, "files": sizes, "gates_failed": failed}
        (place.folder / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(document)))


def _embed(path: Path, texts: list[str]) -> Vectors:
    spec = ModelSpec(path.stem, path.name, path, "", path.stat().st_size, "", 0, ARCHITECTURE, "embedding")
    return EmbeddingModel(spec, Plan(use_mmap=True)).embed(texts)


def _metrics(found: Vectors, expected: Vectors) -> dict[str, dict[str, Any]]:
    cosines = np.sum(found * expected, axis=1)
    same = _nearest(found) == _nearest(expected)
    return {"cosine": measured(cosines, "cosine"), "nearest_agreement": measured(same, "share")}


def _nearest(vectors: Vectors) -> NDArray[np.intp]:
    """For each row the number of the row most like it, itself left out."""
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    nearest: NDArray[np.intp] = np.argmax(likeness, axis=1)
    return nearest
