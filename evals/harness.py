"""The model `assistant` of lm-evaluation-harness: our engine, in this process, behind the harness's own tasks.

    evals lm_eval --model assistant --model_args model=smollm2-135m --tasks arc_easy --include_path DIR

is the harness's command line with that model registered. `model` is a name or a path as everywhere else;
`n_context` and `threads` are optional. Needs the extra `evals`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from assistant import build
from assistant.config import Settings
from assistant.conversation import Message, Role
from assistant.engines import Likelihood, Prompt, Sampling
from assistant.engines.llama import LlamaModel
from assistant.turn import Turn
from evals.product import resolve

REPLY_TOKENS = 256  # what a task that does not say gets, as with the harness's own models


@register_model("assistant")
class AssistantLM(LM):  # type: ignore[misc]  # the harness has no types
    """One model. Raises ModelMissingError, ModelRefusedError, NotEnoughMemoryError, EngineError."""

    def __init__(self, model: str = "smollm2-135m", n_context: int = 2048, threads: int = 0, **_: Any) -> None:
        super().__init__()
        spec = resolve(str(model))
        plan = build.prepare(spec, Settings(context_tokens=int(n_context), threads=int(threads))).plan
        self._name = spec.name
        self.engine = LlamaModel(spec, plan)

    @property
    def tokenizer_name(self) -> str:
        return self._name

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Continuations of one context are scored together: the context is computed once."""
        scored: list[tuple[float, bool]] = []
        for context, group in groupby(requests, key=lambda request: request.args[0]):
            text, spaces = _without_trailing_spaces(context)
            found = self._likelihoods(text, [spaces + request.args[1] for request in group])
            scored += [(f.log_probability, f.is_greedy) for f in found]
        return scored

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """A text that does not fit is cut at words; each piece is scored behind the one before it."""
        totals = []
        for request in requests:
            before, total = "", 0.0
            for piece in self._pieces(request.args[0]):
                total += self._likelihoods(before, [piece])[0].log_probability
                before = piece
            totals.append(total)
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        return [self._continue(*request.args) for request in requests]

    def _likelihoods(self, text: str, continuations: Sequence[str]) -> list[Likelihood]:
        return self.engine.likelihoods(_plain(text), continuations)

    def _continue(self, context: str, given: dict[str, Any]) -> str:
        until = given.get("until") or []
        sampling = Sampling(
            temperature=float(given.get("temperature") or 0.0) if given.get("do_sample") else 0.0,
            repeat_penalty=1.0,
            max_tokens=int(given.get("max_gen_toks") or REPLY_TOKENS),
            stop=(until,) if isinstance(until, str) else tuple(stop for stop in until if stop),
        )
        return "".join(self.engine.stream(dataclasses.replace(_plain(context), sampling=sampling), Turn()))

    def _pieces(self, text: str) -> list[str]:
        """The text in pieces of which two fit the context."""
        room = self.engine.n_context // 2 - 1
        if self.engine.count_tokens(text) <= self.engine.n_context - 1:
            return [text]
        pieces: list[str] = []
        while text:
            low, high = 1, len(text)
            while low < high:  # the most characters that fit
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self.engine.count_tokens(text[:middle]) <= room else (low, middle - 1)
            cut = text.rfind(" ", 1, low) if low < len(text) else low
            cut = cut if cut > 0 else low
            pieces.append(text[:cut])
            text = text[cut:]
        return pieces


def main(arguments: list[str]) -> int:
    """lm_eval's command line with the model registered."""
    from lm_eval.__main__ import cli_evaluate

    sys.argv = ["lm_eval", *arguments]
    cli_evaluate()
    return 0


def _plain(text: str) -> Prompt:
    return Prompt([Message(Role.USER, text, id="text")], conversation="plain", plain=True)


def _without_trailing_spaces(context: str) -> tuple[str, str]:
    """Spaces at the end of a context belong to the first word behind it, or it is tokenised as no text ever is."""
    text = context.rstrip()
    return text, context[len(text) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
