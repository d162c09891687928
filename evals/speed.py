"""`evals run speed`: what the assistant's own path costs beside llama.cpp alone, in the same minute.

| metric | what it is | promise |
|---|---|---|
| decode_ratio | tokens a second through the product / the bare loop, same model, plan, depth, count | >= 0.97 |
| constrained_ratio | time a token under a JSON schema / without one, both through the product | <= 1.10 |
| token_4096_ratio | time a token around the 4,096th of one reply / the bare loop at that depth | <= 1.02 |
| ttft_growth | (TTFT at turn 50 / turn 5) / (the bare loop's at the same depths); 30 tokens in, 30 out | <= 1.1 |
| ttft_trim_ratio | TTFT of the turn that drops half of a full context / of the turns just before | <= 2 |
| cancel_prefill_ms | from cancel() inside a prefill of 2,000 tokens to the end of the stream | <= 50 |
| peak_memory_ratio | peak resident memory of the model process at 2,048 tokens of context / size of the model file | |
| screen_stall_ms | longest time the chat screen does not react while a reply streams in | <= 100 |
| memory_bar_fraction | the same / (1.3 x model file + 150 MB) | <= 1 |

Beside them the absolute figures (decode_tps, prefill_tps, ttft_ms, load_ms, ...), which belong to one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assistant.errors import AssistantError
from evals import machine, speed_decode, speed_footprint, speed_rivals, speed_screen, speed_sweeps, speed_turns
from evals.bench import Guard
from evals.product import N_CONTEXT, pair, resolve
from evals.results import Failure
from evals.speed_bench import Bench
from evals.task import Effort, NoSuchPart, Options, Outcome, Progress


@dataclass(frozen=True, slots=True)
class Part:
    """A group of metrics taken together; `expected_s` is for a quick run of the smallest model on two cores."""

    name: str
    expected_s: float
    measure: Callable[[Bench], None]


# Absolute figures: always as the product would run here.
PLANNED = (
    Part("decoding", 75, speed_decode.decoding),
    Part("prefill and time to first token", 30, speed_decode.prefill),
)
# Ratios: with the same plan on a calm machine, otherwise with one thread on one core on both sides, where neighbours
# slow both alike instead of making threads wait for each other.
RATIOS = (
    Part("decoding with one thread", 75, speed_decode.one_thread),
    Part("constrained decoding", 45, speed_decode.constrained),
    Part("cancelling", 15, speed_footprint.cancelling),
    Part("time to first token over 50 turns", 90, speed_turns.turns),
    Part("a reply of 4,096 tokens", 120, speed_decode.long_reply),
    Part("the screen", 30, speed_screen.screen),
    Part("memory", 25, speed_footprint.memory),
    Part("threads", 30, speed_sweeps.threads),
    Part("batches", 20, speed_sweeps.batches),
    Part("llama-bench", 20, speed_rivals.llama_bench),
    Part("ollama", 30, speed_rivals.ollama),
)
SMOKE = ("decoding", "prefill and time to first token", "constrained decoding", "cancelling", "memory")
DEVICE = ("decoding", "prefill and time to first token", "memory", "threads", "batches", "llama-bench", "ollama")


@dataclass(frozen=True, slots=True)
class Speed:
    """The task; for a smoke test there can be fewer parts, and a fixed number of threads."""

    name: str = "speed"
    summary: str = "decode, prefill, time to first token, memory: the product beside the bare llama.cpp loop"
    needs: str = "a pulled model"
    reads: tuple[str, ...] = ()
    planned: tuple[Part, ...] = PLANNED
    ratios: tuple[Part, ...] = RATIOS
    n_context: int = N_CONTEXT
    threads: int = 0  # 0: what the product decides

    def run(self, options: Options) -> Outcome:
        """Raises ModelMissingError, ModelRefusedError, NotEnoughMemoryError, EngineError when nothing can start."""
        outcome, guard = Outcome(), Guard()
        planned, ratios = ([p for p in parts if self._wants(p, options)] for parts in (self.planned, self.ratios))
        if not planned and not ratios:
            raise NoSuchPart(f"there is no such part; there are {', '.join(p.name for p in (*PLANNED, *RATIOS))}")
        progress = Progress({part.name: part.expected_s for part in (*planned, *ratios)})
        spec = resolve(options.model)
        outcome.models.append(
            {"name": spec.name, "file": spec.file_name, "sha256": spec.sha256, "size_bytes": spec.size_bytes}
        )
        machine.wait_until_calm(5.0)
        with pair(spec, self.n_context, self.threads) as (product, bare):
            bench = Bench(options, outcome, guard, progress, product, bare)
            bench.note_settings("plan")
            _measure(bench, planned)
        if ratios:
            with pair(spec, self.n_context, 1 if guard.contended else self.threads) as (product, bare):
                bench = Bench(options, outcome, guard, progress, product, bare)
                if guard.contended:
                    machine.pin_to_one_core([product.pid, bare.pid])
                bench.note_settings("plan_of_ratios")
                _measure(bench, ratios)
        outcome.contended = guard.contended
        outcome.settings["notes"] = guard.notes
        return outcome

    def _wants(self, part: Part, options: Options) -> bool:
        if options.effort is Effort.SMOKE and part.name not in SMOKE:
            return False
        return options.wants(part.name)


def device() -> Speed:
    """What one machine can do, for `evals device`."""
    planned, ratios = (tuple(part for part in parts if part.name in DEVICE) for parts in (PLANNED, RATIOS))
    return Speed("device", "this machine's speeds", planned=planned, ratios=ratios)


def _measure(bench: Bench, parts: Sequence[Part]) -> None:
    """Every part in turn; one that fails leaves a failure and the others go on."""
    for part in parts:
        bench.progress.start(part.name)
        bench.guard.allow(part.expected_s * bench.options.choose(1, 4, 20))
        try:
            part.measure(bench)
        except AssistantError as error:
            bench.outcome.failures.append(Failure(part.name, type(error).__name__, str(error)))
            bench.progress.say(f"  failed: {error}")
        bench.progress.finish(part.name)
