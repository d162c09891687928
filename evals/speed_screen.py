"""The longest time the chat screen does not react while a real reply streams in.

The whole app runs without a terminal (assistant/tui/stall.py): model process, screen, layout, drawing.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from assistant.config import Settings
from assistant.errors import EngineError
from assistant.history import ephemeral_history
from assistant.models.spec import ModelSpec
from assistant.tui import stall
from assistant.tui.services import Services
from evals.product import open_product
from evals.speed_bench import Bench

QUESTION = "Write a long introduction to Python with headings, lists and many code examples."


def screen(bench: Bench) -> None:
    """screen_stall_ms, and how much of the longest stall the screen itself computed."""
    n_tokens = bench.options.choose(300, 600, 1000)
    stalls = [_stream_once(bench.product.spec, n_tokens) for _ in range(bench.options.choose(2, 3, 5))]
    longest_ms = [s.longest_ms for s in stalls]
    bench.add_samples("screen_stall_ms", longest_ms, "ms", better="lower", bar="<= 100")
    bench.add_samples("screen_stall_cpu_ms", [s.longest_cpu_ms for s in stalls], "ms", better="lower")
    bench.add_samples("screen_stall_p99_ms", [s.p99_ms for s in stalls], "ms")
    bench.outcome.settings["screen_pieces"] = [s.n_pieces for s in stalls]


def _stream_once(spec: ModelSpec, n_tokens: int) -> stall.Stall:
    """One question in a chat of its own, with a history that touches no disk."""
    settings = Settings(model=spec.name, temperature=0.0, max_tokens=n_tokens)
    history = ephemeral_history()
    with open_product(spec) as product, tempfile.TemporaryDirectory() as folder:
        services = Services(
            settings=settings,
            settings_path=Path(folder) / "settings.toml",
            history=history,
            open_model=lambda _name, _report: product.model,
            installed_models=lambda: [spec.name],
            lock_status=lambda: "not locked: a measurement",
        )
        try:
            return asyncio.run(stall.measure(services, QUESTION))
        except RuntimeError as error:
            raise EngineError(f"the chat screen ended by itself: {error}") from error
        finally:
            history.close()
