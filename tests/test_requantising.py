"""`assistant models remake`: an installed model rounded again on this machine, all of it or nothing."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import gguf_files
from assistant.engines import requantising
from assistant.engines.llama import LlamaModel
from assistant.engines.machine import this_machine
from assistant.errors import AssistantError, ModelMissingError, ModelRefusedError, UsageError
from assistant.models.adapters import verified_adapter
from assistant.models.catalogue import Entry
from assistant.models.gguf_header import read_header
from assistant.models.progress import Progress, silent
from assistant.models.store import Store
from engine_talks import PLAN

pytestmark = pytest.mark.skipif(
    requantising.FORMAT not in this_machine().repacked_types, reason="nothing to gain on this processor"
)

Q8_0 = 8


def slow_format() -> bytes:
    """A model of one block that computes something, its matrices in Q8_0, which x86 does not rearrange."""
    described = [(name, size, Q8_0 if len(size) > 1 else kind) for name, size, kind in gguf_files.tensors()]
    return gguf_files.gguf(described=described, runs=True)


@pytest.fixture
def base(store: Store, tmp_path: Path) -> Entry:
    path = tmp_path / "small.gguf"
    path.write_bytes(slow_format())
    return store.add(path)


def command(store: Store, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """The command line over the test's store."""
    environment = {**os.environ, "ASSISTANT_HOME": str(store.folder.parent)}
    words = [sys.executable, "-m", "assistant", "models", *arguments]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def test_the_made_file_is_a_model_of_its_own(store: Store, base: Entry) -> None:
    seen: list[Progress] = []
    made = requantising.remake(base.name, store, seen.append)
    assert (made.name, made.made_from, made.note) == ("small-iq4_nl", base.main_file.sha256, "made here from small")
    spec = store.resolve(made.name)
    kinds = {tensor.name: tensor.type_name for tensor in read_header(spec.path).tensors}
    assert kinds["blk.0.ffn_up.weight"] == "IQ4_NL"
    assert kinds["token_embd.weight"] == "Q8_0"
    assert seen[-1].done_bytes == seen[-1].total_bytes == read_header(store.resolve(base.name).path).weight_bytes
    assert not list(store.parts.iterdir())
    model = LlamaModel(spec, PLAN)
    assert model.count_tokens("!!") > 0
    model.close()


def test_the_same_file_whatever_the_threads(store: Store, base: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = requantising.remake(base.name, store, silent)
    store.remove(first.name)
    monkeypatch.setattr(requantising, "_threads", lambda: 3)
    assert requantising.remake(base.name, store, silent).main_file == first.main_file


def test_one_that_is_here_is_kept_and_a_damaged_one_made_again(store: Store, base: Entry) -> None:
    made = requantising.remake(base.name, store, silent)
    blob = store.blob(made.main_file)
    before = blob.stat().st_ino
    assert requantising.remake(base.name, store, silent) == made
    assert blob.stat().st_ino == before
    gguf_files.tamper(blob, 500)
    with pytest.raises(ModelRefusedError, match="make it again: `assistant models remake small`"):
        store.resolve(made.name)
    assert requantising.remake(base.name, store, silent) == made
    store.resolve(made.name)


def test_what_makes_no_sense_is_refused(store: Store, base: Entry, gguf_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="did you mean small"):
        requantising.remake("smal", store, silent)
    with pytest.raises(ModelMissingError, match=r"assistant models pull qwen2\.5-0\.5b"):
        requantising.remake("qwen2.5-0.5b", store, silent)
    with pytest.raises(UsageError, match="no language model"):
        requantising.remake("whisper-base", store, silent)
    fast = store.add(gguf_path)  # its matrices are Q4_0
    with pytest.raises(UsageError, match="100% of its weights"):
        requantising.remake(fast.name, store, silent)
    made = requantising.remake(base.name, store, silent)
    with pytest.raises(UsageError, match="was made here already"):
        requantising.remake(made.name, store, silent)


def test_a_name_that_is_taken_is_not_replaced(store: Store, base: Entry, gguf_path: Path) -> None:
    store.add(gguf_path, name="small-iq4_nl")
    with pytest.raises(UsageError, match="models remove small-iq4_nl"):
        requantising.remake(base.name, store, silent)


def test_without_room_nothing_begins(store: Store, base: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requantising, "available_memory_bytes", lambda: 1_000_000)
    with pytest.raises(AssistantError, match=r"0\.1 GB of memory and 0\.0 GB"):
        requantising.remake(base.name, store, silent)
    assert [entry.name for entry in store.installed()] == ["small"]


def test_a_write_that_fails_leaves_nothing(store: Store, base: Entry) -> None:
    """As on a full disk: no file of this process may grow beyond 8 kB, and the made one is larger."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = command(store, "remake", base.name, preexec_fn=limit)
    _, words = done.communicate(timeout=60)
    assert done.returncode == 4, words
    assert "nothing was kept" in words
    assert [entry.name for entry in store.known().values() if entry.made_from] == []
    assert not list(store.parts.iterdir())
    assert len(list(store.blobs.iterdir())) == 1


def test_what_a_killed_run_left_is_no_model_and_is_deleted(store: Store, base: Entry) -> None:
    left = store.parts / "remake-small-iq4_nl"
    left.write_bytes(b"GGUF, the beginning of one")
    assert [entry.name for entry in store.installed()] == ["small"]
    made = requantising.remake(base.name, store, silent)
    assert not left.exists()
    assert store.is_installed(made)


def test_the_command_says_what_was_made(store: Store, base: Entry) -> None:
    done = command(store, "remake", base.name)
    words, progress = done.communicate(timeout=60)
    assert done.returncode == 0, progress
    assert "small-iq4_nl is here: small rounded again to IQ4_NL" in words
    assert "small-iq4_nl made anew" in progress
    listed = command(store, "list", "--json").communicate(timeout=60)[0]
    made = next(m for m in json.loads(listed)["models"] if m["name"] == "small-iq4_nl")
    assert made["made_from"] == base.main_file.sha256
    assert "made here from small" in command(store, "list").communicate(timeout=60)[0]


@pytest.mark.slow
def test_the_real_model_killed_and_made(smollm2_path: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: no worker goes on, no model is there; made again, it has its base's adapter."""
    store = Store(tmp_path / "home" / "models")
    base = store.add(smollm2_path)
    part = store.parts / "remake-smollm2-135m-iq4_nl"
    victim = command(store, "remake", base.name)
    while not (part.exists() and part.stat().st_size > 10_000_000):
        assert victim.poll() is None
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    time.sleep(0.5)
    size = part.stat().st_size
    time.sleep(0.5)
    assert part.stat().st_size == size
    assert [entry.name for entry in store.known().values() if entry.made_from] == []
    made = requantising.remake(base.name, store, silent)
    assert abs(made.main_file.size - requantising.predicted_bytes(read_header(smollm2_path))[0]) < 2_000_000
    assert store.resolve(made.name).adapter == verified_adapter(base.main_file.sha256)
