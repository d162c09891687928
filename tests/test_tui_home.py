"""The home on screen: rooms and devices with their state, switched by keys, a lock only after its question."""

from __future__ import annotations

from textual.widgets import OptionList

from assistant.home.model import simulated
from assistant.router import Router
from assistant.tools.opening import surroundings_for
from assistant.tui.dialogs import Confirm
from assistant.tui.home_panel import HomePanel, lines
from assistant.tui.services import Services
from tui_chat import Chat, at, closed, run, scripted, services


def with_home() -> Services:
    return services(
        scripted("I am a model."), router=lambda history: Router(surroundings_for(history, simulated(), rings=True))
    )


def row(chat: Chat, name: str) -> int:
    panel = chat.app.screen
    assert isinstance(panel, HomePanel)
    return next(i for i, (_, text) in enumerate(panel._shown) if name in text)


def shown(chat: Chat, name: str) -> str:
    options = chat.app.screen.query_one(OptionList)
    return str(options.get_option_at_index(row(chat, name)).prompt)


def state(chat: Chat, entity_id: str) -> str:
    assert chat.screen.chat.router is not None
    entity = chat.screen.chat.router.surroundings.home().entity(entity_id)
    assert entity is not None
    return entity.state


def test_rooms_and_devices_are_listed_with_their_state() -> None:
    rows = lines(simulated())
    assert [text for entity_id, text in rows if not entity_id][:1]
    assert all(not text.startswith(" ") for entity_id, text in rows if not entity_id)
    assert len([1 for entity_id, _ in rows if entity_id]) == len(simulated().entities)


def test_a_reply_of_a_rule_names_no_model_and_one_of_the_model_does() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("turn off the kitchen light")
        by_rule = chat.last
        await chat.ask("who are you?")
        assert by_rule.label() == "Assistant"
        assert chat.last.label().startswith("Assistant · ")

    run(with_home(), story)


def test_enter_switches_a_light_and_words_show_in_the_panel() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("turn off the kitchen light")
        await chat.send("/home")
        await at(chat, HomePanel)
        await chat.until(lambda: getattr(chat.app.screen, "_shown", None))
        chat.app.screen.query_one(OptionList).highlighted = row(chat, "Kitchen Light")
        await chat.press("enter")
        await chat.until(lambda: state(chat, "light.kitchen") == "on")
        await chat.until(lambda: " on" in shown(chat, "Kitchen Light"))
        await chat.press("escape")
        await closed(chat)

    run(with_home(), story)


def test_a_lock_asks_in_words_and_stays_locked_without_a_yes() -> None:
    async def story(chat: Chat) -> None:
        await chat.send("/home")
        await at(chat, HomePanel)
        await chat.until(lambda: getattr(chat.app.screen, "_shown", None))
        chat.app.screen.query_one(OptionList).highlighted = row(chat, "Front Door ")
        await chat.press("enter")
        await at(chat, Confirm)
        words = "\n".join(str(w.render()) for w in chat.app.screen.query("Static"))
        assert "Unlock the Front Door?" in words
        assert "always need your key press" in words
        await chat.press("n")
        await at(chat, HomePanel)
        assert state(chat, "lock.front_door") == "locked"
        await chat.press("enter")
        await at(chat, Confirm)
        await chat.press("y")
        await at(chat, HomePanel)
        await chat.until(lambda: state(chat, "lock.front_door") == "unlocked")

    run(with_home(), story)


def test_without_tools_it_says_so() -> None:
    async def story(chat: Chat) -> None:
        await chat.send("/home")
        await chat.until(lambda: any("no home" in n for n in [*chat.notices, *chat.toasts]))

    run(services(scripted()), story)
