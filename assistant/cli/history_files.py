"""The actions of `assistant history` that work on the files as a whole: wipe, restore, protect; and what all need."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any

from assistant.errors import EXIT_OK, UsageError

_WORD = "wipe"


def add_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    wiping = actions.add_parser("wipe", help="destroy the key and delete everything")
    wiping.add_argument("--yes", action="store_true", help="do not ask")
    wiping.set_defaults(run=_wipe)
    restoring = actions.add_parser("restore", help="go back to a backup; what it replaces is kept aside")
    restoring.add_argument("file", nargs="?", type=Path, help="a backup; default: the newest good one")
    restoring.set_defaults(run=_restore)
    protecting = actions.add_parser("protect", help="show or change what protects the history")
    ways = protecting.add_mutually_exclusive_group()
    ways.add_argument("--passphrase", action="store_true", help="set or change the passphrase")
    ways.add_argument("--keyring", action="store_true", help="keep the key in the OS keyring, without a passphrase")
    ways.add_argument("--key-file", action="store_true", help="keep the key in a file, without a passphrase")
    ways.add_argument("--recovery-code", action="store_true", help="make a recovery code to print or write down")
    ways.add_argument("--new-key", action="store_true", help="encrypt everything again under a new key")
    protecting.set_defaults(run=_protect)
    for parser in (wiping, restoring, protecting):
        parser.add_argument("--json", action="store_true", help="print one JSON document")


def _wipe(options: argparse.Namespace) -> int:
    from assistant import paths
    from assistant.history import wipe

    folder = paths.history_folder()
    if not options.yes:
        if not sys.stdin.isatty():
            raise UsageError("wiping is not undone by anything: add --yes to wipe from a script")
        sys.stderr.write(f"This destroys all conversations and backups in {folder}.\nType {_WORD} to go on: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != _WORD:
            raise UsageError("nothing was wiped")
    wipe(folder)
    lines = [
        "wiped: the key is destroyed and all files are deleted",
        "A flash disk may keep old blocks for a while, and copies you made of the whole folder stay readable.",
    ]
    return print_result(options.json, {"wiped": str(folder)}, lines)


def _restore(options: argparse.Namespace) -> int:
    from assistant import paths
    from assistant.history import restore

    used = restore(paths.history_folder(), ask_secret, options.file)
    lines = [f"restored from {used.name}; what it replaced is kept in the folder damaged-<n> beside it"]
    return print_result(options.json, {"restored": str(used)}, lines)


def _protect(options: argparse.Namespace) -> int:
    from assistant import paths
    from assistant.history import rekey
    from assistant.history.opening import unlock

    folder = paths.history_folder()
    typed = [""]  # what opened the history: a new key is protected by the same passphrase

    def ask(prompt: str) -> str:
        typed[0] = ask_secret(prompt)
        return typed[0]

    keys, key = unlock(folder, ask)
    code = ""
    hint = ""
    if options.passphrase:
        was_in_file = not keys.has_passphrase
        keys.set_passphrase(key, _new_passphrase())
        if was_in_file:
            hint = "the key itself is the same as before; `assistant history protect --new-key` replaces it"
    elif options.keyring or options.key_file:
        keys.remove_passphrase(key, to_keyring=options.keyring)
    elif options.recovery_code:
        code = keys.new_recovery_code(key)
    elif options.new_key:
        passphrase = ""
        if keys.has_passphrase:
            passphrase = typed[0] if keys.opens_with_passphrase(typed[0]) else _new_passphrase()
        keys, code = rekey(folder, lambda _: typed[0], passphrase)
    lines = [keys.protection.statement]
    if code:
        lines += [
            f"recovery code: {code}",
            "Print it or write it down now, it is not shown again; it opens the history.",
        ]
    document = {"mode": keys.protection.mode, "statement": keys.protection.statement}
    return print_result(options.json, document | ({"recovery_code": code} if code else {}), lines + [hint] * bool(hint))


def _new_passphrase() -> str:
    from assistant.privacy.keys import check_passphrase

    passphrase = ask_secret("new passphrase: ")
    check_passphrase(passphrase)
    if sys.stdin.isatty() and ask_secret("the same again: ") != passphrase:
        raise UsageError("the two passphrases differ; nothing was changed")
    return passphrase


def ask_secret(prompt: str) -> str:
    """What is typed, without echo; where standard input is no terminal, its next line. "" when there is none."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    try:
        return getpass.getpass(prompt)
    except EOFError:
        return ""


def print_result(as_json: bool, document: Any, lines: list[str]) -> int:
    """One JSON document in ASCII, or lines without anything that could act on a terminal."""
    from assistant.text import safe

    shown = (safe(line).replace("\n", " ") for line in lines)
    sys.stdout.write((json.dumps(document, indent=1) if as_json else "\n".join(shown)) + "\n")
    return EXIT_OK


def write_new(path: Path, text: str) -> None:
    """Write a file readable by this user alone. Raises UsageError if it exists or cannot be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{path} exists; choose another name") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def read_import(path: Path) -> str:
    """Raises UsageError for a file that is missing, too large, not a regular file or not UTF-8."""
    from assistant.history.exchange import MAX_IMPORT_CHARS

    try:
        if not path.is_file():
            raise UsageError(f"{path} is not a file that exists")
        with path.open("rb") as file:
            raw = file.read(MAX_IMPORT_CHARS + 1)
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text, so it is not an exported conversation") from error
