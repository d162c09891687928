"""llama.cpp's own quantiser, `llama_model_quantize`, with everything it can take: importance matrix, a type for each
tensor, layers to drop. The standing rival of our own quantisers, and the way to every format that we do not train
into.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import numpy.typing as npt

from assistant.errors import ModelRefusedError, UsageError
from quantize.runtime import _silent

# llama.h, enum llama_ftype: the name of a mixture of types, not of one format.
FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30, "BF16": 32,
}  # fmt: skip

Importance = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """`types` maps a regular expression over tensor names to a ggml type; `importance` maps a tensor's name to E[x^2]
    of its input, shape (n_in,); `drop_layers` are block numbers; `embedding` is the type of the (tied) embedding."""

    types: Mapping[str, str] = field(default_factory=dict)
    importance: Importance | None = None
    drop_layers: Iterable[int] = ()
    embedding: str | None = None
    pure: bool = False
    n_threads: int = 1


def llama_quantise(source: Path, target: Path, file_type: str, options: Options = Options()) -> None:
    """Write `target` from `source` (float32 or float16) in the named mixture; it appears only when complete.

    Raises UsageError for an unknown name, ModelRefusedError when llama.cpp refuses. Arrays end with a null entry, as
    llama.cpp expects; they live until the call returns.
    """
    if file_type not in FILE_TYPES:
        raise UsageError(f"unknown file type {file_type!r}; one of {', '.join(FILE_TYPES)}")
    llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[file_type]
    params.nthread = options.n_threads
    params.allow_requantize = True
    params.pure = options.pure
    if options.embedding:
        params.token_embedding_type = params.output_tensor_type = _type_number(options.embedding)
    overrides = _overrides(options.types)
    if overrides is not None:
        params.tt_overrides = overrides
    buffers = {n: np.ascontiguousarray(v, dtype=np.float32) for n, v in (options.importance or {}).items()}
    matrix = _importance(buffers)  # borrows the buffers, which live until the call below returns
    if matrix is not None:
        params.imatrix = matrix
    dropped = _layers(options.drop_layers)
    if dropped is not None:
        params.prune_layers = dropped
    partial = target.with_name(target.name + ".partial")
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(partial).encode(), ctypes.byref(params))
    if code:
        partial.unlink(missing_ok=True)
        raise ModelRefusedError(f"llama.cpp refused to quantise {source.name} to {file_type} (code {code})")
    partial.replace(target)


def _type_number(name: str) -> int:
    try:
        return int(gguf.GGMLQuantizationType[name])
    except KeyError:
        raise UsageError(f"unknown tensor type {name!r}") from None


def _overrides(types: Mapping[str, str]) -> ctypes.Array[Any] | None:
    if not types:
        return None
    array = (llama_cpp.llama_model_tensor_override * (len(types) + 1))()
    for entry, (pattern, name) in zip(array, types.items(), strict=False):
        re.compile(pattern)
        entry.pattern = pattern.encode()
        entry.type = _type_number(name)
    return array


def _importance(buffers: dict[str, npt.NDArray[np.float32]]) -> ctypes.Array[Any] | None:
    if not buffers:
        return None
    array = (llama_cpp.llama_model_imatrix_data * (len(buffers) + 1))()
    for entry, (name, buffer) in zip(array, buffers.items(), strict=False):
        entry.name = name.encode()
        entry.data = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = buffer.size
    return array


def _layers(layers: Iterable[int]) -> ctypes.Array[ctypes.c_int32] | None:
    numbers = list(layers)
    return (ctypes.c_int32 * (len(numbers) + 1))(*numbers, -1) if numbers else None
