"""`assistant serve install`, and how a service gives way to a chat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assistant import instance
from assistant.cli import main, service
from assistant.errors import AlreadyRunningError, UsageError
from assistant.history import open_history
from assistant.paths import history_folder
from assistant.privacy.keys import KeySlots

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="user services are systemd's")

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$0.log"
[ "$2" != "$REFUSED" ] || { echo "Failed to connect to bus" >&2; exit 1; }
"""


@pytest.fixture
def systemctl(assistant_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that writes down how it was called."""
    command = tmp_path / "bin" / "systemctl"
    command.parent.mkdir()
    command.write_text(SYSTEMCTL)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return command.with_name("systemctl.log")


def test_install_and_remove(systemctl: Path, assistant_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "install", "--no-model"]) == 0
    unit = service.unit_file()
    assert str(unit) in capsys.readouterr().out
    lines = unit.read_text().splitlines()
    assert f'ExecStart="{sys.executable}" "-P" "-m" "assistant" "serve" "--give-way" "--no-model"' in lines
    assert f'Environment="ASSISTANT_HOME={assistant_home}"' in lines
    assert systemctl.read_text().splitlines() == ["--user daemon-reload", "--user enable --now homebody.service"]
    assert main(["serve", "remove"]) == 0
    assert not unit.exists()
    assert systemctl.read_text().splitlines()[-1] == "--user disable --now homebody.service"
    assert main(["serve", "remove"]) == 2
    assert "no service is installed" in capsys.readouterr().err


def test_what_systemd_says_is_told(
    systemctl: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFUSED", "enable")
    assert main(["serve", "install"]) == 2
    assert "Failed to connect to bus" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["serve", "install"]) == 2
    assert "needs systemd" in capsys.readouterr().err


def test_a_history_under_a_passphrase_cannot_be_served(systemctl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_history(history_folder()).close()
    KeySlots.fresh(history_folder() / "keys", "four words for tests")[0].write()
    assert main(["serve", "install"]) == 3
    assert "cannot ask for the passphrase" in capsys.readouterr().err
    assert not service.unit_file().exists()


def test_names_are_quoted_as_systemd_reads_them() -> None:
    text = service.unit_text(Path('/home/a "b"/50%'), no_model=False)
    assert 'Environment="ASSISTANT_HOME=/home/a \\"b\\"/50%%"' in text
    with pytest.raises(UsageError):
        service.unit_text(Path("/home/a\nExecStart=/bin/sh"), no_model=False)


@contextmanager
def serving(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the home, ready."""
    command = [sys.executable, "-m", "assistant", "serve", "--no-model", *options]
    environment = {**os.environ, "ASSISTANT_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("serving" in line for line in process.stderr), "it ended early"
        try:
            yield process
        finally:
            process.kill()


def test_a_service_gives_way_and_nothing_else_does(assistant_home: Path) -> None:
    with serving(assistant_home) as process:
        with pytest.raises(AlreadyRunningError, match=str(process.pid)):
            instance.claim(takes_over=True)
        assert process.poll() is None
    with serving(assistant_home, "--give-way") as process:
        with pytest.raises(AlreadyRunningError):
            instance.claim()
        claim = instance.claim(takes_over=True)
        assert process.wait(30) == 0  # it closed its history first
        assert instance.connect() is not None
        claim.release()


def test_a_lock_file_that_names_another_process_ends_nobody(assistant_home: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        with serving(assistant_home, "--give-way"):
            from assistant import paths

            lock = paths.socket_file().with_suffix(".lock")
            lock.write_text(f"{bystander.pid} {instance.GIVES_WAY}")
            with pytest.raises(AlreadyRunningError):
                instance.claim(takes_over=True)
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
