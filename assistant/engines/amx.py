"""Keep llama.cpp from Intel's tile instructions (AMX), which end the process with SIGILL.

Compiled with GCC 12, its AMX code loads an empty tile configuration: the compiler takes the stores that fill it for
dead (llama.cpp pull request 26954). llama.cpp asks the kernel for the right to use tiles when it loads a model and,
refused, takes its AVX-512 kernels instead. So the kernel is told to refuse: one seccomp filter on one argument of one
system call. Whoever else computes with tiles in this process, such as PyTorch, was given the right before.

Remove this file when the pinned llama-cpp-python has the fix.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import sys
from functools import lru_cache
from pathlib import Path

from assistant.errors import EngineError, NetworkLockError
from assistant.privacy import seccomp

_ARCH_PRCTL = 158  # x86-64
_ARCH_REQ_XCOMP_PERM = 0x1023
_TILE_DATA = 18  # XFEATURE_XTILEDATA


@lru_cache(maxsize=1)
def switch_off() -> bool:
    """Call it before a model is loaded. Returns whether this processor has AMX, so that there was something to do.

    Raises EngineError where the kernel takes no filter: a model would then end the process.
    """
    if not has_tiles():
        return False
    _request_tiles()
    try:
        seccomp.install(seccomp.refuse_argument(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, errno.EPERM))
    except NetworkLockError as error:
        raise EngineError(
            "this processor has AMX, with which the model runtime crashes, and the kernel takes no filter that would "
            "keep it from that; run on a kernel with seccomp, or on another processor"
        ) from error
    return True


def has_tiles() -> bool:
    """Whether a process that called `switch_off` has a filter for it, which says nothing about the network lock."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    try:
        return "amx_tile" in Path("/proc/cpuinfo").read_text(errors="replace").split()
    except OSError:
        return False


def _request_tiles() -> int:
    return int(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _TILE_DATA))
