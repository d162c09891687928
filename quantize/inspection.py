"""`quantize inspect` and `quantize evaluate`: one JSON document about one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf

from assistant.errors import ModelMissingError
from quantize.evaluate import compare
from quantize.gguf_io import metadata, open_gguf, summarise
from quantize.packs import read_pack
from quantize.runner import sha256
from quantize.source import detect_grid
from quantize.speed import measure
from quantize.stages.data import EVALUATION_PACK
from quantize.tasks import Item, compare_answers, read_items, tool_items


def inspect_file(path: Path) -> dict[str, Any]:
    """Types, sizes, metadata and the on-grid warning of a GGUF. Raises ModelMissingError, ModelRefusedError."""
    if not path.exists():
        raise ModelMissingError(f"no file at {path}")
    reader, summary = open_gguf(path), summarise(path)
    matrices = [t for t in reader.tensors if t.name.startswith("blk.") and len(t.shape) == 2]
    grid = detect_grid([gguf.quants.dequantize(t.data, t.tensor_type) for t in matrices[::9]])
    scalars = {
        f.name: f.contents() for f in reader.fields.values() if len(f.data) == 1 and not f.name.startswith("GGUF.")
    }
    scalars.pop("tokenizer.chat_template", None)
    return {
        "file": path.name,
        "sha256": sha256(path),
        "architecture": summary.architecture,
        "bytes": summary.n_bytes,
        "parameters": summary.n_parameters,
        "bits_per_weight": round(summary.bits_per_weight, 3),
        "tensors": {kind: {"count": n, "bytes": size} for kind, (n, size) in sorted(summary.tensors_by_type.items())},
        "fallback_tensors": summary.n_fallbacks,
        "quantised_before": grid.on_grid,
        "warning": grid.warning,
        "vocabulary": len(metadata(reader, "tokenizer.ggml.tokens", [])),
        "metadata": scalars,
    }


def evaluate_file(
    file: Path,
    reference: Path,
    text: Path | None,
    n_scored: int,
    report: Callable[[str], None],
    tasks: Sequence[Path] | None = None,
) -> dict[str, Any]:
    """Fidelity, size, speed and memory of `file`, in the shape of the contract; with `tasks` the flips on them too.

    No paths in `tasks` mean the tool calls that ship with the package. Raises ModelMissingError, UsageError.
    """
    for path in (file, reference, *([text] if text else []), *(tasks or [])):
        if not path.exists():
            raise ModelMissingError(f"no file at {path}")
    pack = text or EVALUATION_PACK
    read_pack(pack)  # what cannot be used is told before minutes are spent on measuring
    task_items = _task_items(tasks)
    summarise(reference)
    summary = summarise(file)
    speed = measure(file, reference)
    metrics = compare(file, reference, pack, n_scored, lambda n: report(f"{n} tokens scored")).metrics()
    metrics |= {
        "bytes": _exact(summary.n_bytes, "bytes"),
        "bits_per_weight": _exact(summary.bits_per_weight, "bits"),
        "fallback_tensors": _exact(summary.n_fallbacks, "tensors"),
        **speed,
    }
    for name, items in task_items.items():
        report(f"{name}: {len(items)} items, the reference and the file")
        metrics |= compare_answers([file], reference, items, report)[0].metrics(name)
    provenance = {
        "file": file.name, "file_sha256": sha256(file),
        "reference": reference.name, "reference_sha256": sha256(reference),
        "text": pack.name, "text_sha256": sha256(pack), "convention": "chunks of 512, second half scored",
        "tensors": {kind: n for kind, (n, _) in summary.tensors_by_type.items()},
        "models": [{"name": file.stem, "file": file.name, "sha256": sha256(file), "size_bytes": summary.n_bytes}],
        "tasks": {path.name: sha256(path) for path in tasks or []},
    }  # fmt: skip
    return {"task": "quantize", "metrics": metrics, "provenance": provenance}


def _task_items(tasks: Sequence[Path] | None) -> dict[str, list[Item]]:
    if tasks is None:
        return {}
    return {path.stem: read_items(path) for path in tasks} or {"tool_call": tool_items()}


def _exact(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "low": value, "high": value, "n": 1, "unit": unit}
