"""Questions that wait, for the model to load or for the reply before them: none is lost, and each keeps its place."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

from textual.widgets import Static

from assistant.engines import LanguageModel
from assistant.errors import ModelMissingError
from assistant.history import ephemeral_history
from assistant.tui.prompt import PromptArea
from tui_chat import Chat, run, scripted, services


def not_installed(name: str, report: Callable[[str], None]) -> LanguageModel:
    raise ModelMissingError("the model `x` is not installed; run `assistant models pull x`")


async def two_wait(chat: Chat) -> None:
    """The first question is being answered, the second and the third wait behind it."""
    await chat.send("first")
    await chat.until(lambda: chat.views)
    await chat.send("second")
    await chat.send("third")
    await chat.until(lambda: len(chat.screen.waiting) == 2)


def test_typing_works_while_the_model_loads_and_the_question_is_sent_when_it_is_ready() -> None:
    go, model = threading.Event(), scripted("here I am")

    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        report("measuring x on this machine (about 5 s, once) …")
        go.wait(120)
        return model

    async def story(chat: Chat) -> None:
        assert chat.screen.status.state == "loading…"
        await chat.until(lambda: chat.toasts)
        assert chat.toasts == ["measuring x on this machine (about 5 s, once) …"]
        await chat.send("are you there?")
        note = chat.screen.query_one("#prompt-note", Static)
        await chat.until(lambda: "Waiting for the model" in str(note.render()))
        assert chat.views == []
        go.set()
        await chat.until(lambda: len(chat.texts) == 2)
        await chat.ready()
        assert chat.texts == ["are you there?", "here I am"]
        assert not note.display

    run(services(model, open_model=open_model), story, wait=False)


def test_a_question_that_waited_for_the_model_when_the_app_died_is_in_the_prompt_on_the_next_start() -> None:
    history = ephemeral_history()
    go, model = threading.Event(), scripted("here I am")

    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        go.wait(120)
        return model

    async def dies(chat: Chat) -> None:
        await chat.send("are you there?")
        await chat.until(lambda: chat.screen.unsent)

    async def comes_back(chat: Chat) -> None:
        await chat.ready()
        assert chat.screen.prompt.area.text == "are you there?"
        assert "not sent before" in str(chat.screen.query_one("#prompt-note", Static).render())
        await chat.press("enter")
        await chat.until(lambda: chat.texts == ["are you there?", "here I am"])

    async def is_tidy(chat: Chat) -> None:
        await chat.ready()
        assert chat.screen.prompt.area.text == ""

    run(services(model, history, open_model=open_model), dies, wait=False)
    go.set()
    run(services(model, history), comes_back)
    run(services(model, history), is_tidy)


def test_questions_wait_in_their_order_and_escape_takes_them_back() -> None:
    model = scripted("one |two", "next", "last", "after")
    model.hold()

    async def story(chat: Chat) -> None:
        await two_wait(chat)
        assert not chat.screen.prompt.area.text
        await chat.press("escape")  # stops the reply, and the waiting questions go out one after the other
        await chat.until(lambda: len(chat.texts) == 4)
        assert chat.texts[2] == "second"
        assert len(chat.screen.waiting) == 1
        model.release()
        await chat.until(lambda: len(chat.texts) == 6)
        assert chat.texts[4] == "third"
        await chat.until(lambda: chat.screen.status.state == "ready" and not chat.screen.unsent)

    run(services(model), story)


def test_escape_takes_all_that_waits_back_before_what_is_being_written() -> None:
    async def story(chat: Chat) -> None:
        await chat.send("first")
        await chat.send("second")
        await chat.until(lambda: chat.screen.status.state == "no model" and len(chat.screen.waiting) == 2)
        await chat.press(*"third")
        await chat.press("escape")
        assert chat.screen.prompt.area.text == "first\nsecond\nthird"
        assert not chat.screen.waiting

    run(services(scripted(), open_model=not_installed), story, wait=False)


def test_a_model_that_cannot_be_loaded_says_why_and_keeps_the_question() -> None:
    async def story(chat: Chat) -> None:
        await chat.send("hello")
        await chat.until(lambda: chat.screen.status.state == "no model")
        assert chat.notices == [
            "The model scripted cannot be used: the model `x` is not installed; run `assistant models pull x`"
        ]
        await chat.press("escape")
        assert chat.screen.prompt.area.text == "hello"

    run(services(scripted(), open_model=not_installed), story, wait=False)


def test_a_question_that_waited_and_cannot_be_saved_comes_back_before_what_is_written() -> None:
    history, model = ephemeral_history(), scripted("one |two")
    model.hold()

    async def story(chat: Chat) -> None:
        await two_wait(chat)
        await chat.press(*"fourth")
        history.close()
        model.release()
        await chat.until(lambda: any(n.startswith("Not sent") for n in chat.notices))
        assert chat.screen.prompt.area.text == "second\nthird\nfourth"
        assert not chat.screen.waiting

    run(services(model, history), story)


def test_a_question_that_finds_the_model_taken_again_keeps_its_place() -> None:
    model = scripted("one |two", "next", "last", "after")
    model.hold()

    async def story(chat: Chat) -> None:
        await two_wait(chat)
        chat.screen.post_message(chat.screen.Begin(chat.screen.waiting.pop(0)))
        await chat.until(lambda: len(chat.screen.waiting) == 2)
        assert [request.text for request in chat.screen.waiting] == ["second", "third"]
        model.release()

    run(services(model), story)


def test_a_conversation_left_in_the_moment_of_asking_keeps_the_question_as_its_draft() -> None:
    async def story(chat: Chat) -> None:
        asked_in = chat.screen.chat
        async with chat.screen.changing:  # somebody is just leaving the conversation
            chat.screen.prompt.area.post_message(PromptArea.Submitted("too late"))
            await asyncio.sleep(0.2)
            chat.screen.chat = replace(asked_in)
        await chat.until(lambda: chat.screen.drafts)
        assert chat.screen.drafts == {asked_in.conversation.id: "too late"}
        assert not asked_in.conversation.messages

    run(services(scripted("ok")), story)
