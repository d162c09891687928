"""What all parts of the speed task share: both sides, the guard against noise, and where the numbers go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.engines import Prompt
from evals.bare_client import BareLoop
from evals.bench import Guard
from evals.product import Product, Reply
from evals.results import Metric, from_samples
from evals.task import Options, Outcome, Progress


@dataclass(slots=True)
class Bench:
    """One run of the speed task."""

    options: Options
    outcome: Outcome
    guard: Guard
    progress: Progress
    product: Product
    bare: BareLoop

    def add(self, name: str, metric: Metric) -> None:
        self.outcome.metrics[name] = metric
        self.progress.say(f"  {name} = {metric.value:.4g} {metric.unit} [{metric.low:.4g}, {metric.high:.4g}]")

    def add_samples(self, name: str, samples: list[float], unit: str, **judged: Any) -> None:
        """The median of the samples, with its interval."""
        self.add(name, from_samples(samples, unit, **judged))

    def watched_reply(self, prompt: Prompt) -> tuple[Reply, float]:
        """A reply of the product, and the share of the CPU that others used meanwhile."""
        return self.guard.watch(lambda: self.product.reply(prompt))

    def note_settings(self, name: str) -> None:
        """Keep, under `name`, how both sides were run."""
        plan = self.product.plan
        self.outcome.settings[name] = {
            "n_context": plan.n_context,
            "n_threads": plan.n_threads,
            "n_threads_batch": plan.n_threads_batch,
            "flash_attention": plan.flash_attention,
            "use_mmap": plan.use_mmap,
            "n_gpu_layers": plan.n_gpu_layers,
            "n_batch": plan.n_batch,
            "reasons": list(plan.reasons),
            "bare": self.bare.info(),
        }
