"""Word error rate: the words that differ, after both texts were brought to the same spelling."""

from __future__ import annotations

import re

from assistant.spoken.speakable import speakable

_CONTRACTIONS = {"won't": "will not", "can't": "can not", "cannot": "can not", "let's": "let us", "ok": "okay"}
_ENDINGS = (("n't", " not"), ("'re", " are"), ("'ve", " have"), ("'ll", " will"), ("'m", " am"), ("'d", " would"))
_FILLERS = {"uh", "um", "hmm", "mm", "mhm", "ah"}


def normalised(text: str, language: str = "en") -> list[str]:
    """Lower-case words without punctuation, numbers in words, contractions and fillers undone as Whisper's own does."""
    text = speakable(text, language).lower().replace("’", "'").replace("-", " ")
    words: list[str] = []
    for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", text):
        word = _CONTRACTIONS.get(word, word)
        for ending, full in _ENDINGS:
            if word.endswith(ending):
                word = word.removesuffix(ending) + full
        words += [w for w in word.split() if w not in _FILLERS]
    return words


def errors(reference: list[str], heard: list[str]) -> int:
    """Fewest insertions, deletions and substitutions (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, said in enumerate(reference, 1):
        previous, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (said != word))
    return row[-1]
