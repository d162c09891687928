"""Opening a model for an engine: its files are checked against their hashes, and what is refused says what to do.

What is handed over is the descriptor that was checked, not a path that could mean another file by then.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ModelMissingError, ModelRefusedError
from assistant.models import files
from assistant.models.adapters import verified_adapter
from assistant.models.catalogue import Entry, File, catalogue
from assistant.models.spec import ModelSpec

if TYPE_CHECKING:
    from assistant.models.store import Store


def verified(store: Store, name_or_path: str | Path) -> tuple[ModelSpec, int]:
    """What an engine needs to load a model and the open descriptor of its main file; see Store.open_verified()."""
    if isinstance(name_or_path, str) and (name_or_path in store.known() or not _looks_like_path(name_or_path)):
        return _named(store, store.entry(name_or_path))
    return _at_path(store, Path(name_or_path).expanduser())


def _looks_like_path(name: str) -> bool:
    return os.sep in name or name.startswith(("~", ".")) or name.lower().endswith(".gguf") or os.path.lexists(name)


def _named(store: Store, entry: Entry) -> tuple[ModelSpec, int]:
    main_descriptor = -1
    try:
        for file in entry.kept:
            descriptor = file_of(store, entry, file)
            if file is entry.main_file:
                main_descriptor = descriptor
            else:
                os.close(descriptor)
        path = store.path_of(entry)
    except BaseException:
        if main_descriptor >= 0:
            os.close(main_descriptor)
        raise
    return _spec(entry, path), main_descriptor


def _at_path(store: Store, path: Path) -> tuple[ModelSpec, int]:
    descriptor = files.open_regular(path)
    try:
        files.require_utf8(path)
        size = os.fstat(descriptor).st_size
        candidates = [(e, f) for e in store.known().values() for f in e.files if f.size == size and e.kind == "llm"]
        digest = store.verifications.sha256_of(path, descriptor) if candidates else ""
        for entry, file in candidates:
            if file.sha256 == digest:
                return _spec(entry, path.absolute()), descriptor
        raise ModelRefusedError(_why_not_approved(path, descriptor, [entry for entry, _ in candidates]))
    except BaseException:
        os.close(descriptor)
        raise


def file_of(store: Store, entry: Entry, file: File, always: bool = False) -> int:
    """One file of a model in the store; see Store.open_file()."""
    path = store.blob(file)
    repair, command = _repair(store, entry)
    try:
        descriptor = files.open_regular(path)
    except ModelMissingError as error:
        size = f"{entry.size / 1e6:,.0f} MB"
        raise ModelMissingError(f"{entry.name} is not here; run {command} ({size})") from error
    try:
        if (size_bytes := os.fstat(descriptor).st_size) != file.size:
            found = f"has {size_bytes:,} bytes instead of {file.size:,}"
        elif store.verifications.sha256_of(path, descriptor, always) != file.sha256:
            found = "does not have the content that was verified when it was installed"
        else:
            return descriptor
        raise ModelRefusedError(f"{file.name} ({path}) {found}; {repair}: {command}")
    except BaseException:
        os.close(descriptor)
        raise


def _repair(store: Store, entry: Entry) -> tuple[str, str]:
    """What to do about a damaged or missing file, and by which command."""
    if entry.name in catalogue():
        return "pull it again", f"`assistant models pull {entry.name}`"
    if base := store.base_of(entry):
        return "make it again", f"`assistant models remake {base.name}`"
    return "remove it and add it again", f"`assistant models remove {entry.name}`"


def _spec(entry: Entry, path: Path) -> ModelSpec:
    file = entry.main_file
    return ModelSpec(
        name=entry.name,
        file_name=file.name,
        path=path,
        sha256=file.sha256,
        size_bytes=file.size,
        family=entry.family,
        n_context_train=entry.n_context,
        architecture=entry.architecture,
        kind=entry.kind,
        adapter=verified_adapter(entry.made_from or file.sha256),
    )


def _why_not_approved(path: Path, descriptor: int, same_size: list[Entry]) -> str:
    from assistant.models import gguf_header

    name = files.shown(path)
    if same_size:
        model = same_size[0].name
        return (
            f"{name} is as large as {model} but its content differs: it is damaged or was altered; "
            f"get it again with `assistant models pull {model}`"
        )
    try:
        gguf_header.read_header(descriptor)
    except ModelRefusedError as error:
        return str(error).replace("the file", name, 1)
    return f"{name} was not approved; look at where it comes from, then run `assistant models add {name}`"
