"""A folder of papers, and documents in a store without the parser's process: what the tests of documents share."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assistant.documents import indexing
from assistant.documents.chunks import chunks
from assistant.documents.formats import kind_of
from assistant.documents.parsers import parse
from assistant.documents.reading import Document
from assistant.documents.store import DocumentStore

BOILER = "# Boiler\n\nKeep the pressure at 1.5 bar.\n\n## Help\n\nCall the plumber on Beethoven Street.\n"


def papers(tmp_path: Path) -> Path:
    """A folder of two documents, a picture and a hidden file."""
    made = tmp_path / "papers"
    made.mkdir()
    (made / "boiler.md").write_text(BOILER)
    (made / "garden.txt").write_text("The roses are cut in March. The hose is behind the shed.")
    (made / "picture.jpg").write_bytes(b"no document")
    (made / ".hidden.txt").write_text("not for anybody")
    return made


def filled(store: DocumentStore, folder: Path) -> DocumentStore:
    """The documents of a folder, parsed in this process: the parser's own process is for test_documents_reading.py."""
    for path, name in indexing.files_below(folder):
        status, kind = path.stat(), kind_of(path)
        with path.open("rb") as file:
            passages = list(parse(kind, file))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        document = Document(path, kind, digest, status.st_size, status.st_mtime_ns, passages)
        store.put(document, name, list(chunks(passages)))
    return store
