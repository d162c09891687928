"""Faults that belong to no file of tests of their own."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import assistant
from assistant import instance, instance_client, instance_server, instance_wire
from assistant.audio.file_devices import read_wav
from assistant.config import Settings
from assistant.conversation import Message, Role
from assistant.engines import Prompt, Sampling
from assistant.engines.plan import Plan
from assistant.engines.remote import RemoteLanguageModel
from assistant.errors import EngineCrashed, PromptTooLong, UsageError
from assistant.history import ephemeral_history
from assistant.turn import Turn
from engine_talks import PLAN, smollm2
from fakes import ScriptedModel

SOURCES = sorted(Path(assistant.__file__).parent.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_opens_a_browser() -> None:
    """Nor has anything a library that speaks to servers, but fetching and the gateway to a home the user named."""
    speaks = ("webbrowser", "http.client", "http.server", "urllib.request", "ssl", "ftplib", "smtplib", "xmlrpc")
    found = {(path.name, name) for path in SOURCES for name in imports(path) if name in speaks}
    assert found <= {("fetch.py", "urllib.request"), ("tls.py", "ssl")}
    texts = {path.name: path.read_text() for path in SOURCES}
    assert [name for name, text in texts.items() if "open_url" in text or "xdg-open" in text] == []
    # The gateway to the user's own home, which has a process and a filter of its own, and that filter.
    assert {name for name, text in texts.items() if "AF_INET6" in text} <= {"home_assistant.py", "seccomp.py"}


NO_RECORDINGS = [
    b"",
    b"hello",
    b"#EXTM3U\nhttp://203.0.113.1/a.wav\n",
    b"v=0\no=- 0 0 IN IP4 203.0.113.1\n",
    b"RIFF\xff\xff\xff\xffWAVE",
]


@pytest.mark.parametrize("content", NO_RECORDINGS)
def test_a_recording_that_is_none_is_said(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "said.wav").write_bytes(content)
    with (tmp_path / "said.wav").open("rb") as file, pytest.raises(UsageError, match=r"said\.wav"):
        read_wav(file, "said.wav")


@pytest.mark.models
def test_a_model_cut_off_while_it_answers_takes_only_its_process_along(smollm2_path: Path, tmp_path: Path) -> None:
    """Mapped pages that are gone are a SIGBUS. The store prevents it: files are read-only and replaced by renaming."""
    copy = tmp_path / smollm2_path.name
    shutil.copyfile(smollm2_path, copy)
    mapped = Plan(n_context=512, n_threads=1, n_threads_batch=1, use_mmap=True)
    model = RemoteLanguageModel(smollm2(copy), mapped)
    try:
        with copy.open("r+b") as file:
            file.truncate(1_000_000)
        with pytest.raises(EngineCrashed, match="SIGBUS"):
            list(model.stream(Prompt([Message(Role.USER, "Hi")], Sampling(max_tokens=4)), Turn()))
    finally:
        model.close()


@pytest.mark.models
def test_a_megabyte_without_spaces_is_too_long_and_said_so(smollm2_path: Path) -> None:
    model = RemoteLanguageModel(smollm2(smollm2_path), PLAN)
    try:
        with pytest.raises(PromptTooLong) as caught:
            list(model.stream(Prompt([Message(Role.USER, "a" * (1 << 20))]), Turn()))
        assert sum(caught.value.message_tokens) > PLAN.n_context
    finally:
        model.close()


def test_peers_that_say_nothing_are_let_go(assistant_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen of them, twice as many as are served at once; the seventeenth has something to ask."""
    monkeypatch.setattr(instance_server, "REQUEST_S", 0.2)
    claim, history, model = instance.claim(), ephemeral_history(), ScriptedModel()
    instance_server.start(claim, instance_server.Served(Settings, history, lambda: model))
    silent = []
    try:
        for _ in range(2 * instance_wire.MAX_QUEUED):
            connection = instance.connect()
            assert connection is not None
            silent.append(connection)
            connection.send(b"{")  # half a request
        for connection in silent:
            connection.settimeout(30)
            try:
                assert connection.recv(1) == b""
            except ConnectionError:
                continue
        talking = instance.connect()
        assert talking is not None
        with talking:
            assert instance_client.call(talking, "list") == []
    finally:
        for connection in silent:
            connection.close()
        claim.release()
        history.close()
