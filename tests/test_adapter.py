"""Choosing tools by an adapter: the codes, what the chooser makes of an answer, and that the base stays as it is."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from assistant.choosing.adapted import MENU, AdaptedChooser, as_written, likeliest
from assistant.choosing.choice import chooser_for
from assistant.choosing.codes import CODES, NO_TOOL, fingerprint, normal
from assistant.choosing.opening import choosing
from assistant.config import Settings
from assistant.engines import Menu, Picked
from assistant.engines.late import LateModel
from assistant.engines.llama import LlamaModel
from assistant.engines.remote import RemoteLanguageModel
from assistant.errors import EngineError, ModelRefusedError
from assistant.home.model import simulated
from assistant.models import adapters
from assistant.models.catalogue import Adapter, catalogue
from assistant.models.catalogue import adapters as shipped
from assistant.tools.registry import registry
from engine_talks import PLAN, question, say, smollm2
from fakes import ScriptedModel

NOW = datetime(2026, 5, 4, 10, 0).astimezone()


class Told:
    """A model whose adapter answers what it is told."""

    has_adapter = True

    def __init__(self, code: str, chance: float = 0.99, pieces: tuple[str, ...] = ()) -> None:
        self.picked = Picked([(code, chance), (NO_TOOL, 1 - chance)], list(pieces))
        self.asked: list[str] = []

    def pick(self, request: str, menu: Menu) -> Picked:
        self.asked.append(request)
        return self.picked


def call(text: str, code: str, *pieces: str, chance: float = 0.99) -> Any:
    return AdaptedChooser(Told(code, chance, pieces)).pick(text, simulated(), NOW)


def test_codes_are_tools_and_their_pieces_are_arguments() -> None:
    assert {c.tool for c in CODES.values()} - {""} <= {t.name for t in registry() if t.trusted}
    for code in CODES.values():
        fields = registry()[code.tool].arguments.__struct_fields__ if code.tool else ()
        assert set(code.copied) <= {*fields, *(("value",) if code.tool == "units.convert" else ())}


@pytest.mark.parametrize(
    ("text", "code", "arguments"),
    [
        ("can my alarm go off half an hour later", "wake", {"by_s": 1800.0}),
        ("i need my alarm a quarter of an hour earlier", "wake", {"by_s": -900.0}),
        (
            "i would rather have the alarm at 8 am than at 7 am",
            "wake",
            {"at": "2026-05-05T08:00:00", "words": "at 7 am"},
        ),
        ("please adjust my alarm from 7 am to 8 am", "sleep", {"at": "2026-05-05T08:00:00", "words": "7 am"}),
    ],
)
def test_moving_an_alarm_has_no_code_and_is_understood_by_its_words(
    text: str, code: str, arguments: dict[str, Any]
) -> None:
    found = call(text, code)
    assert (found.tool, found.arguments) == ("alarm.change", arguments)
    assert call("wake me at 7 tomorrow", "wake").tool == "alarm.set"


def test_a_request_is_seen_in_one_form() -> None:
    assert normal('  Turn  ON the "Kitchen" light!! ') == " turn on the kitchen light"
    assert ";" not in normal("milk; eggs; bread")
    assert len(normal("x" * 10_000)) <= 301


@pytest.mark.parametrize(
    ("text", "code", "pieces", "arguments"),
    [
        ("Add Oat Milk to my Groceries list", "put", ("oat milk", "groceries"),
         {"item": "Oat Milk", "name": "Groceries"}),
        ("set a pizza timer for 12 minutes", "named", ("pizza",), {"name": "pizza", "minutes": 12}),
        ("turn off the lights in the kitchen", "off", (), {"area": "Kitchen", "domain": "light"}),
        ("open the curtains in ten minutes", "then", ("open the curtains",),
         {"conversation_command": "open the curtains", "minutes": 10}),
        ("remind me to call Anna tomorrow at 5 pm", "remind", ("call anna",),
         {"message": "call Anna", "at": "2026-05-05T17:00:00"}),
        ("wake me at 7 tomorrow", "wake", (), {"at": "2026-05-05T07:00:00"}),
        ("put lunch with Anna in my calendar tomorrow at noon", "meeting", ("lunch with anna",),
         {"title": "lunch with Anna", "at": "2026-05-05T12:00:00"}),
        ("am I free on friday", "event", (), {"when": "on friday"}),
        ("how many miles is 10 kilometers", "convert", ("10 kilometers", "miles"),
         {"value": "10", "unit": "kilometers", "to": "miles"}),
        ("heat the bedroom to 21 degrees", "heat", (), {"area": "Bedroom", "temperature": 21.0}),
    ],
)  # fmt: skip
def test_arguments_come_from_the_request(
    text: str, code: str, pieces: tuple[str, ...], arguments: dict[str, Any]
) -> None:
    found = call(text, code, *pieces)
    assert found.tool == CODES[code].tool
    assert arguments.items() <= found.arguments.items()
    registry().checked(found.tool, found.arguments)


def test_doubt_and_talk_start_nothing() -> None:
    assert call("turn on the kitchen light", "on", chance=0.4) is None
    assert call("who was Mozart", NO_TOOL) is None
    assert AdaptedChooser(Told("on")).choose("turn on the kitchen light", simulated(), registry())


class Adapted(ScriptedModel):
    """A model with an adapter that answers what it is told."""

    has_adapter = True

    def __init__(self, told: Told) -> None:
        super().__init__()
        self.told = told

    def pick(self, request: str, menu: Menu) -> Picked:
        return self.told.pick(request, menu)


def test_in_doubt_the_likeness_is_asked_but_not_where_it_is_talk() -> None:
    text = "switch the kitchen light on"
    doubtful = chooser_for(Adapted(Told("off", 0.7)))
    (found,) = doubtful.choose(text, simulated(), registry())
    assert (found.tool, found.source) == ("home.turn_on", "likeness")
    assert not chooser_for(Adapted(Told(NO_TOOL))).choose(text, simulated(), registry())
    (sure,) = chooser_for(Adapted(Told("off", 0.9))).choose(text, simulated(), registry())
    assert (sure.tool, sure.source) == ("home.turn_off", "adapter")


def test_a_model_that_is_not_open_yet_chooses_by_its_adapter_too() -> None:
    opened: list[Adapted] = []

    def opens() -> Adapted:
        opened.append(Adapted(Told("off", 0.9)))
        return opened[-1]

    make = choosing(Settings())
    assert make is not None
    chooser = make(LateModel(opens))
    assert not opened, "a rule needs none"
    (found,) = chooser.choose("switch the kitchen light on", simulated(), registry())
    assert (found.tool, found.source, len(opened)) == ("home.turn_off", "adapter", 1)


def test_what_does_not_stand_in_the_request_is_not_copied() -> None:
    assert as_written("unlock the door", "add milk to the list") == ""
    assert as_written("milk", "add Milk to the list") == "Milk"


def test_an_altered_adapter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    entry = Adapter("a.gguf", "0" * 64, 4, "1" * 64)
    with pytest.raises(ModelRefusedError, match="not what came with"):
        adapters._verified(entry, tmp_path)
    with pytest.raises(ModelRefusedError, match="missing"):
        adapters._verified(replace_file(entry), tmp_path)
    assert adapters.verified_adapter("2" * 64) is None


def replace_file(entry: Adapter) -> Adapter:
    return Adapter("b.gguf", entry.base, entry.size, entry.sha256)


def test_shipped_adapters_are_what_the_catalogue_says() -> None:
    bases = {entry.main_file.sha256 for entry in catalogue().values()}
    for base, entry in shipped().items():
        path = adapters.verified_adapter(base)
        assert base in bases and path is not None and path.stat().st_size == entry.size <= 10_000_000
        head = path.read_bytes()[:4096]
        assert fingerprint().encode() in head and base.encode() in head  # trained on this table, for this file
    listed = {entry.file for entry in shipped().values()}
    assert {p.name for p in adapters.FOLDER.glob("*.gguf")} == listed


def test_shipped_adapters_hold_pairs_of_finite_matrices_of_one_rank() -> None:
    gguf = pytest.importorskip("gguf")
    import numpy as np

    for entry in shipped().values():
        tensors = {t.name: t.data for t in gguf.GGUFReader(adapters.FOLDER / entry.file).tensors}
        layers = {name.removesuffix(".lora_a") for name in tensors if name.endswith(".lora_a")}
        assert layers and tensors.keys() == {f"{layer}.lora_{side}" for layer in layers for side in "ab"}
        assert all(layer.startswith("blk.") and layer.endswith(".weight") for layer in layers)
        assert len({tensors[f"{layer}.lora_a"].shape[0] for layer in layers}) == 1
        for layer in layers:
            a, b = tensors[f"{layer}.lora_a"], tensors[f"{layer}.lora_b"]
            assert a.shape[0] == b.shape[1] and np.isfinite(a).all() and np.isfinite(b).all() and b.any()


# -- on the real model -----------------------------------------------------------------------------------------------


def random_adapter(path: Path, base: Path, codes: str = "", hidden: int = 576) -> Path:
    """An adapter of noise: it changes every answer where it is on."""
    gguf = pytest.importorskip("gguf")
    import numpy as np

    noise = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    writer.add_string("homebody.codes", codes or fingerprint())
    for block in range(30):
        name = f"blk.{block}.attn_q.weight"
        writer.add_tensor(f"{name}.lora_a", noise.normal(size=(4, hidden)).astype(np.float16))
        writer.add_tensor(f"{name}.lora_b", noise.normal(size=(576, 4)).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def adapted(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaModel]:
    adapter = random_adapter(tmp_path_factory.mktemp("adapter") / "a.gguf", smollm2_path)
    model = LlamaModel(replace(smollm2(smollm2_path), adapter=adapter), PLAN)
    yield model
    model.close()


def tokens_of(model: LlamaModel, text: str) -> list[int]:
    """The token ids of the greedy reply to a question."""
    say(model, question(text))
    return list(model._encoder._recent[-1].tokens)


@pytest.mark.models
def test_the_base_answers_with_the_same_tokens_between_decisions(adapted: LlamaModel, smollm2_path: Path) -> None:
    """Without an adapter, with one before it has decided anything, and with decisions in between."""
    questions = ["What is the capital of France?", "Name three colours.", "Why is the sky blue?"]
    plain = LlamaModel(smollm2(smollm2_path), PLAN)
    expected = [tokens_of(plain, text) for text in questions]
    plain.close()
    request = normal("add oat milk to my groceries list")
    picks = []
    for text, tokens in zip(questions, expected, strict=True):
        assert len(tokens) > 3 and tokens_of(adapted, text) == tokens
        picks.append(adapted.pick(request, MENU))
    assert picks[0] == picks[1] == picks[2]  # nor does the conversation leave a trace in the decision
    again, turn = say(adapted, question(questions[-1]))
    assert again and turn.usage.cached_tokens > 0  # the conversation's cache was left alone


@pytest.mark.models
def test_an_adapter_in_the_conversation_itself_would_change_the_tokens(smollm2_path: Path, tmp_path: Path) -> None:
    """What the tests beside this one would see if the adapter were not kept apart."""
    from assistant.engines.native import library, load_adapter

    text = "Name three colours."
    model = LlamaModel(smollm2(smollm2_path), PLAN)
    context = model._context
    loaded = load_adapter(context._model, str(random_adapter(tmp_path / "a.gguf", smollm2_path)))
    attached = (library().llama_adapter_lora_p_ctypes * 1)(loaded)
    library().llama_set_adapters_lora(context.handle, attached, 1, (ctypes.c_float * 1)(1.0))
    changed = tokens_of(model, text)
    library().llama_set_adapters_lora(context.handle, attached, 0, (ctypes.c_float * 1)(1.0))
    context.cache.clear()
    assert changed != tokens_of(model, text)
    model.close()


@pytest.mark.models
def test_the_shipped_adapter_leaves_the_answers_alone_and_decides(smollm2_path: Path) -> None:
    spec = smollm2(smollm2_path)
    plain, with_adapter = (
        LlamaModel(replace(spec, adapter=file), PLAN) for file in (None, adapters.verified_adapter(spec.sha256))
    )
    try:
        assert likeliest(with_adapter.pick(normal("set a timer for ten minutes"), MENU))[0].tool == "timer.start"
        assert likeliest(with_adapter.pick(normal("who was the first man on the moon"), MENU))[0].word == NO_TOOL
        for text in ("What is the capital of France?", "Name three colours."):
            assert tokens_of(with_adapter, text) == tokens_of(plain, text)
    finally:
        plain.close()
        with_adapter.close()


@pytest.mark.models
def test_pieces_are_always_words_of_the_request(adapted: LlamaModel) -> None:
    text = normal("put two avocados, bread and mom's tea on the 2nd list for sunday 7:30")
    for word in ("on", "play", "put", "between"):
        only = Menu({word: len(CODES[word].copied)}, MENU.separator, MENU.end, MENU.fingerprint)
        picked = adapted.pick(text, only)
        assert picked.codes == [(word, 1.0)]
        assert len(picked.pieces) == len(CODES[word].copied)
        assert all(piece and piece in text for piece in picked.pieces)
    assert adapted.pick(" ".join(["word"] * 600), MENU).codes == []


@pytest.mark.models
def test_codes_are_single_tokens_of_the_base(adapted: LlamaModel) -> None:
    vocabulary = adapted._context.vocabulary
    tokens = [vocabulary.tokenise(f" {word}") for word in CODES]
    assert all(len(t) == 1 for t in tokens) and len({t[0] for t in tokens}) == len(CODES)


@pytest.mark.models
def test_a_wrong_adapter_says_so_and_the_model_goes_on(smollm2_path: Path, tmp_path: Path) -> None:
    wrong_table = random_adapter(tmp_path / "t.gguf", smollm2_path, codes="another")
    wrong_base = random_adapter(tmp_path / "b.gguf", smollm2_path, hidden=512)
    cut = tmp_path / "c.gguf"
    cut.write_bytes(wrong_table.read_bytes()[:40_000])
    for adapter, told in ((wrong_table, "another table"), (wrong_base, "does not load"), (cut, "does not load")):
        model = RemoteLanguageModel(replace(smollm2(smollm2_path), adapter=adapter), PLAN)
        try:
            assert model.has_adapter
            with pytest.raises(EngineError, match=told):
                model.pick(normal("turn on the light"), MENU)
            assert say(model, question("What is the capital of France?"))[0]
        finally:
            model.close()
