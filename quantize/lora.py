"""A low-rank adapter as a GGUF file: trained with PEFT, named and laid out as llama.cpp's loader expects.

A layer's output gets (alpha / rank) B A x added, A (rank, n_in) and B (n_out, rank). Tensors are called
`blk.N.attn_q.weight.lora_a` and `.lora_b`; the rows of B are permuted for q and k like the rows of the weight itself
(gguf_io.permute): without it the adapter damages silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from torch import nn

from quantize.gguf_io import Array, metadata, open_gguf, permute, rotated_heads, tensor_names
from quantize.topology import Model, topology

CODES_KEY: Final = "homebody.codes"  # fingerprint of the table the adapter was trained on
BASE_KEY: Final = "homebody.base_sha256"


@dataclass(frozen=True, slots=True)
class Shape:
    """`rank` and `alpha` of every adapted layer; the layers of blocks below `first_block` stay as they are."""

    rank: int = 8
    alpha: float = 16.0
    first_block: int = 0


def add_adapter(model: Model, shape: Shape) -> Model:
    """The model inside PEFT, with an adapter at every linear layer of its blocks; only the adapter is trained."""
    from peft import LoraConfig, get_peft_model

    found = topology(model)
    config = LoraConfig(
        r=shape.rank,
        lora_alpha=int(shape.alpha),
        target_modules=sorted({path.rpartition(".")[2] for path in found.linears}),
        layers_to_transform=list(range(shape.first_block, found.n_layers)),
        layers_pattern="layers",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def adapter_weights(model: Model) -> Iterator[tuple[str, Array, Array]]:
    """(module path in the plain model, A, B) of every adapted layer, float32."""
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and isinstance(module.lora_A, nn.ModuleDict) and "default" in module.lora_A:
            path = name.removeprefix("base_model.model.")
            yield path, _numpy(module.lora_A["default"].weight), _numpy(module.lora_B["default"].weight)


def _numpy(weight: Any) -> Array:
    array: Array = weight.detach().float().cpu().numpy()
    return array


def write_adapter(path: Path, base: Path, model: Model, shape: Shape, told: Mapping[str, str]) -> None:
    """Write the adapter of a PEFT model for the GGUF file `base`, in float16; `told` are strings for its metadata."""
    reader = open_gguf(base)
    architecture = metadata(reader, "general.architecture")
    n_heads = metadata(reader, f"{architecture}.attention.head_count")
    n_kv_heads = metadata(reader, f"{architecture}.attention.head_count_kv", n_heads)
    rename = tensor_names(architecture, metadata(reader, f"{architecture}.block_count"))
    in_base = {t.name for t in reader.tensors}
    partial = path.with_name(path.name + ".partial")
    writer = gguf.GGUFWriter(partial, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", shape.alpha)
    for key, value in told.items():
        writer.add_string(key, value)
    for module, a, b in adapter_weights(model):
        target = f"{rename(module)}.weight"
        if target not in in_base:
            raise KeyError(f"{base} has no tensor {target}")
        heads = rotated_heads(architecture, target, n_heads, n_kv_heads)
        rows = permute(b, heads) if heads else b
        writer.add_tensor(f"{target}.lora_a", np.ascontiguousarray(a.astype(np.float16)))
        writer.add_tensor(f"{target}.lora_b", np.ascontiguousarray(rows.astype(np.float16)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(path)
