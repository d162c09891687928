"""Train a tool-caller: a low-rank adapter on the dequantised 4-bit file as users have it, loss on the answer only.

The prompt is the request and one control token; the answer is a code and what is copied (assistant/choosing/codes.py).
The base is frozen, so what is learnt includes how to live with its quantisation. One example costs a dozen tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assistant.choosing.codes import CODES, END, SEPARATOR, normal
from quantize.losses import by_labels
from quantize.runtime import Runtime
from quantize.situations import Request
from quantize.topology import Model

MAX_TOKENS = 64
SORTED_BATCHES = 16  # examples of so many batches are put in order of length, so that little is padded


@dataclass(frozen=True, slots=True)
class Language:
    """The tokens of the format in one vocabulary."""

    separator: int
    end: int
    padding: int
    codes: dict[str, int]

    @classmethod
    def of(cls, runtime: Runtime) -> Language:
        """Raises ValueError where a code is not one token, or two codes are the same token."""
        codes = {}
        for word in CODES:
            tokens = runtime.tokenize(f" {word}")
            if len(tokens) != 1:
                raise ValueError(f"the code {word!r} takes {len(tokens)} tokens; choose another word")
            codes[word] = int(tokens[0])
        if len(set(codes.values())) != len(codes):
            raise ValueError("two codes are the same token")
        (separator,), (end,) = runtime.tokenize(SEPARATOR, True), runtime.tokenize(END)
        return cls(int(separator), int(end), int(runtime.tokenize("<|endoftext|>", True)[0]), codes)


def encode(request: Request, runtime: Runtime, language: Language) -> list[int] | None:
    """Request, separator, code, copied pieces with their ends; None where a piece is not made of the request's own
    tokens."""
    asked = [int(t) for t in runtime.tokenize(normal(request.text))]
    answer = [language.codes[request.code]]
    for piece in request.copied:
        tokens = [int(t) for t in runtime.tokenize(normal(piece))]
        if not _inside(tokens, asked):
            return None
        answer += [*tokens, language.end]
    tokens = [*asked, language.separator, *answer]
    return tokens if len(tokens) <= MAX_TOKENS else None


def _inside(part: Sequence[int], whole: Sequence[int]) -> bool:
    n = len(part)
    return any(list(whole[i : i + n]) == list(part) for i in range(len(whole) - n + 1))


def batches(rows: Sequence[list[int]], batch_size: int, padding: int, seed: int) -> Callable[[int], Tensor]:
    """A function from step to token ids (batch_size, longest of the batch), padded on the right; a pure function of the
    step."""
    per_epoch = len(rows) // batch_size
    if per_epoch == 0:
        raise ValueError(f"{len(rows)} examples do not fill one batch of {batch_size}")

    def epoch_batches(epoch: int) -> list[list[int]]:
        chance = random.Random(seed * 1_000_003 + epoch)  # noqa: S311 - a reproducible shuffle
        order = list(range(len(rows)))
        chance.shuffle(order)
        size = batch_size * SORTED_BATCHES
        found = []
        for at in range(0, len(order), size):
            part = sorted(order[at : at + size], key=lambda i: len(rows[i]))
            found += [part[i : i + batch_size] for i in range(0, len(part) - batch_size + 1, batch_size)]
        chance.shuffle(found)
        return found

    kept: dict[int, list[list[int]]] = {}

    def batch(step: int) -> Tensor:
        epoch = step // per_epoch
        if epoch not in kept:
            kept.clear()
            kept[epoch] = epoch_batches(epoch)
        chosen = [rows[i] for i in kept[epoch][step % per_epoch]]
        longest = max(map(len, chosen))
        return torch.tensor([row + [padding] * (longest - len(row)) for row in chosen])

    return batch


def answer_loss(model: Model, language: Language) -> Callable[[Tensor], Tensor]:
    """Cross-entropy of the tokens after the separator. The vocabulary is computed for those alone."""
    from peft.helpers import disable_input_dtype_casting

    plain = model.get_base_model()

    def loss(ids: Tensor) -> Tensor:
        answers = (ids == language.separator).cumsum(1).bool()[:, :-1] & (ids[:, 1:] != language.padding)
        with disable_input_dtype_casting(model):  # the adapter multiplies as the base does
            hidden = plain.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        return by_labels(plain.lm_head(hidden[answers]), ids[:, 1:][answers])

    return loss
