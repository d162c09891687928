"""The chat screen, driven by keys and mouse: turns, stopping, waiting, errors, branches, copying."""

from __future__ import annotations

from collections.abc import Iterator

from textual import events
from textual.widgets import Static

from assistant.conversation import Message, Role, State
from assistant.errors import EngineCrashed, HistoryError, PromptTooLong
from assistant.history import ephemeral_history
from assistant.tui.prompt import MAX_CHARS
from assistant.tui.reply import ReplyView
from tui_chat import Chat, run, scripted, services


def test_a_question_is_answered_and_kept() -> None:
    model, history = scripted("The capital is |**Paris**."), ephemeral_history()

    async def story(chat: Chat) -> None:
        await chat.ask("What is the capital of France?")
        assert chat.texts == ["What is the capital of France?", "The capital is **Paris**."]
        assert chat.last.message.state is State.COMPLETE
        assert not chat.last.has_class("streaming")
        status = chat.screen.status
        assert (status.state, status.model, status.file_name) == ("ready", "scripted", "scripted.gguf")
        assert (status.context_total, status.lock, status.protection) == (2048, "locked", "ephemeral")
        assert status.context_used > 0 and status.tokens_per_s > 0
        stored = history.load(chat.screen.chat.conversation.id)
        assert [m.content for m in stored] == chat.texts

    run(services(model, history), story)


def test_a_reply_that_goes_in_circles_is_shown_once_and_said() -> None:
    model = scripted("Hi. |" + "hello! |" * 40)
    model.ends_for = "repetition"

    async def story(chat: Chat) -> None:
        await chat.ask("Hello")
        assert chat.texts == ["Hello", "Hi. hello!"]
        assert chat.last.body.source == "Hi. hello!"
        assert "began to repeat itself" in str(chat.last.query_one(".small-print", Static).render())

    run(services(model), story)


def test_enter_sends_and_other_keys_break_the_line() -> None:
    async def story(chat: Chat) -> None:
        await chat.press("a", "shift+enter", "b", "ctrl+j", "c")
        assert chat.screen.prompt.area.text == "a\nb\nc"
        await chat.press("enter")
        await chat.until(lambda: len(chat.texts) == 2)
        assert chat.texts[0] == "a\nb\nc"
        assert chat.screen.prompt.area.text == ""

    run(services(scripted("ok")), story)


def test_nothing_but_white_space_is_not_sent() -> None:
    async def story(chat: Chat) -> None:
        await chat.send(" \n ")
        assert chat.views == []

    run(services(scripted("ok")), story)


def test_escape_stops_the_reply_and_never_quits() -> None:
    model = scripted("first |second")
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.views and chat.last.body.source == "first ")
        assert chat.screen.status.state == "answering"
        await chat.press("escape")
        await chat.ready()
        assert (chat.last.message.content, chat.last.message.state) == ("first ", State.STOPPED)
        assert "stopped" in str(chat.last.query_one(".small-print", Static).render())
        await chat.press("escape", "escape")
        assert chat.app.is_running and chat.screen.prompt.area.has_focus

    run(services(model), story)


def test_escape_stops_the_reply_from_a_selected_message_too() -> None:
    model = scripted("first |second")
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.views and chat.last.body.source)
        await chat.press("ctrl+up", "escape")
        await chat.ready()
        assert chat.last.message.state is State.STOPPED

    run(services(model), story)


def test_a_dead_model_process_is_told_and_the_next_question_works() -> None:
    crash = EngineCrashed("the model process died; it is being restarted")
    model = scripted()

    def half() -> Iterator[str | Exception]:
        yield "half "
        model.hold()  # the probe waits until the test has looked
        yield crash

    for reply in (half(), [crash], "probe answered", "whole again"):
        model.enqueue(reply)

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.notices)
        assert "model process died" in chat.notices[0]
        assert (chat.last.message.content, chat.last.message.state) == ("half ", State.INTERRUPTED)
        assert "interrupted" in str(chat.last.query_one(".small-print", Static).render())
        assert chat.screen.status.state == "restarting…"
        model.release()
        await chat.ready()  # only now that it has answered once
        assert len(model.prompts) == 3
        await chat.ask("again")
        assert chat.last.message.content == "whole again"

    run(services(model), story)


