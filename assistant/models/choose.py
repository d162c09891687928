"""Which model this machine can run well: predicted from one measurement of a small model, for every other one.

A token costs a fixed part per layer (launching operations, attention) and, for each tensor type, its bytes at the
slower of two rates: the memory's, and the kernel's for that type. A prompt token costs the same fixed part, smaller,
and a number of picoseconds per weight. The tables below are those costs on one thread of a Zen 4 core, solved from the
decoding and prefill speeds of ten files (docs/experiments.md); another machine differs by one factor for decoding and
one for prefill, which the probe of the smallest model gives. So bandwidth rules large models and kernels rule small
ones, as measured.

Not modelled: GPUs (a probe of the model itself decides there), mixtures of experts, context depth. A prediction chooses
what to try; the probe of the tried model then replaces it. Pure arithmetic on plain data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assistant.models.catalogue import Entry
from assistant.models.gguf_header import GgufHeader

MIN_DECODE_TPS = 15.0  # faster than most people read
MAX_TTFT_MS = 500.0
QUESTION_TOKENS = 40
_TEMPLATE_TOKENS = 10  # around the question; the head is in the KV cache

# Kernel cost of one token, ms per GB of weights of that type; where the kernel outruns the memory (24.1 GB/s: 41.5 ms
# per GB), a value a little below it.
_DECODE_MS_PER_GB = {
    "Q4_0": 40.0, "IQ4_NL": 40.0, "Q4_K": 40.0, "MXFP4": 40.0, "Q8_0": 35.0, "Q6_K": 47.0, "Q5_K": 60.0,
    "Q4_1": 110.0, "Q5_0": 103.0, "Q5_1": 110.0, "F16": 40.0, "BF16": 40.0, "F32": 40.0,
}  # fmt: skip
_DECODE_OTHER = 90.0
_DECODE_LAYER_MS = 0.17
# Cost of one prompt token in a batch, picoseconds per weight.
_PREFILL_PS = {
    "Q4_0": 14.5, "IQ4_NL": 14.0, "Q4_K": 14.5, "MXFP4": 15.0, "Q8_0": 18.0, "Q6_K": 21.0, "Q5_K": 23.0,
    "Q4_1": 48.0, "Q5_0": 22.6, "Q5_1": 48.0, "F16": 30.0, "BF16": 30.0, "F32": 60.0,
}  # fmt: skip
_PREFILL_OTHER = 40.0
# Without the VNNI dot products (a Zen 3 core), in the same units, so that Q4_1 costs what it does above: the kernels of
# the larger models lose more than that one.
_DECODE_WITHOUT_VNNI = _DECODE_MS_PER_GB | {"Q4_K": 85.0, "Q6_K": 105.0}
_PREFILL_WITHOUT_VNNI = _PREFILL_PS | {"Q5_0": 36.0, "Q4_K": 18.0, "Q6_K": 26.0}
_PREFILL_LAYER_MS = 0.02

_BYTES_PER_WEIGHT = {
    "Q4_0": 18 / 32, "IQ4_NL": 18 / 32, "Q4_1": 20 / 32, "Q5_0": 22 / 32, "Q5_1": 24 / 32, "Q8_0": 34 / 32,
    "Q4_K": 144 / 256, "Q5_K": 176 / 256, "Q6_K": 210 / 256, "Q3_K": 110 / 256, "Q2_K": 84 / 256, "IQ4_XS": 136 / 256,
    "MXFP4": 17 / 32, "F16": 2.0, "BF16": 2.0, "F32": 4.0,
}  # fmt: skip

# What the names of published mixes stand for, as shares of the bytes (the header of the file itself is used when it is
# here). The _M mixes keep half of some matrices in 6 bits.
_MIXES = {
    "q4_k_m": {"Q4_K": 0.68, "Q6_K": 0.32},
    "q4_k_s": {"Q4_K": 0.85, "Q6_K": 0.15},
    "q5_k_m": {"Q5_K": 0.72, "Q6_K": 0.28},
    "q4_0": {"Q4_0": 0.85, "Q6_K": 0.15},
    "q4_1": {"Q4_1": 0.7, "Q8_0": 0.3},
    "iq4_nl": {"IQ4_NL": 0.85, "Q6_K": 0.15},
    "iq4_xs": {"IQ4_XS": 0.85, "Q6_K": 0.15},
    "q6_k": {"Q6_K": 1.0},
    "q8_0": {"Q8_0": 1.0},
}
_USUAL_LAYERS = 30
_EMBEDDING_SHARE = 0.12  # bytes of the embedding table, which a token reads one row of, in files of 1 to 4 B


@dataclass(frozen=True, slots=True)
class Workload:
    """What running a model asks of a machine: bytes read for each token and weights multiplied for each prompt token,
    both by tensor type; `size_bytes` of the file."""

    name: str
    n_layers: int
    size_bytes: int
    decode_bytes: Mapping[str, int]
    prefill_weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second; measured by a probe, or predicted from one of another model."""

    decode_tps: float
    prefill_tps: float
    measured: bool = False

    @property
    def ttft_ms(self) -> float:
        """Time to the first token of the answer to a short question whose head is cached."""
        if not (self.decode_tps and self.prefill_tps):
            return float("inf")
        return 1000 * (QUESTION_TOKENS + _TEMPLATE_TOKENS) / self.prefill_tps + 1000 / self.decode_tps

    @property
    def comfortable(self) -> bool:
        return self.decode_tps >= MIN_DECODE_TPS and self.ttft_ms <= MAX_TTFT_MS

    def __str__(self) -> str:
        how = "measured" if self.measured else "predicted"
        return f"{how} {self.decode_tps:.0f} tok/s, first word after {self.ttft_ms / 1000:.2f} s"


