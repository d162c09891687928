"""A sentence that our own voice says, as the ears get it: what the tests of the engines of speech share."""

from __future__ import annotations

from assistant.audio import RATE_HZ
from assistant.audio.echo import Resampler
from assistant.engines.hearing import Pcm

SENTENCE = "The kitchen light is on, and it is twenty one degrees in the living room."


def at_16_khz(pcm: Pcm, rate_hz: int) -> Pcm:
    return Resampler(rate_hz, RATE_HZ).feed(pcm)
