"""Whose turn it is, from words: when a sentence is complete, what an interruption means, how long to stay listening.

English word lists; for other languages only the acoustic judgement counts.
"""

from __future__ import annotations

import math
import re

COMPLETE_PROBABILITY = 0.5
SURE_PROBABILITY = 0.96
QUESTION_SURE_PROBABILITY = 0.8  # of a whole question: among cut sentences they are rarer than among whole ones
COMMAND_SURE_PROBABILITY = 0.9  # the words alone say as much of a whole command
SURE_LOG_ODDS = 1.5  # of sound and words together, as ln(P(end) / P(more)); words: see Usage.end_log_odds
QUESTION_LOG_ODDS = 1.8  # what a whole question has more: the difference between the two probabilities above
SURE_HOLD_MS = 128.0  # silence after a sentence that sounds finished
PERHAPS_HOLD_MS = 1300.0  # ... that may be: half of the sentences cut at a pause that got less were answered too early
UNFINISHED_HOLD_MS = 1400.0  # ... that sounds cut off: people think for a second
COMMAND_HOLD_MS = 256.0  # ... that is a whole command and may be finished
COMMAND_UNFINISHED_HOLD_MS = 704.0  # ... that is one and sounds cut off: "turn off the lights", "in the kitchen"

_STOPS = {
    *("stop", "stop it", "please stop", "stop talking", "stop please", "okay stop", "ok stop", "cancel", "be quiet"),
    *("quiet", "shut up", "enough", "that's enough", "never mind", "nevermind", "hush", "silence", "abort"),
}
_BACKCHANNELS = {
    *(
        "mhm",
        "mm hmm",
        "mm-hmm",
        "mmhmm",
        "hmm",
        "hm",
        "mm",
        "mmm",
        "uh huh",
        "uh-huh",
        "uhhuh",
        "uh",
        "um",
        "ah",
        "oh",
    ),
    *("yeah", "yes", "yep", "yup", "ok", "okay", "right", "sure", "i see", "got it", "wow", "cool", "nice", "great"),
    *("ah okay", "oh okay", "okay okay", "yeah yeah", "alright", "all right", "aha", "huh", "really", "thank you"),
}
_DANGLING = {
    *(
        "the",
        "a",
        "an",
        "and",
        "or",
        "but",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "with",
        "from",
        "by",
        "as",
        "my",
        "your",
    ),
    *("our", "their", "his", "its", "is", "are", "was", "were", "if", "because", "so", "than", "then", "that", "this"),
    *("very", "about", "into", "set", "um", "uh", "er", "erm", "please", "could", "would", "can", "will", "i", "i'm"),
}
_OPEN = {"the", "a", "an", "and", "or", "but", "of", "as", "my", "your", "our", "their", "its", "if", "because", "than"}
_ASKS = re.compile(
    r"(?:(?:and|so|but|okay|ok|hey|well|then)\b[,\s]+)*(?:what|who|whom|whose|which|when|where|why|how)\b", re.I
)
_WAITS = re.compile(
    r"\b(?:wait|hold on|one moment|just a (?:second|minute|moment)|give me a (?:second|minute|moment))\b", re.I
)
_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def plain(text: str) -> str:
    """Lower-case words without punctuation."""
    return " ".join(word.lower().replace("’", "'") for word in _WORDS.findall(text))


def is_stop(text: str) -> bool:
    """Whether the user asks us to be silent and nothing else. "Stop the music" is a command for somebody else."""
    return plain(text) in _STOPS


def is_backchannel(text: str) -> bool:
    """Whether the user only shows that they listen."""
    return plain(text) in _BACKCHANNELS


def without_name(text: str, name: str) -> str:
    """`text` without the wake word `name` ("hey_jarvis") at its beginning, as recognition may have spelt it."""
    words = [re.escape(word) for word in name.split("_") if word]
    return re.sub(rf"^\W*{'[^a-z]+'.join(words)}\b[\s,.!?]*", "", text, flags=re.IGNORECASE) if words else text


def is_unfinished(text: str) -> bool:
    """Whether the last word needs another: "turn off the"."""
    words = plain(text).split()
    return bool(words) and (words[-1] in _DANGLING or text.rstrip().endswith((",", "-", "—")))


def is_whole_question(text: str) -> bool:
    """Whether it begins with a question word and recognition heard a question mark: "Why is the sky blue?".

    Requests in the form of a question are none: "Can I have a coffee?" goes on with "with milk".
    """
    words = plain(text).split()
    return bool(_ASKS.match(text)) and text.rstrip().endswith("?") and len(words) > 1 and words[-1] not in _OPEN


def hold_ms(complete_probability: float, text: str, end_log_odds: float | None = None) -> float:
    """How long to wait after a soft end: from the turn model's judgement of the sound, from the words, and from what
    the language model expects behind them (Usage.end_log_odds), where it was asked: it knows more than a list of words.
    """
    question = is_whole_question(text)
    if end_log_odds is None:
        if is_unfinished(text) and not question:
            return UNFINISHED_HOLD_MS
        sure = complete_probability >= (QUESTION_SURE_PROBABILITY if question else SURE_PROBABILITY)
    else:
        bonus = QUESTION_LOG_ODDS if question else 0.0
        sure = _log_odds(complete_probability) + end_log_odds + bonus >= SURE_LOG_ODDS
    if sure:
        return SURE_HOLD_MS
    return UNFINISHED_HOLD_MS if complete_probability < COMPLETE_PROBABILITY else PERHAPS_HOLD_MS


def _log_odds(probability: float) -> float:
    within = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(within / (1 - within))


def command_hold_ms(complete_probability: float | None) -> float:
    """How long to wait after words that are a whole command; the turn model's judgement is None until it is known."""
    if complete_probability is None or complete_probability < COMPLETE_PROBABILITY:
        return COMMAND_UNFINISHED_HOLD_MS
    return SURE_HOLD_MS if complete_probability >= COMMAND_SURE_PROBABILITY else COMMAND_HOLD_MS


def patience_s(reply: str, question: str = "") -> float:
    """How long to listen for a follow-up without a wake word, once `reply` has been spoken to `question`."""
    if _WAITS.search(question):
        return 8.0
    return 4.0 if reply.rstrip().rstrip("*_\"'”’)").endswith("?") else 2.0
