"""`slots.json`: one wrapped copy of the history's key for each way to open it, and how each copy is wrapped.

The file is replaced atomically and kept twice; a checksum tells damage from a wrong passphrase. Each slot authenticates
its own id, kind, costs and the key's verifier, so that it cannot be moved, renamed or made cheaper.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT: Final = "homebody-keys"
VERSION: Final = 1
KEY_BYTES: Final = 32
MAX_FILE_BYTES: Final = 64 * 1024

PASSPHRASE: Final = "passphrase"  # noqa: S105 - the name of a kind of slot
RECOVERY: Final = "recovery"
KEYRING: Final = "keyring"
FILE: Final = "file"
MAIN_KINDS: Final = (FILE, KEYRING, PASSPHRASE)  # weakest first

ARGON2_ITERATIONS: Final = 3
ARGON2_MEMORY_KIB: Final = 64 * 1024
ARGON2_LANES: Final = 4
_ARGON2_MEMORY_KIB_LIMIT: Final = 1024 * 1024  # a damaged or planted file must not ask for all memory


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wrapped copy of the key; binary fields in hex. `secret` is set for the kind `file` only."""

    id: str
    kind: str
    salt: str
    nonce: str
    wrapped: str
    iterations: int = 0
    memory_kib: int = 0
    lanes: int = 0
    secret: str = ""


class SlotsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `verifier` proves that an unwrapped key is the right one; `generation` counts the writes."""

    format: str
    version: int
    store_id: str
    generation: int
    verifier: str
    slots: tuple[Slot, ...]
    checksum: str = ""


def paths(folder: Path) -> tuple[Path, Path]:
    """The file and its copy."""
    return folder / "slots.json", folder / "slots-copy.json"


def read(path: Path) -> SlotsFile:
    """Raises OSError, or ValueError (msgspec's errors are of that kind) saying what is wrong."""
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError("too large")
    content = msgspec.json.decode(raw, type=SlotsFile)
    if content.format != FORMAT:
        raise ValueError("not a key slots file")
    if content.version > VERSION:
        raise ValueError("written by a newer version; update the assistant")
    if not hmac.compare_digest(content.checksum.encode(), _checksum(content).encode()):
        raise ValueError("its checksum does not match")
    if not any(slot.kind in MAIN_KINDS for slot in content.slots):
        raise ValueError("it has no slot")
    for slot in content.slots:
        if slot.memory_kib > _ARGON2_MEMORY_KIB_LIMIT or slot.iterations > 64 or slot.lanes > 64:
            raise ValueError("its costs are out of range")
        for binary in (slot.salt, slot.nonce, slot.wrapped, slot.secret):
            bytes.fromhex(binary)
    return content


def encode(content: SlotsFile) -> bytes:
    sealed = msgspec.structs.replace(content, checksum=_checksum(content))
    return msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n"


def destroy(folder: Path) -> None:
    """Overwrite and delete the file and its copy, readable or not."""
    for path in paths(folder):
        if path.is_file() and not path.is_symlink():
            with path.open("r+b", buffering=0) as file:
                file.write(secrets.token_bytes(max(path.stat().st_size, 1)))
                os.fsync(file.fileno())
        path.unlink(missing_ok=True)


def wrap(key: bytes, kind: str, secret: bytes, store_id: str) -> Slot:
    """Wrap `key` so that only `secret` opens it."""
    slow = kind == PASSPHRASE
    slot = Slot(
        id=secrets.token_hex(8),
        kind=kind,
        salt=secrets.token_hex(16),
        nonce=secrets.token_hex(12),
        wrapped="",
        iterations=ARGON2_ITERATIONS if slow else 0,
        memory_kib=ARGON2_MEMORY_KIB if slow else 0,
        lanes=ARGON2_LANES if slow else 0,
    )
    wrapping = ChaCha20Poly1305(_wrapping_key(slot, secret))
    wrapped = wrapping.encrypt(bytes.fromhex(slot.nonce), key, _bound_to(slot, store_id, verifier(key, store_id)))
    return msgspec.structs.replace(slot, wrapped=wrapped.hex())


def unwrap(slot: Slot, secret: bytes, store_id: str, expected_verifier: str) -> bytes | None:
    """The key; None if `secret` is not the right one or the slot was tampered with."""
    unwrapping = ChaCha20Poly1305(_wrapping_key(slot, secret))
    bound_to = _bound_to(slot, store_id, expected_verifier)
    try:
        key = unwrapping.decrypt(bytes.fromhex(slot.nonce), bytes.fromhex(slot.wrapped), bound_to)
    except (InvalidTag, ValueError):  # ValueError: a nonce of another length
        return None
    return key if hmac.compare_digest(verifier(key, store_id).encode(), expected_verifier.encode()) else None


def verifier(key: bytes, store_id: str) -> str:
    """Says whether a key is the right one without telling anything about it."""
    return hmac.new(key, f"{FORMAT} verifier {store_id}".encode(), "sha256").hexdigest()


def _bound_to(slot: Slot, store_id: str, expected_verifier: str) -> bytes:
    """What is authenticated together with the wrapped key."""
    costs = f"{slot.iterations},{slot.memory_kib},{slot.lanes}"
    return "|".join((FORMAT, str(VERSION), store_id, expected_verifier, slot.id, slot.kind, slot.salt, costs)).encode()


def _checksum(content: SlotsFile) -> str:
    """Against damage, not against people: those meet the authentication of each slot."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(content, checksum=""))).hexdigest()


def _wrapping_key(slot: Slot, secret: bytes) -> bytes:
    salt = bytes.fromhex(slot.salt)
    if slot.kind == PASSPHRASE:
        argon2 = Argon2id(
            salt=salt, length=KEY_BYTES, iterations=slot.iterations, lanes=slot.lanes, memory_cost=slot.memory_kib
        )
        return argon2.derive(secret)
    return HKDF(SHA256(), KEY_BYTES, salt, f"{FORMAT} {slot.kind}".encode()).derive(secret)
