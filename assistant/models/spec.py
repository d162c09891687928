"""What an engine needs to know about a model that passed verification. Plain data, cheap to import and to pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A verified model.

    `path` is the file to open, or for a model of several files (`kind` "asr", "tts", "embedding") the folder that holds
    them; `sha256` and `size_bytes` are those of the main (largest) file, whose published name is `file_name`.
    `adapter` is the verified adapter for choosing tools, if this version brings one for just this file.
    `family` names the product's own chat template, `architecture` is what the file's header must say.
    """

    name: str
    file_name: str
    path: Path
    sha256: str
    size_bytes: int
    family: str
    n_context_train: int
    architecture: str
    kind: str = "llm"
    adapter: Path | None = None
