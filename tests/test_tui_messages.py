"""Messages on the screen: versions, selecting and copying, folding, the view that follows, every size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from assistant.conversation import Role, State
from assistant.engines import LanguageModel
from assistant.errors import ModelMissingError
from assistant.history import ephemeral_history
from assistant.tui.parts import Notice, Reasoning
from assistant.tui.prompt import PromptArea
from assistant.tui.reply import Branches
from assistant.tui.stall import measure
from assistant.tui.transcript import WINDOW
from tui_chat import Chat, run, scripted, services

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


def test_a_long_question_in_a_low_terminal_leaves_the_status_and_the_cursor_in_sight() -> None:
    async def story(chat: Chat) -> None:
        area = chat.screen.query_one(PromptArea)
        area.insert("\n".join(f"line {n} of a log that was pasted" for n in range(200)))
        await chat.pilot.resize_terminal(40, 10)
        await chat.until(lambda: chat.screen.query_one("#status").region.bottom == 10)
        assert area.region.bottom <= 9
        await chat.until(lambda: area.cursor_screen_offset in area.region)

    run(services(scripted()), story)


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


def test_the_stall_is_measured_on_the_whole_way_of_a_reply() -> None:
    stall = asyncio.run(measure(services(scripted([f"word {i} " for i in range(50)])), "go"))
    assert stall.n_pieces == 50
    assert stall.n_ticks > 0 and stall.longest_ms >= stall.p99_ms
