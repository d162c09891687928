"""The answer being played: positions, ducking, word boundaries, fades."""

from __future__ import annotations

import numpy as np

from assistant.audio import RATE_HZ
from assistant.audio.echo import Resampler, level_db
from assistant.audio.messages import Change
from assistant.audio.playback import FADE_MS, PlaybackBuffer, State

RATE = 22_050
FADE = RATE * FADE_MS // 1000


def filled(n_samples: int = 10_000, word_ends: tuple[int, ...] = (2000, 4000, 6000)) -> PlaybackBuffer:
    """An answer whose samples count up, so that any of them tells its place."""
    playback = PlaybackBuffer(RATE)
    playback.begin(1)
    half = n_samples // 2
    numbers = np.arange(1000, 1000 + n_samples).astype(np.int16)
    playback.append(1, numbers[:half], list(word_ends))
    playback.append(1, numbers[half:], [])
    return playback


def changes(playback: PlaybackBuffer) -> list[tuple[Change, int]]:
    return [(change.change, change.at) for change in playback.changes()]


def test_pieces_follow_each_other_without_a_seam() -> None:
    playback = filled()
    out = np.concatenate([playback.take(441, 0, RATE_HZ) for _ in range(20)])
    assert np.array_equal(out, np.arange(1000, 1000 + len(out)))
    assert playback.position == (1, len(out))


def test_a_duck_fades_keeps_the_place_and_resumes_at_a_word() -> None:
    playback = filled()
    playback.take(4500, 0, RATE_HZ)
    playback.duck(now=77, onset=55)
    faded = playback.take(1000, 80, RATE_HZ)
    assert faded[0] > 5000 and abs(int(faded[FADE - 1])) < 30 and not faded[FADE:].any()
    assert not playback.take(1000, 90, RATE_HZ).any()
    playback.resume(now=99)
    again = playback.take(1000, 100, RATE_HZ)
    assert again[0] == 0 and again[FADE + 5] == 1000 + 4000 + FADE + 5
    assert playback.position == (1, 5000)
    ducked, resumed = [change for change in playback.changes() if change.change is not Change.BEGUN]
    assert (ducked.change, ducked.now, ducked.onset, ducked.at) == (Change.DUCKED, 77, 55, 4500)
    assert (resumed.change, resumed.now, resumed.at) == (Change.RESUMED, 99, 4000)


def test_an_answer_ends_when_it_is_whole_and_played_and_not_before() -> None:
    playback = filled(1000, ())
    playback.take(1500, 0, RATE_HZ)
    assert playback.state is State.PLAYING  # more may come
    playback.whole(1)
    playback.take(10, 0, RATE_HZ)
    assert playback.state is State.SILENT and changes(playback)[-1] == (Change.FINISHED, 1000)


def test_a_stop_is_heard_as_a_fade_and_later_sound_of_that_answer_is_dropped() -> None:
    playback = filled()
    playback.take(3000, 0, RATE_HZ)
    playback.stop(9)
    playback.append(1, np.full(100, 7, np.int16), [])
    tail = playback.take(1000, 0, RATE_HZ)
    assert tail[:FADE].any() and not tail[FADE:].any()
    assert not playback.take(1000, 0, RATE_HZ).any()
    assert changes(playback)[-1] == (Change.STOPPED, 3000)


def test_the_first_audible_sample_is_reported_in_input_samples() -> None:
    playback = PlaybackBuffer(RATE)
    playback.begin(3)
    playback.append(3, np.concatenate([np.zeros(RATE // 10), np.full(RATE // 10, 9000)]).astype(np.int16), [])
    playback.take(RATE // 5, 16_000, RATE_HZ)
    (begun,) = playback.changes()
    assert begun.change is Change.BEGUN and abs(begun.now - 17_600) <= 1


def test_a_rest_of_an_answer_keeps_the_answer_s_own_positions() -> None:
    playback = PlaybackBuffer(RATE)
    playback.begin(2, at=5000)
    playback.append(2, np.full(3000, 5, np.int16), [1000])
    playback.take(1500, 0, RATE_HZ)
    playback.duck(0, 0)
    playback.resume(0)
    assert playback.position == (2, 6500)
    assert changes(playback)[-1] == (Change.RESUMED, 6000)


def test_a_stream_resampled_in_odd_pieces_is_the_same_tone() -> None:
    for rate_hz in (8000, 22_050, 24_000, 44_100, 48_000):
        tone = (10_000 * np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz)).astype(np.int16)
        resampler = Resampler(rate_hz, RATE_HZ)
        out = np.concatenate([resampler.feed(tone[at : at + 221]) for at in range(0, len(tone), 221)])[100:-100]
        turn = 2 * np.pi * 1000 * np.arange(len(out)) / RATE_HZ
        waves = np.stack([np.sin(turn), np.cos(turn)], axis=1)
        fitted, error, _, _ = np.linalg.lstsq(waves, out.astype(float), rcond=None)
        assert abs(np.hypot(*fitted) - 10_000) < 50
        assert error[0] / len(out) < 10  # 3 of 10,000


def test_going_down_in_rate_removes_what_would_fold_back() -> None:
    high = (10_000 * np.sin(2 * np.pi * 11_000 * np.arange(48_000) / 48_000)).astype(np.int16)
    assert level_db(Resampler(48_000, RATE_HZ).feed(high)[200:]) < level_db(high) - 40
