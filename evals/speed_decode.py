"""Decoding, constrained decoding, prefill and the 4,096th token: the product beside the bare loop."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from assistant.config import DEFAULT_SYSTEM
from assistant.engines import Prompt
from assistant.errors import EngineError
from evals import bench as timing
from evals import machine
from evals.bare_client import BareLoop
from evals.bench import Timing
from evals.product import Product, Reply, ask, chatml, filler, pair, text_of
from evals.results import from_samples
from evals.speed_bench import Bench
from evals.statistics import median

QUESTIONS = (
    "Write a long story about a lighthouse keeper who finds a message in a bottle.",
    "Explain in detail how bread is made, from the field to the table.",
    "Describe a walk through an old town in autumn, street by street.",
)
# What even the smallest model continues for thousands of tokens without stopping or repeating itself.
COUNTING = "Count from 1 to 3000. Write one number per line and nothing else."
COUNTED = "".join(f"{n}\n" for n in range(1, 13))
LONG_REPLY_TOKENS = 4160
WINDOW_TOKENS, N_WINDOWS = 48, 4  # the tokens around the 4,096th that are timed, and in how many stretches

ORDER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "maxLength": 24},
        "items": {
            "type": "array",
            "minItems": 6,
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 24},
                    "colour": {"enum": ["red", "green", "blue", "black", "white"]},
                    "count": {"type": "integer"},
                    "in_stock": {"type": "boolean"},
                },
                "required": ["name", "colour", "count", "in_stock"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["customer", "items"],
    "additionalProperties": False,
}
ORDER = "Make up an order from a garden shop with six items, as JSON."


def decoding(bench: Bench) -> None:
    """decode_ratio, decode_tps and the CPU time of a token, over ordinary questions."""
    blocks, equal = _decode_blocks(bench, bench.product, bench.bare, bench.options.choose(2, 4, 8))
    bench.outcome.settings["replies_equal_to_bare"] = equal
    bench.add("decode_ratio", timing.speed_ratio(blocks, better="higher", bar=">= 0.97"))
    bench.add("decode_cpu_ratio", timing.cpu_cost_ratio(blocks, better="lower"))
    bench.add_samples("bare_decode_tps", [1000 / b.b.ms for b in blocks], "tok/s")
    own_tps = [1000 / b.a.ms for b in blocks]
    bench.add_samples("decode_tps", own_tps, "tok/s", better="higher", relative_to="bare_decode_tps")
    bench.add_samples("cpu_ms_per_token", [b.a.cpu_ms for b in blocks], "ms")
    _energy(bench)


def one_thread(bench: Bench) -> None:
    """decode_ratio_one_thread: the same with one thread on both sides.

    Without a second thread to wait for at every barrier, a busy neighbour slows both sides alike, so this ratio shows
    the cost of our loop and its pipe even on a machine that is not calm. Both sides share one core.
    """
    spec = bench.product.spec
    with pair(spec, bench.product.plan.n_context, 1) as (product, bare):
        bench.outcome.settings["one_thread_pinned"] = machine.pin_to_one_core([product.pid, bare.pid])
        blocks, _ = _decode_blocks(bench, product, bare, bench.options.choose(2, 4, 8))
    bench.add("decode_ratio_one_thread", timing.speed_ratio(blocks, better="higher"))
    bench.add("decode_cpu_ratio_one_thread", timing.cpu_cost_ratio(blocks, better="lower"))


def _decode_blocks(
    bench: Bench, product: Product, bare: BareLoop, n_blocks: int
) -> tuple[list[timing.Block], list[bool]]:
    """Blocks for each question, and for which of them the bare loop chose the very tokens of the product's reply."""
    n_tokens = bench.options.choose(96, 256, 256)
    blocks: list[timing.Block] = []
    equal: list[bool] = []
    for question in QUESTIONS:
        prompt = ask(question, n_tokens)
        first = product.reply(prompt)
        n, n_prompt = first.usage.reply_tokens, first.usage.prompt_tokens
        rendered = bare.tokenize(chatml(prompt.messages), special=True)
        bare.rewind(0)
        start = bare.prefill(rendered if len(rendered) == n_prompt else filler(bare, n_prompt)).tokens[0]
        if len(rendered) == n_prompt:
            equal.append(_agrees(bare, first, [start, *bare.decode(start, n - 1).tokens]))

        def own(prompt: Prompt = prompt) -> Timing:
            return product.reply(prompt).per_token

        def alone(n: int = n, n_prompt: int = n_prompt, start: int = start) -> Timing:
            bare.rewind(n_prompt)
            timed = bare.decode(start, n - 1)
            return Timing(timed.ms / (n - 1), timed.cpu_ms / (n - 1))

        blocks += timing.side_by_side(own, alone, bench.guard, n_blocks, f"decoding, {question[:24]}...")
    return blocks, equal