@dataclass(frozen=True, slots=True)
class Reference:
    """The model that was measured, its speed, and the memory's read bandwidth with the same threads in GB/s.

    `has_vnni`: the processor multiplies bytes in one instruction (x86 VNNI, and the like of it on ARM).
    """

    workload: Workload
    speed: Speed
    bandwidth_gbs: float
    has_vnni: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could be taken. `memory_bytes` is its need; `tested` whether the authors ran it."""

    workload: Workload
    speed: Speed
    memory_bytes: int
    installed: bool
    tested: bool = True

    @property
    def rank(self) -> float:
        """Larger answers better; a model that nobody here ran must be half as large again to be preferred."""
        return self.workload.size_bytes * (1.0 if self.tested else 0.67)


@dataclass(frozen=True, slots=True)
class Choice:
    """The installed model to use, why, and the better one worth fetching ("" if there is none)."""

    name: str
    reasons: tuple[str, ...]
    pull: str = ""
    pull_bytes: int = 0
    pull_reason: str = ""


def workload(name: str, header: GgufHeader) -> Workload:
    """The workload of a model whose header was read."""
    has_output = any(t.name == "output.weight" for t in header.tensors)
    decode: dict[str, int] = {}
    weights: dict[str, float] = {}
    for tensor in header.tensors:
        if tensor.name == "token_embd.weight" and has_output:
            continue  # one row a token
        decode[tensor.type_name] = decode.get(tensor.type_name, 0) + tensor.n_bytes
        if len(tensor.dimensions) == 2 and tensor.name not in ("token_embd.weight", "output.weight"):
            n_weights = tensor.dimensions[0] * tensor.dimensions[1]
            weights[tensor.type_name] = weights.get(tensor.type_name, 0.0) + n_weights
    return Workload(name, header.n_layers, header.file_bytes, decode, weights)


def workload_of_entry(entry: Entry) -> Workload:
    """The workload of a catalogue entry that is not here: a guess from its file's name and size."""
    file = entry.main_file
    lowered = file.name.lower()
    mix = next((_MIXES[m] for m in sorted(_MIXES, key=len, reverse=True) if re.search(rf"[-._]{m}\b", lowered)), None)
    shares = mix or _MIXES["q4_k_m"]
    read = file.size * (1 - _EMBEDDING_SHARE)
    decode = {kind: int(read * share) for kind, share in shares.items()}
    inner = 1 - _EMBEDDING_SHARE  # the output matrix is multiplied for the last token only
    weights = {kind: n * inner / _BYTES_PER_WEIGHT[kind] for kind, n in decode.items()}
    return Workload(entry.name, _USUAL_LAYERS, file.size, decode, weights)


