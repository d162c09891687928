"""What happens when a timer is due, in the process that owns the timers: words for the user, or a command that runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assistant.choosing.opening import prepare_choice
from assistant.engines import LanguageModel
from assistant.history import History
from assistant.router import Router
from assistant.rules.other_languages import ANOTHER
from assistant.tools import Surroundings
from assistant.tools.calls import Chooser
from assistant.tools.opening import languages_for, surroundings_for
from assistant.tools.records import Records
from assistant.tools.timekeeping import SHOWN_LATE_S, Timer, TimerWatch, remaining_s, spoken_s, timer_words
from assistant.tools.unattended import to_you

Listener = Callable[[str], None]


class Ringing:
    """The timers of a home, watched. `listen` adds who is told, in the watching thread; `close` ends it."""

    def __init__(
        self,
        history: History,
        facts: dict[str, Callable[[], str]] | None = None,
        choosing: Callable[[LanguageModel], Chooser] | None = None,
    ) -> None:
        self._listeners: list[Listener] = []
        self._missed: list[str] = []
        self._lock = threading.Lock()
        self._facts = facts or {}
        self._choosing = choosing
        self.history = history
        self.watch = TimerWatch(Records(history), self._ring)

    def start(self) -> None:
        self.watch.start()
        if self._choosing is not None:
            threading.Thread(target=prepare_choice, name="tool examples", daemon=True).start()

    def close(self) -> None:
        self.watch.close()

    def listen(self, listener: Listener) -> None:
        """Tell `listener` what rings, and first what rang when nobody listened."""
        with self._lock:
            missed, self._missed = self._missed, []
            self._listeners.append(listener)
        for text in missed:
            listener(text)

    @contextmanager
    def told(self, listener: Listener) -> Iterator[None]:
        """Tell `listener` too, until the block is left; what rang before is not for it."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def surroundings(self, history: History) -> Surroundings:
        """What tools work with here: timers of the watched history ring, those of an ephemeral one do not."""
        own = history is self.history
        return surroundings_for(history, rings=own, changed_timers=self.watch.changed, facts=self._facts)

    def router(self, history: History) -> Router:
        surroundings = self.surroundings(history)
        return Router(surroundings, languages_for(surroundings.home()), choosing=self._choosing)

    def _ring(self, timer: Timer) -> None:
        text = self._command(timer) if timer.command else ringing_text(timer, self.watch)
        with self._lock:
            listeners = list(self._listeners)
            if not listeners:
                self._missed.append(text)
        for listener in listeners:
            listener(text)

    def _command(self, timer: Timer) -> str:
        """Do what was to be done at this time; what needs a confirmation is not done, nobody may be there."""
        self.watch.forget(timer)
        router = self.router(self.history)
        router.heard = tuple(ANOTHER)  # it was understood when it was put off; alone its words may not tell a language
        decision = router.decide(timer.command)
        if not decision.calls:
            return f"It is time: {timer.command}"
        return f"It is time: {timer.command}. {router.act(decision).text}"


def ringing_text(timer: Timer, watch: TimerWatch) -> str:
    """What is said and shown when it rings."""
    late_s = -remaining_s(timer, watch.clock)
    late = f" ({spoken_s(late_s)} late)" if late_s > SHOWN_LATE_S else ""
    if timer.kind == "reminder":
        return f"Reminder: {to_you(timer.message)}{late}"
    if timer.kind == "alarm":
        return f"Alarm{f' ({timer.name})' if timer.name else ''}: {watch.clock.local(watch.clock.wall_s()):%H:%M}{late}"
    return f"Your {timer_words(timer)} is done{late}"
