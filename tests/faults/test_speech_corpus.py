"""Forty damaged models of speech: refused by their hash before anything reads them, and, were they not, held by the
process they run in."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `voice` is not installed")

from assistant.engines.speech import RemoteTranscriber, RemoteVoice
from assistant.errors import AssistantError, EngineCrashed, FetchError, ModelRefusedError
from assistant.models.catalogue import catalogue
from assistant.models.fetch import pull
from assistant.models.spec import ModelSpec
from assistant.models.store import Store
from assistant.spoken.clauses import Clause
from assistant.turn import Turn

pytestmark = pytest.mark.models

WHISPER, VOICE = "whisper-base", "voice-en-us-joe"
Damage = Callable[[bytes], bytes]


def flip(seed: int, below: int = 0) -> Damage:
    def damage(whole: bytes) -> bytes:
        chance, changed = random.Random(seed), bytearray(whole)
        for _ in range(8):
            changed[chance.randrange(below or len(changed))] ^= 1 << chance.randrange(8)
        return bytes(changed)

    return damage


def cut(share: float) -> Damage:
    return lambda whole: whole[: int(len(whole) * share)]


def over(at: float, content: bytes) -> Damage:
    def damage(whole: bytes) -> bytes:
        start = int(len(whole) * at)
        return whole[:start] + content + whole[start + len(content) :]

    return damage


def with_field(path: tuple[str, ...], value: object) -> Damage:
    def damage(whole: bytes) -> bytes:
        document = json.loads(whole)
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return json.dumps(document).encode()

    return damage


def always(content: bytes) -> Damage:
    return lambda _: content


WEIGHTS: dict[str, Damage] = {
    "empty but one byte": always(b"\0"),
    "a web page": always(b"<!DOCTYPE html><html></html>"),
    "half": cut(0.5),
    "a tenth": cut(0.1),
    "all but a byte": lambda whole: whole[:-1],
    "a header that counts 2^32 - 1": over(0, b"\xff" * 8),
    "a header of nothing": over(0, bytes(64)),
    "bits near the front, 1": flip(1, 4096),
    "bits near the front, 2": flip(2, 4096),
    "bits near the front, 3": flip(3, 200),
    "bits anywhere": flip(4),
    "a hole": over(0.4, bytes(1 << 20)),
    "no numbers": over(0.4, b"\xff" * (1 << 20)),
}
TEXTS: dict[str, Damage] = {
    "no JSON": always(b"{"),
    "not UTF-8": always(b"\xff\xfe\xfd"),
    "a list": always(b"[]"),
    "deep": always(b"[" * 100_000),
}
CASES: list[tuple[str, str, str, Damage]] = [  # model, file name pattern, what is wrong, how it is done
    *((WHISPER, "model.bin", name, damage) for name, damage in WEIGHTS.items()),
    *((WHISPER, "config.json", name, damage) for name, damage in TEXTS.items()),
    *((WHISPER, "tokenizer.json", name, damage) for name, damage in TEXTS.items()),
    (WHISPER, "vocabulary.txt", "one word", always(b"word\n")),
    *((VOICE, "*.onnx", name, damage) for name, damage in WEIGHTS.items()),
    *((VOICE, "*.json", name, damage) for name, damage in TEXTS.items()),
    (VOICE, "*.json", "0 samples a second", with_field(("audio", "sample_rate"), 0)),
    (VOICE, "*.json", "no sounds", with_field(("phoneme_id_map",), {})),
    (VOICE, "*.json", "sounds out of range", with_field(("phoneme_id_map", "a"), [10**6])),
    (VOICE, "*.json", "a hop of nothing", with_field(("hop_length",), 0)),
    (VOICE, "*.json", "a language nobody knows", with_field(("espeak", "voice"), "../../etc/passwd")),
    (VOICE, "*.json", "a length of 1e30", with_field(("inference", "length_scale"), 1e30)),
]
A_FEW = [case for case in CASES if case[1].endswith(".json") and case[2] in ("no JSON", "0 samples a second")]


@pytest.fixture(scope="module")
def store(model_home: Path) -> Store:
    found = Store(model_home / "models")
    for name in (VOICE, WHISPER):
        if not found.is_installed(catalogue()[name]):
            try:
                pull(catalogue()[name], found, lambda *_: None)
            except FetchError as error:
                pytest.skip(f"no source of {name} can be reached: {error}")
    return found


def damaged(original: Path, folder: Path, pattern: str, damage: Damage) -> Path:
    """A folder like the original with one file damaged."""
    folder.mkdir()
    for file in original.iterdir():
        if file.match(pattern):
            (folder / file.name).write_bytes(damage(file.read_bytes()))
        else:
            (folder / file.name).hardlink_to(file)
    return folder


def use(model: str, folder: Path) -> str:
    """Load it and work with it, every check before the process left out. Anything but our own errors fails."""
    spec = ModelSpec(model, folder.name, folder, "", 1, "", 0, "", "tts" if model == VOICE else "asr")
    try:
        if model == VOICE:
            voice = RemoteVoice(spec)
            try:
                list(voice.say([Clause("One, two.", "One, two.")], Turn()))
            finally:
                voice.close()
        else:
            ears = RemoteTranscriber(spec)
            try:
                ears.transcribe(np.zeros(16_000, np.int16), "en")
            finally:
                ears.close()
    except EngineCrashed:
        return "its process died"
    except AssistantError as error:
        assert str(error).isprintable()
        return "refused in words"
    return "works"


def run(store: Store, cases: list[tuple[str, str, str, Damage]], folder: Path) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for number, (model, pattern, what, damage) in enumerate(cases):
        original = store.resolve(model).path
        came_of_it = use(model, damaged(original, folder / str(number), pattern, damage))
        print(f"{model} {pattern}, {what}: {came_of_it}")
        outcomes[came_of_it] += 1
    return outcomes


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(CASES) >= 40


def test_a_few_are_held_by_their_process(store: Store, tmp_path: Path) -> None:
    assert run(store, A_FEW, tmp_path)["works"] == 0
    assert len(A_FEW) == 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_are_held_by_their_process(store: Store, tmp_path: Path) -> None:
    outcomes = run(store, CASES, tmp_path)
    print(f"\n{len(CASES)} files: {dict(outcomes)}")
    for model in (WHISPER, VOICE):
        assert use(model, store.resolve(model).path) == "works"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_are_refused_by_the_store(store: Store, tmp_path: Path) -> None:
    """P6: on the way the product takes, none of them is read by a parser at all."""
    own = Store(tmp_path / "models")
    for model in (WHISPER, VOICE):
        for file in catalogue()[model].files:
            own.blob(file).hardlink_to(store.blob(file))
    for model, pattern, what, damage in CASES:
        file = next(f for f in catalogue()[model].files if Path(f.name).match(pattern))
        blob, whole = own.blob(file), store.blob(file)
        blob.unlink()
        blob.write_bytes(damage(whole.read_bytes()))
        with pytest.raises(ModelRefusedError) as refused:
            own.resolve(model)
        assert file.name in str(refused.value), what
        blob.unlink()
        blob.hardlink_to(whole)
    assert own.resolve(WHISPER).name == WHISPER
