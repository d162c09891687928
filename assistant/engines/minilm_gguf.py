"""all-MiniLM-L6-v2 as a GGUF file that llama.cpp runs: the weights in half precision, nothing but numpy.

The same files always give the same bytes, so that the catalogue can pin the SHA-256 of the result. Names and keys are
those of llama.cpp's BERT (gguf-py/gguf/constants.py); safetensors is eight bytes of length, a JSON table, raw tensors.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from assistant.errors import ModelRefusedError

_ALIGNMENT: Final = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9  # types of properties
_F32, _F16 = 0, 1  # types of tensors
_NORMAL, _CONTROL = 1, 3  # types of tokens
_MEAN_POOLING: Final = 1
_CONTROLS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORD_START: Final = "\u2581"  # llama.cpp marks beginnings of words, BERT marks the other pieces ("##ing")

_EMBEDDINGS: Final = (
    ("token_embd.weight", "embeddings.word_embeddings.weight"),
    ("position_embd.weight", "embeddings.position_embeddings.weight"),
    ("token_types.weight", "embeddings.token_type_embeddings.weight"),
    ("token_embd_norm.weight", "embeddings.LayerNorm.weight"),
    ("token_embd_norm.bias", "embeddings.LayerNorm.bias"),
)
_LAYER: Final = (
    ("attn_q", "attention.self.query"),
    ("attn_k", "attention.self.key"),
    ("attn_v", "attention.self.value"),
    ("attn_output", "attention.output.dense"),
    ("attn_output_norm", "attention.output.LayerNorm"),
    ("ffn_up", "intermediate.dense"),
    ("ffn_down", "output.dense"),
    ("layer_output_norm", "output.LayerNorm"),
)


def write(folder: Path, out: BinaryIO) -> None:
    """Convert the model in `folder` (config.json, vocab.txt, model.safetensors). Raises ModelRefusedError."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        tokens = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        tensors = list(_tensors(_Weights(folder / "model.safetensors"), int(config["num_hidden_layers"])))
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelRefusedError(f"the model cannot be converted: {error!r}; pull it again") from error
    properties = _properties(config, tokens)
    out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(properties)))
    for key, kind, value in properties:
        out.write(_text(key) + struct.pack("<I", kind) + _value(kind, value))
    offset = 0
    for name, kind, array in tensors:
        dimensions = array.shape[::-1]
        out.write(_text(name) + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions))
        out.write(struct.pack("<IQ", kind, offset))
        offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    out.write(b"\0" * (-out.tell() % _ALIGNMENT))
    for _, _, array in tensors:
        out.write(array.tobytes())
        out.write(b"\0" * (-array.nbytes % _ALIGNMENT))


class _Weights:
    """Tensors of a safetensors file by name."""

    def __init__(self, path: Path) -> None:
        import numpy

        self._raw = numpy.memmap(path, dtype="uint8", mode="r")
        (length,) = struct.unpack("<Q", self._raw[:8].tobytes())
        self._table: dict[str, Any] = json.loads(self._raw[8 : 8 + length].tobytes())
        self._start = 8 + length

    def __getitem__(self, name: str) -> Any:
        entry = self._table[name]
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        return self._raw[self._start + begin : self._start + end].view("<f4").reshape(entry["shape"])


def _tensors(weights: _Weights, n_layers: int) -> Iterator[tuple[str, int, Any]]:
    """Name, type and values: matrices in half precision, what is added or multiplied by element in single."""
    names = list(_EMBEDDINGS)
    for n in range(n_layers):
        for ours, theirs in _LAYER:
            names += [(f"blk.{n}.{ours}.{part}", f"encoder.layer.{n}.{theirs}.{part}") for part in ("weight", "bias")]
    for ours, theirs in names:
        array = weights[theirs]
        half = array.ndim == 2 and ours not in ("position_embd.weight", "token_types.weight")
        yield ours, _F16 if half else _F32, array.astype("<f2") if half else array


def _properties(config: dict[str, Any], tokens: Sequence[str]) -> list[tuple[str, int, Any]]:
    shown = [t if t.startswith("[") and t.endswith("]") else _piece(t) for t in tokens]
    kinds = [_CONTROL if t in _CONTROLS else _NORMAL for t in tokens]
    ids = {name: tokens.index(name) for name in _CONTROLS}
    return [
        ("general.architecture", _STRING, "bert"),
        ("general.type", _STRING, "model"),
        ("general.name", _STRING, "all-MiniLM-L6-v2"),
        ("general.file_type", _UINT32, 1),
        ("bert.context_length", _UINT32, config["max_position_embeddings"]),
        ("bert.embedding_length", _UINT32, config["hidden_size"]),
        ("bert.feed_forward_length", _UINT32, config["intermediate_size"]),
        ("bert.block_count", _UINT32, config["num_hidden_layers"]),
        ("bert.attention.head_count", _UINT32, config["num_attention_heads"]),
        ("bert.attention.layer_norm_epsilon", _FLOAT32, config["layer_norm_eps"]),
        ("bert.attention.causal", _BOOL, False),
        ("bert.pooling_type", _UINT32, _MEAN_POOLING),
        ("tokenizer.ggml.model", _STRING, "bert"),
        ("tokenizer.ggml.pre", _STRING, "bert-bge"),
        ("tokenizer.ggml.token_type_count", _UINT32, config["type_vocab_size"]),
        ("tokenizer.ggml.tokens", _ARRAY, (_STRING, shown)),
        ("tokenizer.ggml.token_type", _ARRAY, (_INT32, kinds)),
        ("tokenizer.ggml.bos_token_id", _UINT32, ids["[CLS]"]),
        ("tokenizer.ggml.eos_token_id", _UINT32, ids["[SEP]"]),
        ("tokenizer.ggml.unknown_token_id", _UINT32, ids["[UNK]"]),
        ("tokenizer.ggml.seperator_token_id", _UINT32, ids["[SEP]"]),  # the format spells it so
        ("tokenizer.ggml.padding_token_id", _UINT32, ids["[PAD]"]),
        ("tokenizer.ggml.cls_token_id", _UINT32, ids["[CLS]"]),
        ("tokenizer.ggml.mask_token_id", _UINT32, ids["[MASK]"]),
    ]


def _piece(token: str) -> str:
    return token[2:] if token.startswith("##") else _WORD_START + token


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        return _text(value)
    if kind == _ARRAY:
        of, values = value
        return struct.pack("<IQ", of, len(values)) + b"".join(_value(of, v) for v in values)
    return struct.pack({_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f", _BOOL: "<?"}[kind], value)
