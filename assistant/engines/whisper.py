"""Whisper through CTranslate2, on a window that fits the speech instead of always 30 s.

The encoder's work grows with the window, so a command of two seconds is heard on eight (speech + 1 s, at least 8 s):
5 to 7 times cheaper at equal word error rate (docs/voice.md). Windows much shorter than that make the decoder repeat
itself. What looks like that, or is unsure, is heard again on 12 s: another window helps the decoder out of its circle,
and 30 s were three times as slow and no better (docs/experiments.md).

What is beyond the speech is padded with silence, the spectrogram's own minimum. faster-whisper pads with zeros, which
in this scaling are a loud noise: harmless on 30 s, but on short windows they cost many words of noisy commands.

tiny.en is always heard on 30 s: on shorter windows of noisy speech it goes in circles however it is padded.

Source: Radford et al. 2022.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from assistant.engines.hearing import Pcm, Transcript
from assistant.engines.mel import BANDS, RATE_HZ, STEP, Floats, log_mel
from assistant.errors import ModelRefusedError

_STEPS_PER_S = RATE_HZ // STEP
_FULL_S = 30
_MAX_HOT_WORD_TOKENS = 60


@dataclass(frozen=True, slots=True)
class Window:
    """How much the encoder sees, in seconds; and when its result is not believed."""

    least_s: float = 8.0
    beyond_s: float = 1.0
    draft_least_s: float = 4.0  # of speech that goes on, which is heard again anyway
    again_least_s: float = 12.0  # when it is not believed
    again_beyond_s: float = 4.0
    least_log_probability: float = -1.0  # mean over tokens; below: heard again
    most_compressible: float = 2.4  # a text that zips better than this repeats itself
    silence_probability: float = 0.6  # of "no speech" ...
    silence_log_probability: float = -0.6  # ... and an unsure text: nothing was said
    guessed_log_probability: float = -2.5  # below, heard again: a token in twelve by chance, no word of a speaker


FULL_WINDOW = Window(least_s=_FULL_S, draft_least_s=_FULL_S)


class WhisperTranscriber:
    """A Transcriber (engines/hearing.py) in this process. `folder` holds a CTranslate2 model.

    Raises ModelRefusedError when the folder holds something else.
    """

    def __init__(self, folder: Path, n_threads: int = 1, window: Window | None = None) -> None:
        import ctranslate2
        import tokenizers

        try:
            self._model = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", intra_threads=n_threads
            )
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            reason = str(error).splitlines()[0][:200]
            raise ModelRefusedError(f"{folder.name} cannot be used: {reason}; pull it again") from error
        self._storage = ctranslate2.StorageView
        self._window = window or (Window() if self.multilingual else FULL_WINDOW)
        self._start, self._transcribe, self._no_timestamps, self._previous, self._end = (
            self._id(f"<|{name}|>")
            for name in ("startoftranscript", "transcribe", "notimestamps", "startofprev", "endoftext")
        )

    @property
    def multilingual(self) -> bool:
        return bool(self._model.is_multilingual)

    def close(self) -> None:
        self._model.unload_model()

    def transcribe(
        self, pcm: Pcm, language: str = "", hot_words: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        """See Transcriber.transcribe."""
        if len(pcm) < RATE_HZ // 10:
            return Transcript("")
        samples = pcm[: _FULL_S * RATE_HZ].astype(np.float32) / np.float32(32768)
        speech_s = len(samples) / RATE_HZ
        least_s = self._window.draft_least_s if draft else self._window.least_s
        window_s = min(_FULL_S, max(least_s, speech_s + self._window.beyond_s))
        spectrum = log_mel(samples)
        heard, tokens = self._hear(spectrum, window_s, language, hot_words)
        if draft and (self._doubtful(heard, tokens, speech_s) or self._is_hint(heard.text, hot_words)):
            return replace(heard, text="")
        if window_s < _FULL_S and self._doubtful(heard, tokens, speech_s):
            window_s = min(_FULL_S, max(self._window.again_least_s, speech_s + self._window.again_beyond_s))
            again, tokens = self._hear(spectrum, window_s, language, hot_words, copies=3)
            heard = replace(again, redone=True)
        if self._nothing_said(heard, tokens, speech_s):
            heard = replace(heard, text="")
        if hot_words and heard.text and self._is_hint(heard.text, hot_words):
            return replace(self.transcribe(pcm, language), redone=True)
        return heard

    def _hear(
        self, spectrum: Floats, window_s: float, language: str, hot_words: Sequence[str], copies: int = 2
    ) -> tuple[Transcript, int]:
        n_steps = int(window_s * _STEPS_PER_S)
        padded = np.full((1, BANDS, n_steps), spectrum.min(), np.float32)
        padded[0, :, : min(n_steps, spectrum.shape[1])] = spectrum[:, :n_steps]
        encoded = self._model.encode(self._storage.from_array(padded))
        if not self.multilingual:
            language = "en"
        elif not language:
            language = self._model.detect_language(encoded)[0][0][0].strip("<|>")
        n_speech_s = spectrum.shape[1] / _STEPS_PER_S
        prompt = self._prompt(language, hot_words)
        result: Any = self._model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=len(prompt) + _most_tokens(n_speech_s),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
        )[0]
        tokens = [t for t in result.sequences_ids[0] if t < self._end]
        written = self._tokenizer.decode(tokens, skip_special_tokens=True).strip()
        text = once(written, copies)
        n_tokens = len(tokens) * len(text) // max(1, len(written))
        return Transcript(text, language, float(result.scores[0]), float(result.no_speech_prob)), n_tokens

    def _prompt(self, language: str, hot_words: Sequence[str]) -> list[int]:
        prompt: list[int] = []
        if unusual := [name for name in hot_words if self._is_unusual(name)]:
            hint = self._ids(" " + ", ".join(unusual))
            prompt = [self._previous, *hint[:_MAX_HOT_WORD_TOKENS]]
        prompt.append(self._start)
        if self.multilingual:
            prompt += [self._id(f"<|{language}|>"), self._transcribe]
        return [*prompt, self._no_timestamps]

    def _is_unusual(self, name: str) -> bool:
        """Whether a word of it is none of the vocabulary: "Siobhan" needs a hint, "kitchen" is only in the way."""
        return any(min(len(self._ids(f" {w}")), len(self._ids(f" {w.lower()}"))) > 1 for w in name.split())

    def _is_hint(self, text: str, hot_words: Sequence[str]) -> bool:
        """Whether it says nothing but words that were told: so Whisper writes noise, and it is heard without them."""
        told = {word for name in hot_words if self._is_unusual(name) for word in _bare(name.split())}
        return all(word in told for word in _bare(text.split()))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _doubtful(self, heard: Transcript, n_tokens: int, speech_s: float) -> bool:
        return (
            n_tokens >= _most_tokens(speech_s)
            or heard.log_probability < self._window.least_log_probability
            or repeats(heard.text, self._window.most_compressible)
        )

    def _nothing_said(self, heard: Transcript, n_tokens: int, speech_s: float) -> bool:
        """Whisper answers noise with "Thank you." or with a loop; silence is the better answer."""
        unsure = (
            heard.no_speech_probability > self._window.silence_probability
            and heard.log_probability < self._window.silence_log_probability
        )
        guessed = heard.log_probability < self._window.guessed_log_probability
        looping = repeats(heard.text, self._window.most_compressible) or n_tokens >= _most_tokens(speech_s)
        return unsure or guessed or looping or not any(c.isalnum() for c in heard.text) or _is_sound_note(heard.text)

    def _id(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ModelRefusedError(f"this Whisper model does not know {token}; choose another language or model")
        return int(number)


def repeats(text: str, most_compressible: float = 2.4) -> bool:
    """Whether a text goes in circles: its tail comes three times, or all of it zips too well."""
    words = _bare(text.split())
    for size in range(1, len(words) // 3 + 1):
        if words[-size:] == words[-2 * size : -size] == words[-3 * size : -2 * size]:
            return size > 1 or len(words) >= 5
    raw = text.encode()
    return len(raw) > 40 and len(raw) / len(zlib.compress(raw)) > most_compressible


def once(text: str, copies: int = 2) -> str:
    """`text` without its repetition, where a phrase of three words or more was written up to `copies` times, or nearly
    once more.

    On a short window the decoder often begins the sentence again instead of ending; what it wrote first is right.
    """
    written = text.split()
    words = _bare(written)
    for size in range(3, len(words) // 2 + 1):
        if all(word == words[at % size] for at, word in enumerate(words)):
            return " ".join(written[:size]) if len(words) < (copies + 1) * size else text  # a loop, and may be noise
    return text


def _bare(words: Sequence[str]) -> list[str]:
    """Without case and punctuation: the last copy of a repetition often lacks its full stop."""
    return [word.strip(".,!?;:").lower() for word in words]


def _most_tokens(speech_s: float) -> int:
    """Nobody says more than this: 10 and 8 a second."""
    return 10 + int(8 * speech_s)


def _is_sound_note(text: str) -> bool:
    """[MUSIC], (coughs), *sighs*: what Whisper writes for sounds."""
    return text[:1] in "[(*♪" and text[-1:] in "])*♪"
