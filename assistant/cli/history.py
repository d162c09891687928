"""`assistant history`: list, search, read, carry, delete and protect past conversations.

Where a chat is running, its open history answers; otherwise the history is opened here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assistant.cli import history_files
from assistant.cli.history_files import print_result
from assistant.errors import EXIT_OK, UsageError

ID_CHARS = 8  # of an id, in lists: enough to be unique, short enough to type


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "history",
        help="list, search, show, export, delete and protect past conversations",
        description="An ID may be shortened to its first characters.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = _action(actions, "list", _list, "the conversations, the last changed first")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most N conversations (default 50)")
    listing.add_argument("--offset", type=int, default=0, metavar="N", help="leave out the first N")
    searching = _action(actions, "search", _search, "messages with all these words, the last one also as a beginning")
    searching.add_argument("text", help='words; "in quotes" they are searched as a phrase')
    searching.add_argument("--limit", type=int, default=20, metavar="N", help="at most N messages (default 20)")
    _action(actions, "show", _show, "a conversation, as shown on screen").add_argument("id")
    exporting = _action(actions, "export", _export, "a conversation as Markdown, or as JSON with all branches")
    exporting.add_argument("id")
    exporting.add_argument("--format", choices=("markdown", "json"), help="default: json for a file so named")
    exporting.add_argument("-o", "--output", type=Path, metavar="FILE", help="write a file that does not exist yet")
    _action(actions, "import", _import, "add a conversation that was exported as JSON").add_argument("file", type=Path)
    renaming = _action(actions, "rename", _rename, "give a conversation another title")
    renaming.add_argument("id")
    renaming.add_argument("title")
    deleting = _action(actions, "delete", _delete, "delete a conversation")
    deleting.add_argument("id")
    deleting.add_argument("--everywhere", action="store_true", help="from the backups too")
    _action(actions, "backup", _backup, "make an encrypted backup now; one is made each day anyway")
    history_files.add_actions(actions)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Any, description: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=description, description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)
    return parser


# -- the actions: each returns the exit code ---------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    _refuse_negative(options.limit, options.offset)
    with _history() as call:
        found = call("list", options.limit, options.offset)
    lines = []
    for row in found:
        shown = row["title"] or row["preview"]
        lines.append(f"{row['id'][:ID_CHARS]}  {_when(row['updated_at_s'])}  {row['n_messages']:>4}  {shown}")
    return print_result(options.json, found, lines or ["no conversations yet"])


def _search(options: argparse.Namespace) -> int:
    _refuse_negative(options.limit)
    with _history() as call:
        found = call("search", options.text, options.limit)
    lines = []
    for row in found:
        at = f"{row['conversation_id'][:ID_CHARS]}  {_when(row['created_at_s'])}"
        lines.append(f"{at}  {row['role']}: {row['snippet']}")
    return print_result(options.json, found, lines or ["nothing found"])


def _show(options: argparse.Namespace) -> int:
    with _history() as call:
        conversation_id = call("find_id", options.id)
        text = call("export", conversation_id, "json" if options.json else "markdown")
    if options.json:
        return print_result(True, {"id": conversation_id} | json.loads(text), [])
    return _write_text(text)


def _export(options: argparse.Namespace) -> int:
    path: Path | None = options.output
    kind = options.format or ("json" if path and path.suffix == ".json" else "markdown")
    with _history() as call:
        conversation_id = call("find_id", options.id)
        text = call("export", conversation_id, kind)
    if path is not None:
        history_files.write_new(path, text)
        document = {"id": conversation_id, "format": kind, "file": str(path)}
        return print_result(options.json, document, [f"written to {path}"])
    if options.json:
        return print_result(True, {"id": conversation_id, "format": kind, "text": text}, [])
    return _write_text(text)


def _import(options: argparse.Namespace) -> int:
    text = history_files.read_import(options.file)
    with _history() as call:
        conversation = call("import_json", text)
    n_messages = len(conversation["messages"])
    document = {"id": conversation["id"], "title": conversation["title"], "n_messages": n_messages}
    line = f"imported {n_messages} messages as {conversation['id'][:ID_CHARS]}: {conversation['title']}"
    return print_result(options.json, document, [line])


def _rename(options: argparse.Namespace) -> int:
    with _history() as call:
        conversation_id = call("find_id", options.id)
        call("rename", conversation_id, options.title)
    return print_result(options.json, {"id": conversation_id, "title": options.title}, ["renamed"])


def _delete(options: argparse.Namespace) -> int:
    with _history() as call:
        conversation_id = call("find_id", options.id)
        call("delete", conversation_id, options.everywhere)
    kept = "" if options.everywhere else "; backups of the last days still hold it, unless you add --everywhere"
    document = {"id": conversation_id, "everywhere": options.everywhere}
    return print_result(options.json, document, [f"deleted{kept}"])


def _backup(options: argparse.Namespace) -> int:
    with _history() as call:
        name = call("backup")
    return print_result(options.json, {"backup": name}, [f"backup {name} is made and verified"])


# -- reaching the history ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _history() -> Iterator[Callable[..., Any]]:
    """Gives `call(method, *arguments)`: a method of History, in the running instance or of the history opened here.

    It returns plain lists and dictionaries either way.
    """
    import msgspec

    from assistant import instance, instance_client, paths
    from assistant.history import History, open_history
    from assistant.instance_wire import InstanceGone

    methods: dict[str, Callable[..., Any]] = {
        "list": History.list,
        "search": History.search,
        "find_id": History.find_id,
        "export": History.export,
        "import_json": History.import_json,
        "rename": History.rename,
        "delete": History.delete,
        "backup": History.backup,
    }

    def call_instance(method: str, *arguments: Any) -> Any:
        connection = instance.connect()
        if connection is None:
            raise InstanceGone("the running chat was closed meanwhile; try again")
        with connection:
            return instance_client.call(connection, method, *arguments)

    running = instance.connect()
    if running is not None:
        running.close()
        yield call_instance
        return
    history = open_history(paths.history_folder(), history_files.ask_secret)
    with contextlib.closing(history):
        for notice in history.notices:
            sys.stderr.write(f"assistant: {notice}\n")
        yield lambda method, *arguments: msgspec.to_builtins(methods[method](history, *arguments))


def _refuse_negative(*numbers: int) -> None:
    if any(not 0 <= number < 2**31 for number in numbers):
        raise UsageError("--limit and --offset must be 0 or more")


def _when(at_s: float) -> str:
    from assistant.history.exchange import when

    return when(at_s)


def _write_text(text: str) -> int:
    """To a terminal without anything that could act on it, to a file or pipe exactly."""
    from assistant.text import safe

    sys.stdout.write(safe(text) if sys.stdout.isatty() else text)
    return EXIT_OK
