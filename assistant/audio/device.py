"""What the voice loop knows of sound: events in, commands out; the same for devices and for files (process.py).

    for event in audio.events(busy):
        match event:
            case Frame():      utterances.feed(event.samples, event.probability)
            case Playback():   ducked, resumed and stopped by itself; the turn of a stopped answer is to be cancelled
            case Woken() | Badge() | DeviceLost() | DeviceBack() | InputEnded(): ...

The process ducks within two frames of speech and decides by the clock (barge_in.py) to stop or to resume; whoever knows
the words earlier says stop() or resume(). Text never goes there: audio/speaker.py keeps account of what was heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from assistant.audio.messages import Event, Pcm


class Audio(Protocol):
    """A microphone and a speaker in step."""

    @property
    def real_pace(self) -> bool:
        """Whether a clock drives the frames; without one, latencies mean nothing."""
        ...

    @property
    def rate_out_hz(self) -> int: ...

    def events(self, busy: Callable[[], bool]) -> Iterator[Event]:
        """A Frame every FRAME samples and what happened before it.

        Ends when the input has ended and `busy()` is false. In lockstep the next frame is made when the next event is
        asked for. Raises AudioError when sound is lost for good.
        """
        ...

    def begin(self) -> int:
        """A new answer; returns its number."""
        ...

    def play(self, pcm: Pcm, word_ends: Sequence[int] = ()) -> None: ...

    def whole(self) -> None:
        """The answer has no more PCM."""
        ...

    def duck(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...

    def mute(self, on: bool) -> None: ...

    def close(self) -> None: ...