def predict(wanted: Workload, reference: Reference) -> Speed:
    """Predict the speed of a model on the machine on which `reference` was measured."""
    decode_factor = _decode_factor(reference)
    known_ms = _prefill_ms(reference.workload, reference.has_vnni)
    prefill_factor = 1000 / reference.speed.prefill_tps / known_ms
    decode_ms = _decode_ms(wanted, decode_factor, reference)
    return Speed(1000 / decode_ms, 1000 / (_prefill_ms(wanted, reference.has_vnni) * prefill_factor))


def _decode_factor(reference: Reference) -> float:
    """How much slower than the table's machine the kernels are here: solved by bisection, as the memory's share does
    not scale with it."""
    measured_ms = 1000 / reference.speed.decode_tps
    low, high = 0.01, 100.0
    for _ in range(50):
        middle = (low * high) ** 0.5
        if _decode_ms(reference.workload, middle, reference) < measured_ms:
            low = middle
        else:
            high = middle
    return high


def _decode_ms(work: Workload, factor: float, machine: Reference) -> float:
    costs = _DECODE_MS_PER_GB if machine.has_vnni else _DECODE_WITHOUT_VNNI
    weights_ms = sum(
        n_bytes / 1e9 * max(1000 / machine.bandwidth_gbs, factor * costs.get(kind, _DECODE_OTHER))
        for kind, n_bytes in work.decode_bytes.items()
    )
    return weights_ms + factor * _DECODE_LAYER_MS * work.n_layers


def _prefill_ms(work: Workload, has_vnni: bool) -> float:
    costs = _PREFILL_PS if has_vnni else _PREFILL_WITHOUT_VNNI
    weights_ms = sum(n * costs.get(kind, _PREFILL_OTHER) for kind, n in work.prefill_weights.items()) * 1e-9
    return weights_ms + _PREFILL_LAYER_MS * work.n_layers


def choose(candidates: Iterable[Candidate], available_bytes: int) -> Choice:
    """Take the largest installed model that fits and is comfortable; without one, the fastest that fits.

    There must be an installed candidate. Nothing is fetched: a better model is only named.
    """
    everything = sorted(candidates, key=lambda c: c.rank, reverse=True)
    reasons: list[str] = []
    taken: Candidate | None = None
    for candidate in (c for c in everything if c.installed):
        verdict = _verdict(candidate, available_bytes)
        if not verdict and taken is None:
            taken = candidate
            reasons.append(f"{candidate.workload.name}: taken, {candidate.speed}")
        else:
            reasons.append(f"{candidate.workload.name}: {verdict or 'smaller'} ({candidate.speed})")
    if taken is None:
        taken = max(
            (c for c in everything if c.installed), key=lambda c: (_fits(c, available_bytes), c.speed.decode_tps)
        )
        reasons.append(f"{taken.workload.name}: taken as the fastest, since none is comfortable here")
    better = next((c for c in everything if not c.installed and not _verdict(c, available_bytes)), None)
    if better is None or better.rank <= taken.rank:
        return Choice(taken.workload.name, tuple(reasons))
    size = better.workload.size_bytes
    untested = "" if better.tested else ", not tested by the authors"
    advice = (
        f"`assistant models pull {better.workload.name}` ({size / 1e9:.1f} GB{untested}) should run at about "
        f"{better.speed.decode_tps:.0f} tok/s here"
    )
    return Choice(taken.workload.name, tuple(reasons), better.workload.name, size, advice)


def _fits(candidate: Candidate, available_bytes: int) -> bool:
    return candidate.memory_bytes <= available_bytes


def _verdict(candidate: Candidate, available_bytes: int) -> str:
    """Why a model should not be taken, or ""."""
    if not _fits(candidate, available_bytes):
        return f"needs {candidate.memory_bytes / 1e9:.1f} GB of memory and {available_bytes / 1e9:.1f} GB are available"
    if candidate.speed.decode_tps < MIN_DECODE_TPS:
        return f"slower than {MIN_DECODE_TPS:.0f} tok/s"
    if candidate.speed.ttft_ms > MAX_TTFT_MS:
        return f"more than {MAX_TTFT_MS / 1000:.1f} s to the first word"
    return ""
