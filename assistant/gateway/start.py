"""Start the gateway before the lock, if the settings enable it. Standard library only; nothing is started otherwise.

[gateway]
address = "192.168.1.20"        an IP address of your own network, never a name
port = 8123
fingerprint = ""                the SHA-256 of its certificate, for https

`assistant home connect https://...` starts it too, to be told the certificate there: then it sends nothing else.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass

from assistant import paths
from assistant.addresses import LOOK_ONLY, is_fingerprint, own_network, place

DEFAULT_PORT = 8123
_USES_HOME = frozenset({"", "chat", "ask", "serve", "voice", "home"})  # the commands that act; "" is the chat


@dataclass(frozen=True)
class Gateway:
    """The running process: the app's end of the pipe, the one address it may connect to, and its id."""

    channel: socket.socket
    address: str
    port: int
    pid: int
    looks: bool = False  # it only tells which certificate is shown there


running: Gateway | None = None  # a process has one gateway or none, like the lock: both are settled before the lock


def start(arguments: list[str]) -> Gateway | None:
    """Start it for a command that uses the home, and note it in `running`.

    None if the settings do not enable it, or are broken: config.load() will say how.
    """
    global running
    command = next((a for a in arguments if not a.startswith("-")), "")
    found = _to_look_at(arguments) or (_wanted() if command in _USES_HOME else None)
    if found is None or sys.platform == "win32":
        return None
    address, port, fingerprint = found
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        # -P: a file named like one of our imports in the current folder must not be imported instead
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "assistant.gateway.process",
                address,
                str(port),
                str(theirs.fileno()),
                fingerprint,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("ASSISTANT_DEBUG") else subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    running = Gateway(ours, address, port, process.pid, fingerprint == LOOK_ONLY)
    return running


def _to_look_at(arguments: list[str]) -> tuple[str, int, str] | None:
    """The place of `home connect https://...`, whose certificate is to be shown."""
    if [a for a in arguments if not a.startswith("-")][:2] != ["home", "connect"]:
        return None
    places = [p for p in map(place, arguments) if p is not None and p[2]]
    if len(places) != 1:
        return None
    address, port, _ = places[0]
    said = [b for a, b in itertools.pairwise(arguments) if a == "--port" and b.isdecimal()]
    said += [a.removeprefix("--port=") for a in arguments if re.fullmatch(r"--port=\d+", a)]
    port = port or int(said[0] if said else DEFAULT_PORT)
    return (address, port, LOOK_ONLY) if 0 < port < 65536 else None


def _wanted() -> tuple[str, int, str] | None:
    try:
        table = tomllib.loads(paths.settings_file().read_text()).get("gateway")
    except (OSError, ValueError):
        return None
    if not isinstance(table, dict):
        return None
    address, port, fingerprint = table.get("address"), table.get("port", DEFAULT_PORT), table.get("fingerprint", "")
    if not isinstance(address, str) or not isinstance(port, int) or not 0 < port < 65536 or not own_network(address):
        return None
    if not isinstance(fingerprint, str) or (fingerprint and not is_fingerprint(fingerprint)):
        return None
    return address, port, fingerprint
