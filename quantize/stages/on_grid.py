"""Models on a grid and their files: what a plan names, where a training starts, the finished GGUF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from quantize.compensate import Compensated
from quantize.gguf_io import Array, Packed, export_tensors, metadata, open_gguf, pack, write_gguf
from quantize.grids import GRIDS, Grid, quantise, reference_scales
from quantize.llama_quantise import FILE_TYPES
from quantize.plan import planned_grids
from quantize.topology import Model, block_linears, topology


def read_plan(path: Path, model: Model, template: Path) -> tuple[dict[str, Grid], Grid]:
    """The grids that a plan.json names: of each block linear by module path, and of the embedding."""
    plan = msgspec.json.decode(path.read_bytes())
    architecture = metadata(open_gguf(template), "general.architecture")
    grids = planned_grids(plan["types"], block_linears(model), architecture, topology(model).n_layers)
    return grids, GRIDS[plan["embedding"]]


def starts_to_tensors(starts: dict[str, Compensated]) -> dict[str, Tensor]:
    pairs: Iterator[tuple[str, Tensor]] = (
        (f"{name}.{part}", tensor.contiguous())
        for name, start in starts.items()
        for part, tensor in (("masters", start.masters), ("scales", start.scales), ("raw", start.raw))
        if tensor is not None
    )
    return dict(pairs)


def tensors_to_starts(path: Path) -> dict[str, Compensated]:
    tensors = load_file(path)
    names = [name.removesuffix(".masters") for name in tensors if name.endswith(".masters")]
    return {
        name: Compensated(tensors[f"{name}.masters"], tensors[f"{name}.scales"], tensors.get(f"{name}.raw"))
        for name in names
    }


def export_on_grid(student: Model, packed: dict[str, Packed], template: Path, target: Path) -> None:
    """Write the student exactly as it is: `packed` matrices by weight name, norms in float32, an embedding that is not
    among them in Q8_0."""
    packed = dict(packed)
    plain: dict[str, Array] = {name: np.empty(0, np.float32) for name in packed}
    usual = Counter(tensor.kind.name for tensor in packed.values()).most_common(1)[0][0]
    for name, parameter in student.named_parameters():
        if parameter.ndim == 1 and not name.endswith(("place", "scale_gain")):
            plain[name] = parameter.detach().numpy()
    table = student.get_input_embeddings().weight
    name = next((n for n, p in student.named_parameters() if p is table), "")
    if name and name not in packed:
        codes, scales = quantise(table.detach(), reference_scales(table.detach(), GRIDS["Q8_0"]), GRIDS["Q8_0"], True)
        packed[name], plain[name] = pack(codes.numpy(), scales.numpy(), "Q8_0"), np.empty(0, np.float32)
    write_gguf(
        target,
        template,
        export_tensors(plain, template, np.float32, packed),
        {"general.file_type": FILE_TYPES[usual], "general.quantization_version": 2},
    )
