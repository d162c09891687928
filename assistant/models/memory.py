"""How much memory a model will take, predicted from its header before anything is loaded.

Weights are counted once when read into memory. When they are mapped and the CPU backend repacks some tensor types into
its own layout, those count twice: the mapped pages and the repacked copy (ggml-org/llama.cpp#16761).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from assistant.models.gguf_header import GgufHeader

# What ggml-cpu/repack.cpp rearranges, by architecture of the machine. x86 needs AVX2, which everything since 2013 has.
_REPACKED = {
    "x86": frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4", "Q2_K"}),
    "arm": frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "MXFP4", "Q8_0"}),
}
_PROCESS_BYTES = 64 << 20  # interpreter and libraries, measured before a model is loaded, with some slack
_VOCABULARY_BYTES_PER_TOKEN = 400  # token text, its hash table entry and merge ranks


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Predicted bytes of the model process, by what they are for."""

    weights: int
    repacked: int
    kv_cache: int
    compute: int
    process: int

    @property
    def total(self) -> int:
        return self.weights + self.repacked + self.kv_cache + self.compute + self.process


def repacked_types(machine: str | None = None) -> frozenset[str]:
    """Tensor types that the CPU backend repacks on this kind of machine (`platform.machine()` by default)."""
    name = (machine or platform.machine()).lower()
    if name in ("x86_64", "amd64", "i686"):
        return _REPACKED["x86"]
    return _REPACKED["arm"] if name in ("aarch64", "arm64") else frozenset()


def repacked_bytes(header: GgufHeader, types: frozenset[str] | None = None) -> int:
    """Bytes of weights that will be repacked. Embeddings are looked up, not multiplied, and stay as they are."""
    types = repacked_types() if types is None else types
    return sum(
        t.n_bytes
        for t in header.tensors
        if t.type_name in types and len(t.dimensions) > 1 and "token_embd" not in t.name
    )


def predict(header: GgufHeader, n_context: int, use_mmap: bool = False, n_ubatch: int = 512) -> MemoryNeed:
    """What the model process needs at a context of `n_context` tokens, prefilling `n_ubatch` tokens at a time."""
    widest = max((max(t.dimensions[:2]) for t in header.tensors if t.name.startswith("blk.")), default=header.n_embd)
    scores = max(header.n_head) * n_context * 4  # attention scores of one token and layer, without flash attention
    activations = 4 * (4 * header.n_embd + 3 * widest)
    logits = 4 * header.n_vocabulary
    return MemoryNeed(
        weights=header.weight_bytes,
        repacked=repacked_bytes(header) if use_mmap else 0,
        kv_cache=n_context * header.kv_bytes_per_token,
        compute=n_ubatch * (scores + activations) + 2 * logits,
        process=_PROCESS_BYTES + header.n_vocabulary * _VOCABULARY_BYTES_PER_TOKEN,
    )


def predict_bytes(header: GgufHeader, n_context: int, use_mmap: bool = False, n_ubatch: int = 512) -> int:
    """The total of `predict()` in bytes."""
    return predict(header, n_context, use_mmap, n_ubatch).total
