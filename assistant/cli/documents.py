"""`assistant documents`: what the assistant may read of yours, find passages in it, ask it, forget it."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.cli.actions import actions_of
from assistant.cli.history_files import print_result
from assistant.errors import EXIT_FAILURE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from assistant.documents.indexing import Changes
    from assistant.documents.library import Library
    from assistant.documents.store import Kept

_EPILOG = """text, Markdown, HTML, PDF, Word (docx), PowerPoint (pptx), Excel (xlsx), CSV, EPUB and source code are
read, each file in a locked process of its own. What is kept of them is encrypted like the history and never copied into
backups."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "documents",
        help="add documents, search them, ask them, forget them",
        description="Answers from documents name the document, the page and the heading they come from.",
        epilog=_EPILOG,
    )
    action = actions_of(parser)

    adding = action("add", _add, "read files, and all documents in folders; what is known already only if it changed")
    adding.epilog = "What cannot be read is named and left out; the exit code is then 1."
    adding.add_argument("paths", metavar="PATH", nargs="+", type=Path)
    action("list", _list, "show what was read")
    searching = action("search", _search, "show the passages that fit best, without a model")
    searching.add_argument("text", metavar="TEXT")
    searching.add_argument("--limit", type=int, default=5, metavar="N", help="at most N passages (default 5)")
    asking = action("ask", _ask, "answer a question from the documents alone, with the source")
    asking.add_argument("text", metavar="TEXT")
    asking.add_argument("--model", metavar="NAME|PATH", help="a model of `assistant models list`, or an approved file")
    forgetting = action("forget", _forget, "delete all that was kept of documents, for good; the files stay")
    forgetting.add_argument("what", metavar="PATH|NAME", nargs="*")
    forgetting.add_argument("--all", action="store_true", help="everything, the watched folders too")
    watching = action("watch", _watch, "keep folders up to date while the chat or `assistant serve` runs")
    watching.add_argument("paths", metavar="PATH", nargs="*", type=Path, help="without any: show what is watched")
    watching.add_argument("--stop", action="store_true", help="watch them no longer; what was read stays")
    action("refresh", _refresh, "read again what changed, now")
    action("status", _status, "show how much is kept and how it is searched")


def _add(options: argparse.Namespace) -> int:
    with library_of_this_home() as library:
        changes = library.add(options.paths, _report)
        return _changed(options, changes, library)


def _refresh(options: argparse.Namespace) -> int:
    with library_of_this_home() as library:
        changes = library.refresh(_report)
        return _changed(options, changes, library)


def _changed(options: argparse.Namespace, changes: Changes, library: Library) -> int:
    import msgspec

    for problem in changes.problems:
        _notice(problem)
    lines = [f"read {name}" for name in changes.added] + [f"forgotten, it is gone: {n}" for n in changes.forgotten]
    lines.append(
        f"{_count(len(changes.added), 'document')} read into {_count(changes.n_chunks, 'passage')}, "
        f"{len(changes.unchanged)} unchanged"
        + (f", {_count(len(changes.problems), 'problem')}" if changes.problems else "")
    )
    print_result(options.json, msgspec.to_builtins(changes), lines)
    _advise(library)
    return EXIT_FAILURE if changes.n_unread else EXIT_OK  # like cp: the rest is read all the same


def _list(options: argparse.Namespace) -> int:
    with library_of_this_home() as library:
        kept = [] if library.is_empty() else library.store.documents()
    lines = [f"{_day(k.added_at_s)}  {k.n_chunks:>6}  {k.kind:<8}  {k.name}{_state(k)}" for k in kept]
    return print_result(options.json, [_described(k) for k in kept], lines or ["no documents yet"])


def _search(options: argparse.Namespace) -> int:
    if options.limit < 1:
        raise UsageError("--limit must be 1 or more")
    with library_of_this_home() as library:
        result = library.search(options.text, options.limit) if not library.is_empty() else None
        _advise(library)
    hits = result.hits if result else ()
    document = {
        "by_meaning": bool(result and result.by_meaning),
        "passages": [
            {
                "document": hit.chunk.name, "path": str(hit.chunk.path), "page": hit.chunk.page or None,
                "heading": hit.chunk.heading, "line": hit.chunk.line or None, "text": hit.chunk.text,
                "score": round(hit.score, 4), "meaning": round(hit.meaning, 4), "words": round(hit.words, 4),
            }
            for hit in hits
        ],
    }  # fmt: skip
    lines = [line for hit in hits for line in (hit.chunk.place, f"  {hit.chunk.text}", "")]
    return print_result(options.json, document, lines or ["nothing found"])


