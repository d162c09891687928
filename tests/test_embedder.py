"""The embedding model: converted without torch, run by llama.cpp in a locked process, replaced when that dies."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from assistant.engines import minilm_gguf
from assistant.engines.embedder import RemoteEmbedder
from assistant.engines.plan import Plan
from assistant.errors import ModelRefusedError
from assistant.models.gguf_header import read_header
from assistant.models.spec import ModelSpec
from assistant.privacy import sandbox
from tiny_bert import CONTEXT, LAYERS, WIDTH, WORDS, write_tiny_bert


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def converted(fetched: Path) -> Path:
    path = fetched.parent / f"{fetched.name}.gguf"
    with path.open("wb") as out:
        minilm_gguf.write(fetched, out)
    return path


def spec(path: Path) -> ModelSpec:
    return ModelSpec("minilm", path.name, path, "a" * 64, path.stat().st_size, "", CONTEXT, "bert", "embedding")


@pytest.fixture(scope="module")
def embedder(converted: Path) -> RemoteEmbedder:
    made = RemoteEmbedder(spec(converted), Plan(use_mmap=True))
    yield made  # type: ignore[misc]
    made.close()


def test_the_converted_file_passes_the_strict_check_and_is_always_the_same(fetched: Path, converted: Path) -> None:
    header = read_header(converted)
    assert (header.architecture, header.n_layers, header.n_embd) == ("bert", LAYERS, WIDTH)
    assert header.n_vocabulary == len(WORDS)
    again = fetched.parent / "again.gguf"
    with again.open("wb") as out:
        minilm_gguf.write(fetched, out)
    assert again.read_bytes() == converted.read_bytes()


def test_damaged_files_are_not_converted(fetched: Path, tmp_path: Path) -> None:
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        (tmp_path / name).write_bytes((fetched / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((fetched / "model.safetensors").read_bytes()[:3000])
    with pytest.raises(ModelRefusedError, match="pull it again"), (tmp_path / "out").open("wb") as out:
        minilm_gguf.write(tmp_path, out)


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours(embedder: RemoteEmbedder) -> None:
    texts = ["The cat sat on the mat.", "the dog barked", "", "cats " * 500, "日本 \x00 \ud800"]
    together = embedder.embed(texts)
    assert together.shape == (len(texts), WIDTH)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.vstack([embedder.embed([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-3
    assert together[0] @ together[1] < 0.999
    assert embedder.embed([]).shape[0] == 0


def test_case_and_accents_do_not_matter(embedder: RemoteEmbedder) -> None:
    one, two = embedder.embed(["THE CÁT sat", "the cat sat"])
    assert float(one @ two) > 0.9999


@pytest.mark.skipif(not sandbox.supported(), reason="the lock is for Linux on x86-64 and aarch64")
def test_its_process_is_locked(embedder: RemoteEmbedder) -> None:
    embedder.embed(["cat"])
    assert sandbox.status(embedder.pid).locked


def test_a_process_that_dies_is_replaced_without_a_word(embedder: RemoteEmbedder) -> None:
    before = embedder.embed(["the cat"])
    first = embedder.pid
    os.kill(first, signal.SIGKILL)
    assert np.allclose(embedder.embed(["the cat"]), before, atol=1e-5)
    assert embedder.pid != first


@pytest.mark.models
@pytest.mark.slow
def test_the_real_model_is_pulled_converted_and_knows_meaning(assistant_home: Path) -> None:
    """Fetches 92 MB."""
    from assistant.build import open_embedder
    from assistant.cli import main
    from assistant.config import Settings
    from assistant.models.store import Store

    assert main(["models", "pull", "minilm"]) == 0
    store = Store(assistant_home / "models")
    entry = store.entry("minilm")
    assert entry.converted is not None
    kept = [path.name for path in store.blobs.iterdir()]
    assert kept == [entry.converted.sha256]
    assert hashlib.sha256(store.blob(entry.converted).read_bytes()).hexdigest() == entry.converted.sha256
    model = open_embedder(Settings())
    assert model is not None
    food, pasta, baby = model.embed(["A man is eating food.", "A man is eating pasta.", "The girl carries a baby."])
    model.close()
    # what sentence-transformers computes for the first pair: 0.7035 (docs/experiments.md)
    assert float(food @ pasta) == pytest.approx(0.7035, abs=0.01)
    assert float(food @ baby) < 0.1
