"""Text shown on a terminal cannot act on it: directed sequences, sequences split across pieces, and random ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.text import SafeStream, safe, without_repetition

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

DIRECTED = {
    "clipboard write (OSC 52)": ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
    "title (OSC 0), ended by ST": ("a\x1b]0;root@host\x1b\\b", "ab"),
    "hyperlink (OSC 8)": ("\x1b]8;;http://evil\x07click\x1b]8;;\x07", "click"),
    "colour (CSI)": ("\x1b[31mred\x1b[0m", "red"),
    "clear screen": ("\x1b[2J\x1b[Hx", "x"),
    "8-bit CSI and OSC": ("\x9b31mx\x9d0;t\x9cy", "xy"),
    "DCS": ("\x1bPq#0;2;0;0;0\x1b\\x", "x"),
    "APC": ("\x1b_Gf=100;AAAA\x1b\\x", "x"),
    "charset": ("\x1b(0x", "x"),
    "reset": ("\x1bcx", "x"),
    "keypad mode": ("\x1b=x", "x"),
    "unterminated OSC hides nothing": ("a\x1b]52;c;AAAA", "a]52;c;AAAA"),
    "OSC ends at a line break": ("\x1b]0;t\nnext\x07", "]0;t\nnext"),
    "lone escape": ("a\x1b", "a"),
    "backspace and bell": ("secret\x08\x08\x07", "secret"),
    "carriage return cannot overwrite": ("safe\rEVIL", "safe\nEVIL"),
    "Windows line ends": ("a\r\nb", "a\nb"),
    "bidi override": ("\u202egnp.exe", "gnp.exe"),
    "zero width space": ("pass\u200bword", "password"),
    "tag characters": ("a\U000e0041\U000e007f", "a"),
    "lone surrogate": ("a\ud800b", "a\ufffdb"),
    "NUL": ("a\x00b", "ab"),
    "emoji with joiners stays": ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
    "Persian with a non-joiner stays": ("می\u200cخواهم", "می\u200cخواهم"),
    "tabs and newlines stay": ("a\tb\nc", "a\tb\nc"),
}


@pytest.mark.parametrize(("hostile", "shown"), DIRECTED.values(), ids=DIRECTED.keys())
def test_directed_sequences(hostile: str, shown: str) -> None:
    assert safe(hostile) == shown


@pytest.mark.parametrize(("hostile", "shown"), DIRECTED.values(), ids=DIRECTED.keys())
def test_directed_sequences_one_character_at_a_time(hostile: str, shown: str) -> None:
    stream = SafeStream()
    assert "".join(stream.feed(c) for c in hostile) + stream.finish() == shown


_HOSTILE_TEXT = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x9d\x90[]P;?0m\x07\x9c\\\r\n\u202e")), max_size=60
)


@given(_HOSTILE_TEXT)
def test_no_control_character_survives(text: str) -> None:
    assert not _CONTROL.search(safe(text))


@given(st.lists(_HOSTILE_TEXT, max_size=8))
def test_pieces_give_the_same_as_the_whole(pieces: list[str]) -> None:
    stream = SafeStream()
    shown = "".join(stream.feed(piece) for piece in pieces) + stream.finish()
    assert not _CONTROL.search(shown)
    assert shown == safe("".join(pieces))


def test_one_line() -> None:
    assert safe("a\nb\t c", keep_newlines=False) == "a b c"


def test_an_open_sequence_is_held_back_only_so_long() -> None:
    stream = SafeStream()
    assert stream.feed("\x1b]0;" + "x" * 5000) != ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hello! " + "hello! " * 40, "Hello! hello!"),
        ("One. Two.\n" + "- again\n" * 9 + "- ag", "One. Two.\n- again"),
        ("Loved" + ", Loved" * 60, "Loved,"),
        ("ha" * 80, "ha"),
        ("A line that is long enough. " * 4, "A line that is long enough."),
    ],
)
def test_of_what_a_reply_repeats_at_its_end_one_is_kept(text: str, kept: str) -> None:
    assert without_repetition(text) == kept


@pytest.mark.parametrize("text", ["", "a", "no no no", "Row, row, row your boat", "| a | b |\n|---|---|\n| 1 | 2 |\n"])
def test_a_text_that_repeats_less_is_left_as_it_is(text: str) -> None:
    assert without_repetition(text) == text


@pytest.mark.parametrize("asked", ["Write it 20 times.", "repeat after me", "say it again and again"])
def test_a_repetition_that_was_asked_for_stays(asked: str) -> None:
    assert without_repetition("I will not talk. " * 30, asked) == "I will not talk. " * 30


@given(st.text("ab. ", max_size=30), st.text("ab. ", min_size=1, max_size=8), st.integers(4, 9))
def test_what_is_kept_is_the_beginning_and_has_at_least_one_copy(start: str, copied: str, n: int) -> None:
    text = start + copied * n
    kept = without_repetition(text)
    assert text.startswith(kept)
    assert bool(kept) == bool(text.strip())
