"""The chat screen, driven by keys and mouse: turns, stopping, waiting, errors, branches, copying."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace

from textual import events
from textual.widgets import Static

from assistant.conversation import Message, Role, State
from assistant.engines import LanguageModel
from assistant.errors import EngineCrashed, HistoryError, ModelMissingError
from assistant.history import ephemeral_history
from assistant.tui.parts import Notice, Reasoning, ToolBlock
from assistant.tui.prompt import MAX_CHARS, PromptArea
from assistant.tui.reply import Branches, ReplyView
from assistant.tui.services import Services
from assistant.tui.stall import measure
from assistant.tui.transcript import WINDOW
from tui_chat import Chat, opened, scripted, services


def run(given: Services, story: Callable[[Chat], Awaitable[None]], wait: bool = True) -> None:
    async def play() -> None:
        async with opened(given, wait=wait) as chat:
            await story(chat)

    asyncio.run(play())


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


def test_typing_works_while_the_model_loads_and_the_question_is_sent_when_it_is_ready() -> None:
    go, model = threading.Event(), scripted("here I am")

    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        report("measuring x on this machine (about 5 s, once) …")
        go.wait(20)
        return model

    async def story(chat: Chat) -> None:
        assert chat.screen.status.state == "loading…"
        await chat.until(lambda: chat.toasts)
        assert chat.toasts == ["measuring x on this machine (about 5 s, once) …"]
        await chat.send("are you there?")
        await chat.pilot.pause()
        note = chat.screen.query_one("#prompt-note", Static)
        assert "Waiting for the model" in str(note.render()) and chat.views == []
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
        go.wait(20)
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


def test_escape_takes_a_waiting_question_back() -> None:
    model = scripted("one |two", "next")
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("first")
        await chat.until(lambda: chat.views)
        await chat.send("second")
        await chat.send("third")
        assert chat.toasts == ["One message is already waiting; Esc takes it back"]
        assert chat.screen.prompt.area.text == "third"
        await chat.press("escape")  # stops the reply, and the waiting question goes out
        await chat.until(lambda: len(chat.texts) == 4)
        assert chat.texts[2] == "second"

    run(services(model), story)


def test_a_model_that_cannot_be_loaded_says_why_and_keeps_the_question() -> None:
    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        raise ModelMissingError("the model `x` is not installed; run `assistant models pull x`")

    async def story(chat: Chat) -> None:
        await chat.send("hello")
        await chat.until(lambda: chat.screen.status.state == "no model")
        assert chat.notices == [
            "The model scripted cannot be used: the model `x` is not installed; run `assistant models pull x`"
        ]
        await chat.press("escape")
        assert chat.screen.prompt.area.text == "hello"

    run(services(scripted(), open_model=open_model), story, wait=False)


def test_a_dead_model_process_is_told_and_the_next_question_works() -> None:
    crash = EngineCrashed("the model process died; it is being restarted")
    model = scripted(["half ", crash], [crash], "probe answered", "whole again")

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.notices)
        assert "model process died" in chat.notices[0]
        assert (chat.last.message.content, chat.last.message.state) == ("half ", State.INTERRUPTED)
        assert "interrupted" in str(chat.last.query_one(".small-print", Static).render())
        assert chat.screen.status.state == "restarting…"
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


# -- versions ---------------------------------------------------------------------------------------------------------


def test_editing_a_question_makes_a_version_and_both_can_be_seen() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("old question")
        await chat.press("ctrl+up", "up", "e")
        assert chat.screen.prompt.area.text == "old question"
        await chat.send("new question")
        await chat.until(lambda: chat.texts == ["new question", "new answer"])
        await chat.ready()
        assert chat.views[0].place == (2, 2)

        await chat.press("ctrl+up", "up", "left_square_bracket")
        assert chat.texts == ["old question", "old answer"]
        assert chat.views[0].has_focus and chat.views[0].place == (1, 2)
        await chat.press("left_square_bracket", "right_square_bracket")
        assert chat.texts == ["new question", "new answer"]

    run(services(scripted("old answer", "new answer")), story)


def test_answering_again_makes_a_version_and_the_arrows_can_be_clicked() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("question")
        await chat.press("ctrl+up", "r")
        await chat.until(lambda: chat.texts == ["question", "two"])
        await chat.ready()
        assert chat.last.place == (2, 2) and chat.last.has_focus
        left, right = chat.last.query(Branches.Arrow)
        await chat.pilot.click(left)
        await chat.until(lambda: chat.texts == ["question", "one"])
        left, right = chat.last.query(Branches.Arrow)
        await chat.pilot.click(right)
        await chat.until(lambda: chat.texts == ["question", "two"])

    run(services(scripted("one", "two")), story)


def test_the_chosen_version_is_the_one_that_opens_next_time() -> None:
    history = ephemeral_history()

    async def story(chat: Chat) -> None:
        await chat.ask("question")
        await chat.press("ctrl+up", "r")
        await chat.until(lambda: chat.texts == ["question", "two"])
        await chat.ready()
        await chat.press("left_square_bracket")
        stored = history.load(chat.screen.chat.conversation.id)
        assert [m.content for m in stored] == ["question", "one"]

    run(services(scripted("one", "two"), history), story)


def test_an_edited_reply_is_continued() -> None:
    model = scripted("The moon is made of cheese.", " rock, says the geologist.")

    async def story(chat: Chat) -> None:
        await chat.ask("What is the moon made of?")
        await chat.press("ctrl+up", "e")
        assert chat.screen.prompt.area.text == "The moon is made of cheese."
        await chat.send("The moon is made of")
        await chat.until(lambda: len(model.prompts) == 2)
        await chat.ready()
        assert model.prompts[1].prefix == "The moon is made of"
        assert chat.last.message.content == "The moon is made of rock, says the geologist."
        assert chat.last.place == (2, 2)

    run(services(model), story)


def test_escape_leaves_an_edit_alone() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("question")
        await chat.press("ctrl+up", "e", "escape")
        assert chat.screen.prompt.area.text == ""
        await chat.ask("another")
        assert chat.texts == ["question", "one", "another", "two"]

    run(services(scripted("one", "two")), story)


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


# -- selecting and copying --------------------------------------------------------------------------------------------


def test_messages_are_selected_and_copied_without_a_mouse() -> None:
    reply = "Two:\n\n```py\nfirst()\n```\n\n```\nsecond()\n```\n"

    async def story(chat: Chat) -> None:
        await chat.ask("code?")
        await chat.press("ctrl+up")
        assert chat.last.has_focus
        copied = []
        for key in ("c", "c", "c", "y"):
            await chat.press(key)
            copied.append(chat.app.clipboard)
        assert copied == ["first()", "second()", "first()", reply]
        await chat.press("k", "y")
        assert chat.app.clipboard == "code?"
        await chat.press("j", "j")
        assert chat.screen.prompt.area.has_focus

    run(services(scripted(reply)), story)


def test_copying_never_copies_control_sequences() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("go")
        await chat.press("ctrl+up", "y")
        assert chat.app.clipboard == "safe text"

    run(services(scripted("safe\x1b]52;c;aGFja2Vk\x07 text")), story)


def test_reasoning_is_folded_once_the_answer_begins() -> None:
    model = scripted(["<thi", "nk>deep ", "thought", "</think>", "\n\nanswer"])
    model.hold()

    async def story(chat: Chat) -> None:
        await chat.send("go")
        await chat.until(lambda: chat.views)
        model.release()
        await chat.ready()
        reasoning = chat.last.query_one(Reasoning)
        assert (reasoning.body.source, chat.last.body.source) == ("deep thought", "answer")
        assert not reasoning.expanded and "2 words" in reasoning.title
        await chat.press("ctrl+up", "enter")
        assert reasoning.expanded
        await chat.pilot.click(reasoning.query_one(Reasoning.Title))
        assert not reasoning.expanded
        await chat.press("y")
        assert chat.app.clipboard == "answer"

    run(services(model), story)


def test_a_tool_call_shows_name_arguments_and_result_as_text() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("go")
        block = chat.last.add_tool("timer.set", '{"minutes": "[b]5\x1b]0;x\x07"}')
        await chat.pilot.pause()
        assert "…" in block.title
        block.set_result("rings at **12:05**")
        await chat.press("ctrl+up", "enter")
        assert block.expanded and block.title == "Tool timer.set"
        rows = "\n".join(block.body.render_line(y).text.rstrip() for y in range(block.body.size.height))
        assert rows == 'arguments: {"minutes": "[b]5"}\nresult: rings at **12:05**'
        assert chat.last.query_one(ToolBlock) is block

    run(services(scripted("done")), story)


def test_a_long_question_is_folded() -> None:
    async def story(chat: Chat) -> None:
        question = "\n".join(f"line {i}" for i in range(100))
        await chat.ask(question)
        view = chat.views[0]
        folded = view.size.height
        await chat.press("ctrl+up", "up", "enter")
        assert view.size.height > 100 > folded
        await chat.press("y")
        assert chat.app.clipboard == question

    run(services(scripted("ok")), story)


# -- size -------------------------------------------------------------------------------------------------------------


def test_a_long_conversation_builds_only_its_end_and_more_on_the_way_up() -> None:
    from assistant.conversation import Conversation

    history, conversation = ephemeral_history(), Conversation(title="long")
    for i in range(60):
        conversation.add(Role.USER, f"question {i}")
        conversation.add(Role.ASSISTANT, f"answer {i}")
    history.save_conversation(conversation)

    async def story(chat: Chat) -> None:
        assert chat.texts[-1] == "answer 59" and len(chat.views) == WINDOW
        await chat.press("ctrl+up", "home")
        await chat.until(lambda: len(chat.views) == 120)
        assert chat.views[0].has_focus and chat.texts[0] == "question 0"
        await chat.press("end")
        assert chat.last.has_focus

    run(services(scripted("ok"), history, initial_conversation_id=conversation.id), story)


def test_a_conversation_that_grows_does_not_grow_the_screen_for_ever() -> None:
    from assistant.conversation import Conversation
    from assistant.tui.transcript import MOST

    history, conversation = ephemeral_history(), Conversation(title="long")
    for i in range(MOST // 2):
        conversation.add(Role.USER, f"question {i}")
        conversation.add(Role.ASSISTANT, f"answer {i}")
    history.save_conversation(conversation)

    async def story(chat: Chat) -> None:
        await chat.press("ctrl+up", "home")
        await chat.until(lambda: len(chat.views) == MOST)
        await chat.press("end", "down")
        await chat.ask("one more")
        assert (len(chat.views), chat.texts[-2:]) == (WINDOW, ["one more", "ok"])
        assert len(chat.screen.chat.conversation.branch()) == MOST + 2

    run(services(scripted("ok"), history, initial_conversation_id=conversation.id), story)


def test_text_is_selected_with_the_mouse_and_copied_without_the_breaks_of_the_screen() -> None:
    long = "one two three " * 20

    async def story(chat: Chat) -> None:
        await chat.ask("go")
        body = chat.last.body
        await chat.pilot.mouse_down(body, offset=(0, 0))
        await chat.pilot.hover(body, offset=(5, body.size.height - 1))
        await chat.pilot.mouse_up(body, offset=(5, body.size.height - 1))
        await chat.press("ctrl+c")
        assert chat.app.clipboard.startswith(long.strip() + "\n\nand")
        assert "selection" in chat.toasts[-1]

    run(services(scripted(f"{long}\n\nand more")), story)


def test_what_cannot_be_told_in_a_message_is_told_below_the_welcome() -> None:
    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        raise ModelMissingError("the model `x` is not installed; run `assistant models pull x`")

    async def story(chat: Chat) -> None:
        await chat.until(lambda: chat.notices)
        (notice,) = chat.screen.query(Notice)
        assert notice.region.height >= 2 and notice.region in chat.screen.region
        assert chat.screen.query_one(".welcome").region.height > 5

    run(services(scripted(), open_model=open_model), story, wait=False)


def test_every_size_down_to_one_cell_is_survived_while_streaming() -> None:
    model = scripted("word |" * 30 + "\n\n- a\n- b\n\n| x | y |\n|--|--|\n| 日本語 | 2 |\n")

    async def story(chat: Chat) -> None:
        await chat.send("go")
        for size in ((60, 20), (40, 10), (20, 5), (5, 3), (2, 2), (1, 1), (3, 40), (200, 2), (100, 32)):
            await chat.pilot.resize_terminal(*size)
            await chat.pilot.pause()
        await chat.ready()
        assert chat.last.message.state is State.COMPLETE

    run(services(model), story)


def test_the_view_stays_where_the_user_scrolled_to() -> None:
    model = scripted([f"line {i}\n\n" for i in range(60)], [f"row {i}\n\n" for i in range(40)])

    async def story(chat: Chat) -> None:
        transcript = chat.screen.transcript
        await chat.ask("go")
        model.hold()
        await chat.send("more")
        await chat.until(lambda: chat.last.body.source == "row 0\n\n")
        assert transcript.scroll_y == transcript.max_scroll_y
        await chat.press("pageup")
        at = transcript.scroll_y
        assert at < transcript.max_scroll_y
        model.release()
        await chat.ready()
        assert transcript.scroll_y == at < transcript.max_scroll_y

    run(services(model), story)


def test_the_view_follows_the_reply_when_it_is_at_the_bottom() -> None:
    async def story(chat: Chat) -> None:
        await chat.ask("go")
        assert chat.screen.transcript.scroll_y == chat.screen.transcript.max_scroll_y > 0

    run(services(scripted([f"row {i}\n\n" for i in range(40)])), story)


def test_history_errors_have_their_own_words() -> None:
    from assistant.tui.border import told

    assert told(HistoryError("the disk is full; free some space")) == "the disk is full; free some space"
    assert "canary" not in told(ValueError("canary"))


def view_of_message(message: Message) -> ReplyView:
    return ReplyView(message)


def test_a_reply_found_streaming_on_disk_reads_as_interrupted() -> None:
    view = view_of_message(Message(Role.ASSISTANT, "half", state=State.STREAMING))
    assert "interrupted" in view._small_print()


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


def test_the_stall_is_measured_on_the_whole_way_of_a_reply() -> None:
    stall = asyncio.run(measure(services(scripted([f"word {i} " for i in range(50)])), "go"))
    assert stall.n_pieces == 50
    assert stall.n_ticks > 0 and stall.longest_ms >= stall.p99_ms
