"""The state machines of the ears, fed by a mini notation: `#` is a frame of speech, `.` one of silence (32 ms each)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audio import FRAME, samples
from assistant.audio.barge_in import Action, BargeIn, Meaning, Playback
from assistant.audio.ladder import EchoLadder, Rung
from assistant.audio.utterances import Ended, Event, Resumed, SoftEnd, SpeechStarted, State, Timing, Utterances

PROBABILITY = {"#": 0.9, ".": 0.1, "~": 0.42}  # ~ is between the thresholds


def frame(at: int) -> np.ndarray:
    """A frame that can be recognised again: every sample is its number."""
    return np.full(FRAME, at, dtype=np.int16)


def run(line: str, utterances: Utterances, holds: dict[int, float] | None = None) -> list[tuple[int, Event]]:
    """Feed a line; the events with the number of the frame at whose end they came. `holds` judges soft ends."""
    seen = []
    for at, sign in enumerate(line):
        for event in utterances.feed(frame(at), PROBABILITY[sign]):
            seen.append((at, event))
            if isinstance(event, SoftEnd) and holds and event.number in holds:
                utterances.judge(event.number, holds[event.number])
    return seen


def kinds(events: list[tuple[int, Event]]) -> list[str]:
    return [f"{type(event).__name__}@{at}" for at, event in events]


def test_an_utterance_from_onset_to_hard_end() -> None:
    events = run("..####" + "." * 20, Utterances(), holds={1: 192})
    assert kinds(events) == ["SpeechStarted@3", "SoftEnd@6", "Ended@11"]
    started, soft, ended = (event for _, event in events)
    assert isinstance(started, SpeechStarted) and started.at == 2 * FRAME
    assert isinstance(soft, SoftEnd) and soft.end == 6 * FRAME
    assert isinstance(ended, Ended) and ended.held == 6 * FRAME and ended.end == soft.end


def test_the_preroll_is_part_of_the_utterance() -> None:
    events = run("." * 30 + "####....", Utterances(Timing(preroll_ms=96)))
    soft = next(event for _, event in events if isinstance(event, SoftEnd))
    assert list(soft.pcm[::FRAME]) == [29, 30, 31, 32, 33, 34]  # three frames up to the confirmation, then the rest


def test_a_click_is_no_utterance() -> None:
    assert run("..#...#..#", Utterances()) == []


def test_speech_that_resumes_voids_the_soft_end() -> None:
    events = run("####..##" + "#" * 3 + "." * 45, Utterances())
    assert [kind.split("@")[0] for kind in kinds(events)] == ["SpeechStarted", "SoftEnd", "Resumed", "SoftEnd", "Ended"]
    assert isinstance(events[2][1], Resumed) and events[2][1].number == 1
    assert isinstance(events[4][1], Ended) and events[4][1].number == 2


def test_a_single_loud_frame_in_a_pause_neither_resumes_nor_ends() -> None:
    events = run("####...#" + "." * 10, Utterances(), holds={1: 128})
    assert "Resumed" not in str(kinds(events))
    assert kinds(events)[-1] == "Ended@8"


def test_without_a_judgement_the_pause_is_long() -> None:
    events = run("####" + "." * 60, Utterances(Timing(hold_ms=1200)))
    assert isinstance(events[-1][1], Ended) and events[-1][1].held == samples(1200) + (-samples(1200)) % FRAME


def test_a_late_judgement_of_an_earlier_pause_is_ignored() -> None:
    utterances = Utterances()
    run("####..####..", utterances)
    utterances.judge(1, 0)
    assert run("....", utterances) == []


def test_speech_between_the_thresholds_keeps_an_utterance_alive_but_begins_none() -> None:
    assert run("~~~~", Utterances()) == []
    assert kinds(run("###~~~~~~~~", Utterances())) == ["SpeechStarted@1"]


def test_endless_speech_is_cut_at_the_longest() -> None:
    events = run("#" * 70, Utterances(Timing(longest_ms=1024)))
    assert [type(event) for _, event in events[:3]] == [SpeechStarted, SoftEnd, Ended]
    assert len(next(e for _, e in events if isinstance(e, Ended)).pcm) <= samples(1024 + 320)


@settings(deadline=None)
@given(st.text(alphabet="#.~", max_size=300))
def test_events_come_in_order_whatever_is_heard(line: str) -> None:
    utterances = Utterances(Timing(hold_ms=300))
    after = {
        "": {SpeechStarted},
        SpeechStarted: {SoftEnd},
        SoftEnd: {Resumed, Ended},
        Resumed: {SoftEnd},
        Ended: {SpeechStarted},
    }
    last: object = ""
    for _, event in run(line, utterances):
        assert type(event) in after[last]
        last = type(event)
    assert utterances.now == len(line) * FRAME
    assert (last in ("", Ended)) == (utterances.state in (State.QUIET, State.RISING))


# -- barge-in ---------------------------------------------------------------------------------------------------------


def interrupt(line: str, barge_in: BargeIn) -> list[tuple[int, Action]]:
    actions = ((at, barge_in.feed(PROBABILITY[sign], FRAME)) for at, sign in enumerate(line))
    return [(at, action) for at, action in actions if action is not None]


def playing() -> BargeIn:
    barge_in = BargeIn()
    barge_in.started()
    return barge_in


def test_the_first_frame_of_speech_ducks_and_800_ms_decide() -> None:
    actions = interrupt("....." + "#" * 30, playing())
    assert actions[0] == (5, Action.DUCK)
    at, action = actions[1]
    assert action is Action.STOP and (at + 1 - 5) * 32 <= 800
    assert len(actions) == 2


def test_who_speaks_again_at_the_moment_of_decision_is_listened_to() -> None:
    """ "Please", a pause, and on: with too little speech by then to stop the answer."""
    actions = interrupt("####" + "." * 10 + "#" * 20, playing())
    assert [action for _, action in actions] == [Action.DUCK, Action.STOP]
    assert (actions[1][0] + 1) * 32 <= 800


@pytest.mark.parametrize("sound", ["##", "####", "#" * 12, "##.##..##"])
def test_a_short_sound_ducks_and_then_resumes(sound: str) -> None:
    actions = interrupt(sound + "." * 40, playing())
    assert [action for _, action in actions] == [Action.DUCK, Action.RESUME]
    assert (actions[1][0] + 1) * 32 <= 800


def test_a_click_costs_no_more_than_a_moment() -> None:
    actions = interrupt("..##" + "." * 40, playing())
    assert [action for _, action in actions] == [Action.DUCK, Action.RESUME]
    assert (actions[1][0] - actions[0][0]) * 32 <= 256


def test_what_may_be_speech_ducks_only_when_it_is_clearly_louder_than_noise_and_echo() -> None:
    assert playing().feed(0.4, FRAME) is None
    assert playing().feed(0.4, FRAME, clearly_louder=True) is Action.DUCK
    assert playing().feed(0.1, FRAME, clearly_louder=True) is None


def test_nothing_happens_while_nothing_plays() -> None:
    assert interrupt("#" * 50, BargeIn()) == []


def test_a_stop_word_stops_before_the_clock_does() -> None:
    barge_in = playing()
    interrupt("#######..", barge_in)
    assert barge_in.heard(Meaning.STOP) is Action.STOP
    assert barge_in.playback is Playback.SILENT


def test_mhm_resumes_at_once_but_not_while_the_user_still_speaks() -> None:
    barge_in = playing()
    interrupt("#####", barge_in)
    assert barge_in.heard(Meaning.BACKCHANNEL) is None
    interrupt("..", barge_in)
    assert barge_in.heard(Meaning.BACKCHANNEL) is Action.RESUME
    assert barge_in.playback is Playback.PLAYING


def test_words_that_come_after_the_decision_change_nothing() -> None:
    barge_in = playing()
    interrupt("##" + "." * 40, barge_in)
    assert barge_in.heard(Meaning.STOP) is None


@settings(deadline=None)
@given(st.text(alphabet="#.", max_size=200))
def test_every_duck_is_decided_in_time(line: str) -> None:
    actions = interrupt(line + "." * 40, playing())
    for (ducked, first), (decided, second) in zip(actions[::2], actions[1::2], strict=True):
        assert first is Action.DUCK and second in (Action.STOP, Action.RESUME)
        assert (decided - ducked + 2) * 32 <= 800


# -- the echo ladder --------------------------------------------------------------------------------------------------


def after(n_frames: int, residual_db: float, reference_db: float = -20) -> EchoLadder:
    ladder = EchoLadder()
    for _ in range(n_frames):
        ladder.own_speech(residual_db, reference_db)
    return ladder


def test_before_anything_was_heard_a_poor_canceller_is_assumed() -> None:
    ladder = EchoLadder()
    assert ladder.rung is Rung.REFERENCE
    assert not ladder.may_interrupt(-33, -20) and ladder.may_interrupt(-28, -20)


def test_without_echo_any_speech_interrupts() -> None:
    ladder = after(100, -58)
    assert ladder.rung is Rung.CLEAR and ladder.may_interrupt(-40, -20)


def test_some_echo_left_asks_for_a_louder_voice() -> None:
    ladder = after(100, -45)
    assert ladder.rung is Rung.REFERENCE
    assert not ladder.may_interrupt(-44, -20)
    assert ladder.may_interrupt(-30, -20)


def test_a_drowning_echo_makes_half_duplex() -> None:
    ladder = after(20, -22)
    assert ladder.rung is Rung.HALF_DUPLEX
    assert not ladder.may_interrupt(-5, -20)
    assert ladder.may_interrupt(-30, -90)  # we are silent


def test_the_ladder_is_climbed_slowly_and_fallen_from_soon() -> None:
    ladder = after(20, -22)
    for _ in range(200):
        ladder.own_speech(-62, -20)
    assert ladder.rung is Rung.CLEAR
    for _ in range(8):  # a quarter of a second: it may be a user who is not heard yet
        ladder.own_speech(-22, -20)
    assert ladder.rung is Rung.REFERENCE
    for _ in range(32):
        ladder.own_speech(-22, -20)
    assert ladder.rung is Rung.HALF_DUPLEX


def test_a_user_who_was_not_heard_is_not_taken_for_echo() -> None:
    ladder = after(100, -62)
    ladder.false_alarm(-20, -20)
    for _ in range(20):  # of the next user: too soft at first, then as loud as we are
        ladder.own_speech(-22, -20)
    assert ladder.rung is Rung.REFERENCE and ladder.may_interrupt(-28, -20)


def test_the_first_frames_of_a_user_teach_the_ladder_nothing() -> None:
    ladder = after(100, -62)
    for _ in range(4):
        ladder.own_speech(-20, -20)
    assert ladder.rung is Rung.CLEAR


def test_a_false_alarm_asks_for_more_but_shuts_nobody_out() -> None:
    ladder = after(100, -62)
    ladder.false_alarm(-20, -20)
    assert ladder.rung is Rung.REFERENCE
    assert not ladder.may_interrupt(-34, -20) and ladder.may_interrupt(-28, -20)
    for _ in range(120):
        ladder.own_speech(-62, -20)
    assert ladder.rung is Rung.CLEAR


def test_the_noise_floor_follows_the_room() -> None:
    ladder = EchoLadder()
    for _ in range(300):
        ladder.silence(-35)
    assert ladder.noise_db == pytest.approx(-35, abs=1)
    for _ in range(100):
        ladder.own_speech(residual_db=-33, reference_db=-10)
    assert ladder.rung is Rung.CLEAR
