"""The assistant with a leak of each kind, for the test that evals privacy finds them all. Never installed.

python tests/leaky_assistant.py ARGUMENTS OF assistant
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from pathlib import Path

from assistant import __main__ as stub
from assistant.privacy import sandbox


def phone_home() -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", ("203.0.113.99", 4242))


def keep_a_diary() -> None:
    diary = Path.home() / ".cache" / "diary"
    diary.parent.mkdir(exist_ok=True)
    with diary.open("ab") as file:
        file.write(" ".join(sys.argv).encode("utf-16-le"))


if __name__ == "__main__":
    sandbox.lock = sandbox.status
    threading.Thread(target=phone_home).start()
    keep_a_diary()
    sys.exit(stub.main())
