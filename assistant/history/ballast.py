"""One megabyte kept in reserve: on a full disk even deleting needs space, and this file gives it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from assistant.durable import write_private

BALLAST_BYTES: Final = 1024 * 1024
_SPARE_BYTES: Final = 64 * BALLAST_BYTES  # do not take the last space there is


def ensure(folder: Path) -> None:
    """Keep the ballast, unless the disk is short of space."""
    path = _path(folder)
    if path.exists() or shutil.disk_usage(folder).free < _SPARE_BYTES:
        return
    try:
        write_private(path, os.urandom(BALLAST_BYTES))  # random: a compressing file system must not make it small
    except OSError:
        path.unlink(missing_ok=True)


def release(folder: Path) -> bool:
    """Give the space free; False if there was no ballast."""
    path = _path(folder)
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def _path(folder: Path) -> Path:
    return folder / "ballast"
