"""Earlier conversations: resumed, renamed, deleted, searched, exported and imported."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from assistant.conversation import Conversation, Role, State
from assistant.history import History, ephemeral_history
from assistant.tui import dialogs
from assistant.tui.dialogs import AskLine, Confirm
from assistant.tui.history_picker import HistoryPicker
from assistant.tui.search import Search
from tui_chat import Chat, at, closed, run, scripted, services


def stored(history: History, *titles: str) -> list[str]:
    """Conversations of one question and one answer; returns their ids."""
    ids = []
    for title in titles:
        conversation = Conversation(title=title)
        conversation.add(Role.USER, f"question about {title}")
        conversation.add(Role.ASSISTANT, f"answer about {title}")
        history.save_conversation(conversation)
        ids.append(conversation.id)
    return ids


def listed(chat: Chat) -> list[str]:
    options = chat.app.screen.query_one("#conversations, #hits", OptionList)
    return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]


# -- conversations ------------------------------------------------------------------------------------------------


def test_an_earlier_conversation_is_resumed() -> None:
    history = ephemeral_history()
    stored(history, "moon", "sun")

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+r")
        await at(chat, HistoryPicker)
        assert [row.split("\n")[0].split("  ")[1] for row in listed(chat)] == ["sun", "moon"]
        assert "answer about sun" in listed(chat)[0] and "2 messages" in listed(chat)[0]
        await chat.press("down", "enter")
        await closed(chat)
        await chat.until(lambda: chat.texts == ["question about moon", "answer about moon"])
        assert chat.screen.prompt.area.has_focus
        await chat.press("up")
        assert chat.screen.prompt.area.text == "question about moon"

    run(services(scripted(), history), story)


def test_the_list_is_filtered_and_escape_clears_the_filter_first() -> None:
    history = ephemeral_history()
    stored(history, "moon", "sun")

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+r")
        await at(chat, HistoryPicker)
        await chat.press("slash", *"moo")
        await chat.until(lambda: len(listed(chat)) == 1)
        await chat.press("escape")
        await chat.until(lambda: len(listed(chat)) == 2)
        await chat.press("escape")
        await closed(chat)

    run(services(scripted(), history), story)


def test_conversations_are_renamed_and_deleted_only_after_a_yes() -> None:
    history = ephemeral_history()
    stored(history, "moon", "sun")

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+r")
        await at(chat, HistoryPicker)
        await chat.press("r")
        await at(chat, AskLine)
        chat.app.screen.query_one(Input).value = "sunlight"
        await chat.press("enter")
        await chat.until(lambda: history.list()[0].title == "sunlight")
        await at(chat, HistoryPicker)
        for answer, left in (("escape", 2), ("n", 2), ("enter", 2), ("y", 1)):
            await chat.press("d")
            await at(chat, Confirm)
            await chat.press(answer)
            await at(chat, HistoryPicker)
            await chat.until(lambda left=left: len(history.list()) == left)
        assert [s.title for s in history.list()] == ["moon"]

    run(services(scripted(), history), story)


async def asked_to_delete(chat: Chat) -> None:
    """The question whether to delete the conversation that was changed last."""
    await chat.press("ctrl+r")
    await at(chat, HistoryPicker)
    await chat.press("d")
    await at(chat, Confirm)


def test_a_y_of_a_text_that_was_being_written_confirms_nothing() -> None:
    history = ephemeral_history()
    stored(history, "moon", "sun")

    async def story(chat: Chat) -> None:
        await asked_to_delete(chat)
        await chat.press("w", "h", "y")
        await chat.pilot.pause()
        assert isinstance(chat.app.screen, Confirm)
        await chat.press("n")
        await at(chat, HistoryPicker)
        assert len(history.list()) == 2

    run(services(scripted(), history), story)


def test_a_y_that_another_letter_follows_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogs, "_ALONE_S", 600)
    history = ephemeral_history()
    stored(history, "moon", "sun")

    async def story(chat: Chat) -> None:
        await asked_to_delete(chat)
        await chat.press("y")
        assert isinstance(chat.app.screen, Confirm) and chat.app.screen._yes_soon is not None
        await chat.press("e")
        assert isinstance(chat.app.screen, Confirm) and chat.app.screen._yes_soon is None
        await chat.press("n")
        await at(chat, HistoryPicker)
        assert len(history.list()) == 2

    run(services(scripted(), history), story)


def test_deleting_the_open_conversation_leaves_an_empty_one() -> None:
    history = ephemeral_history()

    async def story(chat: Chat) -> None:
        await chat.ask("secret")
        await chat.send("/delete")
        await at(chat, Confirm)
        await chat.press("y")
        await chat.until(lambda: not chat.views)
        assert history.list() == []
        assert chat.screen.query_one(".welcome").display

    run(services(scripted("hm"), history), story)


def test_the_draft_stays_with_its_conversation() -> None:
    history = ephemeral_history()
    (moon,) = stored(history, "moon")

    async def story(chat: Chat) -> None:
        await chat.press(*"half a thought")
        await chat.press("ctrl+r")
        await at(chat, HistoryPicker)
        await chat.press("enter")
        await chat.until(lambda: chat.texts)
        assert chat.screen.prompt.area.text == ""
        await chat.press(*"reply", "ctrl+n")
        await chat.until(lambda: not chat.views)
        from assistant.tui import conversations

        await conversations.open_stored(chat.screen, moon)
        assert chat.screen.prompt.area.text == "reply"

    run(services(scripted(), history), story)


def test_leaving_in_mid_reply_keeps_what_was_said() -> None:
    history, model = ephemeral_history(), scripted("first |second")
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.views and chat.last.body.source)
        left = chat.screen.chat.conversation.id
        await chat.press("ctrl+n")
        await chat.until(lambda: not chat.views)
        reply = history.load(left).branch()[-1]
        assert (reply.content, reply.state) == ("first ", State.STOPPED)

    run(services(model, history), story)


def test_an_ephemeral_conversation_is_marked_and_never_stored() -> None:
    history = ephemeral_history()

    async def story(chat: Chat) -> None:
        await chat.send("/ephemeral")
        await chat.until(lambda: chat.screen.ephemeral)
        own = chat.screen.history
        assert "nothing is stored" in str(chat.screen.query_one("#title", Static).render())
        await chat.ask("secret")
        assert chat.texts == ["secret", "shh"]
        assert history.list() == [] and len(own.list()) == 1
        assert chat.screen.status.protection == "ephemeral"
        await chat.press("ctrl+n")
        await chat.until(lambda: not chat.views)
        assert not chat.screen.ephemeral and history.list() == []

    run(services(scripted("shh"), history), story)


# -- search -------------------------------------------------------------------------------------------------------


def test_search_opens_the_conversation_at_the_hit_even_on_another_branch() -> None:
    history = ephemeral_history()
    conversation = Conversation(title="planets")
    first = conversation.add(Role.USER, "what about mars")
    answer = conversation.add(Role.ASSISTANT, "mars is rusty")
    conversation.branch_before(first.id)
    conversation.add(Role.USER, "what about venus")
    conversation.add(Role.ASSISTANT, "venus is hot")
    history.save_conversation(conversation)
    stored(history, "other")

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+f")
        await at(chat, Search)
        await chat.press(*"rusty")
        await chat.until(lambda: len(listed(chat)) == 1)
        assert "mars is rusty" in listed(chat)[0]
        await chat.press("enter")
        await closed(chat)
        await chat.until(lambda: chat.texts == ["what about mars", "mars is rusty"])
        await chat.until(lambda: chat.views[1].has_focus)
        assert chat.views[1].message.id == answer.id

    run(services(scripted(), history), story)


def test_escape_clears_the_search_then_closes_it() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("ctrl+f")
        await at(chat, Search)
        await chat.press(*"nothing")
        await chat.until(lambda: listed(chat) == ["No message contains that"])
        await chat.press("escape")
        assert chat.app.screen.query_one(Input).value == ""
        await chat.press("escape")
        await closed(chat)

    run(services(scripted()), story)


def test_a_search_that_is_closed_while_it_runs_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    history, asked, goes_on = ephemeral_history(), threading.Event(), threading.Event()

    def slow(*_: object) -> list[object]:
        asked.set()
        goes_on.wait(10)
        return []

    async def story(chat: Chat) -> None:
        monkeypatch.setattr(History, "search", slow)
        await chat.press("ctrl+f")
        await at(chat, Search)
        screen = chat.app.screen
        running = asyncio.create_task(search_now(screen))
        await chat.until(asked.is_set)
        screen.dismiss(None)
        await closed(chat)
        await chat.until(lambda: not screen.is_attached)
        goes_on.set()
        await running

    async def search_now(screen: object) -> None:
        assert isinstance(screen, Search)
        screen.query_one(Input).value = "words"
        await screen._search()

    run(services(scripted(), history), story)


@pytest.mark.parametrize("words", ['"', "AND OR", "(", "*", "a" * 5000, "NEAR(", "x:y", "[bold]"])
def test_no_search_text_breaks_anything(words: str) -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("something")
        await chat.press("ctrl+f")
        await at(chat, Search)
        chat.app.screen.query_one(Input).value = words
        await chat.pilot.pause(0.4)
        assert isinstance(chat.app.screen, Search)

    run(services(scripted("ok")), story)


# -- files --------------------------------------------------------------------------------------------------------


def test_export_writes_both_forms_and_asks_before_it_replaces(tmp_path: Path) -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("What is one and one?")
        markdown, data = tmp_path / "talk.md", tmp_path / "talk.json"
        await chat.send(f"/export {markdown}")
        await chat.until(markdown.exists)
        assert "What is one and one?" in markdown.read_text() and "two" in markdown.read_text()
        assert markdown.stat().st_mode & 0o077 == 0
        await chat.send(f"/export {data}")
        await chat.until(data.exists)
        assert json.loads(data.read_text())

        markdown.write_text("mine")
        for key in ("escape", "n"):
            await chat.send(f"/export {markdown}")
            await at(chat, Confirm)
            await chat.press(key)
            await closed(chat)
            assert markdown.read_text() == "mine"
        await chat.send(f"/export {markdown}")
        await at(chat, Confirm)
        await chat.press("y")
        await chat.until(lambda: markdown.read_text() != "mine")
        assert not list(tmp_path.glob(".export-*"))

    run(services(scripted("two")), story)


def test_what_was_exported_can_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"

    async def write(chat: Chat) -> None:
        await chat.ask("remember me")
        await chat.send(f"/export {file}")
        await chat.until(file.exists)

    async def read(chat: Chat) -> None:
        await chat.send(f"/import {file}")
        await chat.until(lambda: chat.texts == ["remember me", "I do"])

    run(services(scripted("I do")), write)
    run(services(scripted()), read)
