"""Where things are in a model: its blocks, its linear layers, its sizes, without a word about the architecture.

optimum knows the names: `NormalizedConfigManager` maps every config to the same attributes, and `optimum.gptq.utils`
finds the repeated block (`model.layers`) and the linear layers inside one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from optimum.gptq.utils import get_block_name_with_pattern, get_layers
from optimum.utils import NormalizedConfigManager
from torch import nn

from assistant.errors import UsageError

# A transformers model. Its attributes depend on the architecture, so no static type describes it.
Model = Any


@dataclass(frozen=True, slots=True)
class Topology:
    """Sizes in elements; `blocks` is the module path of the repeated block, `linears` the paths inside one block."""

    n_layers: int
    hidden_size: int
    n_heads: int
    n_kv_heads: int
    head_size: int
    ffn_size: int
    vocab_size: int
    blocks: str
    linears: tuple[str, ...]


def topology(model: Model) -> Topology:
    """Read the topology of a transformers model. Raises KeyError for a model type that optimum does not know."""
    config = model.config
    normal = NormalizedConfigManager.get_normalized_config_class(config.model_type)(config)
    blocks = get_block_name_with_pattern(model)
    first = model.get_submodule(blocks)[0]
    n_heads = normal.num_attention_heads
    return Topology(
        n_layers=normal.num_layers,
        hidden_size=normal.hidden_size,
        n_heads=n_heads,
        n_kv_heads=getattr(config, "num_key_value_heads", None) or n_heads,
        head_size=getattr(config, "head_dim", None) or normal.hidden_size // n_heads,
        ffn_size=config.intermediate_size,
        vocab_size=normal.vocab_size,
        blocks=blocks,
        linears=tuple(get_layers(first, [nn.Linear])),
    )


def block_list(model: Model) -> nn.ModuleList:
    blocks = model.get_submodule(topology(model).blocks)
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101 - narrows the type; the block finder guarantees it
    return blocks


def block_linears(model: Model) -> dict[str, nn.Linear]:
    """Every linear layer inside the blocks by its full module path, in the order of the model."""
    prefix = topology(model).blocks + "."
    return {n: m for n, m in model.named_modules() if n.startswith(prefix) and isinstance(m, nn.Linear)}


def linear_at(block: nn.Module, path: str) -> nn.Linear:
    """The linear layer at a path inside a block. Raises AttributeError if there is none, TypeError if it is another."""
    layer = block.get_submodule(path)
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"{path} is a {type(layer).__name__}, not a linear layer")
    return layer


def tied_embedding(model: Model) -> nn.Embedding:
    """The embedding whose table is the last layer too. Raises UsageError where the last layer has its own."""
    table = model.get_input_embeddings()
    if model.get_output_embeddings().weight is not table.weight:
        raise UsageError("only an embedding that is the last layer too can be put on a grid; this model has two tables")
    found: nn.Embedding = table
    return found


def set_threads(n_threads: int) -> None:
    torch.set_num_threads(n_threads)
