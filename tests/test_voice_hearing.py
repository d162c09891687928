"""The real engines that hear: Whisper on a window, Silero, Smart Turn; in this process."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `voice` is not installed")

from assistant.audio import FRAME, RATE_HZ
from assistant.engines.hearing import Pcm
from assistant.engines.mel import log_mel
from assistant.engines.piper import PiperVoice
from assistant.engines.silero import SileroDetector
from assistant.engines.smart_turn import SmartTurn
from assistant.engines.whisper import WhisperTranscriber, once, repeats
from assistant.models.store import Store
from assistant.spoken.clauses import Clause
from assistant.turn import Turn
from evals.wer import errors, normalised
from voice_sounds import SENTENCE, at_16_khz

# -- hearing ----------------------------------------------------------------------------------------------------------


def test_the_spectrogram_is_whispers() -> None:
    extractor = pytest.importorskip("faster_whisper.feature_extractor")
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ + 123).astype(np.float32)
    theirs = extractor.FeatureExtractor()(samples, padding=0)
    ours = log_mel(samples)
    assert ours.shape == (80, len(samples) // 160)
    assert np.abs(ours - theirs[:, : ours.shape[1]]).max() < 1e-4


@pytest.mark.models
def test_speech_is_told_from_silence_and_noise(spoken: Pcm) -> None:
    detector = SileroDetector()
    noise = np.random.default_rng(1).normal(0, 500, 40 * FRAME).astype(np.int16)

    def share(pcm: Pcm) -> float:
        detector.reset()
        frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
        return float(np.mean([detector.probability(frame) >= 0.5 for frame in frames]))

    assert share(spoken) > 0.7
    assert share(noise) < 0.1 and share(np.zeros(20 * FRAME, np.int16)) == 0


@pytest.mark.models
def test_the_detector_carries_its_state(spoken: Pcm) -> None:
    frames = spoken[: 20 * FRAME].reshape(-1, FRAME)
    detector = SileroDetector()
    first = [detector.probability(f) for f in frames]
    again = [detector.probability(f) for f in frames]
    detector.reset()
    assert [detector.probability(f) for f in frames] == first != again


def test_the_detector_forgets_after_a_second_of_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = SileroDetector()
    resets: list[str] = []
    monkeypatch.setattr(detector, "reset", lambda: resets.append("reset"))
    assert all(detector.probability(np.zeros(FRAME, np.int16)) < 0.1 for _ in range(31))
    assert resets == []
    detector.probability(np.zeros(FRAME, np.int16))
    assert resets == ["reset"]


@pytest.mark.models
def test_a_whole_sentence_is_more_complete_than_a_part(spoken: Pcm, speech_store: Store) -> None:
    judge = SmartTurn(speech_store.resolve("smart-turn").path)
    whole = judge.complete_probability(spoken)
    assert 0.5 < whole <= 1
    assert judge.complete_probability(spoken[: len(spoken) // 3]) < whole


@pytest.mark.models
def test_speech_is_transcribed_on_a_short_window(spoken: Pcm, speech_store: Store) -> None:
    transcriber = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    heard = transcriber.transcribe(spoken, "en")
    said = normalised(SENTENCE)
    assert errors(said, normalised(heard.text)) <= 1 and not heard.redone
    assert transcriber.transcribe(spoken).language == "en"


@pytest.mark.models
def test_silence_and_noise_say_nothing(speech_store: Store) -> None:
    transcriber = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    rng = np.random.default_rng(7)
    for pcm in (
        np.zeros(0, np.int16),
        np.zeros(2 * RATE_HZ, np.int16),
        rng.normal(0, 300, 3 * RATE_HZ).astype(np.int16),
    ):
        assert transcriber.transcribe(pcm, "en").text == ""


def test_going_in_circles_is_noticed() -> None:
    assert repeats("and then and then and then")
    assert repeats("the the the the the") and repeats("Turn on the light. Turn on the light. Turn on the light")
    assert not repeats("no no no") and not repeats("turn on the light in the kitchen")


@pytest.mark.models
def test_unusual_names_are_expected_and_ordinary_ones_cost_nothing(speech_store: Store, voice: PiperVoice) -> None:
    transcriber = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    text = "Turn on the gargoyle lamp."
    pcm = at_16_khz(np.concatenate([s.pcm for s in voice.say([Clause(text, text)], Turn())]), voice.rate_hz)
    names = ("Kitchen light", "Gargoyle lamp", "Kowalczyk")
    assert "gargoyle lamp" in transcriber.transcribe(pcm, "en", names).text.lower()
    assert transcriber._prompt("en", names[:1]) == transcriber._prompt("en", ())
    assert len(transcriber._prompt("en", ["Siobhan Kowalczyk"] * 100)) < 70


@pytest.mark.models
@pytest.mark.parametrize(("without", "heard"), [(" Turn it off.", "Turn it off."), ("", "")])
def test_names_alone_are_heard_again_without_being_told(
    speech_store: Store, monkeypatch: pytest.MonkeyPatch, without: str, heard: str
) -> None:
    transcriber = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    pcm = np.random.default_rng(1).integers(-900, 900, 2 * RATE_HZ).astype(np.int16)

    def writes(_encoded: object, prompts: list[list[int]], **_options: object) -> list[SimpleNamespace]:
        told = prompts[0][0] == transcriber._previous
        tokens = [*transcriber._ids(" Gargoyle lamp," if told else without), transcriber._end]
        return [SimpleNamespace(sequences_ids=[tokens], scores=[-0.4], no_speech_prob=0.3)]

    model = SimpleNamespace(is_multilingual=True, encode=lambda spectrum: spectrum, generate=writes)
    monkeypatch.setattr(transcriber, "_model", model)
    assert transcriber.transcribe(pcm, "en", ["Gargoyle lamp"]).text == heard
    assert transcriber.transcribe(pcm, "en", ["Gargoyle lamp"], draft=True).text == ""


@pytest.mark.models
@pytest.mark.parametrize(("log_probability", "heard"), [(-2.4, "The"), (-2.6, "")])
def test_what_is_hardly_more_than_chance_was_not_said(
    speech_store: Store, monkeypatch: pytest.MonkeyPatch, log_probability: float, heard: str
) -> None:
    transcriber = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    pcm = np.random.default_rng(1).integers(-900, 900, 2 * RATE_HZ).astype(np.int16)
    tokens = [*transcriber._ids(" The"), transcriber._end]
    written = SimpleNamespace(sequences_ids=[tokens], scores=[log_probability], no_speech_prob=0.5)
    model = SimpleNamespace(
        is_multilingual=True, encode=lambda spectrum: spectrum, generate=lambda *_arguments, **_options: [written]
    )
    monkeypatch.setattr(transcriber, "_model", model)
    assert transcriber.transcribe(pcm, "en").text == heard


def test_a_sentence_begun_again_is_written_once() -> None:
    assert once("Set the lights to red. Set the lights to red. Set the lights") == "Set the lights to red."
    assert once("turn on the lamp turn on the lamp") == "turn on the lamp"
    for text in (
        "no no no",
        "very very good",
        "turn on the lamp and turn on the fan",
        "a b c a b c a b c",
        "a b c " * 3 + "a b c",
        "",
    ):
        assert once(text) == text
    assert once("turn on the light " * 3, copies=3) == "turn on the light"
    assert once("turn on the light " * 4, copies=3) == "turn on the light " * 4


@pytest.mark.models
def test_what_two_hearings_agree_was_said_three_times_is_a_command_and_a_longer_loop_is_nothing(
    speech_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcriber = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    pcm = np.random.default_rng(1).integers(-900, 900, 4 * RATE_HZ).astype(np.int16)
    written = ""

    def writes(*_arguments: object, **_options: object) -> list[SimpleNamespace]:
        tokens = [*transcriber._ids(written), transcriber._end]
        return [SimpleNamespace(sequences_ids=[tokens], scores=[-0.2], no_speech_prob=0.1)]

    model = SimpleNamespace(is_multilingual=True, encode=lambda spectrum: spectrum, generate=writes)
    monkeypatch.setattr(transcriber, "_model", model)
    for n_times, heard in ((1, "Turn on the light."), (2, "Turn on the light."), (3, "Turn on the light."), (4, "")):
        written = (" Turn on the light." * n_times)[: -1 if n_times > 1 else None]  # the last copy lacks its full stop
        assert transcriber.transcribe(pcm, "en").text == heard
