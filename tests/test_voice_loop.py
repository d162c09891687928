"""Turns of a spoken conversation: what is heard, said, remembered. Engines follow a script, time is samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from assistant.audio import FRAME
from assistant.audio.messages import DeviceBack, DeviceLost, Event, Frame
from assistant.audio.utterances import Ended
from assistant.conversation import State
from assistant.engines import Prompt
from assistant.engines.hearing import Transcript
from assistant.errors import EngineCrashed
from assistant.router import Router
from assistant.session import chat_turn
from assistant.tools.opening import surroundings_for
from assistant.turn import Turn
from assistant.voice import report as voice_report
from assistant.voice.attention import Mode
from assistant.voice.events import Answering, Caption, Notice, Phase, PhaseChanged
from assistant.voice.loop import NOT_CAUGHT, VoiceLoop
from assistant.voice.understanding import Engines, Manner
from voice_fakes import WORD, Talk, audio

REPLY = "It is twelve o'clock in the city. "


def test_a_question_is_heard_answered_and_remembered() -> None:
    talk = Talk("...1111" + "." * 20, {1: "What time is it?"})
    talk.model.enqueue("It is |twelve.")
    (report,) = talk.run()
    assert (report.heard, report.reply, report.handled_by) == ("What time is it?", "It is twelve.", "model")
    assert report.spoken_fraction == 1.0
    assert report.end_to_first_sound_ms is None and set(report.stages_ms.values()) == {None}
    assert talk.transcript == [("user", "What time is it?"), ("assistant", "It is twelve.")]
    assert talk.device.heard.count("#") >= 3 * WORD // FRAME


def test_typed_and_spoken_turns_share_one_conversation() -> None:
    talk = Talk("1111" + "." * 20, {1: "And now?"})
    talk.model.enqueue("Typed answer.")
    list(chat_turn(talk.chat.ask("A typed question"), Turn(), talk.chat, talk.model))
    talk.model.enqueue("Spoken answer.")
    talk.run()
    head, *messages = talk.asked[1]
    assert [m.content for m in messages] == ["A typed question", "Typed answer.", "And now?"]
    assert head.content.startswith("Be brief.") and "spoken aloud" in head.content
    assert talk.chat.conversation.system == "Be brief."  # what is typed next is not told to be short
    assert [text for _, text in talk.transcript] == ["A typed question", "Typed answer.", "And now?", "Spoken answer."]


def test_an_answer_begun_too_early_is_thrown_away_unheard() -> None:
    talk = Talk("1111...2222" + "." * 20, {1: "What is", 2: "What is the time?"})
    talk.model.enqueue("Never to be heard.")
    talk.model.enqueue("Noon.")
    (report,) = talk.run()
    assert report.heard == "What is the time?" and report.reply == "Noon."
    assert talk.transcript == [("user", "What is the time?"), ("assistant", "Noon.")]


def test_an_unfinished_sentence_is_waited_for() -> None:
    line = "1111" + "." * 20 + "2222" + "." * 60
    talk = Talk(line, {1: "Turn off the", 2: "Turn off the light please now"}, unfinished=frozenset({1}))
    talk.model.enqueue("x")
    talk.model.enqueue("Done.")
    reports = talk.run()
    assert [r.heard for r in reports] == ["Turn off the light please now"]


@pytest.mark.parametrize(("log_odds", "n_turns"), [(None, 2), (6.0, 2), (-6.0, 1)])
def test_what_the_model_expects_behind_the_words_decides_how_long_is_waited(
    log_odds: float | None, n_turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk("1111" + "." * 20 + "2222" + "." * 60, {1: "I want a coffee.", 2: "I want a coffee with milk."})
    answers = talk.model.stream

    def judged(prompt: Prompt, turn: Turn) -> Iterator[str]:
        turn.usage.end_log_odds = log_odds
        yield from answers(prompt, turn)

    monkeypatch.setattr(talk.model, "stream", judged)
    for reply in ("Yes.", "No.", "Well."):
        talk.model.enqueue(reply)
    assert len(talk.run()) == n_turns


def test_noise_is_no_turn_and_the_screen_says_that_nothing_was_understood() -> None:
    talk = Talk("1111" + "." * 60, {1: ""})
    assert talk.run() == [] and talk.asked == []
    assert [event.text for event in talk.events if isinstance(event, Caption)] == ["", NOT_CAUGHT]
    assert talk.voice.said == []


def test_what_recognition_says_when_it_fails_is_told() -> None:
    talk = Talk("1111" + "." * 60, {1: "What time is it?"})

    def fail(*_: object) -> Transcript:
        raise EngineCrashed("the process of whisper-base died; say it once more")

    talk.ears.transcribe = fail  # type: ignore[method-assign]
    assert talk.run() == []
    assert Notice("the process of whisper-base died; say it once more") in talk.events


def test_noise_over_an_answer_is_not_told() -> None:
    talk = Talk("1111" + "." * 12 + "2" * 8 + "." * 60, {1: "Tell me a story", 2: ""})
    talk.model.enqueue("Once upon a time there was a king who had a crown.")
    talk.run()
    assert Caption(NOT_CAUGHT) not in talk.events


def test_speech_over_an_answer_stops_it_and_only_what_was_heard_is_remembered() -> None:
    talk = Talk("1111" + "." * 12 + "2" * 24 + "." * 20, {1: "Tell me a story", 2: "What time is it?"})
    talk.model.enqueue("Once upon a time there was a king, who had a very long story to tell about his crown.")
    talk.model.enqueue("Noon.")
    first, second = talk.run()
    assert second.heard == "What time is it?"
    assert 0 < first.spoken_fraction < 0.7
    heard = talk.transcript[1][1]
    assert first.reply.startswith(heard.strip()) and len(heard) < len(first.reply)
    assert next(iter(list(talk.chat.conversation)[1:])).state is State.STOPPED
    assert [m.content for m in talk.asked[1]][2] == heard


def test_an_answer_that_had_no_word_before_the_next_question_says_so() -> None:
    talk = Talk("1", {1: "Tell me a story"})
    talk.model.hold()
    talk.model.enqueue(" |Once upon a time.")
    answer = talk.loop._understanding.answer("Tell me a story")
    answer.cancel()
    answer.finished.wait()
    guess = SimpleNamespace(turn=Turn())
    speaking = voice_report.Speaking(answer, guess, Ended(1, audio("1"), 512, 0), 512)  # type: ignore[arg-type]
    report = voice_report.report(talk.chat, speaking, timed=False)
    assert report.reply == "" and report.error == voice_report.GIVEN_UP


def test_half_a_question_is_forgotten_when_the_microphone_is_lost() -> None:
    talk = Talk("...1111" + "." * 60 + "2222" + "." * 60, {1: "Turn off", 2: "What time is it?"})
    talk.model.enqueue("Noon.")
    heard = talk.device.events

    def events(busy: Callable[[], bool]) -> Iterator[Event]:
        """The microphone goes away with the last of what is said, and comes back."""
        n_frames = 0
        for event in heard(busy):
            yield event
            n_frames += isinstance(event, Frame)
            if isinstance(event, Frame) and n_frames == 7:
                yield DeviceLost("the microphone is gone")
                yield DeviceBack("mic", "speaker")

    talk.device.events = events  # type: ignore[method-assign]
    assert [report.heard for report in talk.run()] == ["What time is it?"]
    phases = [event.phase for event in talk.events if isinstance(event, PhaseChanged)]
    assert phases[:4] == [Phase.LISTENING, Phase.HEARING, Phase.LOST, Phase.LISTENING]
    assert Notice("the microphone is gone") in talk.events
    lost = talk.events.index(PhaseChanged(Phase.LOST))
    captions = [event.text for event in talk.events[:lost] if isinstance(event, Caption)]
    assert captions[-1] == ""  # nothing of it stays on the screen


def test_a_short_question_over_an_answer_is_answered() -> None:
    talk = Talk("1111" + "." * 12 + "2" * 6 + "." * 60, {1: "Tell me a story", 2: "Who wrote it?"})
    talk.model.enqueue(
        "Once upon a time there was a king, who had a very long story to tell about his crown and his beard."
    )
    talk.model.enqueue("Nobody knows.")
    first, second = talk.run()
    assert 0 < first.spoken_fraction < 1
    assert (second.heard, second.reply, second.spoken_fraction) == ("Who wrote it?", "Nobody knows.", 1.0)


@pytest.mark.parametrize("sound", ["Mm-hmm.", ""])
def test_a_sign_of_listening_pauses_the_answer_and_lets_it_go_on(sound: str) -> None:
    talk = Talk("1111" + "." * 12 + "2" * 8 + "." * 60, {1: "Tell me a story", 2: sound})
    talk.model.enqueue("Once upon a time there was a king who had a crown.")
    (report,) = talk.run()
    assert report.spoken_fraction == 1.0
    played = talk.device.heard.strip(".")
    assert "...." in played  # the duck


def test_stop_stops_and_is_no_question() -> None:
    talk = Talk("1111" + "." * 12 + "2" * 8 + "." * 60, {1: "Tell me a story", 2: "Stop."})
    talk.model.enqueue("Once upon a time there was a king who had a crown and a very long beard.")
    (report,) = talk.run()
    assert report.spoken_fraction < 1.0 and len(talk.asked) == 1


def test_an_announcement_is_spoken_when_nobody_else_speaks_and_is_no_turn() -> None:
    talk = Talk("." * 30 + "1111" + "." * 20, {1: "How late is it?"})
    talk.model.enqueue("It is twelve.")
    talk.loop.announce("Your timer is done.")
    (report,) = talk.run()
    assert talk.voice.said == ["Your timer is done.", "It is twelve."] and report.heard == "How late is it?"
    assert talk.transcript == [("user", "How late is it?"), ("assistant", "It is twelve.")]


def test_what_is_said_over_an_announcement_is_answered() -> None:
    talk = Talk("...........1111111111111111..............................", {1: "stop"})
    talk.chat.router = Router(surroundings_for(talk.history), ("en",))
    talk.loop.announce("one two three four five six seven eight nine ten " * 2)
    (report,) = talk.run()
    assert report.heard == "stop" and report.handled_by == "rule"  # the rule stops what rings


def test_a_rule_acts_once_and_only_when_the_turn_is_over() -> None:
    talk = Talk("1111...2222" + "." * 20, {1: "Add eggs to my shopping list", 2: "Add milk to my shopping list"})
    talk.chat.router = Router(surroundings_for(talk.history))
    (report,) = talk.run()
    assert report.handled_by == "rule" and report.heard == "Add milk to my shopping list"
    assert talk.asked == []
    listed = talk.chat.router.act(talk.chat.router.decide("What is on my shopping list?"))
    assert "milk" in listed.text and "eggs" not in listed.text
    assert talk.transcript[1] == ("assistant", report.reply)


def test_what_goes_on_is_told_to_whoever_shows_it() -> None:
    talk = Talk("...1111" + "." * 20, {1: "What time is it?"})
    talk.model.enqueue("It is |twelve.")
    (report,) = talk.run()
    phases = [event.phase for event in talk.events if isinstance(event, PhaseChanged)]
    assert phases[:2] == [Phase.LISTENING, Phase.HEARING] and Phase.SPEAKING in phases
    assert [event.text for event in talk.events if isinstance(event, Caption)] == ["What time is it?"]
    shown = [event for event in talk.events if isinstance(event, Answering)]
    assert shown[-1].written == "It is twelve." and shown[-1].reply.id == report.message_id


def test_a_command_that_was_cut_off_is_remembered_as_it_was_heard() -> None:
    talk = Talk("1111" + "." * 12 + "2" * 8 + "." * 60, {1: "What is on my shopping list?", 2: "Stop."})
    talk.chat.router = Router(surroundings_for(talk.history))
    for item in ("milk", "bread", "butter", "cheese", "apples", "flour"):
        talk.chat.router.act(talk.chat.router.decide(f"Add {item} to my shopping list"))
    (report,) = talk.run()
    heard = talk.transcript[1][1]
    assert report.reply.startswith(heard.strip()) and len(heard) < len(report.reply)


# -- whom it is meant for ---------------------------------------------------------------------------------------------


def test_with_a_wake_word_nothing_else_is_understood() -> None:
    talk = Talk("1111" + "." * 60, {1: "What time is it?"})
    talk.loop = VoiceLoop(talk.chat, Engines(talk.model, talk.ears, talk.voice, talk.ears), talk.device,
                          Manner(mode=Mode.WAKE))  # fmt: skip
    assert talk.run() == [] and talk.ears.transcribed == []
    assert PhaseChanged(Phase.ASLEEP) in talk.events


def test_push_to_talk_hears_what_is_said_while_the_key_is_down() -> None:
    for down, heard in ((True, ["What time is it?"]), (False, [])):
        talk = Talk("...1111" + "." * 40, {1: "What time is it?"})
        talk.model.enqueue("Noon.")
        engines = Engines(talk.model, talk.ears, talk.voice, talk.ears)
        talk.loop = VoiceLoop(talk.chat, engines, talk.device, Manner(mode=Mode.PUSH))
        if down:
            talk.loop.press(True)
        assert [report.heard for report in talk.run()] == heard
        assert (PhaseChanged(Phase.WAITING) in talk.events) is not down
