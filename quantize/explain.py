"""`quantize explain`: formulas and worked cases, computed by the code that runs; plots of a model's own weights, of
what rounding each of its layers costs, and of measured files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from assistant.errors import UsageError
from quantize.formulas import Logarithmic, fit_linear, worked_cases

Floats = npt.NDArray[np.float64]
SENSITIVITY_KIND: Final = "Q4_0"


def explain(
    plots: Path | None, source: Path | None, statistics: Path | None = None, measured: Sequence[Path] = ()
) -> Iterator[str]:
    """Lines of Markdown; with `plots`, also draws into that folder and names the files. Raises UsageError.

    With the folder of a `calibrate` stage of this source, what each layer costs is told too; with results of `quantize
    evaluate`, their quality against their size.
    """
    for case in worked_cases():
        yield f"## {case.title}"
        yield f"    {case.formula}"
        yield f"{case.inputs}:"
        yield from (f"- {name} = {value:.9g}" for name, value in case.results.items())
        yield ""
    weights = sample_weights(source)
    yield f"## Error against bits ({'weights of ' + source.name if source else 'normal random numbers'}, relative RMS)"
    yield "| bits | linear | linear, blocks of 32 | logarithmic |"
    yield "|---|---|---|---|"
    for bits, *errors in error_against_bits(weights):
        yield f"| {bits} | " + " | ".join(f"{error:.4f}" for error in errors) + " |"
    costs = layer_sensitivity(source, statistics) if statistics else {}
    files = quality_and_size(measured)
    if costs:
        yield from ("", f"## What a layer in {SENSITIVITY_KIND} is predicted to cost (KL divergence, nat)")
        yield from (f"- layer {layer}: {cost:.4f}" for layer, cost in costs.items())
    if files:
        yield from ("", "## Quality against size", "| file | MB | mean KL divergence (nat) |", "|---|---|---|")
        yield from (f"| {name} | {megabytes:.1f} | {kld:.4f} |" for name, (megabytes, kld) in files.items())
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        drawn = list(draw(plots, weights))
        drawn += [draw_sensitivity(costs, plots / "sensitivity.svg")] if costs else []
        drawn += [draw_quality_against_size(files, plots / "quality-against-size.svg")] if files else []
        yield from (f"drawn: {path}" for path in drawn)


def sample_weights(source: Path | None, n: int = 1 << 16) -> Floats:
    """Weights of a matrix from the middle of the model, or normal random numbers without one; a multiple of 32."""
    if source is None:
        return np.random.default_rng(0).normal(size=n)
    import gguf

    from quantize.gguf_io import open_gguf

    matrices = [t for t in open_gguf(source).tensors if "ffn_up" in t.name]
    middle = matrices[len(matrices) // 2]
    values = gguf.quants.dequantize(middle.data, middle.tensor_type).ravel().astype(np.float64)
    return values[: min(n, len(values)) // 32 * 32]


def layer_sensitivity(source: Path | None, statistics: Path) -> dict[str, float]:
    """Layer -> nats that rounding all of its matrices is predicted to add (plan.predict: Fisher information and
    activations of `statistics`, the folder of a `calibrate` stage). Raises UsageError."""
    from safetensors import SafetensorError

    from quantize.plan import predict
    from quantize.source import load_source
    from quantize.statistics import Statistics

    if source is None:
        raise UsageError("--statistics is of one model: name it with --source")
    path = statistics / "statistics.safetensors"
    if not path.exists():
        raise UsageError(f"{path} is not there: name the folder that a `calibrate` stage made")
    try:
        found = Statistics.load(path)
    except (SafetensorError, KeyError, ValueError) as error:
        raise UsageError(f"{path} is damaged, or not what a `calibrate` stage writes: make it anew") from error
    model = load_source(source)
    costs: defaultdict[str, float] = defaultdict(float)
    try:
        for name, choices in predict(model, found, (SENSITIVITY_KIND,)).items():
            layer = re.search(r"\.(\d+)\.", name)
            costs[layer[1] if layer else name] += choices[0].cost
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"{path}: these statistics are of another model than {source.name}") from error
    return dict(costs)


def quality_and_size(measured: Sequence[Path]) -> dict[str, tuple[float, float]]:
    """Name -> (megabytes, mean KL divergence in nats) of results of `quantize evaluate`, a JSON document a line.
    Raises UsageError."""
    files: dict[str, tuple[float, float]] = {}
    for path in measured:
        try:
            for line in filter(str.strip, path.read_text(encoding="utf-8").splitlines()):
                document = msgspec.json.decode(line)
                metrics, models = document["metrics"], document["provenance"]["models"]
                size_mb, kld = metrics["bytes"]["value"] / 1e6, metrics["kld_mean"]["value"]
                name = models[0]["name"]
                name = path.stem if name == "model" or name in files else name  # a stage calls every file model.gguf
                files[name] = (size_mb, kld)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, IndexError, TypeError) as error:
            raise UsageError(f"{path}: not what `quantize evaluate` prints, a JSON document a line") from error
    return files


def error_against_bits(weights: Floats) -> list[tuple[int, float, float, float]]:
    """bits, then the relative RMS error of one linear grid, of one for each 32 weights, of powers of two."""
    size = float(np.sqrt((weights**2).mean()))
    rows = []
    for bits in range(2, 9):
        whole = fit_linear(weights, bits)
        linear = whole.values(whole.codes(weights)) - weights
        parts = weights.reshape(-1, 32)
        blocked = np.concatenate([(g := fit_linear(b, bits)).values(g.codes(b)) - b for b in parts])
        logarithmic = Logarithmic.fit(weights, bits).round(weights) - weights
        first, second, third = (float(np.sqrt((e**2).mean())) / size for e in (linear, blocked, logarithmic))
        rows.append((bits, first, second, third))
    return rows


def draw(folder: Path, weights: Floats) -> Iterator[Path]:
    """Two SVG plots: the weights' histogram with a 4-bit grid over it, and the error against bits."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots()
    axis.hist(weights, bins=200, color="lightgrey")
    grid = fit_linear(weights, 4)
    for level in grid.values(np.arange(16)):
        axis.axvline(level, linewidth=0.7)
    axis.set(title="Weights and a 4-bit linear grid", xlabel="weight", ylabel="count")
    yield _save(figure, folder / "histogram.svg")
    figure, axis = pyplot.subplots()
    rows = error_against_bits(weights)
    for column, name in enumerate(("linear", "linear, blocks of 32", "logarithmic"), start=1):
        axis.semilogy([row[0] for row in rows], [row[column] for row in rows], marker="o", label=name)
    axis.set(title="Relative RMS error against bits", xlabel="bits", ylabel="relative error")
    axis.legend()
    yield _save(figure, folder / "error-against-bits.svg")


def draw_sensitivity(costs: dict[str, float], path: Path) -> Path:
    """Bars: layer -> KL divergence in nats."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 4))
    axis.bar(list(costs), list(costs.values()))
    axis.tick_params(axis="x", rotation=90)
    axis.set(
        title=f"Predicted KL divergence of a layer in {SENSITIVITY_KIND}", xlabel="layer", ylabel="nat", yscale="log"
    )
    return _save(figure, path)


def draw_quality_against_size(files: dict[str, tuple[float, float]], path: Path) -> Path:
    """`files` maps a name to (megabytes, mean KL divergence)."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots()
    for name, (megabytes, kld) in files.items():
        axis.scatter(megabytes, kld)
        axis.annotate(name, (megabytes, kld), textcoords="offset points", xytext=(4, 4))
    axis.margins(x=0.4)  # room for the names
    axis.set(title="Quality against size", xlabel="MB", ylabel="mean KL divergence (nat)", yscale="log")
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return path
