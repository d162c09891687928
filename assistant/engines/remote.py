"""RemoteLanguageModel: the model in a supervised child process, used like one in this process.

A model file or a grammar can abort or hang native code. So the code runs in worker.py; here its death becomes an
EngineCrashed in the stream it happened in, and a new worker is started: after 1 s, then 2 s; the third crash within a
minute leaves the model stopped. A worker that does not answer by the deadline, or to a cancel, is killed and replaced.
One request is served at a time, the others wait their turn; every method may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from assistant.engines import Likelihood, Menu, Picked, Prompt, wire
from assistant.engines.child import Child, Gone
from assistant.engines.grammar import compile_schema
from assistant.engines.head_state import StateStore, head_key, head_text
from assistant.engines.plan import Plan
from assistant.engines.templates import clean
from assistant.errors import AssistantError, EngineCrashed, EngineError, EngineTimeout
from assistant.models.spec import ModelSpec
from assistant.turn import Turn

__all__ = ["RemoteLanguageModel", "StateStore"]

_CRASHES, _WITHIN_S = 3, 60.0
_GRACE_S = 2.0  # past a deadline or a cancel: a worker that is alive ends by itself
_POLL_S = 0.25  # how often a silent worker is checked for being too hung to answer
_SHORT_REQUEST_S = 120.0


class RemoteLanguageModel:
    """A LanguageModel (assistant.engines) whose worker is loaded and ready when the constructor returns.

    `state_store` keeps the KV state of the prompt's head between runs. Raises ModelRefusedError if the file does not
    load or crashes the worker while loading, EngineError, EngineTimeout.
    """

    def __init__(self, spec: ModelSpec, plan: Plan, state_store: StateStore | None = None) -> None:
        self._spec, self._plan, self._store = spec, plan, state_store
        self._busy = threading.Lock()
        self._closed = threading.Event()
        self._crashes_s: deque[float] = deque(maxlen=_CRASHES)
        self._stopped = ""  # why no new worker is started, once it is so
        self._n_requests = 0
        self._child: Child | None = None
        self._child = self._started()

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def file_name(self) -> str:
        return self._spec.file_name

    @property
    def n_context(self) -> int:
        return self._child.n_context if self._child else self._plan.n_context

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._child.pid if self._child else 0

    @property
    def peak_rss_bytes(self) -> int:
        """The most memory the worker has held; 0 if it is gone or the system does not tell."""
        return self._child.peak_rss_bytes if self._child else 0

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes as message content."""
        counted: wire.Counted = self._ask(lambda number: wire.Count(number, clean(text)))
        return counted.n_tokens

    @property
    def has_adapter(self) -> bool:
        return self._spec.adapter is not None

    def pick(self, request: str, menu: Menu) -> Picked:
        """See LlamaModel.pick."""
        chosen: wire.Chosen = self._ask(lambda number: wire.Pick(number, clean(request), menu))
        return chosen.picked

    def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """See LlamaModel.score."""
        return [likelihood.log_probability for likelihood in self.likelihoods(prompt, candidates)]

    def likelihoods(self, prompt: Prompt, candidates: Sequence[str]) -> list[Likelihood]:
        """See LlamaModel.likelihoods."""
        question = _question(prompt)
        scored: wire.Scored = self._ask(lambda number: wire.Score(number, question, list(map(clean, candidates))))
        return scored.likelihoods

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        """See LanguageModel.stream."""
        started_s = time.monotonic()
        if prompt.schema is not None:
            compile_schema(prompt.schema)  # refuse a bad one here: it need not wait for the worker
        deadline_s = started_s + prompt.sampling.deadline_s
        with self._turn_of(turn, deadline_s) as mine:
            if not mine:
                turn.usage.finish_reason = "cancelled"
                return
            yield from self._reply(prompt, turn, started_s, deadline_s)

    def close(self) -> None:
        """Stop the worker; a reply in progress ends with EngineCrashed. The second call does nothing."""
        self._closed.set()
        if self._child is not None:
            self._child.kill()

    # -- requests -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _turn_of(self, turn: Turn, deadline_s: float) -> Iterator[bool]:
        """Wait until no other request is served; False if the turn is cancelled meanwhile. Raises EngineTimeout."""
        while not self._busy.acquire(timeout=_POLL_S):
            if turn.cancelled:
                yield False
                return
            if time.monotonic() > deadline_s:
                raise EngineTimeout(f"{self.file_name} is busy with another request; try again when it is done")
        try:
            yield not turn.cancelled
        finally:
            self._busy.release()

    def _reply(self, prompt: Prompt, turn: Turn, started_s: float, deadline_s: float) -> Iterator[str]:
        child, number = self._running(), self._number()
        usage, first_s, ended = turn.usage, 0.0, True
        new_heads: list[wire.HeadState] = []
        try:
            self._offer_head(prompt, child)
            child.send(wire.Generate(number, _question(prompt)))
            ended = False  # from here on the worker has something to say, to its end
            turn.on_cancel(lambda: child.try_send(wire.Cancel(number)))
            while (message := self._next(child, number, turn, deadline_s)) is not None:
                if isinstance(message, wire.Piece):
                    now_s = time.monotonic()
                    first_s = first_s or now_s
                    usage.ttft_ms, usage.decode_ms = (first_s - started_s) * 1000, (now_s - first_s) * 1000
                    turn.mark("first_token")
                    if message.end_log_odds is not None:
                        usage.end_log_odds = message.end_log_odds
                    if not turn.cancelled:
                        yield message.text
                elif isinstance(message, wire.HeadState):
                    new_heads.append(message)
                else:
                    ended = True
                    _finish(turn, message)
                    break
            else:
                ended, usage.finish_reason = True, "cancelled"  # hung, and killed for it
        except Gone:
            ended, usage.finish_reason = True, "crashed"
            raise self._crashed(child) from None
        except EngineTimeout:
            ended, usage.finish_reason = True, "crashed"
            raise
        finally:
            if not ended:
                usage.finish_reason = "cancelled"
                self._abandon(child, number)
            self._keep_heads(child, new_heads)

    def _ask(self, request: Any) -> Any:
        """Send a request with one answer and return it."""
        turn, deadline_s = Turn(), time.monotonic() + _SHORT_REQUEST_S
        with self._turn_of(turn, deadline_s):
            child, number = self._running(), self._number()
            try:
                child.send(request(number))
                while isinstance(message := self._next(child, number, turn, deadline_s), wire.HeadState):
                    self._keep_heads(child, [message])
            except Gone:
                raise self._crashed(child) from None
            if isinstance(message, wire.Failed):
                raise wire.to_error(message)
            return message

    def _next(self, child: Child, number: int, turn: Turn, deadline_s: float) -> Any:
        """The next message of request `number`; None after killing a worker that ignores a cancel.

        Raises Gone, and EngineTimeout after killing a worker that ignores the deadline.
        """
        cancelled_s = 0.0
        while True:
            try:
                message = child.receive(_POLL_S)
            except TimeoutError:
                now_s = time.monotonic()
                if now_s > deadline_s + _GRACE_S:
                    child.kill()
                    raise EngineTimeout(
                        f"{self.file_name} did not answer before the deadline; its process was ended and starts again"
                    ) from None
                if turn.cancelled:
                    cancelled_s = cancelled_s or now_s
                    if now_s > cancelled_s + _GRACE_S:
                        child.kill()
                        return None
                continue
            if isinstance(message, wire.HeadState) or message.id == number:
                return message

    def _abandon(self, child: Child, number: int) -> None:
        """The reader went away in mid-reply: stop the worker's reply and read what is still in the pipe."""
        turn = Turn()
        turn.cancel()
        child.try_send(wire.Cancel(number))
        try:
            while isinstance(self._next(child, number, turn, time.monotonic() + _GRACE_S), wire.Piece | wire.HeadState):
                continue
        except (Gone, EngineTimeout):
            return

    def _number(self) -> int:
        self._n_requests += 1
        return self._n_requests

    # -- head states --------------------------------------------------------------------------------------------------

    def _offer_head(self, prompt: Prompt, child: Child) -> None:
        text = head_text(prompt.messages)
        if self._store is None or not text:
            return
        key = head_key(self._spec, self._plan, text)
        if key in child.heads:
            return
        child.heads.add(key)
        try:
            state = self._store.get(key)
        except AssistantError:  # without it the head is computed again
            return
        if state:
            child.send(wire.HeadState(key, state))

    def _keep_heads(self, child: Child, heads: list[wire.HeadState]) -> None:
        for head in heads:
            child.heads.add(head.key)
            if self._store is not None:
                try:
                    self._store.put(head.key, head.state)
                except AssistantError:  # it only saves time; the reply is worth more
                    continue

    # -- supervision --------------------------------------------------------------------------------------------------

    def _started(self) -> Child:
        child = Child(self._spec, self._plan, on_death=self._replace)
        if self._closed.is_set():
            child.kill()
        return child

    def _running(self) -> Child:
        """The worker, or a new one in place of one that died. The caller holds `_busy`."""
        if self._closed.is_set():
            raise EngineError(f"{self.file_name} was closed; open it again")
        if self._child is not None and self._child.alive:
            return self._child
        if self._stopped:
            raise EngineError(self._stopped)
        now_s = time.monotonic()
        self._crashes_s.append(now_s)
        n_recent = sum(now_s - crash_s < _WITHIN_S for crash_s in self._crashes_s)
        if n_recent >= _CRASHES:
            why = self._child.obituary() if self._child else "it does not start"
            self._stopped = (
                f"{self.file_name} crashed {_CRASHES} times within a minute and stays stopped ({why}); "
                "choose another model, or start the assistant again"
            )
            raise EngineError(self._stopped)
        self._closed.wait(2.0 ** (n_recent - 1))
        self._child = self._started()
        return self._child

    def _replace(self, dead: Child) -> None:
        """Called when a worker has ended: have a new one ready before the next question."""
        with self._busy:
            if dead is self._child and not self._closed.is_set():
                try:
                    self._running()
                except AssistantError:  # the next request tries again, and tells
                    return

    def _crashed(self, child: Child) -> EngineCrashed:
        return EngineCrashed(
            f"the model process of {self.file_name} died ({child.obituary()}); it is being started again, "
            "ask again in a few seconds"
        )


def _question(prompt: Prompt) -> wire.Question:
    messages = [wire.Text(clean(m.id), str(m.role), clean(m.content)) for m in prompt.messages]
    prefix, schema = clean(prompt.prefix), prompt.schema
    return wire.Question(
        messages, prompt.sampling, prefix, schema, prompt.conversation, prompt.plain, prompt.judges_end
    )


def _finish(turn: Turn, message: Any) -> None:
    """Take over what the worker says about the reply; the times stay those seen here. Raises what the worker raised."""
    if isinstance(message, wire.Failed):
        raise wire.to_error(message)
    usage, told = turn.usage, message.usage
    usage.prompt_tokens, usage.cached_tokens = told.prompt_tokens, told.cached_tokens
    usage.reply_tokens, usage.n_context = told.reply_tokens, told.n_context
    usage.finish_reason = told.finish_reason
