"""The key of the encrypted history, wrapped once for each way to open it.

The history is encrypted with 32 random bytes, the key. It never lies on a disk as it is: `slots.json` (slots.py) holds
it wrapped with ChaCha20-Poly1305, once for each *slot*:

    passphrase   Argon2id (t=3, m=64 MiB, p=4) of what the user types
    keyring      a secret in the desktop's keyring
    file         a secret in slots.json itself: whoever can read the folder can read the history, and we say so
    recovery     a printed 128-bit code, beside one of the others

Covered: a lost disk, a stolen backup, a copy of the database. Not covered: root, malware of the same account, and an
older copy of the slots folder (a changed passphrase does not reach it; a new key does, see `fresh`).
"""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from assistant.durable import write_private
from assistant.errors import HistoryDamaged, HistoryLocked, UsageError
from assistant.paths import private_folder
from assistant.privacy import desktop_keyring, recovery_code, slots
from assistant.privacy.slots import FILE, KEYRING, MAIN_KINDS, PASSPHRASE, RECOVERY, Slot

MIN_PASSPHRASE_CHARS: Final = 8
ATTEMPTS: Final = 5
MAX_DELAY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Protection:
    """What protects the history now: a short name for the footer and one plain sentence."""

    mode: str
    statement: str


EPHEMERAL: Final = Protection("ephemeral", "ephemeral: nothing is stored; what is said is gone when it is closed")

_STATEMENTS: Final = {
    PASSPHRASE: Protection(
        "passphrase", "passphrase: while the assistant is closed, nobody reads the history without it"
    ),
    KEYRING: Protection(
        "OS keyring",
        "OS keyring: protects backups and lost copies of the folder, not this account while it is logged in",
    ),
    FILE: Protection(
        "key file only", "key file only: protects backups and lost copies of the database, not this account"
    ),
}


