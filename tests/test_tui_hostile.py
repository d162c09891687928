"""Hostile text through the widgets of the screen: what is drawn holds no control and no hiding character."""

from __future__ import annotations

import asyncio
import random
import unicodedata
from collections.abc import Iterator

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from assistant.conversation import Conversation, Role
from assistant.history import Hit, Summary, ephemeral_history
from assistant.text import SafeStream
from assistant.tui.body import Body
from assistant.tui.footer import Status, fit
from assistant.tui.history_picker import HistoryPicker, described
from assistant.tui.search import described as hit_described
from assistant.tui.thinking import ThoughtStream
from tui_chat import Chat, opened, scripted, services

ESC, BEL, ST, C1_OSC, C1_CSI = "\x1b", "\x07", "\x1b\\", "\x9d", "\x9b"

DIRECTED = [
    f"{ESC}]52;c;aGFja2Vk{BEL}",
    f"{ESC}]52;c;aGFja2Vk{ST}",
    f"{C1_OSC}52;c;aGFja2Vk\x9c",
    f"{ESC}]0;title{BEL}",
    f"{ESC}]2;title{ST}",
    f"{ESC}]8;;file:///etc/passwd{ST}link{ESC}]8;;{ST}",
    f"{ESC}]22;hand{BEL}",
    f"{ESC}]4;1;?{BEL}",
    f"{ESC}]1337;File=inline=1:AAAA{BEL}",
    f"{ESC}]777;notify;a;b{BEL}",
    f"{ESC}[2J{ESC}[H",
    f"{ESC}[?1049l",
    f"{ESC}[?1000h",
    f"{ESC}[6n",
    f"{ESC}[21t",
    f"{ESC}[>c",
    f"{C1_CSI}31mred",
    f"{ESC}[31mred{ESC}[0m",
    f"{ESC}[8mhidden{ESC}[28m",
    f"{ESC}P1;2qsixel{ST}",
    f"\x90q{ST}",
    f"{ESC}_Gkitty{ST}",
    f"{ESC}^private{ST}",
    f"{ESC}Xstring{ST}",
    f"{ESC}c",
    f"{ESC}#8",
    f"{ESC}(0lqk",
    f"{ESC}N{ESC}O{ESC}7{ESC}8",
    f"a{BEL}b\x08\x08c\x0b\x0c\x0e\x0f",
    "nul\x00 del\x7f",
    "\x84\x85\x8d\x9a\x9c\x9e\x9f",
    "safe\u202etxt.exe\u202c",
    "\u2066a\u2069 \u200fb\u200e",
    "zero\u200bwidth\ufeff\u2060",
    "tag\U000e0041\U000e0042\U000e007f",
    "\ud800 \udfff",
    "over\rwritten\r\nline\u2028sep\u2029",
    "&#27;]52;c;eA==&#7; &#x9b;31m &#x202e; &#0; &#xd800;",
    f"```{ESC}]0;a{BEL}py\nx = '{ESC}[2J'\n```",
    f'[a](http://x/{ESC}]0;b{BEL} "{ESC}[31m") ![{BEL}](b\x9d)',
    f"| a{ESC}[5m | b |\n|---|---|\n| \x9d0;y\x9c | {ESC}c |",
    f"<think>{ESC}]0;t{BEL}</think>{ESC}]0;u{BEL}",
    "[link=file:///etc/passwd]x[/link] [@click=app.quit]y[/] $text-accent",
]

FRAGMENTS = [
    *(ESC, BEL, ST, C1_OSC, C1_CSI, "\x90", "\x9c", "\x98", "\x00", "\r", "\x7f", "\x85"),
    *("]52;c;", "]0;", "]8;;", "[31m", "[?1049l", "[2J", "P", "_", "^", "\\", ";", "?", "m", "aGFja2Vk"),
    *("\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041", "\ud800", "\u2028", "日本", "👩‍👩‍👧", "é"),
    *("\n", "\n\n", "- ", "1. ", "> ", "# ", "```", "```py\n", "| a | b |\n|---|---|\n", "**", "`", "~~", "[x](", ")"),
    *("&#27;", "&#x202e;", "&amp;", "<think>", "</think>", "    ", "\t", "word ", "x" * 90, "[b]", "[/b]"),
]


