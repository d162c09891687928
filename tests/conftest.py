"""Fixtures shared by all tests: a fresh home, a scripted model, the real smallest model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import torch

    from assistant.engines.context import Context
    from assistant.engines.hearing import Pcm
    from assistant.engines.llama import LlamaModel
    from assistant.engines.piper import PiperVoice
    from assistant.models.store import Store
    from quantize.statistics import Statistics

import gguf_files
from assistant.privacy import environment
from fakes import ScriptedModel
from hub_server import Hub

environment.apply()
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"  # tests must not write to the desktop's keyring

# The tests that decide whether a change lands draw the same examples every time; `make test-slow` draws new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

SMALLEST_MODEL = "smollm2-135m"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--minutes", type=float, default=30.0, help="how long the soak test talks (tests/faults/test_soak.py)"
    )


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--minutes"))


@pytest.fixture
def assistant_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh, empty ASSISTANT_HOME for this test and the processes it starts."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    return home


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of models."""
    from assistant.models.store import Store

    return Store(tmp_path / "models")


@pytest.fixture
def gguf_path(tmp_path: Path) -> Path:
    """A small sound model file."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf_files.gguf())
    return path


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[LlamaModel]:
    """The engine on the real SmolLM2-135M, once a module; closing it twice is allowed."""
    from assistant.engines.llama import LlamaModel
    from engine_talks import PLAN, smollm2

    loaded = LlamaModel(smollm2(smollm2_path), PLAN)
    yield loaded
    loaded.close()
    loaded.close()


@pytest.fixture(scope="module")
def context(smollm2_path: Path) -> Iterator[Context]:
    """llama.cpp's context on the same file, without the engine around it."""
    from assistant.engines.context import Context
    from engine_talks import PLAN, smollm2

    loaded = Context(smollm2(smollm2_path), PLAN)
    yield loaded
    loaded.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub and a package index on loopback, which is where models are looked for now."""
    with Hub() as server:
        for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("PIP_INDEX_URL", server.url + "/simple")
        yield server


@pytest.fixture
def fake_model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture(scope="session")
def model_home() -> Path:
    """A home shared by all tests and test runs that holds the real SmolLM2-135M, fetched once (94 MB).

    TEST_MODEL_HOME moves it. The one reason to skip is a machine without any source of models.
    """
    from assistant.models.store import Store

    home = Path(os.environ.get("TEST_MODEL_HOME") or Path(__file__).parent.parent / ".test-models")
    store = Store(home / "models")
    _fetch_once(store, SMALLEST_MODEL)
    return home


def _fetch_once(store: Store, *names: str) -> None:
    from assistant.errors import FetchError
    from assistant.models.catalogue import catalogue
    from assistant.models.fetch import pull

    for name in names:
        if not store.is_installed(catalogue()[name]):
            try:
                pull(catalogue()[name], store, lambda *_: None)
            except FetchError as error:
                pytest.skip(f"no source of {name} can be reached: {error}")


@pytest.fixture(scope="session")
def speech_store(model_home: Path) -> Store:
    """The store with the models of the voice too, fetched once (220 MB)."""
    from assistant.models.store import Store

    store = Store(model_home / "models")
    _fetch_once(store, "voice-en-us-joe", "smart-turn", "whisper-base")
    return store


@pytest.fixture(scope="module")
def voice(speech_store: Store) -> PiperVoice:
    from assistant.engines.piper import PiperVoice

    return PiperVoice(speech_store.resolve("voice-en-us-joe").path, steady=True)


@pytest.fixture(scope="module")
def spoken(voice: PiperVoice) -> Pcm:
    """voice_sounds.SENTENCE at 16 kHz."""
    import numpy as np

    from assistant.spoken.clauses import Clause
    from assistant.turn import Turn
    from voice_sounds import SENTENCE, at_16_khz

    sounds = list(voice.say([Clause(SENTENCE, SENTENCE)], Turn()))
    return at_16_khz(np.concatenate([s.pcm for s in sounds]), voice.rate_hz)


@pytest.fixture(scope="session")
def smollm2_path(model_home: Path) -> Path:
    """The verified GGUF file of SmolLM2-135M-Instruct."""
    from assistant.models.store import Store

    return Store(model_home / "models").resolve(SMALLEST_MODEL).path


@pytest.fixture
def home_with_model(assistant_home: Path, model_home: Path) -> Path:
    """A fresh home with the real model in its store: hard links where the file system allows, copies where not."""

    from assistant.models.catalogue import catalogue

    blobs = assistant_home / "models" / "blobs"
    blobs.mkdir(parents=True, mode=0o700)
    blobs.parent.chmod(0o700)
    for file in catalogue()[SMALLEST_MODEL].files:  # and no others that tests have fetched into the shared home
        source = model_home / "models" / "blobs" / file.sha256
        try:
            os.link(source, blobs / file.sha256)
        except OSError:
            shutil.copy2(source, blobs / file.sha256)
    return assistant_home


# -- a tiny random model, for what quantize learns and measures; such tests need its extra -----------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from quantize_tiny import write_tiny

    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="module")
def samples() -> torch.Tensor:
    """Token ids (4, 64)."""
    import torch

    from quantize_tiny import vocabulary

    return torch.randint(3, len(vocabulary()), (4, 64), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def statistics(tiny: Path, samples: torch.Tensor) -> Statistics:
    from quantize.source import load_source
    from quantize.statistics import gather

    return gather(load_source(tiny).eval(), samples)
