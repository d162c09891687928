"""From the end of the user's speech to the first audible sample, through everything the product runs, at real pace.

A recording of all questions, a few seconds apart, is the microphone; the loop, the engines in their processes, the
rules and the model are those of `assistant voice`. An answer is stopped once it has been heard for a while, so that the
next question finds silence.
"""

from __future__ import annotations

import tempfile
import tomllib
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assistant.audio import RATE_HZ
from assistant.audio.echo import Resampler
from assistant.audio.messages import Pcm
from assistant.audio.process import AudioProcess, Setup
from assistant.chat import Chat
from assistant.config import DEFAULT_SYSTEM
from assistant.conversation import Conversation
from assistant.engines import Sampling
from assistant.engines.hearing import Voice
from assistant.history import ephemeral_history
from assistant.home.model import simulated
from assistant.router import Router
from assistant.spoken.clauses import Clause
from assistant.tools.opening import languages_for, surroundings_for
from assistant.turn import Turn
from assistant.voice.events import Level, Phase, PhaseChanged, TurnReport
from assistant.voice.loop import VoiceLoop
from assistant.voice.understanding import Engines
from evals.voice_sounds import Floats, as_pcm, load, rows, with_noise

LEAD_S, GAP_S = 1.5, 4.5
_HEARD_LEVELS = 16  # a Level comes every 128 ms: answers are heard for two seconds
_NO_COMMANDS = ("ascendio", "avada kedavra", "lumioso", "hey mycroft")  # rows of home_commands_en


@dataclass(frozen=True, slots=True)
class Question:
    """`pcm` in 16-bit units at RATE_HZ; `by` and `within_ms` are what a scenario expects, "" and 0 nothing."""

    text: str
    pcm: Floats
    by: str = ""
    within_ms: float = 0.0


def scenarios(voice: Voice) -> list[Question]:
    """The scenarios of voice_scenarios.toml, spoken by `voice`."""
    table = tomllib.loads(Path(__file__).with_name("voice_scenarios.toml").read_text())
    return [Question(s["say"], spoken(voice, s["say"]), s["by"], s["within_ms"]) for s in table["scenario"]]


def recorded(data: Path | None) -> list[Question]:
    """Real people's home commands."""
    if data is None:
        return []
    chosen = [row for row in rows(data, "home_commands_en") if row["text"] not in _NO_COMMANDS]
    return [Question(row["text"], load(data / row["audio"])) for row in chosen]


def spoken(voice: Voice, text: str) -> Floats:
    """`text` in the product's voice, at RATE_HZ."""
    pcm = np.concatenate([piece.pcm for piece in voice.say([Clause(text, text)], Turn())])
    return Resampler(voice.rate_hz, RATE_HZ).feed(pcm).astype(np.float32)


def recording(questions: Sequence[Question], seed: int) -> Pcm:
    """All questions with the noise of a quiet room between them."""
    parts: list[Floats] = [np.zeros(int(LEAD_S * RATE_HZ), np.float32)]
    for question in questions:
        parts += [question.pcm, np.zeros(int(GAP_S * RATE_HZ), np.float32)]
    everything = np.concatenate(parts)
    return as_pcm(everything + with_noise(len(everything), seed))


def converse(questions: Sequence[Question], engines: Engines, sampling: Sampling, seed: int) -> list[TurnReport]:
    """Ask everything in one conversation and return what each turn was."""
    chat = Chat(Conversation(system=DEFAULT_SYSTEM), ephemeral_history(), sampling)
    surroundings = surroundings_for(chat.history, home=simulated())
    chat.router = Router(surroundings, languages_for(surroundings.home()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.wav"
        write_wav(path, recording(questions, seed))
        audio = AudioProcess(Setup(engines.voice.rate_hz, audio_in=path, audio_out=Path(folder) / "answers.wav"))
        try:
            return _reports(VoiceLoop(chat, engines, audio))
        finally:
            audio.close()
            chat.history.close()


def write_wav(path: Path, pcm: Pcm) -> None:
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        writer.writeframes(pcm.tobytes())


def _reports(loop: VoiceLoop) -> list[TurnReport]:
    reports, n_levels, speaking = [], 0, False
    for event in loop.run():
        match event:
            case PhaseChanged(phase=phase):
                speaking, n_levels = phase is Phase.SPEAKING, 0
            case Level() if speaking:
                n_levels += 1
                if n_levels == _HEARD_LEVELS:
                    loop.hush()
            case TurnReport():
                reports.append(event)
    return reports
