"""The probe: what it decides, what it keeps, and the real thing on the real smallest model."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import msgspec
import pytest

from assistant.engines import placement, probe
from assistant.engines.machine import Machine, available_memory_bytes, compiled_backends, this_machine
from assistant.engines.probe import Device, Probe, Row, Runtime
from assistant.errors import EngineCrashed, EngineError
from assistant.models import memory
from assistant.models.gguf_header import GgufHeader, read_header
from assistant.models.gguf_reader import Tensor
from assistant.models.spec import ModelSpec
from assistant.models.store import Store

RUNTIME = Runtime("CPU : AVX2 = 1", False, ())
MACHINE = Machine("Test CPU", "x86_64", 4, 8, 16 * 2**30, frozenset({"avx2"}))
SPEC = ModelSpec("tiny", "tiny.gguf", Path("/nowhere/tiny.gguf"), "ab" * 32, 1000, "chatml", 2048, "llama")


def probed(*rows: Row, foreign: float = 0.0) -> Probe:
    return Probe(
        cpu=MACHINE.cpu,
        n_cores=MACHINE.n_cores,
        model_sha256=SPEC.sha256,
        runtime_version=probe.runtime_version(),
        taken_at_s=1.0,
        duration_s=5.0,
        load_s=0.2,
        foreign_share=foreign,
        bandwidth_gbs={1: 20.0, 4: 30.0},
        repacked_bytes=0,
        weight_bytes=1000,
        n_gpu_layers=0,
        rows=rows,
        runtime=RUNTIME,
    )


FLAT = (Row(4, False, 64, 400.0, 60.0), Row(2, False, 64, 210.0, 61.0), Row(1, False, 64, 110.0, 40.0))


def test_fewest_threads_within_three_percent_decode_and_the_fastest_prefill() -> None:
    settled = probe.settle(probed(*FLAT))
    assert (settled.n_threads, settled.n_threads_batch) == (2, 4)
    assert "1: 40.0, 2: 61.0, 4: 60.0" in settled.reasons[0]


def test_disturbed_probe_decides_nothing() -> None:
    settled = probe.settle(probed(*FLAT, foreign=0.6))
    assert (settled.n_threads, settled.n_threads_batch, settled.flash_attention) == (4, 4, False)
    assert "60%" in settled.reasons[0]


@pytest.mark.parametrize(
    ("deep_off", "deep_on", "expected"),
    [
        (22.3, 18.0, False),  # measured here at a depth of 4,096
        (18.0, 22.3, True),
        (20.0, 20.3, False),  # 1.5 %: not worth leaving the default
    ],
)
def test_flash_attention_is_decided_by_what_it_does_in_a_long_conversation(
    deep_off: float, deep_on: float, expected: bool
) -> None:
    flash = (Row(2, True, 64, 210.0, 60.0), Row(2, False, 1024, 0.0, deep_off), Row(2, True, 1024, 0.0, deep_on))
    settled = probe.settle(probed(*FLAT, *flash))
    assert settled.flash_attention is expected
    assert settled.reasons[-1].startswith(f"flash attention {'on' if expected else 'off'}: at 1024 tokens")


def test_flash_attention_that_reads_prompts_slowly_stays_off() -> None:
    """llama.cpp#27086: five times slower prefill on some processors."""
    flash = (Row(2, True, 64, 40.0, 60.0), Row(2, False, 1024, 0.0, 50.0), Row(2, True, 1024, 0.0, 52.0))
    assert not probe.settle(probed(*FLAT, *flash)).flash_attention


@pytest.mark.parametrize(
    ("n_cores", "expected"),
    [(1, (1,)), (2, (2, 1)), (4, (4, 3, 2, 1)), (16, (16, 12, 8, 4, 2, 1)), (128, (128, 96, 64, 4, 2, 1))],
)
def test_thread_counts_are_few_and_start_with_all(n_cores: int, expected: tuple[int, ...]) -> None:
    assert probe.thread_counts(n_cores) == expected


def test_kept_measurement_is_private_and_comes_back(assistant_home: Path) -> None:
    taken = probed(*FLAT)
    probe.keep(taken, probe._file_name(SPEC, MACHINE))
    assert probe.cached(SPEC, MACHINE) == taken
    (file,) = (assistant_home / "probes").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff" * 50, b'{"cpu": 3}', b"[]"])
def test_damaged_measurement_is_as_none(assistant_home: Path, content: bytes) -> None:
    probe.keep(probed(*FLAT), probe._file_name(SPEC, MACHINE))
    (file,) = (assistant_home / "probes").iterdir()
    file.write_bytes(content)
    assert probe.cached(SPEC, MACHINE) is None


def test_measurement_belongs_to_one_machine_and_model(assistant_home: Path) -> None:
    probe.keep(probed(*FLAT), probe._file_name(SPEC, MACHINE))
    assert probe.cached(dataclasses.replace(SPEC, sha256="cd" * 32), MACHINE) is None
    assert probe.cached(SPEC, dataclasses.replace(MACHINE, cpu="Another CPU")) is None
    assert probe.cached(SPEC, dataclasses.replace(MACHINE, n_cores=2)) is None


def test_measurement_moved_to_another_models_place_is_not_believed(assistant_home: Path) -> None:
    other = dataclasses.replace(SPEC, sha256="cd" * 32)
    probe.keep(probed(*FLAT), probe._file_name(other, MACHINE))
    assert probe.cached(other, MACHINE) is None


def test_disk_that_takes_nothing_loses_only_the_cache(assistant_home: Path) -> None:
    (assistant_home / "probes").write_text("a file where the folder should be")
    probe.keep(probed(*FLAT), "x.json")
    assert probe.cached(SPEC, MACHINE) is None