def constrained(bench: Bench) -> None:
    """constrained_ratio: the same question with and without a schema, as many tokens each."""
    product = bench.product
    bound = ask(ORDER, bench.options.choose(96, 160, 160), schema=ORDER_SCHEMA)
    n = product.reply(bound).usage.reply_tokens
    free = ask(QUESTIONS[0], n)
    bench.outcome.settings["constrained_tokens"] = n
    blocks = timing.side_by_side(
        lambda: product.reply(bound).per_token,
        lambda: product.reply(free).per_token,
        bench.guard,
        bench.options.choose(4, 10, 20),
        "constrained decoding",
    )
    bench.add("constrained_ratio", timing.cost_ratio(blocks, better="lower", bar="<= 1.10"))
    bench.add("constrained_cpu_ratio", timing.cpu_cost_ratio(blocks, better="lower"))


def prefill(bench: Bench) -> None:
    """prefill_ratio and prefill_tps on 512 tokens; ttft_ms on a question of 40 behind the usual system message."""
    n = bench.options.choose(5, 9, 15)
    tps, bare_tps, ratios = _fresh_prompts(bench, 512, n)
    bench.add("prefill_ratio", from_samples(ratios, "ratio", better="higher"))
    bench.add_samples("bare_prefill_tps", bare_tps, "tok/s")
    bench.add_samples("prefill_tps", tps, "tok/s", better="higher", relative_to="bare_prefill_tps")
    ttft_ms, bare_ttft_ms = _short_questions(bench, 40, n)
    bench.add_samples("bare_ttft_ms", bare_ttft_ms, "ms")
    bench.add_samples("ttft_ms", ttft_ms, "ms", better="lower", relative_to="bare_ttft_ms")


def long_reply(bench: Bench) -> None:
    """token_4096_ratio: one reply of more than 4,096 tokens, its last window beside the bare loop at that depth."""
    product = bench.product
    ratios: list[list[float]] = []
    early: list[float] = []
    shares: list[float] = []
    for _ in range(bench.options.choose(2, 4, 6)):
        prompt = ask(COUNTING, LONG_REPLY_TOKENS, prefix=COUNTED)
        reply = product.reply(prompt)
        if reply.usage.reply_tokens < LONG_REPLY_TOKENS:
            raise EngineError(
                f"the reply ended after {reply.usage.reply_tokens} of {LONG_REPLY_TOKENS} tokens "
                f"({reply.usage.finish_reason}); this model needs another question to talk that long"
            )
        depth = reply.usage.prompt_tokens + LONG_REPLY_TOKENS - WINDOW_TOKENS * N_WINDOWS
        bench.bare.rewind(0)
        bench.bare.prefill(filler(bench.bare, depth))
        alone_ms, share = bench.guard.watch(partial(_bare_windows_ms, bench, depth))
        shares.append(share)
        own_ms = _last_windows_ms(reply)
        ratios.append([own / alone for own, alone in zip(own_ms, alone_ms, strict=True)])
        early.append(median(own_ms) / _window_ms(reply, 63, 63 + WINDOW_TOKENS))
        if bench.guard.is_over:
            break
    chosen = bench.guard.choose(shares, len(shares), "the 4,096th token")
    at_4096 = [ratio for i in chosen for ratio in ratios[i]]
    bench.add_samples("token_4096_ratio", at_4096, "ratio", better="lower", bar="<= 1.02")
    bench.add_samples("token_4096_over_64", [early[i] for i in chosen], "ratio")


def _token_times_ms(reply: Reply) -> list[float]:
    """When each token arrived. Pieces may hold several tokens; a reply that counts has as many characters in each."""
    n_tokens = reply.usage.reply_tokens
    if len(reply.at_ms) >= 0.9 * n_tokens:
        return reply.at_ms
    if not reply.n_chars:
        raise EngineError(f"the reply came in {len(reply.at_ms)} pieces for {n_tokens} tokens")
    ends = list(itertools.accumulate(reply.n_chars))
    times, at = [], 0
    for token in range(1, n_tokens + 1):
        while ends[at] * n_tokens < token * ends[-1]:
            at += 1
        begin, begin_ms = (ends[at - 1], reply.at_ms[at - 1]) if at else (0, reply.at_ms[0])
        share = (token * ends[-1] / n_tokens - begin) / (ends[at] - begin)
        times.append(begin_ms + share * (reply.at_ms[at] - begin_ms))
    return times


