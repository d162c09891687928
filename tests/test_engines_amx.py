"""llama.cpp must not compute with AMX tiles: compiled with GCC 12 it dies of it (assistant/engines/amx.py)."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from assistant.engines import amx
from assistant.errors import EngineError, NetworkLockError
from assistant.privacy import sandbox

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="AMX is in x86-64 processors, the filter Linux's",
)

PROGRAM = """
import ctypes, errno, os
from assistant.engines import amx
from assistant.privacy import seccomp

amx.has_tiles = lambda: True  # so that the refusal is seen on processors without AMX too
libc = ctypes.CDLL(None, use_errno=True)
assert amx.switch_off() and amx.switch_off()
filters = [line for line in open("/proc/self/status") if line.startswith("Seccomp_filters")]
assert libc.syscall(158, 0x1023, 18) == -1 and ctypes.get_errno() == errno.EPERM
supported = ctypes.c_uint64()
refused = libc.syscall(158, 0x1021, ctypes.byref(supported))  # ARCH_GET_XCOMP_SUPP: another request of the same call
assert refused == 0 or ctypes.get_errno() != errno.EPERM
assert os.getpid() > 0
print("refused", *filters, flush=True)
input()
"""


def test_the_right_to_tiles_is_refused_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], input="\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused")


def test_the_filter_against_tiles_is_not_taken_for_the_network_lock() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("refused")
        open_to_the_network = sandbox.status(process.pid, unrelated=1)
        taken_for_a_lock = sandbox.status(process.pid)
        process.kill()
    assert taken_for_a_lock.locked, "the filter counts unless it is told apart: else this test shows nothing"
    assert open_to_the_network.statement == "UNLOCKED (1 of 1 threads)"


def test_a_kernel_without_filters_is_told_in_words_that_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: bytes) -> None:
        raise NetworkLockError("no seccomp here")

    monkeypatch.setattr(amx, "has_tiles", lambda: True)
    monkeypatch.setattr(amx, "_request_tiles", lambda: 0)
    monkeypatch.setattr(amx.seccomp, "install", refuse)
    with pytest.raises(EngineError, match="run on a kernel with seccomp"):
        amx.switch_off.__wrapped__()
