"""One owner of a home: a second is refused, others reach it through its socket, a client that goes away cancels."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant import instance, instance_client, instance_server, instance_wire, paths
from assistant.config import Settings
from assistant.errors import AlreadyRunningError, AssistantError, EngineError, ModelError
from assistant.history import History, ephemeral_history
from assistant.instance import Claim
from assistant.oneshot import Answer, Question
from fakes import ScriptedModel


@pytest.fixture
def claim(assistant_home: Path) -> Iterator[Claim]:
    claimed = instance.claim()
    yield claimed
    claimed.release()


@pytest.fixture
def history() -> Iterator[History]:
    opened = ephemeral_history()
    yield opened
    opened.close()


@pytest.fixture
def served(claim: Claim, history: History, fake_model: ScriptedModel) -> ScriptedModel:
    instance_server.start(claim, instance_server.Served(Settings, history, lambda: fake_model))
    return fake_model


def connect() -> socket.socket:
    connection = instance.connect()
    assert connection is not None
    return connection


def ask(question: Question) -> list[str | Answer]:
    with connect() as connection:
        return list(instance_client.ask(connection, question, lambda _: None))


def test_only_this_user_can_reach_the_socket(claim: Claim) -> None:
    assert stat.S_IMODE(claim.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(claim.path.parent.stat().st_mode) == 0o700


def test_a_second_owner_is_refused_and_told_who(claim: Claim) -> None:
    with pytest.raises(AlreadyRunningError, match=str(os.getpid())):
        instance.claim()


def test_an_owner_that_was_killed_leaves_no_claim(assistant_home: Path) -> None:
    code = "from assistant import instance; import os, signal; instance.claim(); os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert paths.socket_file().exists()  # the stale socket
    assert instance.connect() is None
    instance.claim().release()


def test_a_home_with_a_long_path_still_gets_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / ("x" * 120)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    claimed = instance.claim()
    connect().close()
    claimed.release()


def test_ask_through_the_instance_shares_model_and_history(served: ScriptedModel, history: History) -> None:
    served.enqueue("Par|is")
    *pieces, answer = ask(Question("Capital of France?"))
    assert pieces == ["Par", "is"]
    assert isinstance(answer, Answer)
    assert (answer.reply, answer.model) == ("Paris", "scripted.gguf")
    assert [s.title for s in history.list()] == ["Capital of France?"]


def test_ephemeral_saves_nothing(served: ScriptedModel, history: History) -> None:
    served.enqueue("hush")
    ask(Question("Secret?", ephemeral=True))
    assert history.list() == []


def test_errors_arrive_as_what_they_are(served: ScriptedModel) -> None:
    served.enqueue([EngineError("the model process died")])
    with pytest.raises(ModelError, match="the model process died"):
        ask(Question("q"))


def test_history_calls(served: ScriptedModel, history: History) -> None:
    served.enqueue("answer")
    ask(Question("A question about penguins"))
    with connect() as connection:
        (summary,) = instance_client.call(connection, "list")
    assert summary["title"] == "A question about penguins"
    with connect() as connection:
        (hit,) = instance_client.call(connection, "search", "penguins")
    assert hit["conversation_id"] == summary["id"]


@pytest.mark.parametrize("unread", [b"", b"waiting"])
def test_an_instance_that_ends_before_it_answers_is_said_so(unread: bytes) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(unread)
    theirs.close()  # with something unread in it the next read is a reset, without it the next write a broken pipe
    with ours, pytest.raises(instance_wire.InstanceGone, match="ended before it had answered; try again"):
        instance_client.press(ours, instance_wire.Key.MUTE)


def test_only_listed_methods_can_be_called(served: ScriptedModel) -> None:
    for method in ("close", "__init__", "_connection", "wipe_everything"):
        with connect() as connection, pytest.raises(AssistantError, match="does not offer"):
            instance_client.call(connection, method)


@pytest.mark.parametrize(
    "line", [b"junk\n", b"{}\n", b'{"type":"Call","method":3}\n', b"\xff\xff\n", b"[" * 5000 + b"\n"]
)
def test_malformed_requests_are_answered_and_the_server_lives(served: ScriptedModel, line: bytes) -> None:
    with connect() as connection:
        connection.sendall(line)
        assert b"Failed" in next(instance_wire.lines(connection), b"Failed")
    served.enqueue("still here")
    assert ask(Question("q"))[0] == "still here"


def test_a_client_that_goes_away_cancels_its_turn(served: ScriptedModel, history: History) -> None:
    served.enqueue("one |two |three")
    served.hold()
    connection = connect()
    pieces = instance_client.ask(connection, Question("Count."), lambda _: None)
    assert next(pieces) == "one "
    connection.close()
    for thread in threading.enumerate():
        if thread.name == "instance peer":
            thread.join(30)
            assert not thread.is_alive()
    reply = history.load(history.list()[0].id).branch()[-1]
    assert (reply.content, reply.state) == ("one ", "stopped")


def test_another_user_is_turned_away(assistant_home: Path, claim: Claim, served: ScriptedModel) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    for folder in (assistant_home, *assistant_home.parents):
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o755)
    claim.path.parent.chmod(0o755)
    claim.path.chmod(0o666)  # even if somebody opened the modes, the kernel's credentials decide
    code = textwrap.dedent(f"""
        import os, socket
        os.setuid(65534)
        s = socket.socket(socket.AF_UNIX); s.connect({str(claim.path)!r})
        s.sendall(b'{{"type":"Call","method":"list"}}\\n')
        print(s.recv(100))
    """)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.strip() in ("b''", "") and "Reset" not in done.stdout
