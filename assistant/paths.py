"""Where everything is stored; `ASSISTANT_HOME` moves all of it.

Standard library only: the stub uses it before the lock.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from assistant.errors import FolderError


def home() -> Path:
    """The one folder that holds all the product stores; not created here."""
    if chosen := os.environ.get("ASSISTANT_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "homebody"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "homebody"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "homebody"


def private_folder(path: Path) -> Path:
    """Create `path` readable by this user alone, or tighten it if it is open to others.

    Raises FolderError if it is a link or a file, or belongs to somebody else, and OSError if it cannot be made.
    """
    with contextlib.suppress(FileExistsError):  # a file, or a link to nothing: said below
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise FolderError(
            f"{path} is not a folder (a link is not followed); move it away, or set ASSISTANT_HOME to another place"
        )
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise FolderError(f"{path} belongs to another user; set ASSISTANT_HOME to a folder of your own")
    if status.st_mode & 0o077:
        path.chmod(0o700)
    return path


def models_folder() -> Path:
    return home() / "models"


def history_folder() -> Path:
    return home() / "history"


def settings_file() -> Path:
    return home() / "settings.toml"


def socket_file() -> Path:
    """The running instance's unix socket; in the runtime folder if the home's path is too long for one (104 bytes)."""
    wanted = home() / "run" / "instance.sock"
    if len(os.fsencode(wanted)) <= 100:
        return wanted
    import hashlib

    digest = hashlib.sha256(os.fsencode(home())).hexdigest()[:16]
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/homebody-{os.getuid()}"  # noqa: S108 - private folder, checked by private_folder
    return Path(runtime) / f"homebody-{digest}" / "instance.sock"
