"""Time to first token as a conversation grows, and in the turn that has to drop half of it.

The turns go through `session.chat_turn` with an ephemeral history, so that what the app does around a turn (prompt,
commits, trimming) is inside the measurement. The bare loop decodes as many new tokens at the same depth, in the same
second.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import partial

from assistant.chat import Chat
from assistant.conversation import Conversation
from assistant.history import ephemeral_history
from assistant.session import chat_turn
from assistant.turn import Turn
from evals.product import GREEDY, filler, text_of
from evals.results import Series
from evals.speed_bench import Bench
from evals.statistics import median

EARLY, LATE = 5, 50  # the turns compared
NEAR = 2  # turns on either side that are timed with them, to steady a single shot
TOKENS_IN, TOKENS_OUT = 30, 30
TRIMS = 3  # in one conversation
MOST_TURNS = 120  # until when the context must have been full so often
SYSTEM = "You are a helpful assistant."


@dataclass(frozen=True, slots=True)
class TimedTurn:
    """One turn. `new_tokens` is what this turn added to the prompt, however much of it the product computed."""

    number: int
    ttft_ms: float
    prompt_tokens: int
    new_tokens: int
    cached_tokens: int
    trimmed: bool
    bare_ms: float  # the bare loop's prefill of as many tokens at the same depth; 0 where it was not timed

    @property
    def is_ordinary(self) -> bool:
        """Neither trims nor fills the context with one long question."""
        return not self.trimmed and self.new_tokens < 4 * (TOKENS_IN + TOKENS_OUT)


def turns(bench: Bench) -> None:
    """ttft_growth and ttft_trim_ratio, over whole conversations."""
    growths: list[float] = []
    trims: list[float] = []
    shares: list[float] = []
    conversation: list[TimedTurn] = []
    for run in range(bench.options.choose(2, 4, 8)):
        conversation, share = bench.guard.watch(partial(_converse, bench, run))
        shares.append(share)
        growths.append(growth(conversation))
        trims += trim_ratios(conversation)
        if bench.guard.is_over:
            break
    chosen = bench.guard.choose(shares, len(shares), "time to first token over 50 turns")
    bench.add_samples("ttft_growth", [growths[i] for i in chosen], "ratio", better="lower", bar="<= 1.1")
    if trims:
        bench.add_samples("ttft_trim_ratio", trims, "ratio", better="lower", bar="<= 2")
    else:
        bench.outcome.not_measurable("ttft_trim_ratio", f"the context was not full after {MOST_TURNS} turns")
    plain = [t for t in conversation if t.is_ordinary]
    bench.outcome.series["ttft_by_turn"] = Series(
        "turn", "time to first token, ms", [float(t.number) for t in plain], {"product": [t.ttft_ms for t in plain]}
    )
    bench.outcome.settings["reused_share_at_turn_50"] = next(
        (round(t.cached_tokens / t.prompt_tokens, 3) for t in conversation if t.number == LATE), None
    )


def growth(conversation: list[TimedTurn]) -> float:
    """Growth of TTFT from turn 5 to turn 50 as a multiple of the bare loop's own."""
    early = [t.ttft_ms / t.bare_ms for t in conversation if abs(t.number - EARLY) <= NEAR and t.bare_ms]
    late = [t.ttft_ms / t.bare_ms for t in conversation if abs(t.number - LATE) <= NEAR and t.bare_ms]
    return median(late) / median(early)


def trim_ratios(conversation: list[TimedTurn]) -> list[float]:
    """TTFT of every turn that trims over the median of the up to five ordinary turns right before it."""
    ratios = []
    for at, turn in enumerate(conversation):
        before = [t for t in conversation[max(0, at - 5) : at] if t.is_ordinary]
        if turn.trimmed and before:
            ratios.append(turn.ttft_ms / median([t.ttft_ms for t in before]))
    return ratios


class _Talk:
    """One conversation through chat_turn(), with the bare loop following at the same depth."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.history = ephemeral_history()
        sampling = dataclasses.replace(GREEDY, max_tokens=TOKENS_OUT)
        self.chat = Chat(Conversation(system=SYSTEM), self.history, sampling)
        self.done: list[TimedTurn] = []
        self.known = 0  # tokens of the conversation so far
        self._bare_depth = 0
        bench.bare.rewind(0)

    @property
    def n_trims(self) -> int:
        return sum(turn.trimmed for turn in self.done)

    def turn(self, n_tokens: int = TOKENS_IN) -> None:
        """Ask a question of about `n_tokens` and time the answer; near turns 5 and 50 the bare loop too."""
        number = len(self.done) + 1
        question = text_of(self.bench.bare, n_tokens, f"{self.name}.{number} Then tell me more. ")
        turn = Turn()
        ttft_ms = 0.0
        started_s = time.perf_counter()
        for _ in chat_turn(self.chat.ask(question), turn, self.chat, self.bench.product.model):
            ttft_ms = ttft_ms or (time.perf_counter() - started_s) * 1000
        usage, trimmed = turn.usage, "trimmed" in turn.marks
        new = usage.prompt_tokens - self.known
        compared = not trimmed and min(abs(number - EARLY), abs(number - LATE)) <= NEAR
        bare_ms = self._bare_ms(new) if compared else 0.0
        self.done.append(TimedTurn(number, ttft_ms, usage.prompt_tokens, new, usage.cached_tokens, trimmed, bare_ms))
        self.known = usage.prompt_tokens + usage.reply_tokens

    def _bare_ms(self, new: int) -> float:
        bare = self.bench.bare
        bare.prefill(filler(bare, self.known - self._bare_depth))
        self._bare_depth = self.known
        taken_ms = bare.prefill(filler(bare, new)).ms
        bare.rewind(self._bare_depth)
        return taken_ms


def _converse(bench: Bench, run: int) -> list[TimedTurn]:
    """Talk past turn 52 and until the context was full a few times; it is filled up by one long question each time."""
    talk = _Talk(bench, str(run))
    n_context = bench.product.model.n_context
    try:
        while len(talk.done) < LATE + NEAR or (talk.n_trims < TRIMS and len(talk.done) < MOST_TURNS):
            missing = n_context - talk.known - 8 * (TOKENS_IN + TOKENS_OUT + 15)
            if len(talk.done) > LATE + NEAR and missing > n_context // 4:
                talk.turn(missing)
            talk.turn()
    finally:
        talk.history.close()
    return talk.done
