"""Ask for the history's passphrase where somebody can answer."""

from __future__ import annotations

import getpass
import sys

from assistant.errors import HistoryLocked


def ask_passphrase(prompt: str) -> str:
    """Ask on the terminal, never echoing. Raises HistoryLocked when there is no terminal to ask on."""
    if not sys.stderr.isatty():
        raise HistoryLocked(
            "the history is protected by a passphrase and there is no terminal to ask for it; "
            "run in a terminal, keep a chat open, or use --ephemeral"
        )
    return getpass.getpass(prompt)
