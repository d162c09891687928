"""Separate a model's reasoning, `<think>...</think>` at the start of a reply, from its answer while both stream in."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


class ThoughtStream:
    """Feed it pieces cut anywhere; it returns what each adds to the reasoning and to the answer.

    Only a reply that begins with the tag has reasoning: a tag later on, in a code block say, is text.
    """

    def __init__(self) -> None:
        self._held = ""  # may still turn out to be a tag
        self._inside: bool | None = None  # None: the reply has not begun
        self._answer_began = False

    @property
    def thinking(self) -> bool:
        return self._inside is True

    def feed(self, piece: str) -> tuple[str, str]:
        """Return (reasoning, answer) to append. Held back: only what may be the beginning of a tag."""
        text = self._held + piece
        self._held = ""
        if self._inside is None:
            start = text.lstrip()
            if OPEN.startswith(start):  # also when nothing but white space came so far
                self._held = text
                return "", ""
            self._inside = start.startswith(OPEN)
            text = start[len(OPEN) :] if self._inside else text
        if not self._inside:
            return "", self._answer(text)
        thought, tag, rest = text.partition(CLOSE)
        if tag:
            self._inside = False
            return thought, self._answer(rest)
        keep = next((n for n in range(len(CLOSE) - 1, 0, -1) if text.endswith(CLOSE[:n])), 0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], ""

    def finish(self) -> tuple[str, str]:
        """Return what was held back."""
        held, self._held = self._held, ""
        return (held, "") if self._inside else ("", held)

    def _answer(self, text: str) -> str:
        if not self._answer_began:
            text = text.lstrip("\n")
            self._answer_began = bool(text)
        return text


def split_thinking(text: str) -> tuple[str, str]:
    """(reasoning, answer) of a complete reply."""
    stream = ThoughtStream()
    thought, answer = stream.feed(text)
    last_thought, last_answer = stream.finish()
    return (thought + last_thought).strip(), answer + last_answer
