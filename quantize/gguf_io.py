"""Reading and writing GGUF. The writer copies the metadata of a template file (tokenizer, chat template, sizes), maps
the names with `gguf.get_tensor_name_map`, and permutes q and k: llama.cpp rotates neighbouring pairs of a head's
rows, the transformers layout rotates its two halves. Forgetting that is silent damage (KLD 0.36), so it is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from assistant.errors import ModelRefusedError

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor already in its file format: raw bytes, shape (n_out, bytes of a row)."""

    data: npt.NDArray[np.uint8]
    kind: gguf.GGMLQuantizationType


def permute(rows: Array, n_heads: int) -> Array:
    """transformers layout -> llama.cpp layout, along the rows (axis 0) of q (n_heads) or k (n_kv_heads)."""
    half = rows.shape[0] // n_heads // 2
    return rows.reshape(n_heads, 2, half, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def open_gguf(path: Path) -> gguf.GGUFReader:
    """Raises ModelRefusedError for a file that is no GGUF or is cut short."""
    if path.is_dir():
        raise ModelRefusedError(f"{path} is a folder, not a GGUF file; name the file in it")
    if path.exists() and not path.stat().st_size:
        raise ModelRefusedError(f"{path} is empty; fetch or copy it again")
    try:
        return gguf.GGUFReader(path)
    except (ValueError, OSError, KeyError, IndexError) as error:
        raise ModelRefusedError(
            f"{path} is not a readable GGUF file: it was cut off or is something else ({error}); copy it again"
        ) from error


def metadata(reader: gguf.GGUFReader, key: str, default: Any = None) -> Any:
    field = reader.get_field(key)
    return default if field is None else field.contents()


def write_gguf(
    path: Path,
    template: Path,
    tensors: Iterable[tuple[str, Array | Packed]],
    changed: Mapping[str, Any] | None = None,
) -> None:
    """Write the tensors under the metadata of `template`; `changed` replaces single keys (None drops one).

    The tensors come in the order of the file, named as llama.cpp names them; 1-d arrays stay float32. The file
    appears under its name only when it is complete.
    """
    changed = dict(changed or {})
    reader = open_gguf(template)
    architecture = metadata(reader, "general.architecture")
    partial = path.with_name(path.name + ".partial")
    writer = gguf.GGUFWriter(partial, architecture)
    skipped = ("GGUF.", "general.architecture")
    for field in reader.fields.values():
        if field.name.startswith(skipped) or field.name in changed:
            continue
        _copy_value(writer, field.name, field.contents(), field.types)
    for key, value in changed.items():
        if value is not None:
            old = reader.get_field(key)
            _copy_value(writer, key, value, old.types if old else [_guess_type(value)])
    for name, tensor in tensors:
        if isinstance(tensor, Packed):
            writer.add_tensor(name, tensor.data, raw_dtype=tensor.kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(path)


def _guess_type(value: Any) -> gguf.GGUFValueType:
    """llama.cpp reads every size as an unsigned 32-bit number and refuses others."""
    is_size = isinstance(value, int) and not isinstance(value, bool)
    return gguf.GGUFValueType.UINT32 if is_size else gguf.GGUFValueType.get_type(value)


def _copy_value(writer: gguf.GGUFWriter, key: str, value: Any, types: list[gguf.GGUFValueType]) -> None:
    writer.add_key_value(key, value, types[0], sub_type=types[-1] if len(types) > 1 else None)


def tensor_names(architecture: str, n_layers: int) -> Callable[[str], str]:
    """Maps a module path such as `model.layers.3.mlp.up_proj` to `blk.3.ffn_up`. Raises KeyError for an unknown
    path."""
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    table = gguf.get_tensor_name_map(kinds[architecture], n_layers)

    def rename(path: str) -> str:
        found = table.get_name(path, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise KeyError(path)
        return str(found)

    return rename


def export_tensors(
    weights: Mapping[str, Array],
    template: Path,
    float_type: type[np.floating[Any]] = np.float16,
    packed: Mapping[str, Packed] | None = None,
    heads: tuple[int, int] | None = None,
) -> list[tuple[str, Array | Packed]]:
    """All tensors of a model, named and laid out for `write_gguf`, in the order of the template.

    `weights` maps transformers names (`....weight`) to float arrays; `packed` has, by the same names, the ones that
    are already in a quantised format (their rows are permuted here too: a row's blocks stay together). `heads` are the
    numbers of query and key-value heads where they differ from the template's.
    """
    reader = open_gguf(template)
    architecture = metadata(reader, "general.architecture")
    all_heads = metadata(reader, f"{architecture}.attention.head_count")
    n_heads, n_kv_heads = heads or (all_heads, metadata(reader, f"{architecture}.attention.head_count_kv", all_heads))
    n_layers = 1 + max((int(n.split(".layers.")[1].split(".")[0]) for n in weights if ".layers." in n), default=0)
    rename = tensor_names(architecture, n_layers)
    found: dict[str, Array | Packed] = {}
    for name, weight in weights.items():
        target = rename(name)
        rotated = rotated_heads(architecture, target, n_heads, n_kv_heads)
        if packed and name in packed:
            raw = packed[name]
            found[target] = Packed(permute(raw.data, rotated) if rotated else raw.data, raw.kind)
        else:
            array = permute(weight, rotated) if rotated else weight
            found[target] = array.astype(np.float32 if array.ndim == 1 else float_type)
    order = [t.name for t in reader.tensors if t.name in found]
    return [(name, found[name]) for name in order + [n for n in found if n not in set(order)]]


def rotated_heads(architecture: str, target: str, heads: int, kv_heads: int) -> int:
    """Number of heads by which the tensor is permuted; 0 for all other tensors, and for architectures with NeoX
    rotation."""
    if architecture != "llama":
        return 0
    part = target.split(".")[2] if target.startswith("blk.") else ""
    return {"attn_q": heads, "attn_k": kv_heads}.get(part, 0)


def pack(codes: Array, scales: Array, name: str) -> Packed:
    """Lay out codes (n_out, n_blocks, 32) uint8 and scales (n_out, n_blocks) as ggml blocks.

    Layouts (ggml/src/ggml-common.h): float16 d, then for 4-bit formats byte j = code j | code j+16 << 4; Q5_0 puts
    the fifth bits first as one 32-bit word; Q8_0 has 32 signed bytes.
    """
    head = scales.astype(np.float16)[..., None].view(np.uint8)
    if name == "Q8_0":
        parts = [head, (codes.astype(np.int16) - 127).astype(np.int8).view(np.uint8)]
    else:
        low, high = codes[..., :16] & 15, codes[..., 16:] & 15
        nibbles = (low | high << 4).astype(np.uint8)
        parts = [head, nibbles]
        if name == "Q5_0":
            fifth = np.packbits(codes >> 4 & 1, axis=-1, bitorder="little")
            parts = [head, fifth, nibbles]
    data = np.concatenate(parts, axis=-1)
    return Packed(np.ascontiguousarray(data.reshape(len(data), -1)), gguf.GGMLQuantizationType[name])


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What a GGUF holds. `bits_per_weight` counts all tensors; `tensors_by_type` maps a type's name to (count,
    bytes); `n_fallbacks` counts the matrices whose rows do not fit the format that the file was asked to be in, so that
    llama.cpp took a larger one (K-quants need rows of a multiple of 256)."""

    architecture: str
    n_bytes: int
    n_parameters: int
    bits_per_weight: float
    tensors_by_type: dict[str, tuple[int, int]]
    n_fallbacks: int


def summarise(path: Path) -> FileSummary:
    reader = open_gguf(path)
    by_type: dict[str, tuple[int, int]] = {}
    n_parameters = 0
    for tensor in reader.tensors:
        count, size = by_type.get(tensor.tensor_type.name, (0, 0))
        by_type[tensor.tensor_type.name] = (count + 1, size + int(tensor.n_bytes))
        n_parameters += int(tensor.n_elements)
    bits = sum(size for _, size in by_type.values()) * 8 / max(n_parameters, 1)
    block = _block(metadata(reader, "general.file_type"))
    matrices = [t for t in reader.tensors if len(t.shape) > 1]
    n_fallbacks = sum(int(t.shape[0]) % block > 0 for t in matrices)
    architecture = metadata(reader, "general.architecture")
    return FileSummary(architecture, path.stat().st_size, n_parameters, bits, by_type, n_fallbacks)


def _block(file_type: int | None) -> int:
    """Weights in a block of the format that `general.file_type` names (MOSTLY_Q4_K_M: Q4_K); 1 where none is named."""
    if file_type is None:
        return 1
    try:
        words = gguf.LlamaFileType(file_type).name.removeprefix("MOSTLY_").split("_")
    except ValueError:
        return 1
    for n in range(len(words), 0, -1):
        if kind := gguf.GGMLQuantizationType.__members__.get("_".join(words[:n])):
            return int(gguf.GGML_QUANT_SIZES[kind][0])
    return 1
