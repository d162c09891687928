"""Nothing that a model says reaches the terminal as a control sequence: the real screen on a real pseudo-terminal."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from pathlib import Path

import pytest

from evals.probes.screen import Screen

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals", allow_module_level=True)

TESTS = Path(__file__).resolve().parent
MARK = "31337"  # in every hostile sequence, in none of Textual's
SEQUENCES_PER_REPLY = 500
READY = "● ready"

# What a terminal would act on, as ECMA-48 and xterm have it.
_CONTROL = re.compile(
    r"(?P<csi>(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~])"
    r"|(?P<string>(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x1b\x07\x9c]*(?:\x07|\x1b\\|\x9c|(?=\x1b)|\Z))"
    r"|(?P<escape>\x1b[ -/]*[0-~]?)"
    r"|(?P<control>[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f-\x9f])"
)

DIRECTED = [
    f"\x1b]52;c;{MARK}\x07",
    f"\x1b]52;c;{MARK}\x1b\\",
    f"\x1b]0;{MARK}\x07",
    f"\x1b]2;{MARK}\x1b\\",
    f"\x1b]8;;http://{MARK}\x07click\x1b]8;;\x07",
    f"\x1b]8;id={MARK};file:///etc/passwd\x1b\\x\x1b]8;;\x1b\\",
    f"\x1b]4;1;rgb:{MARK}\x07",
    f"\x1b]10;{MARK}\x07",
    f"\x1b]7;file://{MARK}\x07",
    f"\x1b]9;{MARK}\x07",
    f"\x1b]777;notify;{MARK};x\x07",
    f"\x1b]1337;File=inline=1:{MARK}\x07",
    f"\x1bP+q{MARK}\x1b\\",
    f"\x1bPq#0;2;{MARK}\x1b\\",
    f"\x1bP$q{MARK}\x1b\\",
    f"\x1b_G{MARK}\x1b\\",
    f"\x1bX{MARK}\x1b\\",
    f"\x1b^{MARK}\x1b\\",
    f"\x1b[{MARK};{MARK}H",
    f"\x1b[{MARK}J",
    f"\x1b[{MARK}t",
    f"\x1b[21t{MARK}",
    f"\x1b[{MARK}n",
    f"\x1b[?{MARK}h",
    f"\x1b[?{MARK}l",
    f"\x1b[>{MARK}u",
    f"\x1b[!p{MARK}",
    f"\x1b[{MARK}m",
    f"\x1b[3{MARK}b",
    f"\x9b{MARK}m",
    f"\x9d0;{MARK}\x9c",
    f"\x90{MARK}\x9c",
    f"\x1bc{MARK}",
    f"\x1b#8{MARK}",
    f"\x1b(0{MARK}\x1b(B",
    f"\x0e{MARK}\x0f",
    f"\x07{MARK}",
    f"\x05{MARK}",
    f"\x1b\x1b]52;c;{MARK}\x07",
    f"\x1b\n]52;c;{MARK}\x07",
]


def random_sequence(chance: random.Random) -> str:
    begin = ["\x1b[", "\x1b]", "\x1bP", "\x1bX", "\x1b^", "\x1b_", "\x9b", "\x9d", "\x90", "\x9f", "\x1b", "\x1b\x1b["]
    middle = "0123456789;:?>=!$\"' #abcxyzABCXYZ\x1b\x07\x00\x08\x0e\x7f\x85\x9c\u202e\u2066"
    end = ["\x07", "\x1b\\", "\x9c", "m", "H", "J", "t", "c", "h", "q", "\n", "", "\x18", "\x1a"]
    inside = "".join(chance.choices(middle, k=chance.randrange(8)))
    return chance.choice(begin) + inside + MARK + inside[::-1] + chance.choice(end)


def pieces(text: str, chance: random.Random) -> list[str]:
    """Cut anywhere, as a model's tokens are."""
    cuts = sorted(chance.sample(range(len(text)), k=min(60, len(text) - 1)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def controls(raw: bytes) -> list[str]:
    """Control sequences in what was written to the terminal."""
    text = raw.decode(errors="replace")
    return [found[0] for found in _CONTROL.finditer(text) if found[0] not in ("\n", "\r", "\t", "\b")]


def kind(sequence: str) -> str:
    """A sequence without its numbers: what Textual may say at all."""
    return re.sub(r"\d+", "0", sequence) if sequence.startswith("\x1b[") else sequence


def draw(folder: Path, replies: list[list[str]], *, sanitised: bool = True) -> bytes:
    """Everything the screen wrote while it showed the replies."""
    folder.mkdir()
    script = [[*reply, f"\n\nfinished-{number}"] for number, reply in enumerate(replies)]
    (folder / "script.json").write_text(json.dumps({"replies": script, "pause_s": 0.0}))
    (folder / "settings.toml").write_text("")
    command = [sys.executable, str(TESTS / "pty_app.py"), str(folder / "script.json"), str(folder / "settings.toml")]
    if not sanitised:
        careless = (
            "import assistant.text as text, os, runpy, sys\n"
            "text.safe = lambda shown, keep_newlines=True: shown\n"
            "sys.argv = sys.argv[1:]\n"
            "sys.path.insert(0, os.path.dirname(sys.argv[0]))\n"
            "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        )
        command = [sys.executable, "-c", careless, *command[1:]]
    environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    screen = Screen(command, environment, TESTS.parent)
    try:
        screen.wait_for(READY)
        for number, _ in enumerate(replies):
            screen.send("go")
            time.sleep(0.3)  # typed, not pasted
            screen.send("\r")
            screen.wait_for(f"finished-{number}")
        screen.send("\x11")
        screen.wait_for_end()
    finally:
        screen.process.kill()
    return screen.raw


def hostile(raw: bytes, harmless: bytes) -> list[str]:
    """Control sequences with our mark in them, or of a kind that Textual never says by itself."""
    known = {kind(sequence) for sequence in controls(harmless)}
    return [
        s for s in controls(raw) if MARK in s or (kind(s) not in known and not re.fullmatch(r"\x1b\[[0-9;]*[mH]", s))
    ]


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The screen's own vocabulary, learnt from replies as long and as colourful, but without control characters."""
    text = f"# Title {MARK}\n\n**bold** `code` [link](http://example.net)\n\n```python\nx = 1\n```\n\n- one\n- two\n\n"
    return draw(tmp_path_factory.mktemp("harmless") / "run", [[text * 20], [f"plain {MARK} text\n\n" * 300]])


def check(folder: Path, harmless: bytes, sequences: list[str]) -> None:
    chance = random.Random(20261)
    replies = []
    for start in range(0, len(sequences), SEQUENCES_PER_REPLY):
        batch = sequences[start : start + SEQUENCES_PER_REPLY]
        replies.append(pieces("".join(f"{s} word{' ' if i % 9 else chr(10) * 2}" for i, s in enumerate(batch)), chance))
    raw = draw(folder / "run", replies)
    assert hostile(raw, harmless) == []


def test_directed_sequences_do_not_reach_the_terminal(tmp_path: Path, harmless: bytes) -> None:
    assert len(DIRECTED) == 40
    check(tmp_path, harmless, DIRECTED)


def test_random_sequences_do_not_reach_the_terminal(tmp_path: Path, harmless: bytes) -> None:
    chance = random.Random(1)
    check(tmp_path, harmless, [random_sequence(chance) for _ in range(1000)])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_thousand_random_sequences(tmp_path: Path, harmless: bytes) -> None:
    chance = random.Random(2)
    check(tmp_path, harmless, [random_sequence(chance) for _ in range(20_000)])


def test_without_the_sanitiser_they_do(tmp_path: Path, harmless: bytes) -> None:
    """Else the tests above would show nothing."""
    raw = draw(tmp_path / "run", [["An answer with " + " and ".join(DIRECTED[:30])]], sanitised=False)
    assert any("]52;" in sequence and MARK in sequence for sequence in hostile(raw, harmless))
