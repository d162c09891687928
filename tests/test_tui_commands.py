"""Commands, dialogs, the list of conversations, search, settings: what the keys and the `/` commands do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from assistant import config
from assistant.config import Persona, Settings
from assistant.conversation import Conversation, Role, State
from assistant.engines import LanguageModel
from assistant.errors import ModelMissingError
from assistant.history import History, ephemeral_history
from assistant.tui.commands import COMMANDS
from assistant.tui.dialogs import AskLine, AskText, Choose, Confirm
from assistant.tui.help import Help
from assistant.tui.history_picker import HistoryPicker
from assistant.tui.prompt import Completion
from assistant.tui.search import Search
from assistant.tui.services import Services
from fakes import ScriptedModel
from tui_chat import Chat, opened, scripted, services


def run(given: Services, story: Callable[[Chat], Awaitable[None]]) -> None:
    async def play() -> None:
        async with opened(given) as chat:
            await story(chat)

    asyncio.run(play())


async def at(chat: Chat, screen: type[object]) -> None:
    await chat.until(lambda: isinstance(chat.app.screen, screen))


async def closed(chat: Chat) -> None:
    await chat.until(lambda: chat.app.screen is chat.screen)


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


# -- commands -----------------------------------------------------------------------------------------------------


def test_the_command_list_narrows_and_completes() -> None:
    async def story(chat: Chat) -> None:
        completion = chat.screen.query_one(Completion)
        await chat.press("slash")
        assert len(completion.commands) == len(COMMANDS) and completion.display
        await chat.press("r", "e")
        assert [c.name for c in completion.commands] == ["resume", "regenerate", "rename"]
        await chat.press("down", "down", "tab")
        assert chat.screen.prompt.area.text == "/rename " and not completion.display
        await chat.press("x", "y", "enter")
        await chat.until(lambda: chat.screen.chat.conversation.title == "xy")

    run(services(scripted()), story)


def test_escape_closes_the_command_list_and_keeps_the_text() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("slash", "n", "escape")
        assert not chat.screen.query_one(Completion).display
        assert chat.screen.prompt.area.text == "/n"

    run(services(scripted()), story)


def test_a_text_that_only_begins_like_a_command_is_a_question() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("/etc/passwd is what?")
        assert chat.texts[0] == "/etc/passwd is what?"

    run(services(scripted("a file")), story)


def test_the_palette_offers_the_commands() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("ctrl+p")
        await chat.until(lambda: chat.app.screen is not chat.screen)
        await chat.press(*"show all keys")
        await chat.pilot.pause(0.3)
        await chat.press("enter")
        await at(chat, Help)
        await chat.press("escape")
        await closed(chat)

    run(services(scripted()), story)


def test_help_names_every_command_and_closes_with_escape() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("f1")
        await at(chat, Help)
        await chat.press("escape")
        await closed(chat)
        await chat.ask("x")
        await chat.press("ctrl+up", "question_mark")
        await at(chat, Help)

    run(services(scripted("y")), story)


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


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/export /nowhere/at/all.md", "cannot be written"),
        ("/import /nowhere/at/all.json", "is not a regular file"),
        ("/import /dev/zero", "is not a regular file"),
        ("/theme nonsense", "there is no theme"),
        ("/persona nobody", "there is no persona"),
    ],
)
def test_a_command_that_fails_says_why_and_nothing_is_lost(command: str, said: str) -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("x")
        await chat.send(command)
        await chat.until(lambda: chat.toasts)
        assert said in chat.toasts[0]
        assert chat.texts == ["x", "y"]

    run(services(scripted("y")), story)


# -- model, settings ----------------------------------------------------------------------------------------------


def test_the_model_is_switched_in_place_and_the_old_one_freed() -> None:
    old, new = scripted("from the old"), scripted("from the new")
    new.name, new.file_name = "bigger", "bigger.gguf"
    given = services(old, open_model=lambda name, report: {"scripted": old, "bigger": new}[name])
    given.installed_models = lambda: ["scripted", "bigger"]

    async def story(chat: Chat) -> None:
        await chat.ask("who?")
        await chat.send("/model")
        await at(chat, Choose)
        await chat.press("down", "enter")
        await chat.until(lambda: chat.screen.status.model == "bigger")
        await chat.until(lambda: old.closed)
        await chat.ask("who now?")
        assert chat.texts == ["who?", "from the old", "who now?", "from the new"]
        assert config.load(given.settings_path).model == "bigger"

    run(given, story)


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_at_work() -> None:
    old = scripted("one", "two")

    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        if name != "scripted":
            raise ModelMissingError("the model `x` is not installed; run `assistant models pull x`")
        return old

    async def story(chat: Chat) -> None:
        await chat.ask("first")
        await chat.send("/model x")
        await chat.until(lambda: chat.notices)
        assert "pull x" in chat.notices[0]
        assert chat.screen.status.state == "ready" and not old.closed
        await chat.ask("second")
        assert chat.texts[-1] == "two"

    run(services(old, open_model=open_model), story)


def test_the_theme_is_kept() -> None:
    given = services(scripted())

    async def story(chat: Chat) -> None:
        await chat.send("/theme textual-light")
        await chat.until(lambda: chat.app.theme == "textual-light" and given.settings_path.exists())
        assert config.load(given.settings_path).theme == "textual-light"

    run(given, story)


def test_an_unknown_theme_in_the_settings_does_not_stop_the_start() -> None:
    async def story(chat: Chat) -> None:
        await chat.until(lambda: chat.toasts)
        assert "theme" in chat.toasts[0]

    run(services(scripted(), settings=Settings(model="scripted", theme="gone")), story)


def test_the_system_prompt_and_personas_change_what_the_model_sees() -> None:
    model = scripted("a", "b", "c")
    pirate = Settings(model="scripted", personas=(Persona("pirate", "Talk like a pirate."),))
    given = services(model, settings=pirate)

    def system() -> str:
        return model.prompts[-1].messages[0].content

    async def story(chat: Chat) -> None:
        await chat.ask("1")
        assert system() == pirate.system
        await chat.send("/persona pirate")
        await chat.until(lambda: chat.screen.chat.conversation.system == "Talk like a pirate.")
        await chat.ask("2")
        assert system() == "Talk like a pirate."
        await chat.send("/system")
        await at(chat, AskText)
        await chat.press(*" Briefly.", "ctrl+s")
        await closed(chat)
        await chat.ask("3")
        assert system() == "Talk like a pirate. Briefly."
        await chat.send("/persona")
        await at(chat, Choose)
        await chat.press("down", "enter")
        await at(chat, AskLine)
        await chat.press(*"brief", "enter")
        await chat.until(lambda: len(config.load(given.settings_path).personas) == 2)
        assert config.load(given.settings_path).personas[1] == Persona("brief", "Talk like a pirate. Briefly.")

    run(given, story)


# -- leaving ------------------------------------------------------------------------------------------------------


def test_ctrl_c_asks_before_it_quits() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("ctrl+c")
        await at(chat, Confirm)
        await chat.press("escape")
        await closed(chat)
        await chat.press("ctrl+c")
        await at(chat, Confirm)
        await chat.press("y")
        await chat.until(lambda: chat.app._exit)
        assert chat.app.return_value == 0

    run(services(scripted()), story)


def test_ctrl_q_in_mid_reply_keeps_what_was_said() -> None:
    history, model = ephemeral_history(), scripted("first |second")
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.views and chat.last.body.source)
        await chat.press("ctrl+q")
        await chat.until(lambda: chat.app._exit)
        reply = history.load(chat.screen.chat.conversation.id).branch()[-1]
        assert (reply.content, reply.state) == ("first ", State.STOPPED)

    run(services(model, history), story)


def test_a_crash_prints_one_line_without_any_content(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(ScriptedModel):
        pass

    async def story(chat: Chat) -> None:
        await chat.ask("canary-question")
        secret = "canary-local"

        def fail() -> None:
            raise ValueError(f"canary-message {secret}")

        chat.screen.call_later(fail)
        await chat.pilot.pause(0.5)

    with pytest.raises(ValueError, match="canary-message"):  # for the test only: run_test raises it again
        run(services(Broken()), story)
    printed = capsys.readouterr()
    assert "canary" not in printed.out + printed.err
    assert "the screen failed (ValueError at test_tui_commands.py" in " ".join(printed.err.split())
