"""Open what a spoken conversation needs, warm, with its threads capped; or say in words what is missing."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from assistant import paths
from assistant.audio.process import AudioProcess, Setup
from assistant.chat import Chat
from assistant.config import Settings
from assistant.engines import LanguageModel
from assistant.engines.machine import this_machine
from assistant.engines.remote import RemoteLanguageModel
from assistant.engines.speech import RemoteJudge, RemoteTranscriber, RemoteVoice
from assistant.engines.wake_word import WakeWord
from assistant.errors import AssistantError, ModelMissingError, UsageError
from assistant.models.store import Store
from assistant.tools import Surroundings
from assistant.tools.lists import KIND as LISTS
from assistant.tools.lists import ListOf
from assistant.voice.attention import Mode
from assistant.voice.loop import VoiceLoop
from assistant.voice.understanding import Engines, Manner

TRANSCRIBER = "whisper-base"
VOICE = "voice-en-us-joe"
TURN_JUDGE = "smart-turn"
_LIBRARIES = ("ctranslate2", "miniaudio", "onnxruntime", "piper", "tokenizers")
_MAX_HOT_WORDS = 100  # names that are told to recognition, which minds the unusual ones
_ANY_RATE_HZ = 22_050  # of a voice that is not loaded yet
_LANGUAGES = (  # the codes that every multilingual Whisper model has a token for
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id "
    "is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd "
    "si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
)
_MODEL_NICENESS, _JUDGE_NICENESS = 5, 10


def require_installed() -> Store:
    """Raises UsageError without the voice's libraries, ModelMissingError without its models."""
    if not all(importlib.util.find_spec(name) for name in _LIBRARIES):
        raise UsageError("the voice's libraries are not installed; install them: pip install 'homebody[voice]'")
    store = Store(paths.models_folder())
    absent = [n for n in (TRANSCRIBER, VOICE, TURN_JUDGE) if not store.is_installed(store.entry(n))]
    if absent:
        commands = "; ".join(f"assistant models pull {name}" for name in absent)
        raise ModelMissingError(f"the voice needs {len(absent)} more model(s); run: {commands}")
    return store


def require_known(settings: Settings) -> None:
    """Raises UsageError for a wake word that no model is for, or a language that recognition does not know."""
    words = [word.value for word in WakeWord]
    if settings.wake_word and settings.wake_word not in words:
        raise UsageError(f"{settings.wake_word!r} is no wake word that is known here; there are: {', '.join(words)}")
    if settings.spoken_language != "auto" and settings.spoken_language not in _LANGUAGES.split():
        raise UsageError(
            f"{settings.spoken_language!r} is no language code of recognition; give one such as en, de or zh, or auto"
        )


def require_sound(settings: Settings) -> None:
    """Open the microphone and the speaker and close them again: what is wrong with them is told before models load.

    Raises AudioError.
    """
    AudioProcess(Setup(_ANY_RATE_HZ, microphone=settings.microphone, speaker=settings.speaker)).close()


@contextlib.contextmanager
def opened(model: LanguageModel) -> Iterator[Engines]:
    """The engines around a model that is loaded already; closed on leaving, the model left open.

    Raises UsageError, ModelMissingError, ModelRefusedError, EngineError.
    """
    store = require_installed()
    n_threads = min(2, this_machine().n_cores)
    specs = [store.resolve(name) for name in (TRANSCRIBER, VOICE, TURN_JUDGE)]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(3) as threads:
        transcriber = threads.submit(RemoteTranscriber, specs[0], n_threads)
        voice = threads.submit(RemoteVoice, specs[1], n_threads)
        judge = threads.submit(RemoteJudge, specs[2])
        for engine in (transcriber, voice, judge):
            if engine.exception() is None:
                stack.callback(engine.result().close)
        if isinstance(model, RemoteLanguageModel):  # the next clause can wait, the first sound cannot
            _give_way(model.pid, _MODEL_NICENESS)
        if judge.exception() is None:  # needed when the words and an answer are there, not before
            _give_way(judge.result().process.pid, _JUDGE_NICENESS)
        yield Engines(model, transcriber.result(), voice.result(), judge.result())


@contextlib.contextmanager
def talking(
    chat: Chat, model: LanguageModel, settings: Settings, report: Callable[[str], None] | None = None, **files: Any
) -> Iterator[VoiceLoop]:
    """A conversation that listens once run() is pulled; `files` are fields of audio.process.Setup.

    `report` is told which devices were opened. Also raises AudioError without a usable microphone or speaker.
    """
    require_known(settings)
    with opened(model) as engines:
        audio = AudioProcess(
            Setup(
                rate_out_hz=engines.voice.rate_hz,
                microphone=settings.microphone,
                speaker=settings.speaker,
                wake_words=(settings.wake_word,) if settings.wake_word else (),
                **files,
            )
        )
        if report is not None:
            report(f"listening to {audio.opened.microphone}, speaking through {audio.opened.speaker}; Ctrl+C ends")
        try:
            yield VoiceLoop(chat, engines, audio, _manner(chat, settings))
        finally:
            audio.close()


def _manner(chat: Chat, settings: Settings) -> Manner:
    language = "" if settings.spoken_language == "auto" else settings.spoken_language
    mode = Mode.PUSH if settings.push_to_talk else Mode.WAKE if settings.wake_word else Mode.OPEN
    names = hot_words(chat.router.surroundings) if chat.router is not None else ()
    return Manner(language, mode, names, wake_word=settings.wake_word)


def hot_words(surroundings: Surroundings) -> tuple[str, ...]:
    """Names that recognition should expect: rooms, devices, people of the home, lists; none of a home out of reach."""
    lists = surroundings.records.all(LISTS, ListOf)
    names = [kept.name for kept in lists.values()]
    with contextlib.suppress(AssistantError):
        home = surroundings.home()
        names = [*(area.name for area in home.areas), *(entity.name for entity in home.entities), *names]
    return tuple(dict.fromkeys(names))[:_MAX_HOT_WORDS]


def _give_way(pid: int, niceness: int) -> None:
    """Let a process of ours yield the cores to recognition and the voice."""
    if sys.platform == "linux":
        for thread in Path(f"/proc/{pid}/task").glob("*"):  # Linux counts niceness by thread
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
