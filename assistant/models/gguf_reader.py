"""The byte layer of GGUF: bounded reading of properties and tensor descriptions. gguf_header.py judges what they mean.

Every count and length is checked against a bound and against the file before anything is read or allocated; the strings
of long arrays are stepped over, not decoded. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass

# ggml type id -> (name, weights per block, bytes per block); ggml.h and ggml-common.h of llama-cpp-python 0.3.36.
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip

_MAX_HEADER_BYTES = 128 << 20
_MAX_PAIRS = 4096
_MAX_TENSORS = 65_536
_MAX_KEY_BYTES = 256
_MAX_STRING_BYTES = 1 << 20
_MAX_ARRAY = 1 << 24
_KEPT_ARRAY = 1024  # longer arrays (vocabularies) are only counted

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
INT_TYPES, FLOAT32 = (4, 5), 6


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: dimensions from the fastest varying, `offset` in bytes from the start of the data."""

    name: str
    dimensions: tuple[int, ...]
    type_name: str
    offset: int
    n_bytes: int


class Malformed(Exception):
    """Why a header is refused, without the file's name."""


class _Cursor:
    """Reads forward through the file, fetching it in growing pieces and never beyond the bound on headers."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.file_bytes = os.fstat(descriptor).st_size
        self.buffer = b""
        self.position = 0

    def need(self, n_bytes: int) -> None:
        """Make sure that `n_bytes` from the position are in the buffer."""
        end = self.position + n_bytes
        if end <= len(self.buffer):
            return
        if end > self.file_bytes:
            raise Malformed("it ends in the middle of its header; it was cut off")
        if end > _MAX_HEADER_BYTES:
            raise Malformed(f"its header is larger than {_MAX_HEADER_BYTES >> 20} MiB")
        wanted = min(max(2 * len(self.buffer), end, 1 << 20), self.file_bytes, _MAX_HEADER_BYTES)
        pieces = [self.buffer]
        have = len(self.buffer)
        while have < wanted:
            piece = os.pread(self._descriptor, wanted - have, have)
            if not piece:
                raise Malformed("it became shorter while it was read")
            pieces.append(piece)
            have += len(piece)
        self.buffer = b"".join(pieces)

    def take(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize("<" + form)
        self.need(size)
        values = struct.unpack_from("<" + form, self.buffer, self.position)
        self.position += size
        return values

    def string(self, most: int, what: str) -> bytes:
        (size,) = self.take("Q")
        if size > most:
            raise Malformed(f"{what} claims {size:,} bytes")
        self.need(size)
        value = self.buffer[self.position : self.position + size]
        self.position += size
        return value

    def skip(self, n_bytes: int) -> None:
        self.need(n_bytes)
        self.position += n_bytes

    def skip_strings(self, count: int, what: str) -> None:
        """Step over `count` strings. The inner loop runs once a token of the vocabulary, hence the local names."""
        unpack, position, buffer = struct.Struct("<Q").unpack_from, self.position, self.buffer
        for _ in range(count):
            if position + 8 > len(buffer):
                self.position = position
                self.need(8)
                buffer = self.buffer
            (size,) = unpack(buffer, position)
            if size > _MAX_STRING_BYTES:
                raise Malformed(f"a string in {what} claims {size:,} bytes")
            position += 8 + size
        self.position = position
        self.need(0)


@dataclass(frozen=True, slots=True)
class Array:
    """An array in the metadata; `values` is empty when it is long or holds strings."""

    element_type: int
    count: int
    values: tuple[int, ...]
    holds_byte_tokens: bool = False


Value = int | bytes | Array


@dataclass(frozen=True, slots=True)
class RawGguf:
    """Properties and tensors as the file gives them; `end` is where the descriptions end, in bytes."""

    properties: dict[str, Value]
    tensors: tuple[Tensor, ...]
    end: int
    file_bytes: int


def read_raw(descriptor: int) -> RawGguf:
    """Read everything before the tensor data. Raises Malformed."""
    cursor = _Cursor(descriptor)
    _refuse_other_formats(cursor)
    version, n_tensors, n_pairs = cursor.take("IQQ")
    if version not in (2, 3):
        raise Malformed(f"it has format version {version}; versions 2 and 3 are known")
    if not 1 <= n_tensors <= _MAX_TENSORS or not 1 <= n_pairs <= _MAX_PAIRS:
        raise Malformed(f"it claims {n_tensors:,} tensors and {n_pairs:,} properties")
    properties = _read_properties(cursor, n_pairs)
    tensors = tuple(_read_tensor(cursor) for _ in range(n_tensors))
    return RawGguf(properties, tensors, cursor.position, cursor.file_bytes)


def _refuse_other_formats(cursor: _Cursor) -> None:
    if cursor.file_bytes < 24:
        raise Malformed(f"it has {cursor.file_bytes} bytes")
    cursor.need(16)
    start = cursor.buffer[:256].lstrip()[:16].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise Malformed("it is a web page, not a model: the download was redirected to a login or error page")
    if start.startswith(b"version https://"):
        raise Malformed("it is a Git LFS pointer, not the model itself")
    cursor.position = 4
    if cursor.buffer[:4] != b"GGUF":
        raise Malformed("it does not begin with GGUF")


def _read_properties(cursor: _Cursor, n_pairs: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for _ in range(n_pairs):
        raw = cursor.string(_MAX_KEY_BYTES, "the name of a property")
        if not raw or not all(33 <= byte < 127 for byte in raw):
            raise Malformed("a property has an unprintable name")
        key = raw.decode("ascii")
        if key in values:
            raise Malformed(f"property {key} occurs twice")
        (kind,) = cursor.take("I")
        if kind == STRING:
            values[key] = cursor.string(_MAX_STRING_BYTES, f"property {key}")
        elif kind == ARRAY:
            values[key] = _read_array(cursor, key)
        elif kind in SCALARS:
            values[key] = cursor.take(SCALARS[kind])[0]
        else:
            raise Malformed(f"property {key} has the unknown type {kind}")
    return values


def _read_array(cursor: _Cursor, key: str) -> Array:
    element_type, count = cursor.take("IQ")
    if count > _MAX_ARRAY:
        raise Malformed(f"property {key} claims {count:,} elements")
    if element_type == STRING:
        begin = cursor.position
        cursor.skip_strings(count, key)
        # A SentencePiece vocabulary must have its byte tokens, or llama.cpp throws where nobody catches.
        is_vocabulary = key == "tokenizer.ggml.tokens"
        return Array(STRING, count, (), is_vocabulary and cursor.buffer.find(b"<0x0A>", begin, cursor.position) >= 0)
    if element_type not in SCALARS:
        raise Malformed(f"property {key} is an array of the unknown type {element_type}")
    form = SCALARS[element_type]
    if count > _KEPT_ARRAY:
        cursor.skip(count * struct.calcsize("<" + form))
        return Array(element_type, count, ())
    return Array(element_type, count, cursor.take(f"{count}{form}"))


def _read_tensor(cursor: _Cursor) -> Tensor:
    raw = cursor.string(63, "the name of a tensor")
    if not raw or not all(33 <= byte < 127 for byte in raw):
        raise Malformed("a tensor has an unprintable name")
    name = raw.decode("ascii")
    (n_dimensions,) = cursor.take("I")
    if not 1 <= n_dimensions <= 4:
        raise Malformed(f"tensor {name} claims {n_dimensions} dimensions")
    dimensions = cursor.take(f"{n_dimensions}Q")
    type_id, offset = cursor.take("IQ")
    if type_id not in TENSOR_TYPES:
        raise Malformed(f"tensor {name} has the unknown type {type_id}")
    type_name, block, block_bytes = TENSOR_TYPES[type_id]
    n_weights = math.prod(dimensions)
    if not 1 <= n_weights < 1 << 48 or dimensions[0] % block:
        raise Malformed(f"tensor {name} has impossible dimensions")
    return Tensor(name, dimensions, type_name, offset, n_weights // block * block_bytes)