def _window_ms(reply: Reply, start: int, end: int) -> float:
    """Milliseconds a token between two tokens of a reply."""
    times = _token_times_ms(reply)
    return (times[end] - times[start]) / (end - start) * len(times) / reply.usage.reply_tokens


def _last_windows_ms(reply: Reply) -> list[float]:
    """Milliseconds a token in each of the last stretches of a reply, the earliest first."""
    edges = [len(_token_times_ms(reply)) - 1 - WINDOW_TOKENS * n for n in range(N_WINDOWS, -1, -1)]
    return [_window_ms(reply, start, end) for start, end in itertools.pairwise(edges)]


def _bare_windows_ms(bench: Bench, depth: int) -> list[float]:
    """Milliseconds a token of the bare loop in the same stretches, from `depth` on; median of three goes each."""
    goes: list[list[float]] = []
    for _ in range(3):
        bench.bare.rewind(depth)
        goes.append([bench.bare.decode(1, WINDOW_TOKENS).ms / WINDOW_TOKENS for _ in range(N_WINDOWS)])
    return [median(stretch) for stretch in zip(*goes, strict=True)]


def _fresh_prompts(bench: Bench, n_tokens: int, n: int) -> tuple[list[float], list[float], list[float]]:
    """Prefill of `n` prompts that share no beginning: (product tok/s, bare tok/s, their ratios)."""
    tps, bare_tps, shares = [], [], []
    for i in range(n + 1):
        bench.guard.wait_until_calm(1.0)
        prompt = ask(text_of(bench.bare, n_tokens, f"{i * 7919 + 13}: "), 1)
        reply, share = bench.watched_reply(prompt)
        shares.append(share)
        bench.bare.rewind(0)
        alone = bench.bare.prefill(filler(bench.bare, reply.new_tokens))
        tps.append(reply.new_tokens / reply.ttft_ms * 1000)
        bare_tps.append(reply.new_tokens / alone.ms * 1000)
    chosen = [i + 1 for i in bench.guard.choose(shares[1:], n, "prefill")]  # the first one warmed up
    return (
        [tps[i] for i in chosen],
        [bare_tps[i] for i in chosen],
        [tps[i] / bare_tps[i] for i in chosen],
    )


def _short_questions(bench: Bench, n_tokens: int, n: int) -> tuple[list[float], list[float]]:
    """TTFT of first questions of `n_tokens`, and of the bare loop for as many tokens as the product computed."""
    own_ms, bare_ms, shares = [], [], []
    for i in range(n + 1):
        prompt = ask(text_of(bench.bare, n_tokens, f"Question {i}: "), 1, system=DEFAULT_SYSTEM)
        reply, share = bench.watched_reply(prompt)
        shares.append(share)
        own_ms.append(reply.ttft_ms)
        bench.bare.rewind(0)
        bare_ms.append(bench.bare.prefill(filler(bench.bare, reply.new_tokens)).ms)
    chosen = [i + 1 for i in bench.guard.choose(shares[1:], n, "time to first token")]
    return [own_ms[i] for i in chosen], [bare_ms[i] for i in chosen]


def _agrees(bare: BareLoop, reply: Reply, chosen: list[int]) -> bool:
    """Whether the bare loop chose the tokens of the product's reply; its last two may be cut differently as text."""
    own = bare.tokenize(reply.text)
    return own[:-2] == chosen[: len(own) - 2]


def _energy(bench: Bench) -> None:
    counter = machine.EnergyCounter()
    if not counter.readable:
        bench.outcome.not_measurable("energy_per_token_mj", "no readable RAPL counters in /sys/class/powercap")
        return
    prompt = ask(QUESTIONS[0], 256)
    samples = []
    for _ in range(3):
        before = counter.joules()
        reply = bench.product.reply(prompt)
        joules = counter.spent(before, counter.joules())
        samples.append(1000 * joules / max(1, reply.usage.reply_tokens))
    bench.add_samples("energy_per_token_mj", samples, "mJ", better="lower")
