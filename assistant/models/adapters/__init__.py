"""The adapters that come with the product: files of a few megabytes that make a small model choose tools.

They lie in this folder, inside the package, so that a worker may read them; catalogue.toml has their hashes and the
base file that each belongs to. An adapter is looked at by its hash before anything parses it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from assistant.errors import ModelRefusedError
from assistant.models.catalogue import Adapter, adapters

FOLDER = Path(__file__).parent


def verified_adapter(base_sha256: str) -> Path | None:
    """The adapter for a base file, None if there is none. Raises ModelRefusedError for a file that was altered."""
    adapter = adapters().get(base_sha256)
    return None if adapter is None else _verified(adapter, FOLDER)


@lru_cache(maxsize=8)
def _verified(adapter: Adapter, folder: Path) -> Path:
    path = folder / adapter.file
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelRefusedError(
            f"{adapter.file} is missing from this installation: install the package again"
        ) from error
    if found != adapter.sha256:
        raise ModelRefusedError(f"{adapter.file} is not what came with this version: install the package again")
    return path
