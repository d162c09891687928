"""The whole product as its user meets it: real terminal, real model, real files, real kills."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from terminal_session import TerminalSession

pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]

STORY = "Write a long story about a dragon, a knight and a lighthouse, with many details."
ENOUGH_WORDS = 25


@pytest.fixture
def home(home_with_model: Path) -> Path:
    (home_with_model / "settings.toml").write_text('model = "smollm2-135m"\ntemperature = 0.0\nsystem = ""\n')
    return home_with_model


def assistant(home: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "assistant", *arguments],
        check=False,
        capture_output=True,
        input=stdin,
        env={**os.environ, "ASSISTANT_HOME": str(home)},
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def ready(session: TerminalSession) -> None:
    session.wait_for(lambda text: "● ready" in text, "the word ready")


def workers(session: TerminalSession) -> list[psutil.Process]:
    return [p for p in psutil.Process(session.pid).children() if "assistant.engines.worker" in p.cmdline()]


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", text)


def reply_words(screen: str) -> list[str]:
    """The words of the last reply on a screen; none before a reply is there."""
    _, heading, below = screen.rpartition("   Assistant")
    return words(below.partition("\n")[2].partition("╭")[0]) if heading else []


def conversations(home: Path) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(assistant(home, "history", "list", "--json").stdout)
    return listed


def messages(home: Path) -> list[dict[str, object]]:
    (conversation,) = conversations(home)
    exported = assistant(home, "history", "export", conversation["id"], "--format", "json")
    found: list[dict[str, object]] = json.loads(exported.stdout)["messages"]
    return found


def test_a_session_from_start_to_quit(home: Path) -> None:
    session = TerminalSession(home)
    ready(session)
    session.ask("What is the capital of France?")
    session.wait_for(lambda text: "Paris" in text, "the answer")
    session.wait_for(lambda text: "● ready" in text, "ready again")
    assert "network locked" in session.text
    session.ask("what is 17% of 240")
    session.wait_for(
        lambda text: "40.8" in text and "rule calculator" in text, "the rule's answer, and that it was one"
    )
    session.ask("set a timer for ten minutes")
    session.wait_for(lambda text: "rule timer.start" in text, "the timer")

    # While the screen is open: a second one is refused, one-shot questions share its model and its history.
    second = TerminalSession(home)
    assert second.wait() == 3
    assert "another assistant" in second.text
    asked = assistant(home, "ask", "--json", "--max-tokens", "8", "Say hello.")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["model"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert len(workers(session)) == 1
    assert sorted(c["title"] for c in conversations(home)) == ["Say hello.", "What is the capital of France?"]

    session.type("\x11")  # Ctrl+Q
    assert session.wait() == 0


def test_killed_in_mid_reply_nothing_shown_is_lost_and_nothing_is_left_running(home: Path) -> None:
    session = TerminalSession(home)
    ready(session)
    session.ask(STORY)
    session.wait_for(lambda text: len(reply_words(text)) >= 5, "the beginning of the reply")
    seen_at = time.monotonic()
    session.wait_for(
        lambda text: len(reply_words(text)) >= ENOUGH_WORDS and time.monotonic() > seen_at + 0.6, "much of the reply"
    )
    family = psutil.Process(session.pid).children(recursive=True)
    assert family
    killed_at = session.kill()
    _, alive = psutil.wait_procs(family, timeout=2)
    assert alive == []

    saved_question, saved_reply = messages(home)
    assert saved_question["content"] == STORY
    assert saved_reply["state"] == "interrupted"
    saved = set(words(str(saved_reply["content"])))
    shown = reply_words([frame for at, frame in session.frames if at <= killed_at - 0.5][-1])
    assert shown, "the reply was on the screen half a second before the kill"
    *whole, last = shown
    assert [word for word in whole if word not in saved] == []
    assert any(word.startswith(last) for word in saved)  # it may have been shown half

    again = TerminalSession(home, "chat", conversations(home)[0]["id"])
    ready(again)
    again.wait_for(lambda text: "interrupted" in text, "the interrupted reply")
    again.type("\x11")
    assert again.wait() == 0


def test_the_model_process_killed_in_mid_reply_comes_back(home: Path) -> None:
    session = TerminalSession(home)
    ready(session)
    session.ask(STORY)
    session.wait_for(lambda text: len(reply_words(text)) >= 3, "the beginning of the reply")
    (worker,) = workers(session)
    worker.kill()
    session.wait_for(lambda text: "The model process died" in text, "what happened, in words")
    session.ask("What is the capital of France?")
    session.wait_for(lambda text: "Paris" in text, "the next answer")
    session.type("\x11")
    assert session.wait() == 0


def test_no_word_of_a_conversation_is_readable_under_the_home(home: Path) -> None:
    """In text, or as token ids: the cached prompt state carries both."""
    import llama_cpp

    canary = "zanzibar quokka harmonium"
    head = f"Remember {canary}. " + "Answer in plain words, briefly, and never invent what you do not know. " * 4
    (home / "settings.toml").write_text(f'model = "smollm2-135m"\nsystem = "{head}"\nmax_tokens = 20\n')
    assert assistant(home, "ask", f"Spell {canary}, please.").returncode == 0
    model_file = next((home / "models" / "blobs").iterdir())
    vocabulary = llama_cpp.Llama(str(model_file), vocab_only=True, verbose=False)
    needles = [canary.encode(), canary.encode("utf-16-le"), b"quokka", b"harmonium"]
    for phrase in (f" {canary}", f"Remember {canary}", " quokka harmonium"):
        ids = vocabulary.tokenize(phrase.encode(), add_bos=False)
        needles += [b"".join(i.to_bytes(4, "little") for i in ids[k : k + 3]) for k in range(len(ids) - 2)]
    (home / "settings.toml").unlink()  # the user's own file says it in clear
    looked_at = 0
    for path in home.rglob("*"):
        if path.is_file() and "models" not in path.relative_to(home).parts:
            looked_at += 1
            content = path.read_bytes()
            assert [n for n in needles if n in content] == [], path
    assert looked_at >= 3
    assert (home / "history" / "cache.db").stat().st_size > 100_000  # the state was kept, encrypted


def test_start_to_ready_again(home: Path) -> None:
    """A second start finds everything in place: it shows the word ready without asking or fetching anything."""
    for _ in range(2):
        session = TerminalSession(home)
        started = time.monotonic()
        ready(session)
        print(f"start to ready: {time.monotonic() - started:.2f} s")
        session.type("\x11")
        assert session.wait() == 0
