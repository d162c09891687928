"""A tiny random llama model with a byte-pair tokenizer, as a GGUF file: seconds instead of minutes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

N_LAYERS, HIDDEN, HEADS, KV_HEADS, FFN = 3, 128, 4, 2, 256
MERGES = ["t h", "th e", "Ġ the", "i n", "Ġ a", "a n", "an d", "Ġ and", "e r", "o n", "Ġ t", "r e", "Ġ s", "Ġ w", "o u"]
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_symbols() -> list[str]:
    """GPT-2's 256 printable symbols for bytes, in the order of the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(extra)) for b in range(256)]


def merges_for(words: Iterable[str]) -> list[str]:
    """Merges that make one token of each word with the space in front of it."""
    found: dict[str, None] = {}
    for word in words:
        have = "Ġ"
        for letter in word:
            found[f"{have} {letter}"] = None
            have += letter
    return [*found, *(m for m in MERGES if m not in found)]


def vocabulary(merges: Sequence[str] = MERGES) -> list[str]:
    return CONTROL + sorted(byte_symbols()) + list(dict.fromkeys(m.replace(" ", "") for m in merges))


def tiny_weights(seed: int = 0, scale: float = 0.08, merges: Sequence[str] = MERGES) -> dict[str, np.ndarray]:
    """transformers names -> float32 arrays."""
    random = np.random.default_rng(seed)
    head = HIDDEN // HEADS
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (len(vocabulary(merges)), HIDDEN)}
    for i in range(N_LAYERS):
        block = f"model.layers.{i}."
        shapes |= {
            block + "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            block + "self_attn.k_proj.weight": (KV_HEADS * head, HIDDEN),
            block + "self_attn.v_proj.weight": (KV_HEADS * head, HIDDEN),
            block + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            block + "mlp.gate_proj.weight": (FFN, HIDDEN),
            block + "mlp.up_proj.weight": (FFN, HIDDEN),
            block + "mlp.down_proj.weight": (HIDDEN, FFN),
        }
    weights = {name: random.normal(size=shape).astype(np.float32) * scale for name, shape in shapes.items()}
    weights["model.embed_tokens.weight"] *= 4
    for i in range(N_LAYERS):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{i}.{norm}.weight"] = np.ones(HIDDEN, np.float32)
    weights["model.norm.weight"] = np.ones(HIDDEN, np.float32)
    return weights


def _metadata(writer: gguf.GGUFWriter, merges: Sequence[str]) -> None:
    tokens = vocabulary(merges)
    writer.add_name("tiny")
    writer.add_license("cc0-1.0")
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(CONTROL) + [1] * (len(tokens) - len(CONTROL)))
    writer.add_token_merges(list(merges))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)


def write_template(path: Path, merges: Sequence[str] = MERGES) -> Path:
    """A GGUF with metadata and one placeholder tensor: what `write_gguf` copies from."""
    writer = gguf.GGUFWriter(path, "llama")
    _metadata(writer, merges)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny(
    path: Path,
    weights: dict[str, np.ndarray] | None = None,
    float_type: Any = np.float32,
    merges: Sequence[str] = MERGES,
) -> Path:
    """The whole model through the project's own writer."""
    from quantize.gguf_io import export_tensors, write_gguf

    template = write_template(path.with_name("template.gguf"), merges)
    write_gguf(path, template, export_tensors(weights or tiny_weights(merges=merges), template, float_type))
    return path
