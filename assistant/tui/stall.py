"""How long the screen does not react while a reply streams in: the longest gap of its event loop, measured headless.

The whole path runs: model thread, border, transcript, layout, and drawing to a terminal that throws the bytes away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from textual.drivers.headless_driver import HeadlessDriver

from assistant.tui.app import ChatApp
from assistant.tui.prompt import PromptArea
from assistant.tui.services import Services

_TICK_S = 0.002


@dataclass(frozen=True, slots=True)
class Stall:
    """Milliseconds between two turns of the event loop that are due every 2 ms."""

    longest_ms: float
    longest_cpu_ms: float  # of it, what this thread itself computed: the same on a busy machine
    p99_ms: float
    n_ticks: int
    n_pieces: int
    duration_s: float


class _Sink(HeadlessDriver):
    """Draws as for a terminal, so that rendering counts, and throws the bytes away."""

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        return


async def measure(services: Services, question: str, size: tuple[int, int] = (100, 40)) -> Stall:
    """Open the chat, wait for the model, ask, and watch the event loop until the reply has been parsed and drawn.

    Raises RuntimeError if the app ended before the reply was complete.
    """
    app = ChatApp(services, driver_class=_Sink)
    gaps: list[tuple[float, float]] = []
    running = asyncio.create_task(app.run_async(size=size))
    try:
        await _until(running, lambda: app.chat_screen.is_running and app.chat_screen.status.state == "ready")
        await asyncio.sleep(0.5)  # the first drawing of the empty screen is start-up, not streaming
        watching = asyncio.create_task(_watch(gaps))
        began_s = time.monotonic()
        app.chat_screen.query_one(PromptArea).post_message(PromptArea.Submitted(question))
        # A short reply may be over between two looks: its pieces are still counted then.
        await _until(running, lambda: app.chat_screen.status.state == "answering" or app.chat_screen.n_pieces > 0)
        await _until(running, lambda: app.chat_screen.status.state == "ready")
        await asyncio.sleep(0.5)  # the final parse and drawing belong to it
        duration_s = time.monotonic() - began_s - 0.5
        watching.cancel()
    finally:
        app.exit()
        await running
    waits = sorted(wall_s for wall_s, _ in gaps)
    return Stall(
        longest_ms=waits[-1] * 1000,
        longest_cpu_ms=max(cpu_s for _, cpu_s in gaps) * 1000,
        p99_ms=waits[int(len(waits) * 0.99)] * 1000,
        n_ticks=len(gaps),
        n_pieces=app.chat_screen.n_pieces,
        duration_s=duration_s,
    )


async def _watch(gaps: list[tuple[float, float]]) -> None:
    """Note the wall time and this thread's computing time between two turns of the loop."""
    last_s, last_cpu_s = time.perf_counter(), time.thread_time()
    while True:
        await asyncio.sleep(_TICK_S)
        now_s, now_cpu_s = time.perf_counter(), time.thread_time()
        gaps.append((now_s - last_s - _TICK_S, now_cpu_s - last_cpu_s))
        last_s, last_cpu_s = now_s, now_cpu_s


async def _until(running: asyncio.Task[int | None], condition: Callable[[], bool]) -> None:
    while not condition():
        if running.done():
            raise RuntimeError("the screen ended before the reply was complete")
        await asyncio.sleep(0.01)