def test_machine_is_described() -> None:
    machine = this_machine()
    assert 1 <= machine.n_cores <= machine.n_logical
    assert machine.cpu
    assert 0 < available_memory_bytes() <= machine.memory_bytes
    assert compiled_backends()[0] == "CPU"


def test_repacked_types_follow_the_processor() -> None:
    assert "Q6_K" not in MACHINE.repacked_types
    assert {"Q4_0", "Q4_K", "IQ4_NL"} <= MACHINE.repacked_types
    arm = dataclasses.replace(MACHINE, architecture="aarch64", features=frozenset({"dotprod"}))
    assert {"Q4_K", "Q6_K", "Q8_0"} <= arm.repacked_types
    assert dataclasses.replace(MACHINE, features=frozenset({"sse2"})).repacked_types == frozenset()


def header_of(*tensors: tuple[str, str, int]) -> GgufHeader:
    """A header with these (name, type, bytes), 24 layers, as far as placement looks at it."""
    return GgufHeader(
        architecture="qwen2", general_name="", file_bytes=sum(t[2] for t in tensors), data_offset=0, alignment=32,
        n_layers=24, n_embd=896, n_head=(14,) * 24, n_head_kv=(2,) * 24, head_dim_k=64, head_dim_v=64,
        n_vocabulary=1000, n_context_train=4096, tokenizer="gpt2", chat_template="", chat_template_sha256="",
        tensors=tuple(Tensor(name, (896, 896), kind, 0, size) for name, kind, size in tensors),
    )  # fmt: skip


def never_asked() -> Runtime:
    raise AssertionError("no GPU backend, so there is nothing to ask")


def test_file_that_is_repacked_is_read_not_mapped() -> None:
    header = header_of(("blk.0.ffn_up.weight", "Q4_K", 240), ("blk.0.ffn_down.weight", "Q6_K", 760))
    placed = placement.place(header, MACHINE, -1, never_asked)
    assert not placed.use_mmap
    assert placed.repack_share == pytest.approx(0.24)
    assert placed.reasons[0].startswith("24% of the weight bytes are in formats this CPU repacks")
    assert memory.predict_bytes(header, 512, use_mmap=True) > memory.predict_bytes(header, 512, use_mmap=False)


def test_file_that_is_hardly_repacked_is_mapped() -> None:
    header = header_of(("blk.0.ffn_up.weight", "Q4_K", 50), ("blk.0.ffn_down.weight", "Q6_K", 950))
    assert placement.place(header, MACHINE, -1, never_asked).use_mmap


def gpu(free_gb: float) -> Device:
    return Device("CUDA0", "Test GPU", "gpu", int(free_gb * 1e9), int(free_gb * 1e9))


def test_all_layers_go_to_a_gpu_that_holds_them() -> None:
    n, why = placement.fitting_layers(header_of(("blk.0.ffn_up.weight", "Q4_K", 10**9)), -1, [gpu(8)])
    assert n == 25
    assert why == "all 25 layers offloaded: Test GPU has 8.0 GB free"


def test_as_many_layers_as_fit() -> None:
    n, why = placement.fitting_layers(header_of(("blk.0.ffn_up.weight", "Q4_K", 10**9)), -1, [gpu(0.5)])
    assert 5 <= n <= 12
    assert "more do not fit" in why


def test_setting_limits_the_layers() -> None:
    n, why = placement.fitting_layers(header_of(("blk.0.ffn_up.weight", "Q4_K", 10**9)), 3, [gpu(8)])
    assert n == 3
    assert "the settings ask for no more" in why


def test_runtime_is_asked_in_a_child_process() -> None:
    runtime = probe.runtime()
    assert "CPU" in runtime.system_info
    assert [device.kind for device in runtime.devices].count("cpu") == 1


@pytest.mark.models
def test_real_probe_measures_and_keeps(home_with_model: Path) -> None:
    spec = Store(home_with_model / "models").resolve("smollm2-135m")
    machine = this_machine()
    taken = probe.measure(spec, machine)
    assert {row.n_threads for row in taken.shallow} == set(probe.thread_counts(machine.n_cores))
    assert all(row.decode_tps > 0 for row in taken.rows)
    deep = [row for row in taken.rows if row.depth > 500]
    assert [row.flash_attention for row in deep] == [False, True]  # the cache was really filled to that depth
    assert taken.weight_bytes == pytest.approx(spec.size_bytes, rel=0.1)
    expected = memory.repacked_bytes(read_header(spec.path), machine.repacked_types)
    assert taken.repacked_bytes == pytest.approx(expected, abs=2**20)
    assert taken.bandwidth_gbs[1] > 0
    assert probe.cached(spec, machine) == taken
    settled = probe.settle(taken)
    assert 1 <= settled.n_threads <= machine.n_cores


def test_file_that_does_not_load_is_an_error_not_a_crash(assistant_home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(60))
    spec = dataclasses.replace(SPEC, path=broken, file_name=broken.name)
    with pytest.raises(EngineError, match=r"tiny \(broken\.gguf\) could not be measured"):
        probe.measure(spec, MACHINE)
    assert not (assistant_home / "probes").exists()


def test_child_that_dies_is_reported(assistant_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child imports msgspec first: a broken environment must come out as words."""
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with pytest.raises(EngineCrashed, match="ended with code"):
        probe.runtime()


def test_probe_encodes_without_loss() -> None:
    taken = probed(*FLAT)
    assert msgspec.json.decode(msgspec.json.encode(taken), type=Probe) == taken
