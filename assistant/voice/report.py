"""The report of a spoken turn: where the time went between the end of the user's speech and the first sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assistant.audio import FRAME, RATE_HZ
from assistant.audio.utterances import Ended
from assistant.chat import Chat
from assistant.voice.events import STAGES, TurnReport
from assistant.voice.turn import SpokenAnswer
from assistant.voice.understanding import Guess

GIVEN_UP = "given up before it began, because something else was said or the stop key was pressed"
_AUDIBLE = 0.01  # of full scale: where speech ends for the ear


@dataclass(eq=False, slots=True)
class Speaking:
    """An answer that has the floor. Times in input samples; `first_sound_at` is None where there was no sound."""

    answer: SpokenAnswer
    guess: Guess
    ended: Ended
    ended_at: int
    first_sound_at: int | None = None
    shown: str | None = None


def report(chat: Chat, speaking: Speaking, timed: bool) -> TurnReport:
    """`timed`: whether a clock drives the input, so that times mean something."""
    answer, ended = speaking.answer, speaking.ended
    first_sound_at = speaking.first_sound_at if timed else None
    stages: dict[str, float | None] = dict.fromkeys(STAGES)
    total: float | None = None
    if first_sound_at is not None:
        end = acoustic_end(ended)
        total = _ms(first_sound_at - end)
        stages |= _stages(answer.turn.marks, speaking.guess)
        hold = stages["hold"] = _ms(speaking.ended_at - end)
        stages["output"] = max(0.0, total - hold - _after_commit(answer.turn.marks))
    reply = chat.conversation.messages[answer.reply.id] if answer.reply else None
    return TurnReport(
        heard=answer.question,
        reply=answer.written.strip(),
        handled_by=_kind(reply.handled_by if reply else ""),
        stages_ms={name: None if ms is None else round(ms, 1) for name, ms in stages.items()},
        end_to_first_sound_ms=None if total is None else round(total, 1),
        spoken_fraction=round(min(1.0, answer.spoken_fraction), 3),
        error=str(answer.error or (GIVEN_UP if answer.turn.cancelled and not answer.written.strip() else "")),
        message_id=reply.id if reply else "",
    )


def acoustic_end(ended: Ended) -> int:
    """Where the speech ends for the ear: the last sample above 1 % of full scale and well above the room's noise.

    No later than where the speech detector saw the end, in input samples.
    """
    pcm = np.abs(ended.pcm.astype(np.int32))
    start = ended.end + ended.held - len(ended.pcm) - max(0, ended.held - 3 * FRAME)
    floor = float(np.percentile(pcm, 10)) * 4
    loud = np.flatnonzero(pcm[: max(1, ended.end - start)] >= max(_AUDIBLE * 32768, floor))
    return start + int(loud[-1]) + 1 if len(loud) else ended.end


def _ms(n_samples: int) -> float:
    return n_samples / RATE_HZ * 1000


def _stages(marks: dict[str, float], guess: Guess) -> dict[str, float | None]:
    """Milliseconds from mark to mark."""

    def between(marked: dict[str, float], first: str, second: str) -> float | None:
        if first not in marked or second not in marked:
            return None
        return max(0.0, (marked[second] - marked[first]) * 1000)

    return {
        "turn_model": between(guess.turn.marks, "start", "judged"),
        "asr": between(guess.turn.marks, "start", "heard"),
        "first_token": between(marks, "begin", "first_piece"),
        "first_clause": between(marks, "first_piece", "first_clause"),
        "tts": between(marks, "first_clause", "first_sound"),
    }


def _after_commit(marks: dict[str, float]) -> float:
    """Milliseconds from the end of the hold to the first samples from the voice; 0 if they were there already."""
    if "commit" not in marks or "first_sound" not in marks:
        return 0.0
    return max(0.0, (marks["first_sound"] - marks["commit"]) * 1000)


def _kind(label: str) -> str:
    """The contract's word for a label such as "rule timer.start, 4 ms"."""
    return next((kind for kind in ("rule", "model tool") if label.startswith(kind)), "model")
