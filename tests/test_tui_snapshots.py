"""One picture for each state of the screen. After a wanted change: `pytest --snapshot-update`, and look at them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from assistant.audio.ladder import Rung
from assistant.config import Settings
from assistant.conversation import Conversation, Role
from assistant.errors import EngineCrashed
from assistant.history import ephemeral_history
from assistant.tui.app import ChatApp
from assistant.tui.prompt import Completion
from assistant.tui.services import Services
from assistant.tui.voice_bar import VoiceBar, VoiceStatus
from assistant.voice.events import Phase
from tui_chat import Chat, scripted, services

ANSWER = """\
The moon is about **384,400 km** away on average.

- at perigee: 363,300 km
- at apogee: 405,500 km

```python
KM = 384_400
print(f"{KM / 299_792:.2f} light seconds")
```
"""

Compare = Callable[..., bool]


def picture(
    compare: Compare,
    given: Services,
    story: Callable[[Chat], Awaitable[None]],
    size: tuple[int, int] = (90, 28),
) -> None:
    """Open the chat, play the story, and compare what is on the screen with the stored picture."""
    app = ChatApp(given)

    async def play(pilot: Pilot[Any]) -> None:
        chat = Chat(app, pilot)
        await chat.until(lambda: app.chat_screen.is_current)
        app.chat_screen.prompt.area.cursor_blink = False
        await chat.ready()
        await story(chat)
        for line in app.screen.query(Input):
            line.cursor_blink = False
        app.clear_notifications()
        await pilot.pause(0.3)

    assert compare(app, run_before=play, terminal_size=size)


async def two_turns(chat: Chat) -> None:
    await chat.ask("How far away is the moon?")
    await chat.ask("And in light seconds?")


def moon(*more: Any) -> Services:
    return services(scripted(ANSWER, ["<think>Divide by the speed of light.</think>", "\n\nAbout **1.28**."], *more))


def test_empty(snap_compare: Compare) -> None:
    async def nothing(chat: Chat) -> None:
        await chat.pilot.pause()

    picture(snap_compare, moon(), nothing)


def test_streaming(snap_compare: Compare) -> None:
    model = scripted([ANSWER, "never shown"])
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("How far away is the moon?")
        await chat.until(lambda: chat.views and chat.last.body.source)

    picture(snap_compare, services(model), story)


def test_answered(snap_compare: Compare) -> None:
    picture(snap_compare, moon(), two_turns)


def test_answered_in_the_light_theme(snap_compare: Compare) -> None:
    given = moon()
    given.settings = Settings(model="scripted", theme="textual-light")
    picture(snap_compare, given, two_turns)


def test_stopped(snap_compare: Compare) -> None:
    model = scripted(["The moon is ", "far"])
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("How far away is the moon?")
        await chat.until(lambda: chat.views and chat.last.body.source)
        await chat.press("escape")
        await chat.ready()

    picture(snap_compare, services(model), story)


def test_error(snap_compare: Compare) -> None:
    crash = EngineCrashed("the model process ended by signal 9; it is being restarted, ask again")

    async def story(chat: Chat) -> None:
        await chat.send("How far away is the moon?")
        await chat.until(lambda: chat.notices)
        await chat.ready()

    picture(snap_compare, services(scripted(["The moon is ", crash], "probe")), story)


def matches(hits: OptionList) -> list[str]:
    """The words that are highlighted in the list."""
    prompts = [hits.get_option_at_index(i).prompt for i in range(hits.option_count)]
    return [
        p.plain[s.start : s.end]
        for p in prompts
        if isinstance(p, Content)
        for s in p.spans
        if "reverse" in str(s.style)
    ]


def test_search(snap_compare: Compare) -> None:
    async def story(chat: Chat) -> None:
        await two_turns(chat)
        await chat.press("ctrl+f", *"light")
        await chat.until(lambda: matches(chat.app.screen.query_one("#hits", OptionList)) == ["light"] * 3)

    picture(snap_compare, moon(), story)


def test_branches(snap_compare: Compare) -> None:
    async def story(chat: Chat) -> None:
        await two_turns(chat)
        await chat.press("ctrl+up", "r")
        await chat.until(lambda: chat.texts[-1] == "A light second and a bit.")
        await chat.ready()

    picture(snap_compare, moon("A light second and a bit."), story)


def test_talking(snap_compare: Compare) -> None:
    async def story(chat: Chat) -> None:
        await two_turns(chat)
        bar = chat.screen.query_one(VoiceBar)
        bar.display = True
        bar.status = VoiceStatus(False, Phase.HEARING, -28.0, "And how far is", Rung.CLEAR, 412.0)

    picture(snap_compare, moon(), story)


@pytest.mark.parametrize("width", [60, 40])
def test_narrow(snap_compare: Compare, width: int) -> None:
    picture(snap_compare, moon(), two_turns, size=(width, 24))


def test_help(snap_compare: Compare) -> None:
    async def story(chat: Chat) -> None:
        await chat.press("f1")
        await chat.pilot.pause(0.3)

    picture(snap_compare, moon(), story)


def test_picker(snap_compare: Compare) -> None:
    history = ephemeral_history()
    for title in ("Planets", "Distances in space", "A recipe for bread"):
        conversation = Conversation(title=title)
        conversation.add(Role.USER, f"Tell me about: {title}")
        conversation.add(Role.ASSISTANT, f"Here is what I know about {title.lower()}, in a few words.")
        history.save_conversation(conversation)

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+r")
        await chat.pilot.pause(0.3)

    picture(snap_compare, services(scripted(), history), story)


def test_commands(snap_compare: Compare) -> None:
    async def story(chat: Chat) -> None:
        await two_turns(chat)
        await chat.press("slash", "r")
        await chat.until(lambda: len(chat.screen.query_one(Completion).commands) == 3)

    picture(snap_compare, moon(), story)


def test_ephemeral(snap_compare: Compare) -> None:
    async def story(chat: Chat) -> None:
        await chat.send("/ephemeral")
        await chat.until(lambda: "nothing is stored" in str(chat.screen.query_one("#title", Static).render()))

    picture(snap_compare, moon(), story)
