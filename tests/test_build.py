"""From a name to a ready model: plan, refusal for lack of memory, the automatic choice. On the real smallest model."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from assistant import auto, build
from assistant.config import Settings
from assistant.conversation import Conversation, Role
from assistant.engines import Prompt, Sampling, probe
from assistant.engines.machine import available_memory_bytes, this_machine
from assistant.errors import ModelMissingError, ModelRefusedError, NotEnoughMemoryError
from assistant.models import memory
from assistant.models.gguf_header import read_header
from assistant.models.spec import ModelSpec
from assistant.models.store import Store
from assistant.turn import Turn

SMALLEST = "smollm2-135m"


def spec_of(home: Path) -> ModelSpec:
    return Store(home / "models").resolve(SMALLEST)


def keep_quiet_probe(spec: ModelSpec, decode_tps: float = 90.0, prefill_tps: float = 400.0) -> probe.Probe:
    """A kept measurement, so that a test of decisions does not depend on how busy this machine is."""
    machine = this_machine()
    rows = tuple(
        probe.Row(n, False, 64, prefill_tps * n / machine.n_cores, decode_tps * n / machine.n_cores)
        for n in probe.thread_counts(machine.n_cores)
    )
    taken = probe.Probe(
        cpu=machine.cpu, n_cores=machine.n_cores, model_sha256=spec.sha256, runtime_version=probe.runtime_version(),
        taken_at_s=1.0, duration_s=5.0, load_s=0.2, foreign_share=0.01, bandwidth_gbs={1: 20.0}, repacked_bytes=0,
        weight_bytes=98_000_000, n_gpu_layers=0, rows=rows, runtime=probe.Runtime("CPU : AVX2 = 1", False, ()),
    )  # fmt: skip
    probe.keep(taken, probe._file_name(spec, machine))
    return taken


@pytest.mark.models
def test_open_model_answers(home_with_model: Path) -> None:
    said: list[str] = []
    model = build.open_model(SMALLEST, Settings(), report=said.append)
    try:
        conversation = Conversation(system="Answer briefly.")
        conversation.add(Role.USER, "Say hello.")
        turn = Turn()
        sampling = Sampling(temperature=0.0, max_tokens=8)
        reply = "".join(model.stream(Prompt(conversation.visible_to_model(), sampling), turn))
    finally:
        model.close()
    assert reply.strip()
    assert 1 <= turn.usage.reply_tokens <= 8
    assert (model.name, model.file_name) == (SMALLEST, "SmolLM2-135M-Instruct.Q4_1.gguf")
    assert said == []  # a named model is not measured first
    assert not (home_with_model / "probes").exists()


@pytest.mark.models
def test_before_a_probe_the_plan_is_the_physical_cores(home_with_model: Path) -> None:
    plan = build.prepare(spec_of(home_with_model), Settings()).plan
    n_cores = this_machine().n_cores
    assert (plan.n_threads, plan.n_threads_batch, plan.flash_attention) == (n_cores, n_cores, "disabled")
    assert "not measured yet" in plan.reasons[0]
    assert any("of the weight bytes are in formats this CPU repacks" in reason for reason in plan.reasons)
    assert any("layers offloaded" in reason for reason in plan.reasons)


@pytest.mark.models
def test_kept_probe_decides_the_plan(home_with_model: Path) -> None:
    spec = spec_of(home_with_model)
    taken = keep_quiet_probe(spec)
    built = build.prepare(spec, Settings())
    assert built.probe == taken
    assert built.plan.n_threads == probe.settle(taken).n_threads
    assert "measured tok/s by thread count" in built.plan.reasons[0]


@pytest.mark.models
def test_settings_decide_threads_and_context(home_with_model: Path) -> None:
    spec = spec_of(home_with_model)
    plan = build.prepare(spec, Settings(threads=1, context_tokens=512)).plan
    assert (plan.n_threads, plan.n_threads_batch, plan.n_context) == (1, 1, 512)
    many = build.prepare(spec, Settings(threads=1000, context_tokens=1_000_000)).plan
    assert many.n_threads == this_machine().n_logical
    assert many.n_context == read_header(spec.path).n_context_train


@pytest.mark.models
def test_too_little_memory_names_the_numbers_and_a_context_that_fits(home_with_model: Path) -> None:
    built = build.prepare(spec_of(home_with_model), Settings(context_tokens=8192))
    fits = memory.predict_bytes(built.header, 1024, built.plan.use_mmap, built.plan.n_batch)
    with pytest.raises(NotEnoughMemoryError) as caught:
        build.refuse_without_memory(built, fits)
    words = str(caught.value)
    assert f"needs {built.needed_bytes / 1e9:.2f} GB of memory with a context of 8192 tokens" in words
    assert f"{fits / 1e9:.2f} GB are available" in words
    assert "context_tokens = 1024" in words
    assert caught.value.exit_code == 3


@pytest.mark.models
def test_far_too_little_memory_asks_for_a_smaller_model(home_with_model: Path) -> None:
    built = build.prepare(spec_of(home_with_model), Settings())
    with pytest.raises(NotEnoughMemoryError, match="take a smaller model"):
        build.refuse_without_memory(built, 1_000_000)


@pytest.mark.models
def test_enough_memory_is_not_refused(home_with_model: Path) -> None:
    built = build.prepare(spec_of(home_with_model), Settings())
    build.refuse_without_memory(built, built.needed_bytes)
    assert built.needed_bytes > built.spec.size_bytes


def test_unknown_name_and_nothing_installed(assistant_home: Path) -> None:
    with pytest.raises(ModelMissingError, match="did you mean smollm2-135m"):
        build.open_model("smollm2-135", Settings())
    with pytest.raises(ModelMissingError, match="assistant models pull smollm2-135m"):
        build.open_model("auto", Settings())


@pytest.mark.models
def test_altered_model_is_refused_before_it_is_planned(home_with_model: Path) -> None:
    blob = spec_of(home_with_model).path
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.unlink()  # a hard link of the shared file
    blob.write_bytes(content)
    with pytest.raises(ModelRefusedError):
        build.open_model(SMALLEST, Settings())


@pytest.mark.models
def test_automatic_choice_from_a_kept_probe(home_with_model: Path) -> None:
    keep_quiet_probe(spec_of(home_with_model))
    said: list[str] = []
    choice = auto.choice(Settings(), report=said.append)
    assert choice.name == SMALLEST
    assert said == []
    assert choice.reasons[0].startswith("smollm2-135m: taken, measured 90 tok/s")
    file = home_with_model / "probes" / "choice.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert auto.choice(Settings()) == choice


@pytest.mark.models
def test_better_model_is_named_on_a_fast_machine_and_none_on_a_slow_one(home_with_model: Path) -> None:
    spec = spec_of(home_with_model)
    keep_quiet_probe(spec, decode_tps=150.0, prefill_tps=2000.0)
    better = auto.choice(Settings())
    if available_memory_bytes() > 2 * 10**9:
        assert better.pull
        assert f"assistant models pull {better.pull}" in better.pull_reason
    keep_quiet_probe(spec, decode_tps=20.0, prefill_tps=60.0)
    (home_with_model / "probes" / "choice.json").unlink()
    slow = auto.choice(Settings())
    assert (slow.name, slow.pull) == (SMALLEST, "")
    assert "taken as the fastest" in slow.reasons[-1]


@pytest.mark.models
@pytest.mark.parametrize("content", [b"", b"{}", b'{"depends_on": 1, "choice": []}'])
def test_damaged_choice_is_made_again(home_with_model: Path, content: bytes) -> None:
    keep_quiet_probe(spec_of(home_with_model))
    choice = auto.choice(Settings())
    (home_with_model / "probes" / "choice.json").write_bytes(content)
    assert auto.choice(Settings()) == choice


@pytest.mark.models
def test_choice_is_made_again_when_what_it_depends_on_changes(home_with_model: Path) -> None:
    spec = spec_of(home_with_model)
    keep_quiet_probe(spec)
    auto.choice(Settings())
    keep_quiet_probe(spec, decode_tps=50.0)
    assert "90 tok/s" in auto.choice(Settings()).reasons[0]  # kept: nothing it depends on has changed
    assert "50 tok/s" in auto.choice(Settings(context_tokens=1024)).reasons[0]


@pytest.mark.models
def test_automatic_choice_measures_what_it_takes(home_with_model: Path) -> None:
    """The whole way with the real probe; disturbed by other programs or not, the only model is taken."""
    said: list[str] = []
    model = build.open_model("auto", Settings(context_tokens=512), report=said.append)
    model.close()
    assert model.name == SMALLEST
    assert said == ["measuring smollm2-135m on this machine (about 5 s, once) …"]
    spec = spec_of(home_with_model)
    taken = probe.cached(spec, this_machine())
    assert taken is not None
    auto.choice(Settings(context_tokens=512), report=said.append)
    assert len(said) == 1  # even a disturbed measurement is not repeated at every start
    kept = home_with_model / "probes" / "choice.json"
    assert kept.exists() == taken.quiet  # a choice made on disturbed numbers is not kept
    if kept.exists():
        assert msgspec.json.decode(kept.read_bytes())["choice"]["name"] == SMALLEST
