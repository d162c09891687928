"""How soon a cancelled prefill stops, how long a model takes to load, and how much memory all of it takes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from assistant import paths
from assistant.engines import Prompt
from assistant.errors import EngineError
from assistant.turn import Turn
from evals import machine
from evals.product import Product, ask, open_product, text_of
from evals.results import Metric
from evals.speed_bench import Bench

PREFILL_TOKENS = 2000
MEMORY_CONTEXT = 2048
ASKED_TOKENS = 64
BAR_FACTOR, BAR_BYTES = 1.3, 150e6  # the promise: 1.3 x the model file + 150 MB


def cancelling(bench: Bench) -> None:
    """cancel_prefill_ms at moments spread over a prefill of 2,000 tokens, and how soon the next answer comes."""
    product = bench.product
    whole = product.reply(ask(text_of(bench.bare, PREFILL_TOKENS, "whole: "), 1))
    small = ask("Hello, who are you?", 1)
    product.reply(small)
    n = bench.options.choose(8, 16, 32)
    stopped_ms, after_ms = [], []
    for i in range(n):
        bench.guard.wait_until_calm(0.6)
        prompt = ask(text_of(bench.bare, PREFILL_TOKENS, f"{i} cancelled: "), 1)
        stopped_ms.append(_cancel_after(product, prompt, whole.ttft_ms * (0.15 + 0.6 * i / n)))
        after_ms.append(product.reply(small).ttft_ms)
        if bench.guard.is_over and i >= 2:
            break
    rested_ms = [product.reply(small).ttft_ms for _ in stopped_ms]
    bench.add_samples("cancel_prefill_ms", stopped_ms, "ms", better="lower", bar="<= 50")
    bench.add("cancel_prefill_max_ms", _single(max(stopped_ms), "ms", len(stopped_ms)))
    bench.add_samples("ttft_after_cancel_ms", after_ms, "ms")
    bench.add_samples("ttft_repeated_ms", rested_ms, "ms")


def memory(bench: Bench) -> None:
    """Peak memory of the model process with a full context of 2,048 tokens, and of the whole process tree; load_ms."""
    spec = bench.product.spec
    load_ms, peaks = [], []
    parts = (0, 0)
    n = bench.options.choose(3, 5, 5)
    for i in range(n):
        with open_product(spec, MEMORY_CONTEXT, bench.product.plan.n_threads) as product:
            load_ms.append(product.load_ms)
            if i < 2:  # filling the context takes seconds, and memory hardly varies
                product.reply(ask(text_of(bench.bare, MEMORY_CONTEXT - 150, "full: "), 64))
                peaks.append(float(machine.peak_rss_bytes(product.pid)))
                parts = machine.rss_parts(product.pid)
    bar_bytes = BAR_FACTOR * spec.size_bytes + BAR_BYTES
    bench.add_samples("load_ms", load_ms, "ms", better="lower")
    bench.add_samples("peak_memory_ratio", [p / spec.size_bytes for p in peaks], "ratio", better="lower")
    bench.add_samples("memory_bar_fraction", [p / bar_bytes for p in peaks], "ratio", better="lower", bar="<= 1")
    bench.add_samples("peak_memory_mb", [p / 1e6 for p in peaks], "MB", better="lower")
    bench.add("file_mb", _single(spec.size_bytes / 1e6, "MB"))
    bench.add("rss_anonymous_mb", _single(parts[0] / 1e6, "MB"))
    bench.add("rss_file_mb", _single(parts[1] / 1e6, "MB"))
    if paths.socket_file().exists():
        bench.outcome.not_measurable("process_tree_peak_mb", "an assistant is running here and would answer instead")
        return
    tree_mb = [_ask_in_a_process(spec.name) / 1e6 for _ in range(2)]
    bench.add_samples("process_tree_peak_mb", tree_mb, "MB", better="lower")


def _cancel_after(product: Product, prompt: Prompt, delay_ms: float) -> float:
    """Milliseconds from cancel() to the end of the stream. Raises EngineError if the prefill was over by then."""
    turn = Turn()
    cancelled_s = 0.0

    def cancel() -> None:
        nonlocal cancelled_s
        cancelled_s = time.perf_counter()
        turn.cancel()

    timer = threading.Timer(delay_ms / 1000, cancel)
    timer.start()
    pieces = list(product.model.stream(prompt, turn))
    ended_s = time.perf_counter()
    timer.join()
    if pieces or turn.usage.finish_reason != "cancelled":
        raise EngineError(f"the prefill was over before it could be cancelled ({turn.usage.finish_reason})")
    return (ended_s - cancelled_s) * 1000


def _ask_in_a_process(model: str) -> int:
    """Peak memory in bytes of `assistant ask` and all it starts, from the beginning to the end of one answer."""
    question = "Describe the sea in three sentences."
    command = [
        sys.executable,
        "-m",
        "assistant",
        "ask",
        "--ephemeral",
        "--model",
        model,
        "--max-tokens",
        str(ASKED_TOKENS),
        question,
    ]
    peak = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        while asked.poll() is None:
            peak = max(peak, machine.tree_bytes(asked.pid))
            time.sleep(0.03)
        said = asked.stderr.read().decode(errors="replace") if asked.stderr else ""
    if asked.returncode:
        raise EngineError(f"`assistant ask` ended with code {asked.returncode}: {said[-300:]}")
    return peak


def _single(value: float, unit: str, n: int = 1) -> Metric:
    return Metric(value, value, value, n, unit)
