"""Add, refresh and forget documents; watch folders by looking at their files' times now and then.

Looking is polling on purpose: it works on every file system, network drives and USB sticks included, holds no
descriptors, and a few thousand stat() calls take milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assistant.documents.chunks import chunks
from assistant.documents.formats import kind_of
from assistant.documents.reading import read, shown
from assistant.documents.store import DocumentStore, Kept
from assistant.engines.embedder import Embedder
from assistant.errors import DocumentError

MAX_FILES: Final = 10_000
_EMBED_AT_ONCE: Final = 64
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})

Report = Callable[[str], None]


@dataclass(slots=True)
class Changes:
    """What an indexing run did, by the names of the documents; `problems` in words, also of documents that were read
    with something left out. `n_unread` are the files and folders among them of which nothing was read."""

    added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    n_chunks: int = 0
    n_unread: int = 0

    def unread(self, problem: str) -> None:
        self.problems.append(problem)
        self.n_unread += 1


def files_below(root: Path) -> Iterator[tuple[Path, str]]:
    """The documents in a folder with their names below it; a file is itself. Hidden ones and links are left out."""
    if not root.is_dir() or root.is_symlink():
        yield root, shown(Path(root.name))
        return
    n = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for name in sorted(names):
            path = Path(folder) / name
            if name.startswith(".") or not kind_of(path) or path.is_symlink():
                continue
            n += 1
            if n > MAX_FILES:
                raise DocumentError(f"{shown(root)} holds more than {MAX_FILES:,} documents; add parts of it")
            yield path, shown(path.relative_to(root.parent))


def add(store: DocumentStore, paths: Iterable[Path], report: Report = lambda words: None) -> Changes:
    """Read files, and all documents below folders; what did not change is not read again. Embeds nothing."""
    changes = Changes()
    known = {kept.path: kept for kept in store.documents()}
    for root in (Path(os.path.abspath(path)) for path in paths):  # noqa: PTH100 - resolve() would follow links
        if not os.path.lexists(root):
            changes.unread(f"{shown(root)}: there is no such file or folder")
            continue
        n_before = changes.n_unread
        found = list(_listed(root, changes))
        if not found and changes.n_unread == n_before:
            changes.unread(f"{shown(root)} holds no document of a type that is read here")
        for path, name in found:
            _add_one(store, path, known.get(path), name, changes, report)
    return changes


def _listed(root: Path, changes: Changes) -> Iterator[tuple[Path, str]]:
    try:
        yield from files_below(root)
    except DocumentError as error:
        changes.unread(str(error))


def _add_one(store: DocumentStore, path: Path, kept: Kept | None, name: str, changes: Changes, report: Report) -> None:
    if kept is not None and not _changed(kept):
        changes.unchanged.append(kept.name)
        return
    report(f"reading {name}")
    try:
        document = read(path)
    except DocumentError as error:
        changes.unread(str(error))
        return
    if kept is not None and kept.sha256 == document.sha256:
        store.touch(kept.row, document.mtime_ns)
        changes.unchanged.append(kept.name)
        return
    pieces = list(chunks(document.passages))
    store.put(document, kept.name if kept else name, pieces)
    changes.added.append(kept.name if kept else name)
    changes.n_chunks += len(pieces)
    if document.warning:
        changes.problems.append(f"{name}: {document.warning}")


def _changed(kept: Kept) -> bool:
    try:
        status = kept.path.lstat()
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (kept.size_bytes, kept.mtime_ns)


def embed(store: DocumentStore, embedder: Embedder, report: Report = lambda words: None) -> int:
    """Compute the vectors that are missing, a few at a time, each few kept at once. Raises EngineError."""
    waiting = store.without_vector(embedder.sha256)
    for at in range(0, len(waiting), _EMBED_AT_ONCE):
        some = waiting[at : at + _EMBED_AT_ONCE]
        store.put_vectors([row for row, _ in some], embedder.embed([text for _, text in some]), embedder.sha256)
        report(f"{min(at + _EMBED_AT_ONCE, len(waiting)):,} of {len(waiting):,} passages embedded")
    return len(waiting)


def refresh(store: DocumentStore, report: Report = lambda words: None) -> Changes:
    """Read again what changed, add what is new in watched folders, forget what is gone from them.

    Where a watched folder itself is missing (a stick that is not plugged in) nothing of it is forgotten.
    """
    roots = store.roots()
    present = [root for root in roots if root.exists()]
    documents = store.documents()
    gone = [
        kept
        for kept in documents
        if not os.path.lexists(kept.path)
        and any(kept.path.is_relative_to(root) for root in roots)
        and any(kept.path.is_relative_to(root) for root in present)
    ]
    if gone:
        store.forget([kept.row for kept in gone])
    mine = [kept.path for kept in documents if kept not in gone and kept.path.exists() and _changed(kept)]
    changes = add(store, [*dict.fromkeys([*present, *mine])], report) if present or mine else Changes()
    changes.forgotten += [kept.name for kept in gone]
    return changes


def matching(store: DocumentStore, what: str) -> list[Kept]:
    """The documents that a name, a path or a folder stands for."""
    whole = Path(os.path.abspath(what))  # noqa: PTH100 - resolve() would follow links
    return [
        kept
        for kept in store.documents()
        if kept.path == whole or kept.path.is_relative_to(whole) or kept.name == what or Path(kept.name).name == what
    ]
