"""Is the question over? What the model expects behind the last word of a message: its end, or more words.

    "What is the capital of"          -> a name, surely
    "What is the capital of France"   -> a question mark

The answer's own prompt goes through these tokens anyway; one more row of probabilities of the same computation is
looked at (docs/experiments.md for what it is worth beside the sound of the voice).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from assistant.conversation import Role
from assistant.engines.native import Vocabulary

if TYPE_CHECKING:
    from assistant.engines import Prompt
    from assistant.engines.kv_cache import EncodedPrompt

_ENDS = (".", "?", "!", ".\n", "?\n", "!\n", ".\n\n", "?\n\n", "!\n\n", "\n", "\n\n", " please", " Please")
_LEAST = 1e-3  # no end is surer, or less sure, than this: one odd word must not outvote the ear


class Endings:
    """For one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        import numpy  # now rather than with the first question

        self._vocabulary = vocabulary
        single = (vocabulary.tokenise(text) for text in _ENDS)
        tokens = {ids[0] for ids in single if len(ids) == 1}
        tokens |= {token for token in range(vocabulary.n_tokens) if vocabulary.ends_reply(token)}
        self._tokens = numpy.array(sorted(tokens))

    def last_word(self, prompt: Prompt, encoded: EncodedPrompt) -> int | None:
        """Position of the last token that belongs to a word of the last message; None if that is not the user's, or
        has no words. Its full stop is left out: recognition puts one behind half a sentence too."""
        last = prompt.messages[-1] if prompt.messages else None
        if last is None or last.role is not Role.USER or last.id not in encoded.starts:
            return None
        start = encoded.starts[last.id]
        written = self._vocabulary.tokenise(last.content)
        if encoded.tokens[start : start + len(written)] != written:
            return None
        for at in range(len(written) - 1, -1, -1):
            piece = self._vocabulary.piece(written[at]).decode(errors="replace")
            if any(sign.isalnum() or sign == "\ufffd" for sign in piece):
                return start + at
        return None

    def log_odds(self, logits: Any) -> float:
        """Natural logarithm of P(end) / P(more), from the logits (n_tokens,) behind the last word."""
        import numpy

        chances = numpy.exp(logits - logits.max())
        end = float(chances[self._tokens].sum() / chances.sum())
        end = min(max(end, _LEAST), 1 - _LEAST)
        return math.log(end / (1 - end))