def _ask(options: argparse.Namespace) -> int:
    """Like `assistant ask` about documents, but never anything else."""
    from assistant import config, paths
    from assistant.build import open_model
    from assistant.documents import answering
    from assistant.engines.late import LateModel
    from assistant.oneshot import sampling
    from assistant.session import answer_from
    from assistant.turn import Turn

    settings = config.load(paths.settings_file())
    with contextlib.ExitStack() as stack:
        library = stack.enter_context(library_of_this_home())
        model = LateModel(lambda: open_model(options.model or settings.model, settings, report=_notice))
        stack.callback(model.close)
        consulted = library.consult(options.text, explicit=True)
        if consulted is None:
            raise UsageError("there are no documents yet, or nothing was asked; `assistant documents add PATH`")
        _advise(library)
        found = answer_from(consulted, sampling(settings), Turn(), model) if consulted.contains else None
        reply = found.text if found is not None and found.answer else ""
    document = {
        "reply": reply or answering.refusal(consulted.result),
        "found": bool(reply),
        "model": model.file_name,
        "handled_by": "model" if consulted.contains else "rule",
        "tool": "documents",
        "ms": round(consulted.ms, 2),
        "sources": [chunk.place for chunk in consulted.passages],
    }
    return print_result(options.json, document, str(document["reply"]).splitlines())


def _forget(options: argparse.Namespace) -> int:
    from assistant.documents.indexing import matching

    with library_of_this_home() as library:
        kept = [] if library.is_empty() else library.store.documents()
        if options.all:
            for root in library.store.roots():
                library.store.unwatch(root)
        elif not options.what:
            raise UsageError("name what is to be forgotten, or add --all")
        else:
            found = {k.row: k for what in options.what for k in matching(library.store, what)}
            if not found:
                raise UsageError("no document has that path or name; `assistant documents list` shows them")
            kept = list(found.values())
        library.store.forget([k.row for k in kept])
    lines = [f"forgotten: {k.name}" for k in kept]
    return print_result(options.json, [_described(k) for k in kept], lines or ["there was nothing to forget"])


def _watch(options: argparse.Namespace) -> int:
    wanted = [path.absolute() for path in options.paths]
    with library_of_this_home() as library:
        for path in wanted:
            if options.stop and not library.store.unwatch(path):
                raise UsageError(f"{path} is not watched; `assistant documents watch` shows what is")
            if not options.stop:
                if not path.is_dir():
                    raise UsageError(f"{path} is no folder; `assistant documents add` reads single files")
                library.store.watch(path)
        if wanted and not options.stop:
            for problem in library.refresh(_report).problems:
                _notice(problem)
            _advise(library)
        roots = [str(root) for root in library.store.roots()]
    return print_result(options.json, roots, [f"watched: {root}" for root in roots] or ["no folder is watched"])


def _status(options: argparse.Namespace) -> int:
    with library_of_this_home() as library:
        empty = library.is_empty()
        kept = [] if empty else library.store.documents()
        embedder = library.embedder
        waiting = len(library.store.without_vector(embedder.sha256)) if embedder and not empty else 0
        roots = [] if empty else [str(root) for root in library.store.roots()]
    n_passages = sum(k.n_chunks for k in kept)
    document = {
        "documents": len(kept),
        "passages": n_passages,
        "embedded": n_passages - waiting if embedder else 0,
        "by_meaning": embedder is not None,
        "watched": roots,
    }
    lines = [
        f"{_count(len(kept), 'document')}, {_count(n_passages, 'passage')}",
        f"searched by words and by meaning; {waiting} passages wait to be embedded"
        if embedder
        else "searched by words only: `assistant models pull minilm` (92 MB) finds them by meaning as well",
        *[f"watched: {root}" for root in roots],
    ]
    return print_result(options.json, document, lines)


# -- parts -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def library_of_this_home() -> Iterator[Library]:
    """The documents of this home; the history they are encrypted with is opened."""
    from assistant import config, paths
    from assistant.build import open_embedder
    from assistant.cli.passphrase import ask_passphrase
    from assistant.documents.library import Library
    from assistant.history import open_history

    settings = config.load(paths.settings_file())
    history = open_history(paths.history_folder(), ask_passphrase)
    with contextlib.closing(history), contextlib.closing(Library(history, lambda: open_embedder(settings))) as library:
        yield library


def _advise(library: Library) -> None:
    from assistant.documents.library import ADVICE

    if library.embedder is None and not library.is_empty():
        _notice(ADVICE)


def _described(kept: Kept) -> dict[str, Any]:
    from assistant.documents.reading import shown

    return {
        "name": kept.name,
        "path": shown(kept.path),
        "kind": kept.kind,
        "bytes": kept.size_bytes,
        "sha256": kept.sha256,
        "passages": kept.n_chunks,
        "warning": kept.warning,
    }


def _state(kept: Kept) -> str:
    gone = "" if kept.path.exists() else "  (the file is gone)"
    return gone + (f"  ({kept.warning})" if kept.warning else "")


def _day(at_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at_s))


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _report(words: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{words}" if "embedded" in words else f"{words}\n")
        sys.stderr.flush()


def _notice(text: str) -> None:
    print(f"assistant: {text}", file=sys.stderr)
