"""Vocabulary pruning: in a small model the embedding is the fat (21 % of SmolLM2-135M, 63 % of Gemma-3-270M).

Works on the file, of any format: rows of the embedding are whole blocks, so the kept rows keep their exact bytes.
Text whose tokens are all kept is tokenised as before and scored as before: BPE only ever performs merges whose
results are parts of the final tokens, so keeping a token together with everything it can be merged from keeps the
path to it. Other text still works, in more tokens, down to single bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from assistant.errors import UsageError
from quantize.gguf_io import Packed, metadata, open_gguf, write_gguf

_CONTROL_TYPES = (3, 4)  # llama.h: LLAMA_TOKEN_TYPE_CONTROL, USER_DEFINED
_TABLES = ("token_embd.weight", "output.weight")


def closure(used: Iterable[int], tokens: list[str], types: list[int], merges: list[str]) -> list[int]:
    """The used ids, all control tokens, all single characters, and every part that a kept token can be merged from."""
    number = {token: i for i, token in enumerate(tokens)}
    parts: dict[str, list[tuple[str, str]]] = {}
    for merge in merges:
        left, right = merge.split(" ")
        parts.setdefault(left + right, []).append((left, right))
    kept = {i for i, kind in enumerate(types) if kind in _CONTROL_TYPES or len(tokens[i]) == 1}
    waiting = [int(i) for i in used] + list(kept)
    kept |= set(waiting)
    while waiting:
        for pair in parts.get(tokens[waiting.pop()], []):
            for part in pair:
                if (i := number.get(part)) is not None and i not in kept:
                    kept.add(i)
                    waiting.append(i)
    return sorted(kept)


def most_frequent(counts: np.ndarray[Any, Any], n: int) -> list[int]:
    """Ids of the `n` most counted tokens that occur at all."""
    order = np.argsort(-counts, kind="stable")[:n]
    return [int(i) for i in order if counts[i] > 0]


def prune_vocabulary(source: Path, target: Path, used: Iterable[int]) -> list[int]:
    """Write `target` with the closure of `used`; returns the kept ids: row i of the new file is token kept[i] of the
    old.

    Raises UsageError when the file's tokenizer is not byte-pair encoding.
    """
    reader = open_gguf(source)
    if metadata(reader, "tokenizer.ggml.model") != "gpt2":
        raise UsageError(f"{source.name}: vocabulary pruning knows byte-pair tokenizers only")
    tokens: list[str] = metadata(reader, "tokenizer.ggml.tokens")
    types: list[int] = metadata(reader, "tokenizer.ggml.token_type")
    merges: list[str] = metadata(reader, "tokenizer.ggml.merges")
    special = [f.contents() for f in reader.fields.values() if f.name.endswith("_token_id")]
    kept = closure([*used, *special], tokens, types, merges)
    new_number = {old: new for new, old in enumerate(kept)}
    names = {tokens[i] for i in kept}
    changed: dict[str, Any] = {
        "tokenizer.ggml.tokens": [tokens[i] for i in kept],
        "tokenizer.ggml.token_type": [types[i] for i in kept],
        "tokenizer.ggml.merges": [m for m in merges if "".join(m.split(" ")) in names and set(m.split(" ")) <= names],
    }
    for field in reader.fields.values():
        if field.name.endswith("_token_id"):
            changed[field.name] = new_number[field.contents()]
        elif field.name.endswith(".vocab_size"):
            changed[field.name] = len(kept)
    write_gguf(target, source, ((t.name, _rows(t, kept)) for t in reader.tensors), changed)
    return kept


def _rows(tensor: gguf.ReaderTensor, kept: list[int]) -> Any:
    data = tensor.data[kept] if tensor.name in _TABLES else tensor.data
    if tensor.tensor_type in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
        return np.array(data)
    return Packed(np.array(data), tensor.tensor_type)
