"""Opens the chat screen on a scripted model and a real SQLCipher history in memory, for the tests of the screen."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from assistant.config import Settings
from assistant.engines import LanguageModel
from assistant.history import History, ephemeral_history
from assistant.tui.app import ChatApp
from assistant.tui.chat_screen import ChatScreen
from assistant.tui.parts import Notice
from assistant.tui.reply import MessageView, ReplyView
from assistant.tui.services import Services
from fakes import ScriptedModel

LIMIT_S = 20.0  # a test waits no longer for what must happen


def services(model: LanguageModel, history: History | None = None, **changes: Any) -> Services:
    """Services over a scripted model. `changes` replaces fields, `settings` among them."""
    given: dict[str, Any] = {
        "settings": Settings(model=model.name),
        "settings_path": Path(tempfile.mkdtemp()) / "settings.toml",
        "history": history if history is not None else ephemeral_history(),
        "open_model": lambda name, report: model,
        "installed_models": lambda: [model.name],
        "lock_status": lambda: "locked",
    }
    return Services(**given | changes)


class Chat:
    """A running chat and what tests do with it."""

    def __init__(self, app: ChatApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def screen(self) -> ChatScreen:
        return self.app.chat_screen

    @property
    def views(self) -> list[MessageView]:
        return self.screen.transcript.views

    @property
    def last(self) -> ReplyView:
        return [view for view in self.views if isinstance(view, ReplyView)][-1]

    @property
    def texts(self) -> list[str]:
        return [view.message.content for view in self.views]

    @property
    def notices(self) -> list[str]:
        return [f"{n.title}: {n.text}" for n in self.screen.query(Notice)]

    @property
    def toasts(self) -> list[str]:
        return [n.message for n in self.app._notifications]

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the app run until the condition holds."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + LIMIT_S
        while not condition():
            assert loop.time() < end_s, "it did not happen"
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def ready(self) -> None:
        await self.until(lambda: self.screen.status.state == "ready")

    async def send(self, text: str) -> None:
        """Put a text into the prompt and press Enter."""
        self.screen.prompt.area.put(text)
        await self.pilot.pause()
        await self.pilot.press("enter")

    async def ask(self, text: str) -> None:
        """Ask and wait for the whole reply."""
        before = len(self.screen.chat.conversation.messages)
        await self.send(text)
        await self.until(lambda: len(self.screen.chat.conversation.messages) > before)
        await self.ready()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@contextlib.asynccontextmanager
async def opened(given: Services, size: tuple[int, int] = (100, 32), wait: bool = True) -> AsyncIterator[Chat]:
    """The chat, open and (unless told otherwise) with its model loaded."""
    app = ChatApp(given)
    async with app.run_test(size=size) as pilot:
        chat = Chat(app, pilot)
        await chat.until(lambda: app.chat_screen.is_mounted and app.chat_screen.is_current)
        if wait:
            await chat.ready()
        yield chat


def scripted(*replies: str | list[str | Exception]) -> ScriptedModel:
    """A model that gives these replies, one after the other."""
    model = ScriptedModel()
    for reply in replies:
        model.enqueue(reply)
    return model


def run(given: Services, story: Callable[[Chat], Awaitable[None]], wait: bool = True) -> None:
    """Open the chat, play the story in it, close it."""

    async def play() -> None:
        async with opened(given, wait=wait) as chat:
            await story(chat)

    asyncio.run(play())


async def at(chat: Chat, screen: type[object]) -> None:
    """Wait until this kind of screen is in front."""
    await chat.until(lambda: isinstance(chat.app.screen, screen))


async def closed(chat: Chat) -> None:
    """Wait until the chat itself is in front again."""
    await chat.until(lambda: chat.app.screen is chat.screen)
