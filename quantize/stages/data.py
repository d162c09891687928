"""Stages that make and read text: the packs, and the statistics gathered on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from assistant.errors import UsageError
from quantize import packs as texts
from quantize.runner import Place, Stage
from quantize.runtime import Runtime, Tokens, open_runtime

EVALUATION_PACK = Path(__file__).parent.parent / "data" / "conversations.jsonl"
Rows = Iterator[dict[str, Any]]


class Packs(Stage, frozen=True):
    """Training text: training.jsonl and tokens.npy, proven disjoint from the evaluation packs.

    Numbers of conversations and articles that the teacher writes, and of characters of installed documentation.
    `piece` tokens of each source are mixed at random. The teacher samples `width` texts at a time and keeps every
    wave, so a killed stage goes on where it was.
    """

    conversations: int = 96
    articles: int = 96
    documentation_characters: int = 300_000
    teacher: str = "source"
    disjoint_from: tuple[str, ...] = ()
    width: int = 24
    piece: int = 256

    def inputs(self) -> list[str]:
        return [self.teacher, str(EVALUATION_PACK), *self.disjoint_from]

    def run(self, place: Place) -> None:
        with open_runtime(place.model(self.teacher), 512, self.width) as teacher:
            rows = list(self._waves(place, "conversations", self.conversations, texts.conversation_rows, teacher))
            rows += self._waves(place, "articles", self.articles, texts.article_rows, teacher)
            rows += texts.documentation_rows(self.documentation_characters)
            held_out = [
                row for path in (EVALUATION_PACK, *map(Path, self.disjoint_from)) for row in texts.read_pack(path)
            ]
            kept = texts.without_overlap(rows, held_out)
            if not kept:
                raise UsageError("no training text is left: ask for conversations, articles or documentation")
            texts.write_pack(place.folder / "training.jsonl", iter(kept))
            tokens = mixed([texts.encode(row, teacher).tokens for row in kept], self.piece, place.seed)
        np.save(place.folder / "tokens.npy", tokens)
        summary = {"rows": len(kept), "dropped_for_overlap": len(rows) - len(kept), "tokens": len(tokens)}
        (place.folder / "packs.json").write_bytes(msgspec.json.encode(summary))
        place.report(f"{len(kept)} texts, {len(tokens)} tokens, {summary['dropped_for_overlap']} dropped for overlap")

    def _waves(
        self, place: Place, name: str, n: int, source: Callable[..., Rows], teacher: Runtime
    ) -> Iterator[dict[str, Any]]:
        """Rows in files of one wave each; a file that exists is read, not made again."""
        seed = place.seed + (name == "articles")  # two streams of random numbers
        for wave, start in enumerate(range(0, n, self.width)):
            path = place.scratch / f"{name}-{wave:04}.jsonl"
            if not path.exists():
                texts.write_pack(path, source(teacher, "training", start, min(self.width, n - start), seed))
                place.report(f"{name}: {min(start + self.width, n)}/{n}")
            yield from texts.read_pack(path)


def mixed(texts_tokens: list[Tokens], piece: int, seed: int) -> Tokens:
    """Cut every text into pieces and lay them end to end in random order."""
    pieces = [tokens[i : i + piece] for tokens in texts_tokens for i in range(0, len(tokens), piece)]
    order = np.random.default_rng(seed).permutation(len(pieces))
    return np.concatenate([pieces[i] for i in order])


class Calibrate(Stage, frozen=True):
    """One hook pass (statistics.py): statistics.safetensors."""

    model: str = "source"
    packs: str = "packs"
    n_samples: int = 16
    length: int = 512

    def inputs(self) -> list[str]:
        return [self.model, self.packs]

    def memory_bytes(self, place: Place) -> int:
        from quantize.stages.training import float32_bytes, vocabulary_size

        path = place.model(self.model)
        return 2 * float32_bytes(path) + 6 * 4 * self.length * vocabulary_size(path)

    def run(self, place: Place) -> None:
        from quantize.source import load_source
        from quantize.stages.training import load_tokens
        from quantize.statistics import gather
        from quantize.train import batches

        samples = batches(load_tokens(place.result(self.packs, "tokens.npy")), self.n_samples, self.length, place.seed)(
            0
        )
        model = load_source(place.model(self.model)).eval()
        found = gather(model, samples, place.seed, lambda done, total: place.report(f"sample {done}/{total}"))
        found.save(place.folder / "statistics.safetensors")