def test_an_error_nobody_foresaw_interrupts_the_reply_without_telling_its_words() -> None:
    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.notices)
        assert "KeyError" in chat.notices[0] and "canary" not in chat.notices[0]
        assert chat.last.message.state is State.INTERRUPTED
        await chat.ask("again")
        assert chat.last.message.content == "fine"

    run(services(scripted(["half ", KeyError("canary")], "fine")), story)


def test_a_question_that_cannot_be_saved_comes_back_into_the_prompt() -> None:
    history = ephemeral_history()

    async def story(chat: Chat) -> None:
        history.close()
        await chat.send("precious words")
        await chat.until(lambda: chat.notices)
        assert chat.notices[0].startswith("Not sent")
        assert chat.screen.prompt.area.text == "precious words"

    run(services(scripted("ok"), history), story)


def test_late_pieces_of_an_old_turn_are_dropped() -> None:
    from assistant.tui.border import Ended, Piece
    from assistant.turn import Turn

    async def story(chat: Chat) -> None:
        await chat.ask("go")
        old = Turn()
        chat.screen.post_message(Piece(old, "late"))
        chat.screen.post_message(Ended(old, None))
        await chat.pilot.pause()
        assert chat.last.body.source == "done"
        assert chat.screen.status.state == "ready"

    run(services(scripted("done")), story)


# -- the prompt -------------------------------------------------------------------------------------------------------


def test_up_recalls_questions_and_down_brings_the_draft_back() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("first")
        await chat.ask("second")
        area = chat.screen.prompt.area
        await chat.press("d", "r", "a", "f", "t", "up")
        assert area.text == "second"
        await chat.press("up")
        assert area.text == "first"
        await chat.press("up")
        assert area.text == "first"
        await chat.press("down", "down")
        assert area.text == "draft"

    run(services(scripted("a", "b")), story)


def test_up_moves_the_cursor_inside_of_a_text_with_lines() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("earlier")
        await chat.press("a", "ctrl+j", "b", "up")
        area = chat.screen.prompt.area
        assert (area.text, area.cursor_location[0]) == ("a\nb", 0)
        await chat.press("up")
        assert area.text == "earlier"

    run(services(scripted("ok")), story)


def test_a_huge_paste_is_cut_and_said_so() -> None:
    async def story(chat: Chat) -> None:
        area = chat.screen.prompt.area
        area.post_message(events.Paste("x" * 1_000_000))
        await chat.until(lambda: chat.toasts)
        assert len(area.text) == MAX_CHARS
        assert "1,000,000 characters" in chat.toasts[0]

    run(services(scripted("ok")), story)


def test_a_paste_cannot_bring_control_sequences() -> None:
    async def story(chat: Chat) -> None:
        chat.screen.prompt.area.post_message(events.Paste("a\x1b]52;c;eA==\x07b\x00\ud800\r\nc"))
        await chat.until(lambda: chat.screen.prompt.area.text)
        assert chat.screen.prompt.area.text == "ab\ufffd\nc"

    run(services(scripted("ok")), story)


def test_history_errors_have_their_own_words() -> None:
    from assistant.tui.border import told

    assert told(HistoryError("the disk is full; free some space")) == "the disk is full; free some space"
    assert "canary" not in told(ValueError("canary"))


def view_of_message(message: Message) -> ReplyView:
    return ReplyView(message)


def test_a_reply_found_streaming_on_disk_reads_as_interrupted() -> None:
    view = view_of_message(Message(Role.ASSISTANT, "half", state=State.STREAMING))
    assert "interrupted" in view._small_print()


def test_under_a_question_that_is_too_long_it_says_what_to_do() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("word " * 5000)
        await chat.until(lambda: chat.notices)
        assert "Too long" in chat.notices[0] and "5005 tokens" in chat.notices[0]
        printed = str(chat.last.query_one(".small-print", Static).render())
        assert "too long" in printed and "answers again" not in printed

    run(services(scripted([PromptTooLong([5, 5000], 4096)])), story)
