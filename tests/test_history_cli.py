"""`assistant history` as its users meet it: real processes, real files."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assistant import instance, instance_server, paths
from assistant.cli import main
from assistant.config import Settings
from assistant.conversation import Role, State
from assistant.history import open_history, opening
from assistant.privacy import slots
from fakes import ScriptedModel
from talks import PASSPHRASE, save, saved, talk


@pytest.fixture
def folder(assistant_home: Path) -> Path:
    """A history with two conversations."""
    folder = paths.history_folder()
    save(folder, "Moon", "Kitchen")
    return folder


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assistant", "history", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run in this process; the JSON document on stdout, nothing beside it."""
    assert main(["history", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def quickly(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """`run()` without a process of its own, and with cheap passphrases."""
    monkeypatch.setattr(slots, "ARGON2_MEMORY_KIB", 64)

    def run_here(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main(["history", *arguments])
        return Done(status, *capsys.readouterr())

    return run_here


def ids(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {row["title"]: row["id"] for row in document(capsys, "list")}


def test_a_process_of_its_own_lists_under_the_lock(folder: Path) -> None:
    done = run("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["Kitchen", "Moon"]


def test_lists_searches_and_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moon = ids(capsys)["Moon"]
    (hit, *_) = document(capsys, "search", "question moon")
    assert (hit["conversation_id"], hit["role"]) == (moon, "user")
    shown = document(capsys, "show", moon[:8])
    assert [message["content"] for message in shown["messages"]] == ["question of Moon", "answer"]
    assert main(["history", "show", moon[:8]]) == 0
    assert "## You" in capsys.readouterr().out
    assert document(capsys, "search", "nothing like it") == []
    assert len(document(capsys, "list", "--limit", "1")) == 1


def test_exports_imports_renames_and_deletes(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    moon = ids(capsys)["Moon"]
    target = tmp_path / "moon.json"
    assert document(capsys, "export", moon, "-o", str(target)) == {"id": moon, "format": "json", "file": str(target)}
    assert target.stat().st_mode & 0o777 == 0o600
    assert main(["history", "export", moon, "-o", str(target)]) == 2
    assert "exists" in capsys.readouterr().err
    imported = document(capsys, "import", str(target))
    assert (imported["title"], imported["n_messages"]) == ("Moon", 2)
    document(capsys, "rename", imported["id"][:10], "Second moon")
    assert set(ids(capsys)) == {"Moon", "Kitchen", "Second moon"}
    document(capsys, "delete", moon)
    assert set(ids(capsys)) == {"Kitchen", "Second moon"}
    assert main(["history", "export", imported["id"]]) == 0
    assert capsys.readouterr().out.startswith("# Second moon\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("show", "ffff"), "no conversation"),
        (("show", "zz"), "not a conversation id"),
        (("delete", ""), "not a conversation id"),
        (("list", "--limit", "-1"), "0 or more"),
        (("import", "/nonexistent"), "not a file"),
        (("import", "/dev/zero"), "not a file"),
        (("export", "ffff", "--format", "json"), "no conversation"),
        (("wipe",), "--yes"),
    ],
)
def test_bad_input_is_a_usage_error_of_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115 - stdin is closed by nobody
    assert main(["history", *arguments]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert saved(folder) == ["Kitchen", "Moon"]


def test_imports_of_other_files_are_refused(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe", b"{}", b"[1"):
        (tmp_path / "bad.json").write_bytes(content)
        assert main(["history", "import", str(tmp_path / "bad.json")]) == 2
    assert saved(folder) == ["Kitchen", "Moon"]


def test_no_control_sequence_reaches_the_terminal(assistant_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07 \x9b31m \u202e txt"
    history = open_history(paths.history_folder())
    history.save_conversation(talk(evil, f"lantern {evil}"))
    history.close()
    for arguments in (["list"], ["search", "lantern"], ["list", "--json"], ["search", "lantern", "--json"]):
        assert main(["history", *arguments]) == 0
        shown = capsys.readouterr().out
        assert not set(shown) & set("\x1b\x07\x9b\u202e")
    with on_terminal("show", next(iter(history_ids()))) as shown_on_terminal:
        assert "lantern" in shown_on_terminal
        assert "\x1b]52" not in shown_on_terminal


def history_ids() -> Iterator[str]:
    history = open_history(paths.history_folder())
    yield from [summary.id for summary in history.list()]
    history.close()


# -- protection -----------------------------------------------------------------------------------------------------


def test_a_passphrase_from_a_pipe_protects_and_opens(folder: Path, quickly: Callable[..., Done]) -> None:
    done = quickly("protect", "--passphrase", stdin=f"{PASSPHRASE}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("passphrase: ")
    assert PASSPHRASE not in done.stdout + done.stderr
    refused = quickly("list")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "locked" in refused.stderr
    assert run("list", stdin=f"{PASSPHRASE}\n").stdout.count("\n") == 2
    changed = quickly("protect", "--passphrase", stdin=f"{PASSPHRASE}\nanother long one\n")
    assert changed.returncode == 0, changed.stderr
    removed = quickly("protect", "--key-file", "--json", stdin="another long one\n")
    assert json.loads(removed.stdout)["mode"] == "key file only"
    assert quickly("list").returncode == 0


def test_recovery_code_and_new_key(folder: Path, quickly: Callable[..., Done]) -> None:
    made = quickly("protect", "--passphrase", stdin=f"{PASSPHRASE}\n")
    made = quickly("protect", "--recovery-code", "--json", stdin=f"{PASSPHRASE}\n")
    code = json.loads(made.stdout)["recovery_code"]
    assert quickly("list", stdin=f"{code}\n").stdout.count("\n") == 2
    _, old_key = opening.unlock(folder, lambda _: PASSPHRASE)
    made = quickly("protect", "--new-key", "--json", stdin=f"{PASSPHRASE}\n")
    assert made.returncode == 0, made.stderr
    new_code = json.loads(made.stdout)["recovery_code"]
    _, new_key = opening.unlock(folder, lambda _: PASSPHRASE)
    assert old_key != new_key
    assert quickly("list", stdin=f"{code}\n").returncode == 1
    assert quickly("list", stdin=f"{new_code}\n").stdout.count("\n") == 2
    made = quickly("protect", "--new-key", stdin=f"{new_code}\nthe third long one\n")  # the old passphrase is forgotten
    assert made.returncode == 0, made.stderr
    assert quickly("list", stdin="the third long one\n").stdout.count("\n") == 2


class on_terminal:
    """Run `assistant history` on a pseudo-terminal, type the given answers, one a prompt; gives what was shown."""

    def __init__(self, *arguments: str, answers: tuple[tuple[str, str], ...] = ()) -> None:
        self._arguments = arguments
        self._answers = list(answers)

    def __enter__(self) -> str:
        child, terminal = pty.fork()
        if child == 0:
            os.execv(sys.executable, [sys.executable, "-m", "assistant", "history", *self._arguments])  # noqa: S606
        shown, answered_until = b"", 0
        while True:
            ready, _, _ = select.select([terminal], [], [], 60)
            assert ready, shown
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # closed
                break
            if not chunk:
                break
            shown += chunk
            if self._answers and self._answers[0][0].encode() in shown[answered_until:]:
                answered_until = len(shown)
                time.sleep(0.2)  # getpass empties the input after it has printed the prompt
                os.write(terminal, self._answers.pop(0)[1].encode() + b"\n")
        os.close(terminal)
        self.status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert not self._answers, shown
        return shown.decode(errors="replace")

    def __exit__(self, *_: object) -> None: ...


def test_on_a_terminal_the_passphrase_is_asked_twice_and_never_shown(folder: Path) -> None:
    asked = (("new passphrase", PASSPHRASE), ("the same again", PASSPHRASE))
    with on_terminal("protect", "--passphrase", answers=asked) as shown:
        assert PASSPHRASE not in shown
        assert "passphrase: while the assistant is closed" in shown
    wrong_then_right = (("passphrase of the history", "a wrong guess"), ("wrong; passphrase", PASSPHRASE))
    with on_terminal("list", answers=wrong_then_right) as shown:
        assert "Moon" in shown
        assert PASSPHRASE not in shown


def test_wiping_wants_the_word(folder: Path) -> None:
    terminal = on_terminal("wipe", answers=(("Type wipe", "yes"),))
    with terminal as shown:
        assert "nothing was wiped" in shown
    assert terminal.status == 2
    assert saved(folder) == ["Kitchen", "Moon"]
    with on_terminal("wipe", answers=(("Type wipe", "wipe"),)) as shown:
        assert "flash disk" in shown
    assert not folder.exists()
    assert run("wipe", "--yes").returncode == 0


def test_backs_up_and_restores(folder: Path, quickly: Callable[..., Done]) -> None:
    made = json.loads(quickly("backup", "--json").stdout)["backup"]
    save(folder, "later")
    opening.database_file(folder).write_bytes(b"damaged")
    refused = quickly("list")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "assistant history restore" in refused.stderr
    assert made in refused.stderr
    restored = quickly("restore", "--json")
    assert json.loads(restored.stdout)["restored"].endswith(made)
    assert saved(folder) == ["Kitchen", "Moon"]


# -- beside a running chat ------------------------------------------------------------------------------------------


def test_a_running_chat_answers_for_its_locked_history(folder: Path, fake_model: ScriptedModel) -> None:
    """No passphrase is asked: the history is open already, in the instance."""
    keys, key = opening.unlock(folder, None)
    keys.set_passphrase(key, PASSPHRASE)
    claim = instance.claim()
    history = open_history(folder, lambda _: PASSPHRASE)
    try:
        instance_server.start(claim, instance_server.Served(Settings, history, lambda: fake_model))
        assert run("list").stdout.count("\n") == 2
        moon = next(s.id for s in history.list() if s.title == "Moon")
        assert json.loads(run("rename", moon[:6], "Luna", "--json").stdout)["title"] == "Luna"
        assert run("delete", moon[:6]).returncode == 0
        assert [s.title for s in history.list()] == ["Kitchen"]
        refused = run("wipe", "--yes")
        assert refused.returncode == 1
        assert "close the chat" in refused.stderr
    finally:
        history.close()
        claim.release()


def test_a_live_reply_stays_live_while_others_look(folder: Path) -> None:
    history = open_history(folder)
    conversation = history.load(history.list()[0].id)
    reply = conversation.add(Role.ASSISTANT, "half", state=State.STREAMING)
    history.save_message(conversation.id, reply)
    others = [threading.Thread(target=run, args=("list",)) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert history.load(conversation.id).messages[reply.id].state is State.STREAMING
    history.close()
