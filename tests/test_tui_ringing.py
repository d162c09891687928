"""A timer that rings in the chat: told, stopped by Enter alone or by words, and in nobody's way while writing."""

from __future__ import annotations

from collections.abc import Callable

from assistant.history import History
from assistant.home.model import simulated
from assistant.router import Router
from assistant.tools import Surroundings
from assistant.tools.opening import surroundings_for
from assistant.tools.records import Records
from assistant.tools.timekeeping import TimerWatch, all_timers, timer_words
from assistant.tui.services import Services
from tool_bench import FakeClock
from tui_chat import Chat, run, scripted, services


class Ringing:
    """Services whose timers ring when `pass_s` says that time has passed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self._tell: list[Callable[[str], None]] = []
        self.services: Services = services(scripted("a reply"), router=self._router, listen=self._tell.append)
        self._watch = TimerWatch(
            Records(self.services.history),
            lambda timer: self._tell[0](f"Your {timer_words(timer)} is done"),
            self.clock,
        )

    def _router(self, history: History) -> Router:
        return Router(self._surroundings(history))

    def _surroundings(self, history: History) -> Surroundings:
        surroundings = surroundings_for(history, simulated(), rings=True)
        surroundings.timer_clock = self.clock
        return surroundings

    def pass_s(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        self._watch.ring_due()

    def timers(self) -> list[str]:
        return [timer_words(t) for t in all_timers(Records(self.services.history)).values()]


def test_enter_alone_silences_and_a_draft_is_kept() -> None:
    ringing = Ringing()

    async def story(chat: Chat) -> None:
        await chat.ask("set a pasta timer for 5 minutes")
        n_messages = len(chat.screen.chat.conversation.messages)
        chat.screen.prompt.area.put("half a sentence")
        ringing.pass_s(301)
        await chat.until(lambda: any("pasta timer is done" in t for t in chat.toasts))
        assert chat.screen.prompt.area.text == "half a sentence"
        chat.screen.prompt.area.put("")
        await chat.press("enter")
        await chat.until(lambda: not ringing.timers())
        assert chat.toasts == []
        assert len(chat.screen.chat.conversation.messages) == n_messages

    run(ringing.services, story)


def test_words_stop_it_and_take_the_note_away() -> None:
    ringing = Ringing()

    async def story(chat: Chat) -> None:
        await chat.ask("set a pasta timer for 5 minutes")
        ringing.pass_s(301)
        await chat.until(lambda: chat.toasts)
        await chat.ask("snooze")
        await chat.until(lambda: not chat.toasts)
        assert ringing.timers() == ["pasta timer"]
        ringing.pass_s(601)
        await chat.until(lambda: chat.toasts)
        await chat.ask("what time is it")
        assert chat.toasts != []
        await chat.ask("stop")
        await chat.until(lambda: not chat.toasts)
        assert ringing.timers() == []

    run(ringing.services, story)
