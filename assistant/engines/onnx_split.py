"""Cut an ONNX model in two, in memory: everything that leads to a tensor, and everything that follows from it.

Only the protobuf fields that say what depends on what are read; nodes and weights are copied as they are. The format
is simple enough that this needs no library: onnx.proto3 of github.com/onnx/onnx, protobuf encoding of
protobuf.dev/programming-guides/encoding.

Not covered: models with weights in other files, subgraphs that use outer tensors, tensors of any type but float32 as
the cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.errors import ModelRefusedError

# ModelProto.graph; GraphProto's fields; NodeProto.input, output, name; name of TensorProto and of ValueInfoProto
_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME = 1, 2, 3
_TENSOR_NAME, _VALUE_NAME = 8, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    raw: memoryview  # with its tag: what is copied
    body: memoryview  # without


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    field: _Field


class Model:
    """A parsed model. Raises ModelRefusedError when the bytes are no ONNX model."""

    def __init__(self, content: bytes) -> None:
        self._model = list(_fields(memoryview(content)))
        graphs = [f for f in self._model if f.number == _GRAPH]
        if len(graphs) != 1:
            raise _refused("it holds no graph")
        self._graph = list(_fields(graphs[0].body))
        self.nodes = [_node(f) for f in self._graph if f.number == _NODE]

    def node(self, name: str) -> _Node:
        """The node of that name. Raises ModelRefusedError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise _refused(f"it has no node {name}")

    def before(self, tensors: Sequence[str]) -> bytes:
        """The part that computes `tensors` from the model's inputs."""
        needed, nodes = set(tensors), []
        for node in reversed(self.nodes):  # ONNX demands topological order
            if needed & set(node.outputs):
                needed |= set(node.inputs)
                nodes.append(node)
        return self._assemble(nodes[::-1], needed, inputs=None, outputs=tensors)

    def after(self, tensor: str) -> bytes:
        """The part that computes the model's outputs from `tensor`."""
        known, needed, nodes = {tensor}, {_name(f, _VALUE_NAME) for f in self._graph if f.number == _OUTPUT}, []
        for node in reversed(self.nodes):
            if set(node.outputs) & (needed - known):
                needed |= set(node.inputs)
                nodes.append(node)
        return self._assemble(nodes[::-1], needed, inputs=[tensor], outputs=None)

    def _assemble(
        self, nodes: list[_Node], needed: set[str], inputs: Sequence[str] | None, outputs: Sequence[str] | None
    ) -> bytes:
        graph = bytearray()
        for node in nodes:
            graph += node.field.raw
        for field in self._graph:
            if field.number == _INITIALIZER:
                kept = _name(field, _TENSOR_NAME) in needed
            elif field.number == _INPUT:
                kept = inputs is None and _name(field, _VALUE_NAME) in needed
            elif field.number == _OUTPUT:
                kept = outputs is None
            else:
                kept = field.number not in (_NODE, _VALUE_INFO)
            if kept:
                graph += field.raw
        for number, names in ((_INPUT, inputs), (_OUTPUT, outputs)):
            for name in names or ():
                graph += _encode(number, _float_tensor(name))
        rest = b"".join(f.raw for f in self._model if f.number != _GRAPH)
        return rest + _encode(_GRAPH, bytes(graph))


def _node(field: _Field) -> _Node:
    parts = list(_fields(field.body))

    def texts(number: int) -> tuple[str, ...]:
        return tuple(bytes(p.body).decode() for p in parts if p.number == number)

    return _Node(next(iter(texts(_NODE_NAME)), ""), texts(_NODE_INPUT), texts(_NODE_OUTPUT), field)


def _name(field: _Field, number: int) -> str:
    return next((bytes(p.body).decode() for p in _fields(field.body) if p.number == number), "")


def _fields(data: memoryview) -> Iterator[_Field]:
    at = 0
    while at < len(data):
        start = at
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            _, end = _varint(data, at)
        elif kind == _BYTES:
            size, at = _varint(data, at)
            end = at + size
        elif kind in (_FIXED64, _FIXED32):
            end = at + (8 if kind == _FIXED64 else 4)
        else:
            raise _refused("it is no protobuf message")
        if end > len(data):
            raise _refused("it is cut off")
        yield _Field(key >> 3, data[start:end], data[at:end])
        at = end


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _refused("it is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _refused("it is no protobuf message")


def _encode(number: int, body: bytes) -> bytes:
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(body)) + body


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _float_tensor(name: str) -> bytes:
    """ValueInfoProto of a float32 tensor of unknown shape: name = 1, type = 2 {tensor_type = 1 {elem_type = 1}}."""
    return _encode(1, name.encode()) + _encode(2, _encode(1, b"\x08\x01"))


def _refused(why: str) -> ModelRefusedError:
    return ModelRefusedError(f"the voice's model file cannot be used: {why}; pull it again")
