"""Make the file that an engine runs out of the files that were fetched, in a locked process of its own.

    python -m assistant.engines.conversion FOLDER      writes the result to its standard output

The process can read FOLDER and write nothing but the descriptor it was given. The result is accepted by its SHA-256,
like everything in the store; what it was made from is deleted then.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from assistant.errors import EngineTimeout, ModelRefusedError, NetworkLockError
from assistant.models.catalogue import Entry
from assistant.models.store import Store
from assistant.privacy import environment, sandbox

_DEADLINE_S: Final = 300.0
_UNLOCKED_FLAG: Final = "--app-is-unlocked"


def convert(entry: Entry, store: Store) -> None:
    """Convert a fetched model, if it needs it and it was not done yet. Raises ModelRefusedError, EngineTimeout."""
    if entry.converted is None or store.holds(entry.converted):
        return
    with store.lock(entry.name), store.incoming(entry.name) as folder:
        part = folder / f"{entry.converted.sha256}.part"
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _run(entry, store.fetched_folder(entry), descriptor)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        try:
            store.admit(part, entry.converted.sha256)
        except ModelRefusedError as error:
            raise ModelRefusedError(
                f"converting {entry.name} gave another file than expected; its files are kept, please report this"
            ) from error
        store.drop_fetched(entry)


def _run(entry: Entry, folder: Path, descriptor: int) -> None:
    command = [sys.executable, "-P", "-m", "assistant.engines.conversion", str(folder)]
    if not sandbox.supported():
        command.append(_UNLOCKED_FLAG)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment.QUIET},
            timeout=_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineTimeout(f"converting {entry.name} took too long and was given up; try again") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise ModelRefusedError(f"{entry.name} could not be converted: {words[-1] if words else done.returncode}")


def main() -> int:
    environment.apply()
    folder = Path(sys.argv[1])
    targets = [path.resolve() for path in folder.iterdir()]  # the folder may hold links
    try:
        sandbox.enter_worker((folder, *targets))
    except NetworkLockError:
        if _UNLOCKED_FLAG not in sys.argv:
            raise
    from assistant.engines import minilm_gguf

    with os.fdopen(os.dup(1), "wb") as out:
        minilm_gguf.write(folder, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
