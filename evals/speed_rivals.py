"""llama-bench and ollama, where they are installed: the same file and threads, in the same run."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from assistant.errors import EngineError
from evals.results import Metric, from_interval
from evals.speed_bench import Bench
from evals.statistics import Interval

_N_PROMPT, _N_REPLY = 512, 128
_TIME_LIMIT_S = 900.0
_QUESTION = "Write a long story about a lighthouse keeper who finds a message in a bottle."
_OLLAMA_MODEL = "homebody-evals"  # made for the run, removed after it


class Row(msgspec.Struct, frozen=True):
    """One test of `llama-bench -o json`; n_gen is 0 for a prefill test."""

    n_prompt: int
    n_gen: int
    samples_ts: list[float]


def llama_bench(bench: Bench) -> None:
    """llama_bench_decode_tps and llama_bench_prefill_tps, beside our own of this run."""
    program = shutil.which("llama-bench")
    if program is None:
        bench.outcome.not_measurable("llama_bench_decode_tps", "llama-bench is not on the PATH")
        return
    plan = bench.product.plan
    arguments = ["-m", str(bench.product.spec.path), "-p", str(_N_PROMPT), "-n", str(_N_REPLY), "-o", "json"]
    arguments += ["-t", str(plan.n_threads), "-ngl", str(plan.n_gpu_layers), "-r", str(bench.options.choose(3, 5, 9))]
    arguments += ["-fa", "1" if plan.flash_attention in (True, "enabled") else "0"]
    if b"--load-mode" in _output([program, "--help"]):
        arguments += ["-lm", "mmap" if plan.use_mmap else "none"]
    else:  # releases before 2026
        arguments += ["-mmp", str(int(plan.use_mmap))]
    for row in parse(_output([program, *arguments])):
        name = "llama_bench_decode_tps" if row.n_gen else "llama_bench_prefill_tps"
        bench.add_samples(name, row.samples_ts, "tok/s")
    own, theirs = bench.outcome.metrics.get("decode_tps"), bench.outcome.metrics.get("llama_bench_decode_tps")
    if own and theirs:
        bench.add("decode_ratio_to_llama_bench", _ratio(own, theirs))


def ollama(bench: Bench) -> None:
    """ollama_decode_tps and ollama_prefill_tps of the same file, as `ollama run --verbose` reports them."""
    program = shutil.which("ollama")
    if program is None:
        bench.outcome.not_measurable("ollama_decode_tps", "ollama is not on the PATH")
        return
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "Modelfile"
        plan = bench.product.plan
        recipe.write_text(
            f"FROM {bench.product.spec.path}\nPARAMETER num_thread {plan.n_threads}\n"
            f"PARAMETER num_predict {_N_REPLY}\nPARAMETER temperature 0\nPARAMETER num_ctx 2048\n"
        )
        _output([program, "create", _OLLAMA_MODEL, "-f", str(recipe)])
    try:
        said = [_said([program, "run", "--verbose", _OLLAMA_MODEL, _QUESTION]) for _ in range(4)][1:]  # the first loads
    finally:
        _output([program, "rm", _OLLAMA_MODEL])
    bench.add_samples("ollama_decode_tps", [rate(text, "eval rate") for text in said], "tok/s")
    bench.add_samples("ollama_prefill_tps", [rate(text, "prompt eval rate") for text in said], "tok/s")
    if own := bench.outcome.metrics.get("decode_tps"):
        bench.add("decode_ratio_to_ollama", _ratio(own, bench.outcome.metrics["ollama_decode_tps"]))


def rate(said: str, name: str) -> float:
    """A rate in tokens a second from what `ollama run --verbose` says. Raises EngineError when it is not there."""
    found = re.search(rf"^{name}:\s+([\d.]+) tokens/s", said, re.MULTILINE)
    if found is None:
        raise EngineError(f"ollama did not tell its {name}")
    return float(found[1])


def parse(output: bytes) -> list[Row]:
    """Raises EngineError when the output is not what llama-bench writes."""
    try:
        return msgspec.json.decode(output, type=list[Row])
    except msgspec.DecodeError as error:
        raise EngineError(f"llama-bench wrote something else than its JSON ({error})") from error


def _output(command: list[str]) -> bytes:
    return _finished(command).stdout


def _said(command: list[str]) -> str:
    return _finished(command).stderr.decode(errors="replace")


def _finished(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIME_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{name} did not finish within {_TIME_LIMIT_S:.0f} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-300:]
        raise EngineError(f"{name} ended with code {done.returncode}: {said}")
    return done


def _ratio(own: Metric, theirs: Metric) -> Metric:
    """Our speed over theirs; the interval is as wide as both allow, for the two were not timed in pairs."""
    interval = Interval(own.value / theirs.value, own.low / theirs.high, own.high / theirs.low, min(own.n, theirs.n))
    return from_interval(interval, "ratio")
