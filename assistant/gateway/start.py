"""Start the gateway before the lock, if the settings enable it. Standard library only; nothing is started otherwise.

[gateway]
address = "192.168.1.20"        an IP address of your own network, never a name
port = 8123
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass

from assistant import paths
from assistant.addresses import own_network

DEFAULT_PORT = 8123
_USES_HOME = frozenset({"", "chat", "ask", "serve", "voice", "home"})  # the commands that act; "" is the chat


@dataclass(frozen=True)
class Gateway:
    """The running process: the app's end of the pipe, the one address it may connect to, and its id."""

    channel: socket.socket
    address: str
    port: int
    pid: int


running: Gateway | None = None  # a process has one gateway or none, like the lock: both are settled before the lock


def start(arguments: list[str]) -> Gateway | None:
    """Start it for a command that uses the home, and note it in `running`.

    None if the settings do not enable it, or are broken: config.load() will say how.
    """
    global running
    command = next((a for a in arguments if not a.startswith("-")), "")
    place = _wanted() if command in _USES_HOME else None
    if place is None or sys.platform == "win32":
        return None
    address, port = place
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        # -P: a file named like one of our imports in the current folder must not be imported instead
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "assistant.gateway.process", address, str(port), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("ASSISTANT_DEBUG") else subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    running = Gateway(ours, address, port, process.pid)
    return running


def _wanted() -> tuple[str, int] | None:
    try:
        table = tomllib.loads(paths.settings_file().read_text()).get("gateway")
    except (OSError, ValueError):
        return None
    if not isinstance(table, dict):
        return None
    address, port = table.get("address"), table.get("port", DEFAULT_PORT)
    if not isinstance(address, str) or not isinstance(port, int) or not 0 < port < 65536 or not own_network(address):
        return None
    return address, port
