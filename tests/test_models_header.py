"""The GGUF header check: sound files pass, everything that aborts or misleads a native parser is refused."""

from __future__ import annotations

import ctypes
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gguf_files
from assistant.errors import ModelRefusedError
from assistant.models import memory
from assistant.models.gguf_header import GgufHeader, read_header
from assistant.models.gguf_reader import TENSOR_TYPES
from gguf_damaged import ABORTING, MALFORMED, MISLEADING
from gguf_files import TOKENS, gguf, properties


def read(tmp_path: Path, content: bytes) -> GgufHeader:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return read_header(path)


def bytes_by_type(header: GgufHeader) -> dict[str, int]:
    """Bytes of weights in each tensor type, largest first."""
    sums: dict[str, int] = {}
    for tensor in header.tensors:
        sums[tensor.type_name] = sums.get(tensor.type_name, 0) + tensor.n_bytes
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    header = read(tmp_path, gguf())
    assert (header.architecture, header.general_name, header.tokenizer) == ("llama", "Tiny test model", "gpt2")
    assert (header.n_layers, header.n_embd, header.n_vocabulary, header.n_context_train) == (1, 32, 64, 512)
    assert (header.n_head, header.n_head_kv, header.head_dim_k, header.head_dim_v) == ((2,), (1,), 16, 16)
    assert header.kv_bytes_per_token == 1 * 1 * (16 + 16) * 2
    assert bytes_by_type(header) == {
        "Q4_0": (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64) // 32 * 18,
        "Q8_0": 2176,
        "F32": 384,
    }
    assert header.chat_template == gguf_files.TEMPLATE


@pytest.mark.parametrize("changes", [*ABORTING.values(), *MISLEADING.values()], ids=[*ABORTING, *MISLEADING])
def test_a_header_that_misleads_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelRefusedError, match=r"model\.gguf is not a usable GGUF file: .+; fetch or copy it again"):
        read(tmp_path, gguf(properties(**changes)))


def test_sentencepiece_with_byte_tokens_passes(tmp_path: Path) -> None:
    tokens = [*TOKENS[:-1], b"<0x0A>"]
    changes = {"tokenizer__ggml__tokens": (9, (8, tokens)), "tokenizer__ggml__scores": (9, (6, [0.0] * 64))}
    header = read(tmp_path, gguf(properties(tokenizer__ggml__model=(8, b"llama"), **changes)))
    assert header.tokenizer == "llama"


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelRefusedError, match=r"model\.gguf"):
        read(tmp_path, content)


@pytest.mark.parametrize(("kind", "size"), [(9, 1 << 40), (8, 1 << 40), (9, 1 << 62), (13, 0)])
def test_absurd_sizes_are_not_believed(tmp_path: Path, kind: int, size: int) -> None:
    whole = gguf({"x": (4, 7), **properties()})
    before = b"x" + struct.pack("<II", 4, 7)
    assert before in whole
    claim = struct.pack("<IQ", 8, size) if kind == 9 else struct.pack("<Q", size)
    with pytest.raises(ModelRefusedError, match=r"claims|unknown type"):
        read(tmp_path, whole.replace(before, b"x" + struct.pack("<I", kind) + claim))


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    whole = gguf({"x": (4, 7), "y": (4, 8), **properties()})
    doubled = whole.replace(b"\x01\0\0\0\0\0\0\0y", b"\x01\0\0\0\0\0\0\0x", 1)
    with pytest.raises(ModelRefusedError, match="occurs twice"):
        read(tmp_path, doubled)


def test_names_in_a_file_cannot_reach_the_terminal(tmp_path: Path) -> None:
    header = read(tmp_path, gguf(properties(general__name=(8, b"nice\x1b]52;c;ZXZpbA==\x07 \xff\xfemodel\n"))))
    assert header.general_name.isprintable()
    assert "\x1b" not in header.general_name


SOUND = gguf()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.none() | st.integers(0, len(SOUND)),
    insertion=st.none() | st.tuples(st.integers(0, len(SOUND)), st.binary(max_size=40)),
)
def test_any_change_is_read_or_refused(
    tmp_path: Path, flips: list[tuple[int, int]], cut: int | None, insertion: tuple[int, bytes] | None
) -> None:
    changed = bytearray(SOUND)
    for position, value in flips:
        changed[position] = value
    if insertion is not None:
        changed[insertion[0] : insertion[0]] = insertion[1]
    path = tmp_path / "model.gguf"
    path.write_bytes(changed[:cut] or b"x")
    try:
        header = read_header(path)
    except ModelRefusedError as error:
        assert str(error).isprintable()
        return
    assert 1 <= header.n_layers <= 512
    assert all(tensor.offset + tensor.n_bytes + header.data_offset <= header.file_bytes for tensor in header.tensors)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(SOUND) - 8), value=st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
