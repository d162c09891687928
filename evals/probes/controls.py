"""Programs that do use the network, each in another way: an observer that misses one of them proves nothing.

python -m evals.probes.controls NAME [--lock]
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable

from assistant.privacy import sandbox
from evals.probes import ring

_SECONDS_FOR_TELEMETRY = 25  # onnxruntime's uploader asks a resolver every few seconds


def urllib_request() -> None:
    """A Python library fetches a page by address."""
    urllib.request.urlopen("http://203.0.113.5/", timeout=3)


def native_thread() -> None:
    """Native code connects from a thread of its own, with system calls: no Python hook sees it."""

    def connect() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        address = struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", 443, socket.inet_aton("203.0.113.7"))
        libc.connect(libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0), address, len(address))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()


def model_by_name() -> None:
    """A library looks for a model on a hub by name; no further than the resolver, as there is nobody behind it."""
    urllib.request.urlopen("https://huggingface.co/api/models/tiny", timeout=3)


def native_library() -> None:
    """A native library or program phones by itself: onnxruntime's telemetry where a release that has it (1.29 and
    later) is installed, else curl, else the shell."""
    if _onnxruntime_sends():
        importlib.import_module("onnxruntime")
        time.sleep(_SECONDS_FOR_TELEMETRY)
        return
    curl = shutil.which("curl")
    command = [curl, "-sm", "3", "http://203.0.113.9/"] if curl else ["bash", "-c", "echo > /dev/tcp/203.0.113.9/80"]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


def _onnxruntime_sends() -> bool:
    """Releases before 1.29 have no collector."""
    try:
        major, minor = importlib.metadata.version("onnxruntime").split(".")[:2]
    except importlib.metadata.PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= (1, 29)


def io_uring() -> None:
    """A connection through a ring, that no filter on connect() sees; a datagram where the kernel has no rings."""
    address = struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", 443, socket.inet_aton("203.0.113.11"))
    try:
        ring.connect_and_send(address, b"x")
    except ConnectionError:
        return  # it went out and was rejected
    except OSError:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.sendto(libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0), b"x", 1, 0, address, len(address))


CONTROLS: dict[str, Callable[[], None]] = {
    control.__name__: control for control in (urllib_request, native_thread, model_by_name, native_library, io_uring)
}


def main() -> int:
    name = sys.argv[1]
    if "--lock" in sys.argv:
        sandbox.lock()
    os.environ.pop("ORT_DISABLE_TELEMETRY", None)
    try:
        CONTROLS[name]()
    except OSError as error:
        sys.stderr.write(f"{name}: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
