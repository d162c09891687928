"""A strict check of GGUF headers, so that no native parser meets a file that this one has not accepted.

Covered: the bounds of gguf_reader.py, and values that make llama.cpp abort the process (block count 0 or above 512,
alignments it asserts on, tokenizers that do not fit their vocabulary).
Not covered: the weights themselves. Only the hash tells whether those are the right ones.

The chat template is hashed and never executed.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from assistant import text
from assistant.errors import ModelRefusedError
from assistant.models import files
from assistant.models.gguf_reader import FLOAT32, INT_TYPES, STRING, Array, Malformed, Tensor, Value, read_raw

_MAX_LAYERS = 512  # LLAMA_MAX_LAYERS; llama.cpp asserts it
_MAX_HEADS = 4096
_MAX_VOCABULARY = 1 << 21
_MAX_EXPERTS = 512  # LLAMA_MAX_EXPERTS; llama.cpp asserts it
_ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")  # llama.cpp asserts one of these
_NORM_TYPES = ("F32", "F16", "BF16")  # of the vectors that normalise: others are asserted on when they are used
_TOKENIZERS = ("gpt2", "llama", "bert", "gemma4")


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says about itself. Sizes in bytes, the context in tokens; `general_name` is safe to print.

    `n_head` and `n_head_kv` have one number for each layer. `head_dim_k` and `head_dim_v` are the widths of a key and a
    value of one head. `chat_template_sha256` is "" when the file carries none.
    """

    architecture: str
    general_name: str
    file_bytes: int
    data_offset: int
    alignment: int
    n_layers: int
    n_embd: int
    n_head: tuple[int, ...]
    n_head_kv: tuple[int, ...]
    head_dim_k: int
    head_dim_v: int
    n_vocabulary: int
    n_context_train: int
    tokenizer: str
    chat_template: str
    chat_template_sha256: str
    tensors: tuple[Tensor, ...]

    @property
    def weight_bytes(self) -> int:
        return sum(tensor.n_bytes for tensor in self.tensors)

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of a 16-bit KV cache for one token; an upper bound where layers use a sliding window."""
        return sum(self.n_head_kv) * (self.head_dim_k + self.head_dim_v) * 2


def read_header(source: Path | str | int) -> GgufHeader:
    """Read and check the header of a GGUF file, given by path or by an open descriptor.

    Raises ModelRefusedError, or ModelMissingError for a path where nothing is. Takes at most about 0.3 s.
    """
    if isinstance(source, int):
        return _checked(source, "the file")
    descriptor = files.open_regular(Path(source))
    try:
        return _checked(descriptor, files.shown(source))
    finally:
        os.close(descriptor)


def _checked(descriptor: int, name: str) -> GgufHeader:
    try:
        return _parse(descriptor)
    except Malformed as malformed:
        raise ModelRefusedError(f"{name} is not a usable GGUF file: {malformed}; fetch or copy it again") from malformed


def _parse(descriptor: int) -> GgufHeader:
    raw = read_raw(descriptor)
    metadata = _Metadata(raw.properties)
    metadata.refuse_unsupported()
    alignment = metadata.alignment()
    data_offset = -(-raw.end // alignment) * alignment
    _refuse_misplaced(raw.tensors, data_offset, raw.file_bytes, alignment)
    return metadata.header(raw.tensors, data_offset, raw.file_bytes)


def _refuse_misplaced(tensors: tuple[Tensor, ...], data_offset: int, file_bytes: int, alignment: int) -> None:
    """Every tensor inside the file, none overlapping another, nothing unexplained behind the last."""
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise Malformed("two tensors have the same name")
    end = 0
    for tensor in sorted(tensors, key=lambda t: t.offset):
        if tensor.offset % alignment:
            raise Malformed(f"tensor {tensor.name} is not aligned")
        if tensor.offset < end:
            raise Malformed(f"tensor {tensor.name} overlaps another")
        end = tensor.offset + tensor.n_bytes
    missing = data_offset + end - file_bytes
    if missing > 0:
        raise Malformed(f"it is cut off: {missing:,} bytes are missing at the end")
    odd = next((t for t in tensors if t.name.endswith("_norm.weight") and t.type_name not in _NORM_TYPES), None)
    if odd is not None:
        raise Malformed(f"tensor {odd.name} is of the type {odd.type_name}")
    if -missing >= alignment:
        raise Malformed(f"{-missing:,} bytes that belong to nothing follow its last tensor")


class _Metadata:
    """The properties of one file, read with their types checked."""

    def __init__(self, values: dict[str, Value]) -> None:
        self._values = values
        self.architecture = self._text("general.architecture")
        plain = self.architecture.replace("-", "").replace("_", "").replace(".", "")
        if not (plain.isascii() and plain.isalnum() and len(plain) <= 64):
            raise Malformed("it does not name its architecture")

    def refuse_unsupported(self) -> None:
        if self._number("split.count", 0, 65_535, 0) > 1:
            raise Malformed("it is one piece of a split model; join the pieces with llama-gguf-split --merge")
        kind = self._text("general.type", "model")
        if kind != "model":
            raise Malformed(f"it holds {text.safe(kind)[:40]!r}, not a model")

    def alignment(self) -> int:
        """The alignment of tensor data. llama.cpp asserts 32 for mapped files, so nothing smaller is let through."""
        value = self._number("general.alignment", 0, 1 << 32, 32)
        if not 32 <= value <= 65_536 or value & (value - 1):
            raise Malformed(f"its alignment is {value}; a power of two from 32 to 65536 is needed")
        return value

    def header(self, tensors: tuple[Tensor, ...], data_offset: int, file_bytes: int) -> GgufHeader:
        n_layers = self._number(f"{self.architecture}.block_count", 1, _MAX_LAYERS)
        n_embd = self._number(f"{self.architecture}.embedding_length", 1, 1 << 20)
        n_head = self._per_layer("attention.head_count", n_layers, None)
        n_head_kv = self._per_layer("attention.head_count_kv", n_layers, n_head)
        if any(kv and (q == 0 or q % kv) for q, kv in zip(n_head, n_head_kv, strict=True)):
            raise Malformed("its attention heads cannot be shared out among its key heads")
        self._refuse_aborting_numbers()
        head_dim = n_embd // max(1, max(n_head))
        template = self._values.get("tokenizer.chat_template", b"")
        if not isinstance(template, bytes):
            raise Malformed("its chat template is not text")
        return GgufHeader(
            architecture=self.architecture,
            general_name=text.safe(self._text("general.name", ""), keep_newlines=False)[:120],
            file_bytes=file_bytes,
            data_offset=data_offset,
            alignment=self.alignment(),
            n_layers=n_layers,
            n_embd=n_embd,
            n_head=n_head,
            n_head_kv=n_head_kv,
            head_dim_k=self._number(f"{self.architecture}.attention.key_length", 1, 1 << 16, head_dim),
            head_dim_v=self._number(f"{self.architecture}.attention.value_length", 1, 1 << 16, head_dim),
            n_vocabulary=self._checked_vocabulary(tensors, n_embd),
            n_context_train=self._number(f"{self.architecture}.context_length", 1, 1 << 30),
            tokenizer=self._text("tokenizer.ggml.model"),
            chat_template=template.decode("utf-8", "backslashreplace"),
            chat_template_sha256=hashlib.sha256(template).hexdigest() if template else "",
            tensors=tensors,
        )

    def _refuse_aborting_numbers(self) -> None:
        """Values that llama.cpp does not check but asserts on, some only when the first token is computed."""
        for key in ("layer_norm_rms_epsilon", "layer_norm_epsilon"):
            epsilon = self._values.get(f"{self.architecture}.attention.{key}", 0.0)
            if not isinstance(epsilon, float) or not 0 <= epsilon <= 1:  # false for what is no number, too
                raise Malformed(f"property {key} is {_brief(epsilon)}; 0 to 1 is allowed")
        n_experts = self._number(f"{self.architecture}.expert_count", 0, _MAX_EXPERTS, 0)
        self._number(f"{self.architecture}.expert_used_count", 0, n_experts, 0)
        scaling = self._text(f"{self.architecture}.rope.scaling.type", "none")
        if scaling not in _ROPE_SCALINGS:
            raise Malformed(f"its rope scaling {text.safe(scaling)[:40]!r} is none of {', '.join(_ROPE_SCALINGS)}")

    def _checked_vocabulary(self, tensors: tuple[Tensor, ...], n_embd: int) -> int:
        """The number of tokens, after checking that tokenizer, arrays and embedding belong together."""
        tokenizer = self._text("tokenizer.ggml.model")
        if tokenizer not in _TOKENIZERS:
            raise Malformed(f"its tokenizer {text.safe(tokenizer)[:40]!r} is none of {', '.join(_TOKENIZERS)}")
        tokens = self._array("tokenizer.ggml.tokens")
        if tokens is None or tokens.element_type != STRING or not 1 <= tokens.count <= _MAX_VOCABULARY:
            raise Malformed("it has no usable vocabulary")
        for key in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
            array = self._array(key)
            allowed = (FLOAT32,) if key.endswith("scores") else INT_TYPES
            if array is not None and (array.count != tokens.count or array.element_type not in allowed):
                raise Malformed(f"{key} does not fit the vocabulary")
        merges = self._array("tokenizer.ggml.merges")
        if tokenizer == "gpt2" and (merges is None or merges.element_type != STRING):
            raise Malformed("its tokenizer is gpt2 but the merges are missing")
        if tokenizer == "llama" and (self._array("tokenizer.ggml.scores") is None or not tokens.holds_byte_tokens):
            raise Malformed("its tokenizer is llama but the vocabulary is of another kind")
        for key in ("bos", "eos"):
            self._number(f"tokenizer.ggml.{key}_token_id", 0, tokens.count - 1, 0)
        embedding = next((t for t in tensors if t.name == "token_embd.weight"), None)
        if embedding is None or embedding.dimensions[:2] != (n_embd, tokens.count):
            raise Malformed("its token embedding does not fit its vocabulary")
        return tokens.count

    def _text(self, key: str, default: str | None = None) -> str:
        value = self._values.get(key, default)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, str):
            return value
        raise Malformed(f"property {key} is missing or not text")

    def _number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._values.get(key, default)
        if not isinstance(value, int) or not low <= value <= high:
            raise Malformed(f"property {key} is {_brief(value)}; {low} to {high} is allowed")
        return value

    def _array(self, key: str) -> Array | None:
        value = self._values.get(key)
        if value is not None and not isinstance(value, Array):
            raise Malformed(f"property {key} is not an array")
        return value

    def _per_layer(self, key: str, n_layers: int, default: tuple[int, ...] | None) -> tuple[int, ...]:
        """A number for each layer, given once or as an array."""
        full_key = f"{self.architecture}.{key}"
        value = self._values.get(full_key)
        if isinstance(value, Array):
            numbers = value.values
        elif value is None and default is not None:
            return default
        else:
            numbers = (self._number(full_key, 1, _MAX_HEADS),) * n_layers
        if len(numbers) != n_layers or not all(isinstance(n, int) and 0 <= n <= _MAX_HEADS for n in numbers):
            raise Malformed(f"property {full_key} does not give a number for each layer")
        return numbers


def _brief(value: object) -> str:
    return "missing" if value is None else str(value)[:40] if isinstance(value, int | float) else "of the wrong type"