def test_any_absurd_number_anywhere_is_read_or_refused(tmp_path: Path, position: int, value: int) -> None:
    changed = bytearray(SOUND)
    struct.pack_into("<Q", changed, position, value)
    path = tmp_path / "model.gguf"
    path.write_bytes(changed)
    try:
        read_header(path)
    except ModelRefusedError as error:
        assert str(error).isprintable()


def test_sizes_of_tensor_types_are_those_of_the_library() -> None:
    import llama_cpp

    library = next((Path(llama_cpp.__file__).parent / "lib").glob("libggml-base*"))
    ggml = ctypes.CDLL(str(library))
    ggml.ggml_type_size.restype = ctypes.c_size_t
    ggml.ggml_blck_size.restype = ctypes.c_int64
    ggml.ggml_type_name.restype = ctypes.c_char_p
    for type_id, (name, block, block_bytes) in TENSOR_TYPES.items():
        theirs = (
            ggml.ggml_type_name(type_id).decode().upper(),
            ggml.ggml_blck_size(type_id),
            ggml.ggml_type_size(type_id),
        )
        assert (name, block, block_bytes) == theirs


def test_memory_counts_mapped_and_repacked_weights_twice(tmp_path: Path) -> None:
    header = read(tmp_path, gguf())
    repacked = bytes_by_type(header)["Q4_0"]
    assert memory.repacked_bytes(header, memory.repacked_types("x86_64")) == repacked
    mapped, loaded = memory.predict(header, 512, use_mmap=True), memory.predict(header, 512, use_mmap=False)
    if memory.repacked_types():
        assert mapped.total - loaded.total == repacked
    assert loaded.kv_cache == 512 * header.kv_bytes_per_token
    assert memory.predict(header, 1024).kv_cache == 2 * loaded.kv_cache


# The real thing


@pytest.mark.models
def test_the_real_header(smollm2_path: Path) -> None:
    header = read_header(smollm2_path)
    assert (header.architecture, header.n_layers, header.n_embd, header.n_vocabulary) == ("llama", 30, 576, 49_152)
    assert (header.n_context_train, header.kv_bytes_per_token) == (8192, 30 * 3 * 64 * 2 * 2)
    assert header.weight_bytes == sum(bytes_by_type(header).values())
    assert header.file_bytes == smollm2_path.stat().st_size == 98_362_432
    assert list(bytes_by_type(header)) == ["Q4_1", "Q8_0", "F32"]


@pytest.mark.models
def test_random_changes_to_the_real_header_are_read_or_refused(smollm2_path: Path, tmp_path: Path) -> None:
    with smollm2_path.open("rb") as file:
        head = file.read(2 << 20)
    choose = random.Random(5)
    path = tmp_path / "changed.gguf"
    for _ in range(15):
        changed = bytearray(head)
        for _ in range(choose.randint(1, 4)):
            position = choose.choice([choose.randrange(2000), choose.randrange(1_780_000)])
            changed[position] ^= 1 << choose.randrange(8)
        path.write_bytes(changed)
        with path.open("r+b") as file:
            file.truncate(smollm2_path.stat().st_size)  # the weights are a hole: this is about the header
        try:
            read_header(path)
        except ModelRefusedError as error:
            assert "changed.gguf" in str(error)


@pytest.mark.models
@pytest.mark.slow
def test_memory_prediction_is_close_to_the_real_process(smollm2_path: Path) -> None:
    """Never too little, and not half as much again. A separate process, so that nothing else is counted."""
    import subprocess
    import sys

    script = f"""
import llama_cpp
from assistant.engines import amx
amx.switch_off()
model = llama_cpp.Llama({str(smollm2_path)!r}, n_ctx=2048, n_batch=512, use_mmap=False, n_threads=1, verbose=False)
model.eval([1000 + i for i in range(256)])
print([int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    predicted = memory.predict_bytes(read_header(smollm2_path), 2048)
    measured = int(answer.stdout.split()[-1])
    assert measured <= predicted <= 1.5 * measured
