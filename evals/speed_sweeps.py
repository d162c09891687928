"""How speed depends on what can be chosen: the number of threads, and how many tokens are computed at a time."""

from __future__ import annotations

import dataclasses

import psutil

from evals.bare_client import BareLoop
from evals.product import LLAMA_BATCH, ask, bare_settings, filler, open_product, text_of
from evals.results import Series
from evals.speed_bench import Bench
from evals.statistics import median

SWEEP_CONTEXT = 1024
PREFILL_TOKENS, REPLY_TOKENS = 256, 48
BATCHES = (1, 4, 16, 64, 256, LLAMA_BATCH)


def threads(bench: Bench) -> None:
    """decode_by_threads and prefill_by_threads, through the product; best_decode_threads as a figure."""
    counts = list(range(1, (psutil.cpu_count(logical=False) or 1) + 1))
    counts = counts if len(counts) <= 8 else [1, 2, *range(4, counts[-1] + 1, 4)]
    decode_tps, prefill_tps = [], []
    for n in counts:
        with open_product(bench.product.spec, SWEEP_CONTEXT, n) as product:
            goes = []
            for i in range(bench.options.choose(2, 3, 5)):
                text = text_of(bench.bare, PREFILL_TOKENS, f"{n}.{i} Go on with this story: ")
                goes.append(product.reply(ask(text, REPLY_TOKENS)))
            decode_tps.append(median([1000 / reply.per_token.ms for reply in goes]))
            prefill_tps.append(median([1000 * reply.new_tokens / reply.ttft_ms for reply in goes]))
    xs = [float(n) for n in counts]
    bench.outcome.series["decode_by_threads"] = Series("threads", "decode, tok/s", xs, {"product": decode_tps})
    bench.outcome.series["prefill_by_threads"] = Series("threads", "prefill, tok/s", xs, {"product": prefill_tps})
    bench.add_samples("best_decode_threads", [xs[decode_tps.index(max(decode_tps))]], "threads")
    bench.progress.say("  " + ", ".join(f"{n}: {tps:.0f} tok/s" for n, tps in zip(counts, decode_tps, strict=True)))


def batches(bench: Bench) -> None:
    """prefill_by_batch: llama.cpp alone on 256 tokens, in batches of 1 to 512; what one more token in a batch costs."""
    settings = bare_settings(bench.product.spec, dataclasses.replace(bench.product.plan, n_context=SWEEP_CONTEXT))
    tps = []
    for n in BATCHES:
        with BareLoop(dataclasses.replace(settings, n_batch=n)) as bare:
            tokens = filler(bare, min(PREFILL_TOKENS, 16 * n))
            goes = []
            for _ in range(bench.options.choose(2, 3, 5)):
                bare.rewind(0)
                goes.append(bare.prefill(tokens).ms)
            tps.append(1000 * len(tokens) / min(goes))
    bench.outcome.series["prefill_by_batch"] = Series(
        "tokens computed at a time", "prefill, tok/s", [float(n) for n in BATCHES], {"llama.cpp alone": tps}
    )
