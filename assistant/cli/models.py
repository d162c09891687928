"""`assistant models`: what is known and what is here; fetch, check, add, remove, carry to a machine without network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.actions import actions_of
from assistant.errors import EXIT_MODEL, EXIT_OK, FolderError, UsageError

if TYPE_CHECKING:
    from assistant.models.catalogue import Entry
    from assistant.models.store import Store


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "models",
        help="list, fetch, check, add and remove models",
        description="Models are accepted by their SHA-256 only, at every load. `pull` is the one command that uses the "
        "network.",
    )
    action = actions_of(parser)

    action("list", _list, "show every model of the catalogue and what is installed")
    action("pull", _pull, "fetch a model; run again to resume").add_argument("name", metavar="NAME")
    verify = action("verify", _verify, "hash every byte of a model, or of all that are installed")
    verify.add_argument("name", metavar="NAME", nargs="?")
    action("remove", _remove, "delete a model").add_argument("name", metavar="NAME")
    add = action("add", _add, "approve a GGUF file of your own and copy it into the store")
    add.add_argument("path", metavar="PATH", type=Path)
    add.add_argument("--template", metavar="FAMILY", help="the family of chat template it was trained with")
    add.add_argument("--name", metavar="NAME", help="what to call it; by default after its file")
    add.add_argument("--force", action="store_true", help="accept a file that passes for a model of the catalogue")
    add.add_argument("--show-template", action="store_true", help="only print the chat template in the file")
    action("remake", _remake, "round an installed model again into a format that is computed faster here").add_argument(
        "name", metavar="NAME"
    )
    release = action("release", _release, "load a model again that was set aside because its process crashed")
    release.add_argument("name", metavar="NAME")
    action("where", _where, "print the folder that holds the models")
    action("recommend", _recommend, "say which model suits this machine; measures the smallest one first")
    bundle = action("bundle", _bundle, "write models into one file, for a machine without network")
    bundle.add_argument("file", metavar="FILE", type=Path)
    bundle.add_argument("names", metavar="NAME", nargs="*", help="by default all that are installed")
    unbundle = action("unbundle", _unbundle, "install the models of a bundle")
    unbundle.add_argument("file", metavar="FILE", type=Path)
    unbundle.add_argument("--approve", action="store_true", help="also models that are not in the catalogue")


def _list(options: argparse.Namespace) -> int:
    store = _store()
    entries = [(entry, store.is_installed(entry)) for entry in store.known().values()]
    if options.json:
        return _print_json({"models": [_described(store, entry, installed) for entry, installed in entries]})
    rows: list[tuple[str, ...]] = [("NAME", "FILE", "SIZE", "RAM", "LICENCE", "STATE")]
    for entry, installed in entries:
        state = ["installed"] * installed + ["damaged"] * store.is_damaged(entry)
        state += (
            [entry.note] * bool(entry.made_from)
            + ["untested"] * entry.untested
            + ["set aside"] * _is_aside(store, entry)
        )
        files = (
            entry.main_file.name if len(entry.kept) == 1 else f"{entry.main_file.name} and {len(entry.kept) - 1} more"
        )
        rows.append(
            (entry.name, files, _size(entry.size), _size(entry.ram_mb * 10**6), entry.licence, ", ".join(state))
        )
    _print_table(rows)
    print("\nuntested: never run by the authors; the file is checked against a hash that others published")
    for entry, _ in entries:
        if store.is_damaged(entry):
            print(f"damaged: {entry.name}: `assistant models verify {entry.name}` tells what is wrong and what to do")
        if aside := store.why_aside(entry):
            print(f"set aside: {entry.name}: {aside}; `assistant models release {entry.name}` lets it be tried again")
    return EXIT_OK


def _pull(options: argparse.Namespace) -> int:
    from assistant.engines.conversion import convert
    from assistant.models.fetch import pull
    from assistant.models.progress import TerminalReport

    store = _store()
    entry = store.entry(options.name)
    if entry.untested and not store.is_installed(entry):
        print(f"{entry.name} was never run by the authors of this program ({entry.note})", file=sys.stderr)
    report = TerminalReport(sys.stderr)
    try:
        pull(entry, store, report)
        convert(entry, store)
    except KeyboardInterrupt:
        report.end()
        print("interrupted; what has arrived is kept, and the same command resumes", file=sys.stderr)
        raise
    finally:
        report.end()
    if options.json:
        return _print_json(_described(store, entry, installed=True) | {"path": str(store.path_of(entry))})
    print(f"{entry.name} is here and verified: {entry.main_file.name}, {_size(entry.size)}, licence {entry.licence}")
    return EXIT_OK


def _verify(options: argparse.Namespace) -> int:
    checks = _store().verify(options.name)
    bad = [check for check in checks if check.problem]
    if options.json:
        found = [{"model": c.model, "file": c.file_name, "path": str(c.path), "problem": c.problem} for c in checks]
        _print_json({"ok": not bad, "files": found})
    else:
        _print_table([(c.model, c.file_name, c.problem or "as it should be") for c in checks])
        if not checks:
            print("no model is installed", file=sys.stderr)
    return EXIT_MODEL if bad else EXIT_OK


def _remove(options: argparse.Namespace) -> int:
    freed = _store().remove(options.name)
    if options.json:
        return _print_json({"removed": options.name, "freed_bytes": freed})
    print(f"{options.name} removed; {_size(freed)} are free again")
    return EXIT_OK


def _release(options: argparse.Namespace) -> int:
    released = _store().release(options.name)
    if options.json:
        return _print_json({"model": options.name, "released": released})
    return _print_line(
        f"{options.name} may be loaded again" if released else f"{options.name} was not set aside; nothing to do"
    )


def _add(options: argparse.Namespace) -> int:
    if options.show_template:
        from assistant import text
        from assistant.models.gguf_header import read_header

        header = read_header(options.path)
        if options.json:
            return _print_json({"template": header.chat_template, "sha256": header.chat_template_sha256})
        print(text.safe(header.chat_template) or "the file carries no chat template")
        return EXIT_OK
    store = _store()
    entry = store.add(options.path, options.template, options.name, options.force)
    if options.json:
        return _print_json(_described(store, entry, installed=True))
    print(
        f"{entry.name} is approved: {entry.main_file.name}, SHA-256 {entry.main_file.sha256}, template {entry.family}"
    )
    return EXIT_OK


def _remake(options: argparse.Namespace) -> int:
    from assistant.engines.requantising import FORMAT, remake
    from assistant.models.progress import TerminalReport

    store = _store()
    report = TerminalReport(sys.stderr)
    try:
        entry = remake(options.name, store, report)
    finally:
        report.end()
    if options.json:
        return _print_json(_described(store, entry, installed=True) | {"path": str(store.path_of(entry))})
    print(
        f"{entry.name} is here: {options.name} rounded again to {FORMAT}, {_size(entry.size)}, SHA-256 "
        f"{entry.main_file.sha256}\n"
        "It reads and writes faster than its original and is a little further from it in what it says; how much was "
        "measured for which models stands in docs/results/voice.md. It is used where you name it:\n"
        f"assistant chat --model {entry.name}"
    )
    return EXIT_OK


def _where(options: argparse.Namespace) -> int:
    folder = _store().where()
    return _print_json({"folder": str(folder)}) if options.json else _print_line(str(folder))


def _recommend(options: argparse.Namespace) -> int:
    from assistant import auto, config, paths

    choice = auto.choice(config.load(paths.settings_file()), report=lambda words: print(words, file=sys.stderr))
    size = _size(choice.pull_bytes)
    if options.json:
        document = {"use": choice.name, "reasons": list(choice.reasons), "pull": choice.pull, "size": size}
        return _print_json(document | {"reason": choice.pull_reason})
    print("\n".join([f"use {choice.name}", *choice.reasons]))
    if choice.pull:
        print(f"{choice.pull_reason}\nassistant models pull {choice.pull}    ({size})")
    return EXIT_OK


def _bundle(options: argparse.Namespace) -> int:
    names = _store().bundle(options.names, options.file)
    if options.json:
        return _print_json({"file": str(options.file), "models": names, "bytes": options.file.stat().st_size})
    print(
        f"{options.file} holds {', '.join(names)}; on the other machine: assistant models unbundle {options.file.name}"
    )
    return EXIT_OK


def _unbundle(options: argparse.Namespace) -> int:
    names = _store().unbundle(options.file, options.approve)
    if options.json:
        return _print_json({"models": names})
    print(f"installed and verified: {', '.join(names)}")
    return EXIT_OK


def _store() -> Store:
    from assistant import paths
    from assistant.models.store import Store

    try:
        return Store(paths.models_folder())
    except FolderError:
        raise  # says by itself what to do
    except OSError as error:
        raise UsageError(
            f"the folder for models cannot be used: {error}; set ASSISTANT_HOME to another place"
        ) from error


def _is_aside(store: Store, entry: Entry) -> bool:
    return store.why_aside(entry) is not None


def _described(store: Store, entry: Entry, installed: bool) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "file": entry.main_file.name,
        "sha256": entry.main_file.sha256,
        "files": [file.name for file in entry.files],
        "bytes": entry.size,
        "ram_mb": entry.ram_mb,
        "licence": entry.licence,
        "family": entry.family,
        "n_context": entry.n_context,
        "installed": installed,
        "damaged": store.is_damaged(entry),
        "untested": entry.untested,
        "set_aside": str(store.why_aside(entry) or ""),
        "note": entry.note,
        "made_from": entry.made_from,
    }


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_json(document: dict[str, Any]) -> int:
    import json

    return _print_line(json.dumps(document, ensure_ascii=False))


def _print_line(line: str) -> int:
    print(line)
    return EXIT_OK
