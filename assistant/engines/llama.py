"""LlamaModel: a GGUF model in this process, with our own decode loop.

The loop does per token what llama.cpp needs and little else: sample in C, look the token's bytes up, decode. Prompts
reuse the KV cache (kv_cache.py) with the ids of earlier replies (encoder.py). Cancelling raises a flag that the
native code looks at between two operations, so it takes milliseconds inside a prefill too.

Native code can abort this process: the product runs this class in a supervised child (worker.py, remote.py).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence

from assistant.engines import Likelihood, Menu, Picked, Prompt, Sampling
from assistant.engines.context import Aborted, Context, Late
from assistant.engines.encoder import Encoder, Reply
from assistant.engines.ending import Endings
from assistant.engines.grammar import compile_schema
from assistant.engines.head_state import AT_LEAST_TOKENS, AT_MOST_BYTES, StateStore, head_key, head_text
from assistant.engines.kv_cache import EncodedPrompt
from assistant.engines.picking import Picker
from assistant.engines.pieces import LOOP_CHECK_INTERVAL, Text, loops
from assistant.engines.plan import Plan
from assistant.engines.sampler import Sampler
from assistant.engines.templates import choose
from assistant.errors import EngineError, ModelRefusedError, PromptTooLong
from assistant.models.spec import ModelSpec
from assistant.turn import Turn


class LlamaModel:
    """A loaded model. One reply at a time; other threads wait for it to end.

    Raises ModelRefusedError if the file does not load or lacks the template's control tokens, EngineError if its
    weights are damaged or the context does not fit the memory.
    """

    def __init__(self, spec: ModelSpec, plan: Plan, state_store: StateStore | None = None) -> None:
        self._spec, self._plan, self._store = spec, plan, state_store
        self._busy = threading.Lock()
        self._context = Context(spec, plan)
        vocabulary = self._context.vocabulary
        try:
            template = choose(spec.family, vocabulary, spec.file_name)
        except ModelRefusedError:
            self._context.close()
            raise
        self._encoder = Encoder(vocabulary, template)
        self._picker: Picker | None = None
        self._endings: Endings | None = None

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def file_name(self) -> str:
        return self._spec.file_name

    @property
    def n_context(self) -> int:
        return self._context.n_context

    @property
    def has_adapter(self) -> bool:
        return self._spec.adapter is not None

    def pick(self, request: str, menu: Menu) -> Picked:
        """Let the adapter choose a tool for a request. Its context is made at the first call.

        Raises EngineError where there is no adapter or it is for something else.
        """
        if self._spec.adapter is None:
            raise EngineError(f"{self.file_name} has no adapter for choosing tools")
        with self._busy:
            if self._picker is None:
                self._picker = self._context.picker(self._spec.adapter)
            return self._picker.pick(request, menu)

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes as message content."""
        with self._busy:
            return self._encoder.count(text)

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        """See LanguageModel.stream. Also raises EngineError if the weights turn out to be damaged."""
        started_s = time.monotonic()
        grammar = compile_schema(prompt.schema) if prompt.schema is not None else None
        usage = turn.usage
        with self._busy, self._context.cancelled_by(turn):
            encoded = self._encoder.encode(prompt)
            self._require_room(encoded, prompt.sampling)
            usage.n_context, usage.prompt_tokens = self.n_context, len(encoded.tokens)
            sampler = Sampler(self._context.handle, self._context.vocabulary, prompt.sampling, grammar)
            reply = self._encoder.begin_reply(prompt.prefix)
            n_before = len(reply.tokens)
            try:
                deadline_s = started_s + prompt.sampling.deadline_s
                usage.cached_tokens, usage.end_log_odds = self._prefill(prompt, encoded, deadline_s)
                yield from self._decode(sampler, reply, prompt.sampling, turn, started_s)
            except Aborted:
                usage.finish_reason = "cancelled"
            except GeneratorExit:  # nobody reads on
                usage.finish_reason = "cancelled"
                raise
            except Late:
                usage.finish_reason = "deadline"
            finally:
                self._context.cache.interrupted()
                sampler.close()
                usage.reply_tokens = len(reply.tokens) - n_before
                self._encoder.remember(reply)

    def score(self, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """The log-probability of each candidate as the beginning of the reply to `prompt`; nothing is sampled.

        Natural logarithms, summed over the candidate's tokens. Raises PromptTooLong.
        """
        return [likelihood.log_probability for likelihood in self.likelihoods(prompt, candidates)]

    def likelihoods(self, prompt: Prompt, candidates: Sequence[str]) -> list[Likelihood]:
        """As score(), with what benchmarks need beside it. Raises PromptTooLong."""
        context = self._context
        with self._busy, context.cancelled_by(Turn()):
            encoded = self._encoder.encode(prompt)
            tokenised = [self._encoder.following(prompt, encoded, candidate) for candidate in candidates]
            if len(encoded.tokens) + max(map(len, tokenised), default=0) > self.n_context:
                raise PromptTooLong(encoded.per_message, self.n_context)
            self._prefill(prompt, encoded, math.inf)
            n_prompt = len(context.cache.tokens)
            first = context.log_softmax(-1)
            scored = []
            for tokens in tokenised:
                scored.append(context.score(tokens, first))
                context.cache.truncate(n_prompt)
            return scored

    def close(self) -> None:
        """Free the model. The second call does nothing."""
        with self._busy:
            if self._picker is not None:
                self._picker.close()
                self._picker = None
            self._context.close()

    # -- a reply, step by step --------------------------------------------------------------------------------------

    def _require_room(self, encoded: EncodedPrompt, sampling: Sampling) -> None:
        reserve = min(sampling.max_tokens, self.n_context // 4)
        if len(encoded.tokens) + reserve > self.n_context:
            raise PromptTooLong(encoded.per_message, self.n_context)

    def _prefill(self, prompt: Prompt, encoded: EncodedPrompt, deadline_s: float) -> tuple[int, float | None]:
        """Compute what of the prompt is not in the cache; return how many tokens were, and Usage.end_log_odds."""
        cache = self._context.cache
        cached = cache.prepare(prompt.conversation, encoded)
        if (
            prompt.sampling.seed is not None
        ):  # what is in the cache was computed in other batches, which round otherwise
            cache.truncate(cached := 0)
        elif self._store is not None and encoded.head >= AT_LEAST_TOKENS and cached < encoded.head:
            cached = self._restore_head(self._store, prompt, encoded, deadline_s)
        watched = None
        if prompt.judges_end:
            self._endings = self._endings or Endings(self._context.vocabulary)
            watched = self._endings.last_word(prompt, encoded)
        if watched is not None:
            cache.truncate(min(len(cache.tokens), watched))
        n_before = len(cache.tokens)
        at = None if watched is None else watched - n_before
        logits = self._context.prefill(encoded.tokens[n_before:], deadline_s, at)
        log_odds = None if logits is None or self._endings is None else self._endings.log_odds(logits)
        return min(cached, n_before), log_odds

    def _restore_head(self, store: StateStore, prompt: Prompt, encoded: EncodedPrompt, deadline_s: float) -> int:
        """Take the head's state from the store, or compute it and give it to the store. Returns the tokens saved."""
        cache, head = self._context.cache, encoded.tokens[: encoded.head]
        key = head_key(self._spec, self._plan, head_text(prompt.messages))
        state = store.get(key)
        if state and cache.restore(state, head):
            return len(head)
        cached = len(cache.tokens)
        self._context.prefill(head[cached:], deadline_s)
        computed = cache.export()
        if computed and len(computed) <= AT_MOST_BYTES:
            store.put(key, computed)
        return cached

    def _decode(
        self, sampler: Sampler, reply: Reply, sampling: Sampling, turn: Turn, started_s: float
    ) -> Iterator[str]:
        """Sample and decode until something ends the reply; yields text, notes the reason and the times in the turn."""
        context, vocabulary, usage = self._context, self._context.vocabulary, turn.usage
        text = Text(sampling.stop, strip_first_space=vocabulary.is_sentencepiece and not reply.tokens)
        n_tokens, first_s = 0, 0.0
        while not usage.finish_reason:
            token = sampler.sample()
            if n_tokens % LOOP_CHECK_INTERVAL == 0:
                self._check_weights(token)
            if vocabulary.ends_reply(token):
                usage.finish_reason = "stop"
                break
            n_tokens += 1
            shown = text.push(vocabulary.piece(token))
            reply.push(token, shown)
            now_s = time.monotonic()
            first_s = first_s or now_s
            usage.ttft_ms, usage.decode_ms = (first_s - started_s) * 1000, (now_s - first_s) * 1000
            if shown:
                turn.mark("first_token")
                yield shown
            if turn.cancelled:
                usage.finish_reason = "cancelled"
            elif now_s - started_s > sampling.deadline_s:
                usage.finish_reason = "deadline"
            elif len(context.cache.tokens) >= self.n_context:
                usage.finish_reason = "context"
            else:
                usage.finish_reason = _ended(text, reply, n_tokens, sampling)
            if not usage.finish_reason:
                context.decode(token)
        if rest := text.finish():
            reply.push_text(rest)
            yield rest

    def _check_weights(self, token: int) -> None:
        if not math.isfinite(self._context.logit(token)):
            self._context.cache.clear()
            raise EngineError(
                f"{self.file_name} is damaged: its weights compute no usable probabilities; pull it again, "
                "or choose another model"
            )


def _ended(text: Text, reply: Reply, n_tokens: int, sampling: Sampling) -> str:
    """Why the reply ends with the token just shown, "" if it goes on."""
    if text.stopped:
        return "stop"
    if n_tokens >= sampling.max_tokens:
        return "length"
    if n_tokens % LOOP_CHECK_INTERVAL == 0 and loops(reply.tokens[-n_tokens:]):
        return "repetition"
    return ""