class KeySlots:
    """The slots of one history. A change is on disk, twice, when its method returns."""

    def __init__(self, folder: Path, content: slots.SlotsFile) -> None:
        self._folder = folder
        self._content = content

    # -- making and finding --------------------------------------------------------------------------------------

    @staticmethod
    def exist(folder: Path) -> bool:
        return any(path.exists() for path in slots.paths(folder))

    @classmethod
    def fresh(cls, folder: Path, passphrase: str = "", with_recovery: bool = False) -> tuple[KeySlots, bytes, str]:
        """A new key with new slots, not on disk before `write()`: the slots, the key, the recovery code ("" without).

        Without a passphrase the key is kept in the OS keyring where there is one, else in the file.
        """
        key = secrets.token_bytes(slots.KEY_BYTES)
        store_id = secrets.token_hex(16)
        content = slots.SlotsFile(slots.FORMAT, slots.VERSION, store_id, 0, slots.verifier(key, store_id), ())
        made = cls(folder, content)
        made._put(made._main_slot(key, passphrase, try_keyring=True))
        code = made._add_recovery(key) if with_recovery else ""
        return made, key, code

    @classmethod
    def load(cls, folder: Path) -> KeySlots:
        """Read the slots, from the copy when the file is damaged. Raises HistoryDamaged when neither can be used."""
        found, problems = [], []
        for path in slots.paths(folder):
            try:
                found.append(slots.read(path))
            except (OSError, ValueError) as error:
                problems.append(f"{path.name}: {error}")
        if not found:
            raise HistoryDamaged(
                f"the key slots in {folder} cannot be used ({'; '.join(problems)}); put the folder back from a backup "
                "of yours. Without it nothing decrypts the history, no passphrase and no recovery code; "
                "`assistant history wipe` starts afresh"
            )
        return cls(folder, max(found, key=lambda content: content.generation))

    def write(self) -> None:
        private_folder(self._folder)
        try:
            latest = KeySlots.load(self._folder)._content.generation
        except HistoryDamaged:  # none yet
            latest = 0
        generation = max(latest, self._content.generation) + 1
        self._content = msgspec.structs.replace(self._content, generation=generation)
        for path in slots.paths(self._folder):
            write_private(path, slots.encode(self._content))

    def mend(self) -> None:
        """Write both files again where one is missing, damaged or older than the other."""
        for path in slots.paths(self._folder):
            try:
                whole = slots.read(path).generation == self._content.generation
            except (OSError, ValueError):
                whole = False
            if not whole:
                self.write()
                return

    def destroy(self) -> None:
        """Make the key unrecoverable: overwrite and delete the slots, delete the keyring's secret."""
        if self._of_kind(KEYRING):
            desktop_keyring.forget(self._content.store_id)
        slots.destroy(self._folder)

    def forget_keyring(self) -> None:
        """Delete the keyring's secret of slots that another key has replaced."""
        if self._of_kind(KEYRING):
            desktop_keyring.forget(self._content.store_id)

    # -- opening -------------------------------------------------------------------------------------------------

    @property
    def protection(self) -> Protection:
        weakest = next(kind for kind in MAIN_KINDS if self._of_kind(kind))
        stated = _STATEMENTS[weakest]
        return Protection(stated.mode, stated.statement + "; a recovery code exists") if self.has_recovery else stated

    @property
    def has_passphrase(self) -> bool:
        return bool(self._of_kind(PASSPHRASE))

    @property
    def has_recovery(self) -> bool:
        return bool(self._of_kind(RECOVERY))

    def unlock(self, ask: Callable[[str], str] | None, sleep: Callable[[float], None] = time.sleep) -> bytes:
        """Return the key; asks for the passphrase or recovery code only where no other slot opens.

        `ask` gets the prompt and returns what was typed, "" to give up; after a wrong answer the next question comes
        later each time (`sleep`, in seconds). Raises HistoryLocked; nothing is ever wiped.
        """
        for slot in self._of_kind(FILE):
            if key := self._open(slot, bytes.fromhex(slot.secret)):
                return key
        for slot in self._of_kind(KEYRING):
            secret = desktop_keyring.read(self._content.store_id)
            if secret and (key := self._open(slot, secret)):
                return key
        return self._ask_for_key(ask, sleep)

    def fit(self, key: bytes) -> bool:
        """Whether these slots are the ones of `key`."""
        return slots.verifier(key, self._content.store_id) == self._content.verifier

    def opens_with(self, typed: str) -> bytes | None:
        """The key, if `typed` is the passphrase or the recovery code."""
        if code := recovery_code.from_text(typed):
            for slot in self._of_kind(RECOVERY):
                if key := self._open(slot, code):
                    return key
        return self.opens_with_passphrase(typed)

    def opens_with_passphrase(self, typed: str) -> bytes | None:
        secret = _passphrase(typed)
        return next((key for slot in self._of_kind(PASSPHRASE) if (key := self._open(slot, secret))), None)

    def _ask_for_key(self, ask: Callable[[str], str] | None, sleep: Callable[[float], None]) -> bytes:
        lost = "" if self.has_passphrase else "its key cannot be had from where it is kept; "
        ways = ["passphrase"] * self.has_passphrase + ["recovery code"] * self.has_recovery
        if not ways:
            raise HistoryLocked(
                f"the history is locked: {lost}log in to the desktop where it was made, or put the folder "
                f"{self._folder} back from a backup"
            )
        wanted = " or ".join(ways)
        if ask is None:
            raise HistoryLocked(f"the history is locked: {lost}open it in a terminal and type the {wanted}")
        for attempt in range(ATTEMPTS):
            if attempt:
                sleep(min(2.0 ** (attempt - 1), MAX_DELAY_S))
            typed = ask(f"{'wrong; ' if attempt else lost}{wanted} of the history: ")
            if not typed:
                break
            if key := self.opens_with(typed):
                return key
        raise HistoryLocked(f"the history stays locked: no right {wanted} was given; nothing was changed, try again")

    # -- changing ------------------------------------------------------------------------------------------------

    def set_passphrase(self, key: bytes, passphrase: str) -> None:
        """From now on the passphrase opens the history; keyring and file secrets go, a recovery code stays.

        Raises UsageError if it is too short.
        """
        check_passphrase(passphrase)
        self._replace_main(self._main_slot(key, passphrase, try_keyring=False))

    def remove_passphrase(self, key: bytes, to_keyring: bool) -> None:
        """Keep the key in the OS keyring or (`to_keyring` False) in the file. Raises UsageError without a keyring."""
        slot = self._main_slot(key, "", to_keyring)
        if to_keyring and slot.kind != KEYRING:
            raise UsageError("no OS keyring can be reached; install the extra `keyring`, log in to a desktop session")
        self._replace_main(slot)

    def new_recovery_code(self, key: bytes) -> str:
        """Make a recovery code, to be printed or written down; an earlier one stops working."""
        self._put(*(slot for slot in self._content.slots if slot.kind != RECOVERY))
        code = self._add_recovery(key)
        self.write()
        return code

    def _replace_main(self, slot: Slot) -> None:
        forgettable = bool(self._of_kind(KEYRING)) and slot.kind != KEYRING
        self._put(slot, *self._of_kind(RECOVERY))
        self.write()
        if forgettable:
            desktop_keyring.forget(self._content.store_id)

    def _main_slot(self, key: bytes, passphrase: str, try_keyring: bool) -> Slot:
        store_id = self._content.store_id
        if passphrase:
            check_passphrase(passphrase)
            return slots.wrap(key, PASSPHRASE, _passphrase(passphrase), store_id)
        secret = secrets.token_bytes(slots.KEY_BYTES)
        if try_keyring and desktop_keyring.keep(store_id, secret):
            return slots.wrap(key, KEYRING, secret, store_id)
        return msgspec.structs.replace(slots.wrap(key, FILE, secret, store_id), secret=secret.hex())

    def _add_recovery(self, key: bytes) -> str:
        secret = secrets.token_bytes(16)
        self._put(*self._content.slots, slots.wrap(key, RECOVERY, secret, self._content.store_id))
        return recovery_code.to_text(secret)

    def _put(self, *new: Slot) -> None:
        self._content = msgspec.structs.replace(self._content, slots=new)

    def _of_kind(self, kind: str) -> tuple[Slot, ...]:
        return tuple(slot for slot in self._content.slots if slot.kind == kind)

    def _open(self, slot: Slot, secret: bytes) -> bytes | None:
        return slots.unwrap(slot, secret, self._content.store_id, self._content.verifier)


def check_passphrase(passphrase: str) -> None:
    """Raises UsageError if it is too short."""
    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise UsageError(f"a passphrase needs {MIN_PASSPHRASE_CHARS} characters or more; several random words are good")


def _passphrase(typed: str) -> bytes:
    """The same bytes whichever keyboard composed the accents."""
    return unicodedata.normalize("NFC", typed).encode("utf-8", "surrogatepass")
