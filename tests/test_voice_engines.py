"""The real engines of speech: Piper in chunks, and all of them in their processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `voice` is not installed")

from assistant.audio import RATE_HZ
from assistant.engines.hearing import Pcm
from assistant.engines.onnx_split import Model
from assistant.engines.piper import PiperVoice, read_config, spoken_form, to_pcm
from assistant.engines.speech import RemoteJudge, RemoteTranscriber, RemoteVoice
from assistant.engines.whisper import WhisperTranscriber
from assistant.errors import EngineCrashed, EngineError, ModelRefusedError
from assistant.models.spec import ModelSpec
from assistant.models.store import Store
from assistant.spoken.clauses import Clause, clauses
from assistant.turn import Turn
from evals.wer import errors, normalised
from voice_sounds import SENTENCE, at_16_khz

# -- Piper ------------------------------------------------------------------------------------------------------------


@pytest.mark.models
def test_chunks_are_the_samples_of_the_whole_model(voice: PiperVoice, speech_store: Store) -> None:
    from assistant.engines.onnx_session import open_session

    (ids,) = voice._phoneme_ids(SENTENCE)
    frames, _ = voice._encode(ids)
    path = next(speech_store.resolve("voice-en-us-joe").path.glob("*.onnx"))
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
def test_a_cut_off_model_is_refused(speech_store: Store) -> None:
    content = next(speech_store.resolve("voice-en-us-joe").path.glob("*.onnx")).read_bytes()
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


# -- supervised -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote_transcriber(speech_store: Store) -> Iterator[RemoteTranscriber]:
    transcriber = RemoteTranscriber(speech_store.resolve("whisper-base"))
    yield transcriber
    transcriber.close()


@pytest.mark.models
def test_what_the_voice_says_is_what_the_ears_hear(speech_store: Store, remote_transcriber: RemoteTranscriber) -> None:
    remote = RemoteVoice(speech_store.resolve("voice-en-us-joe"))
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
def test_the_judge_works_in_its_process(speech_store: Store, spoken: Pcm) -> None:
    judge = RemoteJudge(speech_store.resolve("smart-turn"))
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
    speech_store: Store, assistant_home: Path, voice: PiperVoice, tmp_path: Path
) -> None:
    """The whole chain under the lock: Piper asks, a rule and the model answer, Whisper reads back."""
    import json
    import shutil
    import subprocess
    import sys
    import wave

    shutil.copytree(speech_store.folder, assistant_home / "models", copy_function=os.link)
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
    # From where it begins: of a long silence and the answer Whisper sometimes hears nothing.
    start = max(0, int(np.argmax(np.abs(answer) > 500)) - RATE_HZ // 4)
    whisper = WhisperTranscriber(speech_store.resolve("whisper-base").path)
    heard = whisper.transcribe(answer[start : start + 4 * RATE_HZ], "en").text
    assert "shopping list" in heard.lower()  # the voice is drawn anew each time: 1 "milk" in 40 is heard as "moke"


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
