"""Commands, dialogs, the list of conversations, search, settings: what the keys and the `/` commands do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assistant import config
from assistant.config import Persona, Settings
from assistant.conversation import State
from assistant.engines import LanguageModel
from assistant.errors import ModelMissingError
from assistant.history import ephemeral_history
from assistant.tui.commands import COMMANDS
from assistant.tui.dialogs import AskLine, AskText, Choose, Confirm
from assistant.tui.help import Help
from assistant.tui.prompt import Completion, PromptArea
from fakes import ScriptedModel
from tui_chat import Chat, at, closed, run, scripted, services

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


@pytest.mark.parametrize("typed", ["/help", "/hel", "/help me"])
def test_enter_is_not_lost_when_the_list_has_seen_the_keys_behind_it(typed: str) -> None:
    async def story(chat: Chat) -> None:
        area = chat.screen.query_one(PromptArea)
        area.put(typed + "too fast")  # none of the commands: the list is closed by the time Enter gets there
        await chat.pilot.pause()
        assert not area.overlay_open
        area.post_message(PromptArea.OverlayKey("enter", typed))
        await at(chat, Help)
        assert area.text == "too fast"

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


def test_what_is_typed_while_the_help_opens_is_kept() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("f1")
        await at(chat, Help)
        await chat.press(*"Too fast!", "j", "k")  # j and k scroll
        assert chat.screen.prompt.area.text == "Too fast!"
        await chat.press("q")
        await closed(chat)
        await chat.press("x")
        assert chat.screen.prompt.area.text == "Too fast!x"

    run(services(scripted()), story)


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
