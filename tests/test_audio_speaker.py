"""What was heard of an answer, counted in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from assistant.audio.messages import Change, Playback
from assistant.audio.speaker import Speaker, heard_text
from assistant.engines.hearing import Sound
from assistant.turn import Turn
from voice_fakes import WORD, ScriptedAudio, ScriptedEars


def sound(written: str, n_words: int) -> Sound:
    ends = tuple(WORD * (at + 1) for at in range(n_words))
    return Sound(np.full(WORD * n_words, 9000, np.int16), written, WORD * n_words, ends)


def test_what_was_heard_is_counted_in_whole_words() -> None:
    def until(n_samples: int) -> str:
        audio = ScriptedAudio(".", ScriptedEars({}))
        speaker = Speaker(audio)

        def sounds() -> Iterator[Sound]:
            yield from (sound("One two three. ", 3), sound("Four five.", 2))
            speaker.follow(Playback(Change.STOPPED, 1, 0, n_samples))

        return speaker.play(sounds(), Turn())

    assert until(0) == ""
    assert until(2 * WORD + 5) == "One two"
    assert until(3 * WORD) == "One two three. "
    assert until(4 * WORD) == "One two three. Four"
    assert until(5 * WORD) == "One two three. Four five."


def test_a_cancelled_turn_frees_the_speaker() -> None:
    audio = ScriptedAudio(".", ScriptedEars({}))
    speaker, turn = Speaker(audio), Turn()

    def sounds() -> Iterator[Sound]:
        yield sound("One two three. ", 3)
        assert speaker.playing
        turn.cancel()
        yield sound("Four five.", 2)

    assert speaker.play(sounds(), turn) == "" and not speaker.playing


def test_an_error_among_the_sounds_frees_the_speaker() -> None:
    speaker = Speaker(ScriptedAudio(".", ScriptedEars({})))

    def sounds() -> Iterator[Sound]:
        yield sound("One two three. ", 3)
        raise ValueError

    with pytest.raises(ValueError):
        speaker.play(sounds(), Turn())
    assert not speaker.playing


def test_nothing_heard_of_nothing() -> None:
    assert heard_text([], 100) == ""
