"""One answer on its way to the speaker: its sound goes to the audio process, the account of its text stays here.

The audio process ducks, resumes and stops by itself; what it says about its progress comes back through `follow()`,
so that the conversation remembers what was heard and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from assistant.audio.device import Audio
from assistant.audio.messages import Change, Event, Frame, Playback
from assistant.engines.hearing import Sound
from assistant.turn import Turn

_WAIT_S = 0.1


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A clause of the answer: where it starts in the playback and what it says."""

    written: str
    start: int
    n_samples: int
    word_ends: tuple[int, ...]


@dataclass(eq=False, slots=True)
class _Account:
    """What is known of one answer, in output samples. `over`: finished or stopped."""

    number: int
    clauses: list[_Spoken] = field(default_factory=list)
    n_samples: int = 0
    played: int = 0
    whole: bool = False
    ducked: bool = False
    over: bool = False


class Speaker:
    """Plays one answer at a time."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._changed = threading.Condition()
        self._account: _Account | None = None

    @property
    def playing(self) -> bool:
        """Whether an answer has the speaker, ducked or not."""
        return self._account is not None

    @property
    def ducked(self) -> bool:
        account = self._account
        return account is not None and account.ducked

    def plays(self, answer: int) -> bool:
        """Whether that answer of the audio process's count has the speaker."""
        account = self._account
        return account is not None and account.number == answer

    # -- the turn's thread --------------------------------------------------------------------------------------------

    def play(self, sounds: Iterable[Sound], turn: Turn) -> str:
        """Play to the end, or until the audio process stops it or the turn is cancelled; return the text heard."""
        with self._changed:
            account = self._account = _Account(self._audio.begin())
        turn.on_cancel(self._wake)
        try:
            for sound in sounds:
                if turn.cancelled or account.over:
                    break
                self._append(account, sound)
        except BaseException:  # the next answer finds the speaker free
            self._audio.stop()
            self._free(account)
            raise
        if not turn.cancelled:
            self._audio.whole()
        with self._changed:
            account.whole = True
            while not account.over and not turn.cancelled:
                self._changed.wait(_WAIT_S)
            if not account.over:
                self._audio.stop()
        self._free(account)
        return heard_text(account.clauses, account.played)

    def _append(self, account: _Account, sound: Sound) -> None:
        with self._changed:
            if sound.written:
                account.clauses.append(_Spoken(sound.written, account.n_samples, sound.n_samples, sound.word_ends))
            account.n_samples += len(sound.pcm)
            self._changed.notify_all()
        self._audio.play(sound.pcm, sound.word_ends)

    def _free(self, account: _Account) -> None:
        with self._changed:
            if self._account is account:
                self._account = None
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # -- the loop's thread --------------------------------------------------------------------------------------------

    def follow(self, event: Event) -> None:
        """Take note of what the audio process says about the answer being played."""
        account = self._account
        if account is None:
            return
        with self._changed:
            match event:
                case Frame(answer=account.number, played=played):
                    account.played = max(account.played, played)
                case Playback(answer=account.number, change=change, at=at):
                    account.played = max(account.played, at)
                    account.ducked = change is Change.DUCKED
                    account.over |= change in (Change.STOPPED, Change.FINISHED)
                    self._changed.notify_all()

    def wait_ahead(self, n_samples: int) -> None:
        """Wait until so many samples are ready to be played, or no more will come: for paces no clock drives."""
        with self._changed:
            while (a := self._account) is not None and not (
                a.whole or a.over or a.ducked or a.n_samples - a.played >= n_samples
            ):
                self._changed.wait(_WAIT_S)


def heard_text(clauses: list[_Spoken], n_played: int) -> str:
    """The text that belongs to the first `n_played` samples, in whole words."""
    heard = ""
    for clause in clauses:
        if n_played >= clause.start + (clause.word_ends[-1] if clause.word_ends else clause.n_samples):
            heard += clause.written
            continue
        n_said = sum(clause.start + end <= n_played for end in clause.word_ends)
        words = clause.written.split(" ")
        share = n_said / len(clause.word_ends) if clause.word_ends else 0.0
        heard += " ".join(words[: int(len(words) * share)])
        break
    return heard
