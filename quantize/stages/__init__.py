"""The stages a recipe can name, by the word after `do`. Each is a set of parameters with a `run` (runner.Stage)."""

from __future__ import annotations

from quantize.runner import Stage
from quantize.stages.data import Calibrate, Packs
from quantize.stages.embedder import CompareEmbeddings, ConvertBert
from quantize.stages.report import Card, Evaluate
from quantize.stages.study import Study
from quantize.stages.tools import Adapt, Teach, Threshold
from quantize.stages.training import Compensate, Distil, Qad
from quantize.stages.weights import Convert, Equalise, ExportOnnx, Plan, Prune, PruneVocabulary, Quantise

STAGES: dict[str, type[Stage]] = {
    "convert": Convert,
    "packs": Packs,
    "calibrate": Calibrate,
    "prune": Prune,
    "equalise": Equalise,
    "prune-vocabulary": PruneVocabulary,
    "distil": Distil,
    "compensate": Compensate,
    "qad": Qad,
    "plan": Plan,
    "quantise": Quantise,
    "convert-bert": ConvertBert,
    "compare-embeddings": CompareEmbeddings,
    "export-onnx": ExportOnnx,
    "evaluate": Evaluate,
    "card": Card,
    "study": Study,
    "teach": Teach,
    "adapt": Adapt,
    "threshold": Threshold,
}
