"""`assistant serve install`: a user service that keeps timers whenever nobody has a chat open. Only on request.

It is a systemd unit of this user and of this home. It gives way to a chat or a spoken conversation, which then keep the
timers themselves, and comes back when they have ended. Nothing here needs another right than the user's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from assistant import paths
from assistant.durable import write_private
from assistant.errors import EXIT_OK, PolicyError, UsageError
from assistant.privacy.keys import KeySlots

UNIT = "homebody.service"
_TEXT = """# Written by `assistant serve install`; `assistant serve remove` takes it away.
[Unit]
Description=homebody: timers and the warm model, without a screen
StartLimitIntervalSec=0

[Service]
ExecStart={command}
Environment={home}
Restart=always
RestartSec=20

[Install]
WantedBy=default.target
"""


def install(no_model: bool) -> int:
    """Write the unit and start it. Raises UsageError without systemd, PolicyError where a passphrase would be asked."""
    if shutil.which("systemctl") is None:
        raise UsageError("a user service needs systemd, which is not here; let your desktop start `assistant serve`")
    keys = paths.history_folder() / "keys"
    if KeySlots.exist(keys) and KeySlots.load(keys).has_passphrase:
        raise PolicyError(
            "a service cannot ask for the passphrase that protects your history; keep a chat open, or run "
            "`assistant serve` in a terminal"
        )
    unit = unit_file()
    unit.parent.mkdir(parents=True, exist_ok=True)
    write_private(unit, unit_text(paths.private_folder(paths.home()), no_model).encode())
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", UNIT)
    print(f"installed and started: {unit}")
    return EXIT_OK


def remove() -> int:
    """Stop it and delete the unit. Raises UsageError if there is none."""
    unit = unit_file()
    if not unit.exists():
        raise UsageError("no service is installed; `assistant serve install` does that")
    if shutil.which("systemctl") is not None:
        _systemctl("disable", "--now", UNIT)
    unit.unlink()
    print(f"removed: {unit}")
    return EXIT_OK


def unit_file() -> Path:
    """Where systemd looks for the units of this user."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user" / UNIT


def unit_text(home: Path, no_model: bool) -> str:
    """The unit for this Python and this home; `home` is absolute."""
    command = [sys.executable, "-P", "-m", "assistant", "serve", "--give-way", *(["--no-model"] if no_model else [])]
    return _TEXT.format(
        command=" ".join(_quoted(word).replace("$", "$$") for word in command),
        home=_quoted(f"ASSISTANT_HOME={home}"),
    )


def _quoted(word: str) -> str:
    """As systemd reads it: in quotes, `%` doubled. Raises UsageError for what a unit file cannot hold."""
    if any(ord(letter) < 32 for letter in word):
        raise UsageError(f"{word!r} cannot stand in a service; choose another folder")
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _systemctl(*arguments: str) -> None:
    """Raises UsageError with systemd's own words."""
    command = ["systemctl", "--user", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise UsageError(f"`{' '.join(command)}` failed ({said}); the unit file is {unit_file()}, start it by hand")
