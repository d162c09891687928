"""What the tests of fetching models share: one file of three pieces and a bit, and what comes of a pull."""

from __future__ import annotations

import hashlib
import random

import pytest

from assistant.errors import FetchError
from assistant.models.catalogue import Entry, File
from assistant.models.fetch import pull
from assistant.models.http_rules import Limits
from assistant.models.store import Store

CONTENT = random.Random(1).randbytes(3_700_123)  # three whole pieces and a bit
HUB_PATH = "/team/model/resolve/abc123/model.bin"
QUICK = Limits(connect_s=5, read_s=10, request_bytes=1 << 20)  # patient: the machine may be busy
HASTY = Limits(connect_s=0.5, read_s=0.5)


def entry_for(content: bytes = CONTENT, *, wheels: tuple[str, ...] = (), hub: str = "team/model@abc123") -> Entry:
    file = File("model.bin", len(content), hashlib.sha256(content).hexdigest(), wheels=wheels)
    return Entry(name="test-model", kind="asr", files=(file,), hub=hub)


def installed(store: Store, entry: Entry) -> bytes:
    """The content of the installed file; nothing else may be left behind."""
    assert list(store.parts.iterdir()) == []
    return store.blob(entry.files[0]).read_bytes()


def fails(store: Store, entry: Entry, limits: Limits = QUICK) -> str:
    with pytest.raises(FetchError) as caught:
        pull(entry, store, limits=limits)
    assert not store.is_installed(entry)
    return str(caught.value)
