"""The document parser: `python -m assistant.documents.worker KIND`, started by reading.py for one file, then gone.

Standard input is the file, opened by the app; standard output takes one JSON line for each passage and a last one that
says how it ended. Before a byte of the file is read the process gives up sockets, programs, every other file (Landlock)
and nearly all memory and time: a file that attacks its parser gets hold of itself.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Final

from assistant.errors import NetworkLockError
from assistant.privacy import environment, sandbox

UNLOCKED_FLAG: Final = "--app-is-unlocked"
MEMORY_BYTES: Final = 1 << 30
CPU_S: Final = 60
_CPU_GRACE_S: Final = 5
_OPEN_FILES: Final = 64


class _OutOfTime(Exception):
    pass


def main() -> int:
    environment.apply()
    try:
        sandbox.enter_worker(())
    except NetworkLockError:
        if UNLOCKED_FLAG not in sys.argv:
            raise
    _limit()
    import msgspec

    from assistant.documents.parsers import MAX_TEXT_CHARS, Ended, Found, Unreadable, parse

    encoder = msgspec.json.Encoder()
    ended = Ended()
    n_chars = 0
    with os.fdopen(os.dup(1), "wb") as out, os.fdopen(0, "rb", closefd=False) as file:
        try:
            for passage in parse(sys.argv[1], file):
                n_chars += len(passage.text)
                if n_chars > MAX_TEXT_CHARS:
                    ended = Ended(warning=f"only its first {MAX_TEXT_CHARS:,} characters were read")
                    break
                out.write(encoder.encode(Found(passage)) + b"\n")
        except Unreadable as error:
            ended = Ended(problem=str(error))
        except _OutOfTime:
            ended = Ended(warning=f"only its beginning was read: it takes more than {CPU_S} seconds of computing")
        except (MemoryError, RecursionError) as error:
            what = "too much memory" if isinstance(error, MemoryError) else "too deep a structure"
            ended = Ended(problem=f"needs {what} to be read; split it, or save it in another format")
        except Exception as error:  # noqa: BLE001 - third-party parsers meet hostile files here
            ended = Ended(problem=f"is damaged ({type(error).__name__}); open it in its program and save it again")
        out.write(encoder.encode(ended) + b"\n")
    return 0


def _limit() -> None:
    """Memory, computing time, files. The soft limit of time raises in Python, the hard one kills."""
    import resource

    def out_of_time(number: int, frame: FrameType | None) -> None:
        raise _OutOfTime

    signal.signal(signal.SIGXCPU, out_of_time)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + _CPU_GRACE_S))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


if __name__ == "__main__":
    sys.exit(main())
