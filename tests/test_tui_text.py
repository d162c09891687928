"""What the screen makes of text, without a screen: Markdown blocks, reasoning, the footer."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.tui.blocks import Block, parse, plain
from assistant.tui.body import Body
from assistant.tui.footer import Status, fit, short_time
from assistant.tui.history_picker import ago
from assistant.tui.search import snippet
from assistant.tui.thinking import ThoughtStream, split_thinking

DOCUMENT = """\
# Title

Some *emphasis*, **strong**, `code` and a [link](https://example.org).

- one
- two
  - nested
    1. deep
- three

1. loose

2. list

> quoted
> twice

```python
def hello():
    return 1
```

| a | b |
|---|---|
| 1 | 2 |

---

~~~
no language
~~~

The end.
"""


def shown(blocks: list[Block], width: int = 70) -> list[str]:
    """The rows as they would be drawn, without styles."""
    rows: list[str] = []
    for block in blocks:
        if block.gap and rows:
            rows.append("")
        rows += [line.indent + line.content.plain for line in block.rows(width)]
    return rows


def test_markdown_is_shown_as_rows() -> None:
    assert shown(parse(DOCUMENT)[0]) == [
        "Title",
        "",
        "Some emphasis, strong, code and a link (https://example.org).",
        "",
        "• one",
        "• two",
        "  ◦ nested",
        "    1. deep",
        "• three",
        "",
        "1. loose",
        "",
        "2. list",
        "",
        "▎ quoted",
        "▎ twice",
        "",
        "def hello():",
        "    return 1",
        "",
        "a │ b",
        "──┼──",
        "1 │ 2",
        "",
        "─" * 70,
        "",
        "no language",
        "",
        "The end.",
    ]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 20, 200])
def test_every_width_shows_all_the_text(width: int) -> None:
    text = "".join("".join(shown(parse(DOCUMENT)[0], width)).split())
    assert "Theend." in text
    assert "defhello():" in text


def test_a_width_too_narrow_for_bullets_does_not_lose_them_for_the_next_width() -> None:
    blocks = parse("- one\n  - two")[0]
    assert shown(blocks, 1)[0] == "on"
    assert shown(blocks) == ["• one", "  ◦ two"]


def test_wrapped_rows_are_marked_so_that_copying_joins_them() -> None:
    (block,) = parse("one two three four")[0]
    assert [(r.content.plain.strip(), r.joined) for r in block.rows(9)] == [
        ("one two", False),
        ("three", True),
        ("four", True),
    ]


def test_html_and_markup_are_text() -> None:
    assert shown(parse("<b>x</b> [red]y[/red] [link=file:///etc/passwd]z")[0]) == [
        "<b>x</b> [red]y[/red] [link=file:///etc/passwd]z"
    ]


def test_entities_cannot_bring_in_what_safe_removes() -> None:
    text = "\n".join(shown(parse("a&#x202e;b&#27;]52;c;eA==&#7;c&#x9b;31m `&#x202e;`")[0]))
    assert "\u202e" not in text and "\x1b" not in text and "\x9b" not in text and "\x07" not in text


def test_an_empty_list_item_keeps_its_bullet() -> None:
    assert shown(parse("-\n- b")[0]) == ["• ", "• b"]


def test_a_link_shows_where_it_leads_only_if_its_text_does_not() -> None:
    assert shown(parse("<https://example.org>")[0]) == ["https://example.org"]


def test_a_huge_paragraph_of_brackets_is_not_parsed() -> None:
    (block,) = parse("[" * 30_000)[0]
    assert block.kind == "plain"


def test_markdown_marks_in_plain_text_stay() -> None:
    assert plain("**no** [bold]x[/bold]").plain == "**no** [bold]x[/bold]"


# -- streaming --------------------------------------------------------------------------------------------------------


def streamed(pieces: list[str]) -> Body:
    body = Body()
    for piece in pieces:
        body.append(piece)
    return body


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=60))
def test_a_streamed_document_ends_as_the_whole_one(sizes: list[int]) -> None:
    whole = [(b.kind, b.first, b.gap, b.content.plain) for b in parse(DOCUMENT)[0]]
    whole[0] = (*whole[0][:2], False, whole[0][3])
    ours = [(b.kind, b.first, b.gap, b.content.plain) for b in streamed(cut(DOCUMENT, sizes))._blocks]
    assert ours == whole


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_long_code_is_settled_in_pieces_and_loses_nothing(fence: str) -> None:
    code = [f"line {i}" if i % 7 else "" for i in range(200)]
    text = "\n".join([f"{fence}python", *code, fence, "", "After it."])
    body = streamed([text[i : i + 5] for i in range(0, len(text), 5)])
    assert body._tail_at > len(text) - 60  # nearly everything was final before the end
    assert shown(body._blocks) == [*code, "", "After it."]


def test_what_is_final_is_not_touched_again() -> None:
    body = streamed(["First paragraph.\n\nSecond"])
    first = body._blocks[0]
    body.append(" one.\n\n- a\n- b")
    assert body._blocks[0] is first


def test_the_last_parse_repairs_what_streaming_could_not_know() -> None:
    text = "See [here][1].\n\nMore.\n\n[1]: https://example.org\n"
    body = streamed([text[i : i + 3] for i in range(0, len(text), 3)])
    assert shown(body._blocks)[0] == "See [here][1]."

    asyncio.run(body.finish(text))
    assert shown(body._blocks)[0] == "See here (https://example.org)."


def test_an_unfinished_fence_is_code_while_it_streams() -> None:
    body = streamed(["Look:\n\n```py", "thon\nx = 1\n"])
    assert [b.kind for b in body._blocks] == ["paragraph", "code"]


# -- reasoning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notation", "thought", "answer"),
    [
        ("<think>a</think>b", "a", "b"),
        ("<th|ink>a|b</th|ink>|\n\nc", "ab", "c"),
        ("|<|t|h|i|n|k|>|a|<|/|t|h|i|n|k|>|b", "a", "b"),
        ("\n<think>a</think>\n\nb", "a", "b"),
        ("no <think>tag</think>", "", "no <think>tag</think>"),
        ("<thin|g>", "", "<thing>"),
        ("<think>never| closed", "never closed", ""),
        ("<think>a < b </thin|g></think>c", "a < b </thing>", "c"),
        ("", "", ""),
        ("<thi", "", "<thi"),
    ],
)
def test_reasoning_is_separated_wherever_the_pieces_are_cut(notation: str, thought: str, answer: str) -> None:
    stream = ThoughtStream()
    parts = [stream.feed(piece) for piece in notation.split("|")] + [stream.finish()]
    assert ("".join(t for t, _ in parts), "".join(a for _, a in parts)) == (thought, answer)


@given(st.text(alphabet="<think>/ab\n", max_size=40), st.lists(st.integers(1, 5), max_size=20))
def test_cutting_changes_nothing(text: str, sizes: list[int]) -> None:
    stream = ThoughtStream()
    parts = [stream.feed(piece) for piece in cut(text, sizes)] + [stream.finish()]
    thought, answer = split_thinking(text)
    assert ("".join(t for t, _ in parts).strip(), "".join(a for _, a in parts)) == (thought, answer)


# -- footer, times, snippets ------------------------------------------------------------------------------------------

FULL = Status("ready", "qwen2.5-1.5b", "qwen2.5-coder-1.5b.gguf", 31.6, 320.0, 1720, 4096, "locked", "keyring")


def test_the_footer_drops_the_least_important_first() -> None:
    shown_at = {width: [*fit(FULL, width)[0], *fit(FULL, width)[1]] for width in (200, 110, 80, 60, 40, 10, 1)}
    assert "(qwen2.5-coder-1.5b.gguf)" in shown_at[200] and "first 320 ms" in shown_at[200]
    for wide, narrow in zip((200, 110, 80, 60, 40, 10), (110, 80, 60, 40, 10, 1), strict=True):
        assert set(shown_at[narrow]) <= set(shown_at[wide])
    assert "network locked" in shown_at[60]
    assert shown_at[40] == ["● ready", "qwen2.5-1.5b", "network locked"]
    assert shown_at[1] == ["● ready"]


@pytest.mark.parametrize("width", range(1, 200, 7))
def test_the_footer_never_overflows_but_for_its_state(width: int) -> None:
    left, right = fit(FULL, width)
    assert len("  ".join(left)) + len(" · ".join(right)) + 1 <= width or left == ["● ready"]


def test_the_footer_is_safe() -> None:
    left, right = fit(Status("ready", "a\x1b]0;b\x07c\nd", lock="\u202elocked"), 100)
    assert (left, right) == (["● ready", "ac d"], ["network locked"])


def test_times_in_words() -> None:
    assert [ago(s) for s in (-100, 5, 60, 7300, 90_000, 86_400 * 40, 86_400 * 800)] == [
        "just now",
        "just now",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
        "1 month ago",
        "2 years ago",
    ]
    assert (short_time(12.3), short_time(1234)) == ("12 ms", "1.2 s")


def test_snippets_show_matches_instead_of_their_marks() -> None:
    text = snippet("…the ⟦moon⟧ and\nthe ⟦moons⟧ [b]x")
    assert text.plain == "…the moon and the moons [b]x"
    assert [text.plain[s.start : s.end] for s in text.spans] == ["moon", "moons"]
