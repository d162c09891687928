"""Rows that were measured, in a file, so that a run that was interrupted goes on where it stopped.

A line of JSON for each row, written at once. Its key says what the verdict depends on: the side, the model's hash, the
code, the row. A line that was cut off by an interruption is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any


class Kept:
    """Verdicts by key; for several threads. Without a path they live as long as the run. Raises OSError."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._writing = Lock()
        self._known: dict[tuple[str, ...], Any] = {}
        # A line may be cut in the middle of a letter, and a text may hold what splitlines() takes for the end of one.
        text = path.read_text(encoding="utf-8", errors="replace") if path and path.exists() else ""
        self._opening = "\n" if text and not text.endswith("\n") else ""  # behind a line that was cut off
        for line in text.split("\n"):
            try:
                row = json.loads(line)
                self._known[tuple(row["key"])] = row["verdict"]
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, *key: str) -> Any:
        """The verdict, or None where there is none yet."""
        return self._known.get(key)

    def put(self, verdict: Any, *key: str) -> None:
        with self._writing:
            self._known[key] = verdict
            if self._path:
                line = json.dumps({"key": key, "verdict": verdict}, ensure_ascii=False)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{self._opening}{line}\n")
                self._opening = ""


def code_digest(files: Iterable[Path]) -> str:
    """What tells one state of these source files from another."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
