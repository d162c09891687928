"""The chat in a real pseudo-terminal: a whole session, hostile replies, signals, a terminal that goes away."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pty_terminal import Terminal, terminal

DRIVER = Path(__file__).parent / "pty_app.py"

# Everything Textual may write: CSI sequences that style, move and switch modes, and the shape of the mouse pointer
# (OSC 22). No other OSC, no DCS, APC, PM, SOS.
_ALLOWED = re.compile(
    rb"\x1b\]22;[a-z-]*\x07|\x1b\[[0-9;:]*[mHJKABCDGdfr]|\x1b\[[<>=?][0-9;$]*[hlupcn]|\x1b\[[0-9;]*t|\x1b\[6n"
)


def command(tmp_path: Path, replies: list[list[str]], pause_s: float = 0.0, hangs: bool = False) -> list[str]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"replies": replies, "pause_s": pause_s, "hangs": hangs}))
    return [sys.executable, str(DRIVER), str(script), str(tmp_path / "settings.toml")]


def ready(at: Terminal) -> None:
    at.see("● ready")


def foreign(raw: bytes) -> list[bytes]:
    """The control sequences that neither Textual nor the chat itself has reason to write."""
    left = _ALLOWED.sub(b"", raw)
    return re.findall(rb"\x1b.{0,20}|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]", left, re.DOTALL)


def test_a_whole_session(tmp_path: Path) -> None:
    replies = [["The moon ", "is ", "far."], ["word "] * 400, ["the last one"]]
    with terminal(command(tmp_path, replies, pause_s=0.02)) as at:
        at.see("Ask anything")
        ready(at)
        at.type("How far is the moon?\r")
        at.see("The moon is far.")
        ready(at)
        assert "█ How far is the moon?" in at.text

        at.type("Go on\r")
        at.see("word word word")
        at.see("answering")
        at.type("\x1b")
        at.see("stopped")
        ready(at)

        at.resize(50, 20)
        at.see("● ready")
        at.resize(1, 1)
        at.read(0.3)
        at.resize(100, 30)
        at.see("● ready")
        at.type("line one\nline two\r")
        at.see("line two")
        at.see("the last one")
        ready(at)
        at.type("/help\rtoo fast")  # keys right behind Enter are not lost
        at.see("What it does")
        at.type("\x1b")
        ready(at)
        at.see("too fast")
        at.type("\x11")
        assert at.end() == 0
    printed = at.raw.split(b"\x1b[?1049l")[-1].decode()
    assert 'kept user complete "line one\\nline two"' in printed
    assert "kept assistant stopped" in printed and "left with 0" in printed
    assert not foreign(at.raw)


HOSTILE = [
    "clipboard \x1b]52;c;aGFja2Vk\x07 title \x1b]0;owned\x07 c1 \x9d52;c;aGFja2Vk\x9c end",
    "link \x1b]8;;file:///etc/passwd\x1b\\here\x1b]8;;\x1b\\ colour \x1b[31mred\x1b[0m",
    "screen \x1b[2J\x1b[H\x1b[?1049l dcs \x1bP1;2qsixel\x1b\\ apc \x1b_Gkitty\x1b\\ bell \x07 null \x00 del \x7f",
    "bidi \u202egnp.exe\u202c zero\u200bwidth tag \U000e0041 entity &#27;]52;c;eA==&#7; &#x9b;31m &#x202e;",
    "```\x1b]0;fence\x07py\ncode \x1b]52;c;eA==\x07\n```\n\n| a\x1b]0;x\x07 | b |\n|---|---|\n| \x9d0;y\x9c | \x1bc |",
    "[link=file:///etc/passwd]markup[/link] [@click=app.quit]quit[/] <think>\x1b]0;t\x07</think>",
]


def test_nothing_in_a_reply_reaches_the_terminal_as_a_control_sequence(tmp_path: Path) -> None:
    pieces = [list(reply) for reply in HOSTILE[:3]] + [[reply] for reply in HOSTILE[3:]]  # also cut at every character
    with terminal(command(tmp_path, pieces)) as at:
        ready(at)
        for number, _ in enumerate(HOSTILE):
            at.type(f"question {number}\r")
            at.see(f"question {number}")
            at.until(lambda: "answering" not in at.text)
            ready(at)
        assert b"\x1b]52;" not in at.raw
        at.type("/copy\r")  # the user's own key: this, and only this, writes the clipboard
        at.until(lambda: b"\x1b]52;" in at.raw)
        at.type("\x11")
        assert at.end() == 0
    clipboard = re.compile(rb"\x1b\]52;c;([^\x07]*)\x07")
    (copied,) = clipboard.findall(at.raw)
    assert "\x1b" not in base64.b64decode(copied).decode()
    assert not foreign(clipboard.sub(b"", at.raw))
    drawn = at.raw.split(b"\x1b[?1049l")[0]
    assert b"aGFja2Vk" not in drawn and b"\xc2\x9d" not in drawn and b"\xc2\x9b" not in drawn


def test_a_paste_and_bytes_that_are_no_text_are_survived(tmp_path: Path) -> None:
    with terminal(command(tmp_path, [["fine"]])) as at:
        ready(at)
        at.type(b"\xff\xfe\xc3")
        at.read(0.3)
        at.type(b"\x1b[200~pasted \x00\xe2\x80\xae text\x1b[201~")
        at.see("pasted")
        at.type("\r")
        at.see("fine")
        at.type("\x11")
        assert at.end() == 0
    assert not foreign(at.raw)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_commits_the_reply_and_leaves_the_terminal_as_it_was(tmp_path: Path, number: signal.Signals) -> None:
    with terminal(command(tmp_path, [["word "] * 2000], pause_s=0.02)) as at:
        ready(at)
        at.type("go\r")
        at.see("word word")
        at.process.send_signal(number)
        assert at.end() == 128 + number
    after = at.raw.split(b"\x1b[?1049l")
    assert len(after) == 2, "the alternate screen was left once"
    assert "kept assistant stopped" in after[1].decode() and "Traceback" not in after[1].decode()


def test_an_app_that_cannot_leave_gives_the_terminal_back_all_the_same(tmp_path: Path) -> None:
    with terminal(command(tmp_path, [["fine"]], hangs=True)) as at:
        before = termios.tcgetattr(at.master)
        ready(at)
        assert termios.tcgetattr(at.master) != before
        at.process.send_signal(signal.SIGTERM)
        assert at.end() == 128 + signal.SIGTERM
        assert termios.tcgetattr(at.master) == before
    drawn, after = at.raw.split(b"\x1b[?1049l")
    for mode in (b"?1000", b"?1003", b"?1015", b"?1006", b"?1004", b"?2004"):
        assert drawn.rfind(mode + b"h") < (drawn + after).rfind(mode + b"l"), mode
    assert b"\x1b[?25h" in after and drawn.count(b"\x1b[>") == drawn.count(b"\x1b[<u")


def test_a_terminal_that_goes_away_ends_the_app(tmp_path: Path) -> None:
    with terminal(command(tmp_path, [["word "] * 2000], pause_s=0.02)) as at:
        ready(at)
        at.type("go\r")
        at.see("word word")
        os.close(at.master)
        assert at.process.wait(30) != 0
        at.master = os.open(os.devnull, os.O_RDONLY)


def test_without_a_usable_terminal_it_says_what_to_use_instead(tmp_path: Path) -> None:
    run = subprocess.run(command(tmp_path, [[]]), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert run.returncode == 2 and "`assistant ask`" in run.stdout
    with terminal(command(tmp_path, [[]]), term="dumb") as at:
        assert at.end() == 2
    assert "TERM=dumb" in at.text
