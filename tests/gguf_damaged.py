"""GGUF files that are damaged or hostile on purpose: the header check must refuse them, and no parser may take the app
down with them."""

from __future__ import annotations

import struct
from typing import Any

from gguf_files import TOKENS, gguf, properties, tensors

# What security work on this runtime found to abort the process or to hang it, and its kin.
ABORTING: dict[str, dict[str, Any]] = {
    "no blocks": {"llama__block_count": (4, 0)},
    "513 blocks": {"llama__block_count": (4, 513)},
    "100,000 blocks": {"llama__block_count": (4, 100_000)},
    "2^32-1 blocks": {"llama__block_count": (4, 2**32 - 1)},
    "alignment 1": {"general__alignment": (4, 1)},
    "alignment 8": {"general__alignment": (4, 8)},
    "alignment 0": {"general__alignment": (4, 0)},
    "alignment 48": {"general__alignment": (4, 48)},
    "SentencePiece tokenizer on a BPE vocabulary": {"tokenizer__ggml__model": (8, b"llama")},
    "tokenizer none": {"tokenizer__ggml__model": (8, b"none")},
    "tokenizer no_vocab": {"tokenizer__ggml__model": (8, b"no_vocab")},
}
MISLEADING: dict[str, dict[str, Any]] = {
    "no architecture": {"general__architecture": None},
    "architecture that is no name": {"general__architecture": (8, b"../llama")},
    "an adapter": {"general__type": (8, b"adapter")},
    "a piece of a split model": {"split__count": (2, 3)},
    "no heads": {"llama__attention__head_count": (4, 0)},
    "heads that do not share out": {"llama__attention__head_count": (4, 3), "llama__attention__head_count_kv": (4, 2)},
    "heads for too few layers": {"llama__attention__head_count_kv": (9, (4, [1, 1]))},
    "context of nothing": {"llama__context_length": (4, 0)},
    "context given as text": {"llama__context_length": (8, b"512")},
    "no context": {"llama__context_length": None},
    "no vocabulary": {"tokenizer__ggml__tokens": None},
    "a vocabulary of numbers": {"tokenizer__ggml__tokens": (9, (4, [1, 2, 3]))},
    "a vocabulary that the embedding does not fit": {"tokenizer__ggml__tokens": (9, (8, TOKENS[:-1]))},
    "token types for other tokens": {"tokenizer__ggml__token_type": (9, (5, [1, 2]))},
    "byte-sized scores": {"tokenizer__ggml__scores": (9, (0, [1] * 64))},
    "no merges": {"tokenizer__ggml__merges": None},
    "an end token outside the vocabulary": {"tokenizer__ggml__eos_token_id": (4, 64)},
    "a template that is no text": {"tokenizer__chat_template": (4, 1)},
    "SentencePiece without byte tokens": {
        "tokenizer__ggml__model": (8, b"llama"),
        "tokenizer__ggml__scores": (9, (6, [0.0] * 64)),
    },
}


def replaced(name: str, *, dimensions: tuple[int, ...] | None = None, kind: int | None = None, new: str = "") -> bytes:
    """A file in which the description of one tensor is another."""
    described = [
        (new or n, d if dimensions is None else dimensions, k if kind is None else kind) if n == name else (n, d, k)
        for n, d, k in tensors()
    ]
    whole = gguf(described=[t if t[2] in (0, 2, 8) else (t[0], t[1], 0) for t in described])
    if kind is not None and kind not in (0, 2, 8):
        raw, shape = (new or name).encode(), dimensions or next(d for n, d, _ in tensors() if n == name)
        form = f"<I{len(shape)}QI"
        before = raw + struct.pack(form, len(shape), *shape, 0)
        assert before in whole
        whole = whole.replace(before, raw + struct.pack(form, len(shape), *shape, kind))
    return whole


MALFORMED: dict[str, bytes] = {
    "another format": gguf(magic=b"GGML"),
    "version 1": gguf(version=1),
    "version 4": gguf(version=4),
    "big-endian": gguf(version=0x03000000),
    "2^63 tensors": gguf(n_tensors=2**63),
    "2^63 properties": gguf(n_pairs=2**63),
    "no tensors": gguf(n_tensors=0),
    "no properties": gguf(n_pairs=0),
    "one property too many": gguf(n_pairs=17),
    "one tensor too many": gguf(n_tensors=12),
    "a tensor outside": gguf(offsets={"blk.0.attn_q.weight": 2**40}),
    "two tensors in one place": gguf(offsets={"blk.0.attn_q.weight": 0}),
    "a tensor not aligned": gguf(offsets={"blk.0.attn_q.weight": 7}),
    "something behind": gguf() + bytes(32),
    "cut in the last tensor": gguf()[:-32],
    "cut in the properties": gguf()[:1000],
    "cut after the counts": gguf()[:40],
    "cut in the counts": gguf()[:20],
    "four bytes": b"GGUF",
    "a web page": b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a tensor twice": replaced("blk.0.attn_q.weight", new="blk.0.attn_k.weight"),
    "no embedding": replaced("token_embd.weight", new="token_embd.wait"),
    "a long tensor name": replaced("blk.0.attn_q.weight", new="x" * 64),
    "an escape in a tensor name": replaced("blk.0.attn_q.weight", new="blk\x1b[2J"),
    "a dimension of nothing": replaced("blk.0.attn_q.weight", dimensions=(32, 0)),
    "part of a block": replaced("blk.0.attn_q.weight", dimensions=(33, 32)),
    "dimensions that overflow": replaced("blk.0.attn_q.weight", dimensions=(2**32, 2**32)),
    "five dimensions": replaced("blk.0.attn_q.weight", dimensions=(32, 1, 1, 1, 1)),
    "a removed tensor type": replaced("blk.0.attn_q.weight", kind=4),
    "an unknown tensor type": replaced("blk.0.attn_q.weight", kind=99),
    "an empty key": gguf({**properties(), "": (4, 1)}),
    "a key with a space": gguf({**properties(), "a b": (4, 1)}),
    "a long key": gguf({**properties(), "k" * 300: (4, 1)}),
    "a text of 2 MiB": gguf({**properties(), "x": (8, b"y" * (1 << 21))}),
}
