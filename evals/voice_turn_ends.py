"""When does the turn end? Whole sentences should be answered soon, sentences cut at a pause not before they go on.

The product's own utterance machine, turn model, language model and word rules over recordings, counted in samples; the
time that recognition and judgement take is left out here and is in the latency figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from assistant.audio import FRAME, RATE_HZ
from assistant.audio.messages import Pcm
from assistant.audio.utterances import Ended, SoftEnd, Utterances
from assistant.chat import Chat
from assistant.config import DEFAULT_SYSTEM
from assistant.conversation import Conversation
from assistant.engines import LanguageModel, Sampling
from assistant.engines.hearing import Transcriber, TurnJudge
from assistant.engines.silero import SileroDetector
from assistant.history import ephemeral_history
from assistant.turn import Turn
from assistant.voice import turn_taking
from assistant.voice.report import acoustic_end
from assistant.voice.turn import spoken_prompt
from evals.voice_sounds import Floats, as_pcm, levels_db, with_noise

PAUSE_S = 1.0  # how long a speaker thinks in mid-sentence
_LEAD = RATE_HZ // 2  # samples of silence before a sentence
_TAIL_S = 3.0


@dataclass(frozen=True, slots=True)
class End:
    """`hold_ms`: from the end of the speech to the decision, None: it never came. `at`: input sample."""

    at: int
    hold_ms: float | None


class Judges(Protocol):
    """What is needed of understanding.Engines."""

    @property
    def model(self) -> LanguageModel: ...
    @property
    def transcriber(self) -> Transcriber: ...
    @property
    def judge(self) -> TurnJudge: ...


def ends(pcm: Pcm, engines: Judges) -> list[End]:
    """Every end of a turn that the product sees in a recording. Whole commands of a rule are held as sentences."""
    utterances, detector, found = Utterances(), SileroDetector(), []
    for at in range(0, len(pcm) - FRAME + 1, FRAME):
        frame = pcm[at : at + FRAME]
        for event in utterances.feed(frame, detector.probability(frame)):
            match event:
                case SoftEnd(number=number, pcm=heard):
                    text = engines.transcriber.transcribe(heard, "en").text
                    complete = engines.judge.complete_probability(heard)
                    utterances.judge(number, turn_taking.hold_ms(complete, text, end_log_odds(text, engines.model)))
                case Ended():
                    found.append(End(utterances.now, (utterances.now - acoustic_end(event)) / RATE_HZ * 1000))
    return found


def end_log_odds(text: str, model: LanguageModel) -> float | None:
    """What the language model expects behind `text`, said at the beginning of a conversation."""
    if not text:
        return None
    chat = Chat(Conversation(system=DEFAULT_SYSTEM), ephemeral_history(), Sampling())
    turn = Turn()
    for _ in model.stream(spoken_prompt(chat, text, 1), turn):
        pass
    chat.history.close()
    return turn.usage.end_log_odds


def hold_of_whole(sentences: Sequence[Floats], engines: Judges) -> list[float]:
    """The hold of each complete sentence's last end, in ms."""
    holds = []
    for number, sentence in enumerate(sentences):
        found = ends(_in_a_room(sentence, number), engines)
        if found and found[-1].hold_ms is not None:
            holds.append(found[-1].hold_ms)
    return holds


def answered_too_early(sentences: Sequence[Floats], engines: Judges) -> list[float]:
    """For each sentence, cut at its longest gap and gone on with after PAUSE_S: 1 if a turn ended before that."""
    early = []
    for number, sentence in enumerate(sentences):
        cut = gap(sentence)
        if cut is None:
            continue
        pause = np.zeros(int(PAUSE_S * RATE_HZ), np.float32)
        whole = _in_a_room(np.concatenate([sentence[:cut], pause, sentence[cut:]]), number)
        resumes = _LEAD + cut + len(pause)
        early.append(float(any(end.at <= resumes for end in ends(whole, engines))))
    return early


def gap(sentence: Floats) -> int | None:
    """The middle of the longest quiet stretch in the inner part of a sentence; None if it has none of 60 ms.

    The inner part is one of the speech: recordings end with seconds of silence, which would be the longest stretch.
    """
    levels = levels_db(sentence)
    loud = float(np.percentile(levels, 80))
    quiet = levels < loud - 20
    if quiet.all():
        return None
    first, last = np.flatnonzero(~quiet)[[0, -1]]
    low, high = (int(first + share * (last - first)) for share in (0.25, 0.8))
    best, length, start = 0, 0, 0
    for at in range(low, high):
        if quiet[at]:
            start = start if at > low and quiet[at - 1] else at
            if at - start + 1 > length:
                best, length = start, at - start + 1
    return (best + length // 2) * (RATE_HZ // 100) if length >= 6 else None


def _in_a_room(sentence: Floats, seed: int) -> Pcm:
    around = np.concatenate([np.zeros(_LEAD), sentence, np.zeros(int(_TAIL_S * RATE_HZ))]).astype(np.float32)
    return as_pcm(around + with_noise(len(around), seed))
