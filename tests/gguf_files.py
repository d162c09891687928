"""Small GGUF files for tests: whole and sound, with every property open to change. The real parser must load them."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

_FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)  # SmolLM2's own, whose hash the catalogue knows

TOKENS = [b"<|endoftext|>", b"<|im_start|>", b"<|im_end|>", *(bytes([33 + i]) for i in range(61))]


def properties(**changes: Any) -> dict[str, tuple[int, Any]]:
    """Properties of a sound model as {key: (type, value)}; `changes` replaces some ("__" means "."), None removes."""
    sound: dict[str, tuple[int, Any]] = {
        "general.architecture": (8, b"llama"),
        "general.name": (8, b"Tiny test model"),
        "llama.block_count": (4, 1),
        "llama.context_length": (4, 512),
        "llama.embedding_length": (4, 32),
        "llama.feed_forward_length": (4, 64),
        "llama.attention.head_count": (4, 2),
        "llama.attention.head_count_kv": (4, 1),
        "llama.attention.layer_norm_rms_epsilon": (6, 1e-5),
        "tokenizer.ggml.model": (8, b"gpt2"),
        "tokenizer.ggml.tokens": (9, (8, TOKENS)),
        "tokenizer.ggml.token_type": (9, (5, [3, 3, 3] + [1] * 61)),
        "tokenizer.ggml.merges": (9, (8, [b"! !"])),
        "tokenizer.ggml.bos_token_id": (4, 1),
        "tokenizer.ggml.eos_token_id": (4, 2),
        "tokenizer.chat_template": (8, TEMPLATE.encode()),
    }
    for key, value in changes.items():
        dotted = key.replace("__", ".")
        if value is None:
            del sound[dotted]
        else:
            sound[dotted] = value
    return sound


def tensors(n_vocabulary: int = len(TOKENS)) -> list[tuple[str, tuple[int, ...], int]]:
    """Name, dimensions and type of the tensors of one block."""
    return [
        ("token_embd.weight", (32, n_vocabulary), 8),
        ("output_norm.weight", (32,), 0),
        ("blk.0.attn_norm.weight", (32,), 0),
        ("blk.0.attn_q.weight", (32, 32), 2),
        ("blk.0.attn_k.weight", (32, 16), 2),
        ("blk.0.attn_v.weight", (32, 16), 2),
        ("blk.0.attn_output.weight", (32, 32), 2),
        ("blk.0.ffn_norm.weight", (32,), 0),
        ("blk.0.ffn_gate.weight", (32, 64), 2),
        ("blk.0.ffn_up.weight", (32, 64), 2),
        ("blk.0.ffn_down.weight", (64, 32), 2),
    ]


def gguf(
    values: dict[str, tuple[int, Any]] | None = None,
    described: list[tuple[str, tuple[int, ...], int]] | None = None,
    alignment: int = 32,
    **header: Any,
) -> bytes:
    """A file. `header` may give magic, version, n_tensors, n_pairs; `offsets` by tensor name; with `runs`, weights that
    compute something."""
    values = properties() if values is None else values
    described = tensors() if described is None else described
    out = bytearray(header.get("magic", b"GGUF"))
    out += struct.pack("<I", header.get("version", 3))
    out += struct.pack("<QQ", header.get("n_tensors", len(described)), header.get("n_pairs", len(values)))
    for key, (kind, value) in values.items():
        out += _string(key.encode()) + struct.pack("<I", kind) + _value(kind, value)
    position = 0
    data = bytearray()
    for name, dimensions, kind in described:
        offset = header.get("offsets", {}).get(name, position)
        out += _string(name.encode()) + struct.pack(
            f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, offset
        )
        n_bytes = _n_bytes(dimensions, kind)
        if header.get("runs"):
            data += _weights(kind, n_bytes)
        else:
            data += bytes(range(1, 252)) * (n_bytes // 251) + bytes(n_bytes % 251)
        data += bytes(-len(data) % alignment)
        position = len(data)
    return bytes(out) + bytes(-len(out) % alignment) + bytes(data)


def _weights(kind: int, n_bytes: int) -> bytes:
    """Ones in 32 bits, or blocks of 32 small numbers of both signs."""
    if kind == 0:
        return struct.pack("<f", 1.0) * (n_bytes // 4)
    block_bytes = {2: 18, 8: 34}[kind]
    chance = random.Random(n_bytes)
    scale = struct.pack("<e", 0.02)
    return b"".join(scale + chance.randbytes(block_bytes - 2) for _ in range(n_bytes // block_bytes))


def _n_bytes(dimensions: tuple[int, ...], kind: int) -> int:
    block, block_bytes = {0: (1, 4), 2: (32, 18), 8: (32, 34)}[kind]
    n_weights = 1
    for size in dimensions:
        n_weights *= size
    return min(n_weights // block * block_bytes, 1 << 20)


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _value(kind: int, value: Any) -> bytes:
    if kind == 8:
        return _string(value)
    if kind == 9:
        element, items = value
        head = struct.pack("<IQ", element, len(items))
        return head + b"".join(_string(i) if element == 8 else struct.pack("<" + _FORMS[element], i) for i in items)
    return struct.pack("<" + _FORMS[kind], value)


def tamper(path: Path, position: int = 5000) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))
