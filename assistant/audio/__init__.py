"""Sound: devices, files used as devices, echo, and the state machines that turn frames into utterances.

Samples are 16-bit, mono. Time is counted in samples received, never read from a clock: a recorded hour replays in
seconds and gives the same events.
"""

from assistant.engines.hearing import FRAME, RATE_HZ

__all__ = ["FRAME", "FRAME_MS", "RATE_HZ", "samples"]
FRAME_MS = 1000 * FRAME / RATE_HZ


def samples(ms: float, rate_hz: int = RATE_HZ) -> int:
    """How many samples last `ms` milliseconds."""
    return round(ms * rate_hz / 1000)
