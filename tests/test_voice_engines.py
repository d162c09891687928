"""The real engines of speech: Piper in chunks, Whisper on a window, Silero, Smart Turn; in process and supervised."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `voice` is not installed")

from assistant.audio import FRAME, RATE_HZ
from assistant.audio.echo import Resampler
from assistant.clauses import Clause, clauses
from assistant.engines.hearing import Pcm
from assistant.engines.mel import log_mel
from assistant.engines.onnx_split import Model
from assistant.engines.piper import PiperVoice, read_config, spoken_form, to_pcm
from assistant.engines.silero import SileroDetector
from assistant.engines.smart_turn import SmartTurn
from assistant.engines.speech import RemoteJudge, RemoteTranscriber, RemoteVoice
from assistant.engines.whisper import WhisperTranscriber, once, repeats
from assistant.errors import EngineCrashed, EngineError, ModelRefusedError
from assistant.models.spec import ModelSpec
from assistant.models.store import Store
from assistant.turn import Turn
from evals.wer import errors, normalised

SENTENCE = "The kitchen light is on, and it is twenty one degrees in the living room."


def at_16_khz(pcm: Pcm, rate_hz: int) -> Pcm:
    return Resampler(rate_hz, RATE_HZ).feed(pcm)


@pytest.fixture(scope="module")
def store(speech_store: Store) -> Store:
    return speech_store


@pytest.fixture(scope="module")
def voice(store: Store) -> PiperVoice:
    return PiperVoice(store.resolve("voice-en-us-joe").path, steady=True)


@pytest.fixture(scope="module")
def spoken(voice: PiperVoice) -> Pcm:
    """SENTENCE at 16 kHz."""
    sounds = list(voice.say([Clause(SENTENCE, SENTENCE)], Turn()))
    return at_16_khz(np.concatenate([s.pcm for s in sounds]), voice.rate_hz)


# -- Piper ------------------------------------------------------------------------------------------------------------


@pytest.mark.models
def test_chunks_are_the_samples_of_the_whole_model(voice: PiperVoice, store: Store) -> None:
    from assistant.engines.onnx_session import open_session

    (ids,) = voice._phoneme_ids(SENTENCE)
    frames, _ = voice._encode(ids)
    path = next(store.resolve("voice-en-us-joe").path.glob("*.onnx"))
    feed = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)]),
        "scales": np.array([0, voice.config.inference.length_scale, 0], np.float32),
    }
    whole = open_session(path).run(None, feed)[0].reshape(-1)
    for chunks in ((24, 48, 96, 160), (32,), (17, 31)):
        pieces = list(voice.decode(frames, chunks))
        assert len(pieces) > 1
        assert np.abs(np.concatenate(pieces) - whole).max() < 2e-6


@pytest.mark.models
def test_a_clause_says_how_long_it_is_and_where_its_words_end(voice: PiperVoice) -> None:
    written = "The light is on, and so is the lamp. "
    sounds = list(voice.say([Clause(written, written.strip())], Turn()))
    n_samples = sum(len(s.pcm) for s in sounds)
    assert sounds[0].written == written and sounds[0].n_samples == n_samples
    assert all(s.written == "" for s in sounds[1:])
    ends = list(sounds[0].word_ends)
    assert 6 <= len(ends) <= 9 and ends == sorted(ends) and ends[-1] <= n_samples
    assert len(sounds[0].pcm) < n_samples / 3  # the first piece does not wait for the rest


@pytest.mark.models
def test_a_cancelled_turn_is_not_spoken_to_its_end(voice: PiperVoice) -> None:
    turn = Turn()
    said = []
    for sound in voice.say([Clause(SENTENCE, SENTENCE)] * 5, turn):
        said.append(sound)
        turn.cancel()
    assert len(said) == 1


@pytest.mark.models
def test_what_is_not_spoken_is_silent_but_kept(voice: PiperVoice) -> None:
    (sound,) = voice.say([Clause("***", "")], Turn())
    assert sound.written == "***" and len(sound.pcm) == 0


def test_a_clause_cut_off_does_not_sound_like_an_end() -> None:
    assert spoken_form(Clause("The capital of ", "The capital of")) == "The capital of,"
    assert spoken_form(Clause("Paris", "Paris")) == "Paris"
    assert spoken_form(Clause("Yes. ", "Yes.")) == "Yes."


def test_loud_samples_are_rounded_off_not_wrapped() -> None:
    pcm = to_pcm(np.array([-3.0, -0.5, 0.0, 0.5, 0.9, 3.0], np.float32))
    assert list(pcm) == sorted(pcm) and pcm[0] == -32767 and pcm[-1] == 32767


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"\xff" * 100, b"not a model", b"\x3a\x05abc", b"\x3a\xff\xff\xff\x7f"]
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelRefusedError):
        Model(content).node("/dec/conv_pre/Conv")


@pytest.mark.models
def test_a_cut_off_model_is_refused(store: Store) -> None:
    content = next(store.resolve("voice-en-us-joe").path.glob("*.onnx")).read_bytes()
    for size in (10, 1000, len(content) // 2, len(content) - 1):
        with pytest.raises(ModelRefusedError):
            Model(content[:size])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"audio":{"sample_rate":0},"espeak":{"voice":"en"},"phoneme_id_map":{"^":[1],"$":[2],"_":[0]," ":[3]}}',
        b'{"audio": {"sample_rate": 22050}, "espeak": {"voice": "en"}, "phoneme_id_map": {}}',
    ],
)
def test_a_voice_that_cannot_be_used_is_refused(content: bytes) -> None:
    with pytest.raises(ModelRefusedError):
        read_config(content)


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
def test_a_whole_sentence_is_more_complete_than_a_part(spoken: Pcm, store: Store) -> None:
    judge = SmartTurn(store.resolve("smart-turn").path)
    whole = judge.complete_probability(spoken)
    assert 0.5 < whole <= 1
    assert judge.complete_probability(spoken[: len(spoken) // 3]) < whole


@pytest.mark.models
def test_speech_is_transcribed_on_a_short_window(spoken: Pcm, store: Store) -> None:
    transcriber = WhisperTranscriber(store.resolve("whisper-base").path)
    heard = transcriber.transcribe(spoken, "en")
    said = normalised(SENTENCE)
    assert errors(said, normalised(heard.text)) <= 1 and not heard.redone
    assert transcriber.transcribe(spoken).language == "en"


@pytest.mark.models
def test_silence_and_noise_say_nothing(store: Store) -> None:
    transcriber = WhisperTranscriber(store.resolve("whisper-base").path)
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
def test_unusual_names_are_expected_and_ordinary_ones_cost_nothing(store: Store, voice: PiperVoice) -> None:
    transcriber = WhisperTranscriber(store.resolve("whisper-base").path)
    text = "Turn on the gargoyle lamp."
    pcm = at_16_khz(np.concatenate([s.pcm for s in voice.say([Clause(text, text)], Turn())]), voice.rate_hz)
    names = ("Kitchen light", "Gargoyle lamp", "Kowalczyk")
    assert "gargoyle lamp" in transcriber.transcribe(pcm, "en", names).text.lower()
    assert transcriber._prompt("en", names[:1]) == transcriber._prompt("en", ())
    assert len(transcriber._prompt("en", ["Siobhan Kowalczyk"] * 100)) < 70


@pytest.mark.models
@pytest.mark.parametrize(("without", "heard"), [(" Turn it off.", "Turn it off."), ("", "")])
def test_names_alone_are_heard_again_without_being_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, without: str, heard: str
) -> None:
    transcriber = WhisperTranscriber(store.resolve("whisper-base").path)
    pcm = np.random.default_rng(1).integers(-900, 900, 2 * RATE_HZ).astype(np.int16)

    def writes(_encoded: object, prompts: list[list[int]], **_options: object) -> list[SimpleNamespace]:
        told = prompts[0][0] == transcriber._previous
        tokens = [*transcriber._ids(" Gargoyle lamp," if told else without), transcriber._end]
        return [SimpleNamespace(sequences_ids=[tokens], scores=[-0.4], no_speech_prob=0.3)]

    model = SimpleNamespace(is_multilingual=True, encode=lambda spectrum: spectrum, generate=writes)
    monkeypatch.setattr(transcriber, "_model", model)
    assert transcriber.transcribe(pcm, "en", ["Gargoyle lamp"]).text == heard
    assert transcriber.transcribe(pcm, "en", ["Gargoyle lamp"], draft=True).text == ""


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
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcriber = WhisperTranscriber(store.resolve("whisper-base").path)
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


# -- supervised -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote_transcriber(store: Store) -> Iterator[RemoteTranscriber]:
    transcriber = RemoteTranscriber(store.resolve("whisper-base"))
    yield transcriber
    transcriber.close()


@pytest.mark.models
def test_what_the_voice_says_is_what_the_ears_hear(store: Store, remote_transcriber: RemoteTranscriber) -> None:
    remote = RemoteVoice(store.resolve("voice-en-us-joe"))
    try:
        turn = Turn()
        sounds = list(remote.say(clauses(["The kitchen light ", "is on, and the door ", "is closed."]), turn))
        assert "".join(s.written for s in sounds) == "The kitchen light is on, and the door is closed."
        pcm = at_16_khz(np.concatenate([s.pcm for s in sounds]), remote.rate_hz)
        heard = remote_transcriber.transcribe(pcm, "en").text
        assert errors(normalised("The kitchen light is on and the door is closed"), normalised(heard)) <= 1

        speaking = remote.say([Clause(SENTENCE * 5, SENTENCE * 5)], turn)
        next(speaking)
        speaking.close()  # the listener went away in mid-clause
        (after, *_) = remote.say([Clause("Yes.", "Yes.")], Turn())
        assert after.written == "Yes."
    finally:
        remote.close()


@pytest.mark.slow
@pytest.mark.models
def test_a_worker_that_dies_takes_one_request_with_it(remote_transcriber: RemoteTranscriber, spoken: Pcm) -> None:
    import threading

    process = remote_transcriber.process
    threading.Timer(0.15, os.kill, (process.pid, signal.SIGKILL)).start()
    deadline_s = time.monotonic() + 60
    with pytest.raises(EngineCrashed, match="SIGKILL"):
        while time.monotonic() < deadline_s:
            remote_transcriber.transcribe(np.tile(spoken, 4), "en")
            if process.pid == 0:
                break
    assert remote_transcriber.transcribe(spoken, "en").text


@pytest.mark.models
def test_the_judge_works_in_its_process(store: Store, spoken: Pcm) -> None:
    judge = RemoteJudge(store.resolve("smart-turn"))
    try:
        assert judge.complete_probability(spoken) > 0.5
    finally:
        judge.close()


def test_a_damaged_model_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "v.onnx").write_bytes(b"nonsense")
    (tmp_path / "v.onnx.json").write_text("{}")
    spec = ModelSpec("v", "v.onnx", tmp_path, "0", 8, "", 0, "", kind="tts")
    with pytest.raises((ModelRefusedError, EngineError), match="pull"):
        RemoteVoice(spec)


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.models
def test_a_recorded_question_is_answered_by_sound(
    store: Store, assistant_home: Path, voice: PiperVoice, tmp_path: Path
) -> None:
    """The whole chain under the lock: Piper asks, a rule and the model answer, Whisper reads back."""
    import json
    import shutil
    import subprocess
    import sys
    import wave

    shutil.copytree(store.folder, assistant_home / "models", copy_function=os.link)
    quiet = np.zeros(2 * RATE_HZ, np.int16)
    parts = [quiet]
    for question in ("Please put milk on my shopping list.", "What is the capital of France?"):
        sounds = voice.say([Clause(question, question)], Turn())
        parts += [at_16_khz(np.concatenate([s.pcm for s in sounds]), voice.rate_hz), quiet]
    with wave.open(str(tmp_path / "question.wav"), "wb") as writer:
        writer.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        writer.writeframes(np.concatenate(parts).tobytes())
    command = [sys.executable, "-m", "assistant", "voice", "--audio-in", "question.wav", "--audio-out", "answer.wav"]
    done = subprocess.run(
        [*command, "--pace", "fast", "--json", "--model", "smollm2-135m"],
        cwd=tmp_path,
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.decode().splitlines())
    assert "milk" in first["heard"].lower() and first["handled_by"] == "rule"
    assert "france" in second["heard"].lower() and second["handled_by"] == "model" and second["reply"]
    assert first["end_to_first_sound_ms"] is None  # no clock, no latency
    answer = at_16_khz(*_wave(tmp_path / "answer.wav"))
    heard = WhisperTranscriber(store.resolve("whisper-base").path).transcribe(answer[: 10 * RATE_HZ], "en").text
    assert "milk" in heard.lower()


def _wave(path: Path) -> tuple[Pcm, int]:
    import wave

    with wave.open(str(path)) as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16), reader.getframerate()


@pytest.mark.models
def test_without_the_voices_models_the_command_says_what_to_pull(home_with_model: Path, tmp_path: Path) -> None:
    import shutil
    import subprocess
    import sys

    for blob in (home_with_model / "models" / "blobs").iterdir():
        if not 90_000_000 < blob.stat().st_size < 100_000_000:  # the language model stays
            blob.unlink()
    shutil.rmtree(home_with_model / "models" / "sets", ignore_errors=True)
    (tmp_path / "q.wav").write_bytes(b"")
    command = [sys.executable, "-m", "assistant", "voice", "--audio-in", str(tmp_path / "q.wav")]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 4
    assert b"assistant models pull whisper-base" in done.stderr and b"Traceback" not in done.stderr
