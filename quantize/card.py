"""The model card: what the file is, where it comes from, how far from its reference it is, what it cannot do."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from quantize.gguf_io import metadata, open_gguf, summarise
from quantize.runner import Place, sha256

if TYPE_CHECKING:
    from quantize.stages.report import Card

_FIDELITY = {
    "kld_mean": "KLD mean",
    "kld_p99": "KLD p99",
    "ppl_ratio": "PPL ratio",
    "top1_agreement": "top-1 agreement",
    "cosine": "cosine",
    "nearest_agreement": "same nearest text",
}
_TOOLS = ("torch", "transformers", "gguf", "llama-cpp-python", "optimum", "optimum-quanto")


def write_card(card: Card, place: Place) -> None:
    """Write README.md into the stage's folder. Every figure is read from a manifest or an evaluation."""
    file = place.model(card.model)
    evaluation = msgspec.json.decode(place.result(card.evaluation, "evaluation.json").read_bytes())
    reader, summary = open_gguf(file), summarise(file)
    lines = [
        f"# {card.title}",
        "",
        f"{summary.n_bytes / 1e6:.1f} MB, {summary.bits_per_weight:.2f} bits per weight, "
        f"{summary.n_parameters / 1e6:.1f} M parameters, architecture {summary.architecture}.",
        f"Licence of the base: {metadata(reader, 'general.license', 'not stated in the file')}. "
        f"SHA-256 `{sha256(file)}`.",
        "",
        "## Tensors",
        "",
        "| type | tensors | MB |",
        "|---|---|---|",
        *(f"| {kind} | {n} | {size / 1e6:.2f} |" for kind, (n, size) in sorted(summary.tensors_by_type.items())),
        "",
        "## Fidelity to the reference (95 % interval)",
        "",
        *_fidelity(evaluation["texts"], card.model),
        "",
        "Each text is compared with what the reference computes (`quantize evaluate`, or the stage named below).",
        "Small differences here do not rank good files on tasks.",
        "",
        "## How it was made",
        "",
        *_history(place.results),
        "",
        "## Known limits",
        "",
        *(f"- {limit}" for limit in [*card.limits, *_grid_warning(place.results)]),
        *(f"- gate failed: {line}" for line in evaluation["gates_failed"]),
        "",
        f"Python {platform.python_version()}; " + ", ".join(_versions()),
        "",
    ]
    (place.folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _fidelity(texts: dict[str, Any], model: str) -> list[str]:
    found = {text: by_model[model] for text, by_model in texts.items() if model in by_model}
    metrics = [m for m in _FIDELITY if any(m in by_metric for by_metric in found.values())]
    rows = ["| text | n | " + " | ".join(_FIDELITY[m] for m in metrics) + " |", "|---|---|" + "---|" * len(metrics)]
    for text, by_metric in found.items():
        cells = " | ".join("{value:.4f} ({low:.4f} .. {high:.4f})".format(**by_metric[m]) for m in metrics)
        rows.append(f"| {text} | {by_metric[metrics[0]]['n']} | {cells} |")
    return rows


def _history(results: dict[str, Path]) -> list[str]:
    lines = []
    for number, (name, folder) in enumerate(results.items(), start=1):
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
        given = ", ".join(f"{k} = {v}" for k, v in manifest["parameters"].items())
        lines.append(f"{number}. {name}: {manifest['stage']} ({given or 'defaults'}), key `{manifest['key'][:16]}`")
    return lines


def _grid_warning(results: dict[str, Path]) -> list[str]:
    found = [folder / "grid.json" for folder in results.values() if (folder / "grid.json").exists()]
    warnings = {msgspec.json.decode(path.read_bytes())["warning"] for path in found}
    return sorted(warning for warning in warnings if warning)


def _versions() -> list[str]:
    found = []
    for tool in _TOOLS:
        try:
            found.append(f"{tool} {importlib.metadata.version(tool)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