def harmful(text: str) -> list[str]:
    """The characters that must never be drawn."""
    bad = {"Cc", "Cs", "Co", "Zl", "Zp"}
    hiding = set("\u200b\u200e\u200f\u2060\ufeff\u00ad") | {
        chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
    }
    return [c for c in text if unicodedata.category(c) in bad or c in hiding or 0xE0000 <= ord(c) <= 0xE0FFF]


def rows(body: Body) -> str:
    return "".join(
        segment.text
        for y in range(body.get_content_height(body.size, body.size, 60))
        for segment in body.render_line(y)
    )


class Stage(App[None]):
    """Two bodies to pour text into: one for Markdown, one for plain text."""

    def compose(self) -> ComposeResult:
        yield Body(classes="markdown")
        yield Body(markdown=False, classes="plain")


def pour(stage: Stage, text: str, pieces: list[str]) -> str:
    """The way of a streamed reply, then of the complete one, then of a question; returns all that was drawn."""
    markdown, as_is = stage.query_one(".markdown", Body), stage.query_one(".plain", Body)
    stream, thoughts = SafeStream(), ThoughtStream()
    markdown.set_source("")
    for piece in pieces:
        thought, answer = thoughts.feed(stream.feed(piece))
        markdown.append(thought + answer)
    drawn = rows(markdown)
    markdown.set_source(text)
    as_is.set_source(text)
    return drawn + rows(markdown) + rows(as_is)


def random_texts(n: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    rng = random.Random(seed)
    for _ in range(n):
        text = "".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 30)))
        cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(0, 8)))
        yield text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def check(n: int, seed: int) -> None:
    async def play() -> None:
        stage = Stage()
        async with stage.run_test(size=(60, 40)) as pilot:
            await pilot.pause()
            for text, pieces in [(t, list(t)) for t in DIRECTED] + list(random_texts(n, seed)):
                bad = harmful(pour(stage, text, pieces))
                assert not bad, f"{bad!r} was drawn of {text!r} cut as {pieces!r}"

    asyncio.run(play())


def test_directed_and_random_text_is_drawn_without_harm() -> None:
    check(n=300, seed=7)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_thousand_random_texts_are_drawn_without_harm() -> None:
    check(n=20_000, seed=11)


def test_titles_previews_snippets_and_the_footer_are_harmless() -> None:
    for text in DIRECTED:
        shown = described(Summary("i", text, 0.0, 1, text), 1.0, True).plain
        shown += hit_described(Hit("c", "m", text, text, Role.USER, 0.0), 1.0).plain
        left, right = fit(Status("ready", text, text, lock=text, protection=text), 500)
        shown += "".join(left + right)
        assert not harmful(shown.replace("\n", " ")), text


def test_a_hostile_conversation_is_shown_by_the_whole_screen_without_harm() -> None:
    history, conversation = ephemeral_history(), Conversation(title=DIRECTED[0] + "title")
    for text in DIRECTED:
        conversation.add(Role.USER, text)
        conversation.add(Role.ASSISTANT, text, model=text)
    history.save_conversation(conversation)

    def on_screen(chat: Chat) -> str:
        return "".join(segment.text for strip in chat.app.screen._compositor.render_strips() for segment in strip)

    async def play() -> None:
        given = services(scripted(), history, initial_conversation_id=conversation.id)
        async with opened(given, size=(80, 200)) as chat:
            await chat.until(lambda: chat.views)
            assert not harmful(on_screen(chat))
            await chat.press("ctrl+up", "enter", "home")
            await chat.until(lambda: len(chat.views) == 2 * len(DIRECTED))
            assert not harmful(on_screen(chat))
            await chat.press("ctrl+r")
            await chat.until(lambda: isinstance(chat.app.screen, HistoryPicker))
            await chat.pilot.pause(0.2)
            assert not harmful(on_screen(chat))
            assert "title" in str(chat.screen.query_one("#title", Static).render())

    asyncio.run(play())
