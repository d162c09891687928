"""The desktop's secret store, if there is one: GNOME, KDE, macOS, Windows. Needs the extra `keyring`.

Only stores that encrypt are used: the package also knows plain-text files, which would be a worse key file.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

SERVICE = "homebody history"
_STORES = {  # (module, class) by system, the preferred one first
    "linux": (("SecretService", "Keyring"), ("libsecret", "Keyring"), ("kwallet", "DBusKeyring")),
    "darwin": (("macOS", "Keyring"),),
    "win32": (("Windows", "WinVaultKeyring"),),
}
_ENCRYPTING = frozenset(
    f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
)


def usable() -> bool:
    return _backend() is not None


def keep(account: str, secret: bytes) -> bool:
    """Store `secret` and read it back; False where there is no store that can."""
    backend = _backend()
    if backend is None:
        return False
    errors = _errors()
    try:
        backend.set_password(SERVICE, account, secret.hex())
        return bool(backend.get_password(SERVICE, account) == secret.hex())
    except errors:
        return False


def read(account: str) -> bytes | None:
    """The secret; None if the store is gone, locked or does not have it."""
    backend = _backend()
    if backend is None:
        return None
    errors = _errors()
    try:
        stored = backend.get_password(SERVICE, account)
        return bytes.fromhex(stored) if stored else None
    except errors:
        return None
    except ValueError:  # somebody else's value
        return None


def forget(account: str) -> None:
    backend = _backend()
    if backend is None:
        return
    errors = _errors()
    try:
        backend.delete_password(SERVICE, account)
    except errors:
        return  # gone already, or the store with it


def _keyring() -> ModuleType | None:
    try:
        import keyring
    except ImportError:
        return None
    return keyring


def _backend() -> Any | None:
    """The store `keyring` would use, looked for inside its chain; None without one that encrypts."""
    package = _keyring()
    if package is None:
        return None
    if package.core._keyring_backend is None:
        package.set_keyring(package.core.load_env() or package.core.load_config() or _best_store())
    chosen = package.get_keyring()
    candidates = chosen.backends if type(chosen).__module__ == "keyring.backends.chainer" else [chosen]
    return next((backend for backend in candidates if type(backend).__module__ in _ENCRYPTING), None)


def _best_store() -> Any:
    """The first store of this system that works, as `keyring` itself would choose, without loading those of others.

    Left to itself it loads every plug-in that is installed; the one for macOS looks for libraries with a C compiler,
    which on Linux leaves files in /tmp and takes a third of a second.
    """
    for module, name in _STORES.get(sys.platform, ()):
        store = getattr(importlib.import_module(f"keyring.backends.{module}"), name)
        if store.viable:
            return store()
    return importlib.import_module("keyring.backends.fail").Keyring()


def _errors() -> tuple[type[Exception], ...]:
    from keyring.errors import KeyringError

    try:
        from secretstorage.exceptions import SecretStorageException
    except ImportError:
        return (KeyringError, OSError)
    return (KeyringError, SecretStorageException, OSError)
