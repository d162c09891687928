"""What the voice loop tells whoever shows it: states, captions, levels, and one report per turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from assistant.audio.ladder import Rung
from assistant.conversation import Message

STAGES = ("hold", "turn_model", "asr", "first_token", "first_clause", "tts", "output")


class Phase(StrEnum):
    """What is going on, in a word for the screen."""

    ASLEEP = "say the wake word"
    WAITING = "hold the key"
    MUTED = "muted"
    LOST = "waiting for a sound device"
    LISTENING = "listening"
    HEARING = "hearing you"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    phase: Phase


@dataclass(frozen=True, slots=True)
class Caption:
    """What was heard so far of the utterance in progress."""

    text: str


@dataclass(frozen=True, slots=True)
class Level:
    """Of the microphone, in decibels below full scale, a few times a second."""

    db: float


@dataclass(frozen=True, slots=True)
class EchoBadge:
    """How well the user is heard while we speak."""

    rung: Rung


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell in words, such as a device that went away."""

    words: str


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer has the floor: `reply` is its message in the conversation, `written` its text so far."""

    reply: Message
    written: str


@dataclass(slots=True)
class TurnReport:
    """What one turn was: the document of `assistant voice --json`. Latencies are None without a clock.

    `end_to_first_sound_ms` counts from the acoustic end of the user's speech to the first audible sample of the
    answer. The stages overlap: recognition, prefill and the first clause happen within the hold where they can.
    """

    heard: str
    reply: str
    handled_by: str
    stages_ms: dict[str, float | None]
    end_to_first_sound_ms: float | None
    spoken_fraction: float
    error: str = ""
    message_id: str = ""


VoiceEvent = PhaseChanged | Caption | Level | EchoBadge | Notice | Answering | TurnReport
