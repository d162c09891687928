"""Documents in a store without the parser's process: what the tests of documents share."""

from __future__ import annotations

import hashlib
from pathlib import Path

from assistant.documents import indexing
from assistant.documents.chunks import chunks
from assistant.documents.formats import kind_of
from assistant.documents.parsers import parse
from assistant.documents.reading import Document
from assistant.documents.store import DocumentStore


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
