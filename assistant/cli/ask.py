"""`assistant ask`: one question from the command line or a pipe, one answer on stdout."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from assistant.errors import EXIT_INTERRUPTED, EXIT_OK, SchemaError, UsageError
from assistant.text import safe

if TYPE_CHECKING:
    from assistant.oneshot import Answer, Question
    from assistant.router import Confirmation
    from assistant.turn import Turn

MAX_STDIN_BYTES = 16 * 1024 * 1024


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "ask",
        help="ask one question; standard input is read as context",
        description='Example: git diff | assistant ask "write the commit message"',
    )
    parser.add_argument("text", nargs="?", help="the question; without it, standard input is the question")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the reply alone")
    parser.add_argument("--model", metavar="NAME|PATH", help="a model of `assistant models list`, or an approved file")
    parser.add_argument("--system", help="system prompt for this question")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest reply, in tokens")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is always the likeliest token")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same reply")
    parser.add_argument("--schema", metavar="FILE", help="JSON schema (a subset) that the reply must follow")
    parser.add_argument("--ephemeral", action="store_true", help="save nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import msgspec

    from assistant import instance
    from assistant.text import SafeStream
    from assistant.turn import Turn

    question = _question(options)
    turn = Turn()
    shown = SafeStream()
    answer: Answer | None = None
    with contextlib.ExitStack() as stack:
        stack.enter_context(_interrupt_cancels(turn))
        connection = instance.connect() if options.model is None else None
        if connection is not None:
            stack.enter_context(connection)
            turn.on_cancel(lambda: connection.shutdown(socket.SHUT_RDWR))
        pieces = _from_instance(connection, question, turn) if connection else _alone(question, turn)
        for piece in pieces:
            if not isinstance(piece, str):
                answer = piece
            elif not options.json:
                sys.stdout.write(shown.feed(piece))
                sys.stdout.flush()
    if options.json and answer is not None:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif not options.json:
        sys.stdout.write(shown.finish() + "\n")
    sys.stdout.flush()
    if answer is not None and answer.finish_reason == "repetition":
        _notice("the model began to repeat itself and was stopped")
    return EXIT_INTERRUPTED if turn.cancelled else EXIT_OK


def _alone(question: Question, turn: Turn) -> Iterator[str | Answer]:
    """Answer in this process: open the history and the model, close both."""
    from assistant import config, paths
    from assistant.build import open_embedder, open_model
    from assistant.choosing.opening import choosing
    from assistant.cli.passphrase import ask_passphrase
    from assistant.documents.library import Library
    from assistant.engines.late import LateModel
    from assistant.history import ephemeral_history, open_history
    from assistant.oneshot import Handling, answer, stream_answer
    from assistant.router import Router
    from assistant.tools.opening import languages_for, surroundings_for

    settings = config.load(paths.settings_file())
    with contextlib.ExitStack() as stack:
        history = ephemeral_history() if question.ephemeral else open_history(paths.history_folder(), ask_passphrase)
        stack.callback(history.close)
        store = None if question.ephemeral else history.state_store
        name = question.model or settings.model
        model = LateModel(lambda: open_model(name, settings, state_store=store, report=_notice))  # a rule needs none
        stack.callback(model.close)
        facts = {"model": lambda: f"I run {model.opened().file_name} on this machine."}
        surroundings = surroundings_for(history, facts=facts)
        if problem := surroundings.home_problem():
            _notice(problem)
        library = Library(history, lambda: open_embedder(settings))
        stack.callback(library.close)
        router = Router(surroundings, languages_for(surroundings.home()), choosing=choosing(settings))
        handling = Handling(router, _asked_at_terminal, library=library)
        reply = ""
        for piece in stream_answer(question, settings, history, model, turn, _notice, handling):
            reply += piece
            yield piece
        yield answer(reply, model, turn, handling)


def _asked_at_terminal(confirmation: Confirmation) -> bool:
    """Ask on the terminal, if there is one on both sides; a pipe cannot confirm."""
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        return False
    print(f"assistant: {safe(confirmation.sentence, keep_newlines=False)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _from_instance(connection: socket.socket, question: Question, turn: Turn) -> Iterator[str | Answer]:
    from assistant import instance_client, instance_wire

    try:
        yield from instance_client.ask(connection, question, _notice)
    except (OSError, instance_wire.InstanceGone):
        if not turn.cancelled:
            raise


def _question(options: argparse.Namespace) -> Question:
    """What is asked, from the arguments and standard input. Raises UsageError when nothing is."""
    from assistant.oneshot import Question

    context = "" if sys.stdin is None or sys.stdin.isatty() else _read_stdin()
    text = _valid_unicode(options.text or "").strip()
    if not text and not context.strip():
        raise UsageError('nothing was asked: give a question, as in `assistant ask "What is a monad?"`, or pipe one in')
    return Question(
        text=text,
        context=context if context.strip() else "",
        model=options.model,
        system=_valid_unicode(options.system) if options.system is not None else None,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        seed=options.seed,
        output_schema=_schema(options.schema) if options.schema else None,
        ephemeral=options.ephemeral,
    )


def _read_stdin() -> str:
    raw = sys.stdin.buffer.read(MAX_STDIN_BYTES + 1)
    if len(raw) > MAX_STDIN_BYTES:
        _notice(f"only the first {MAX_STDIN_BYTES // 2**20} MiB of standard input were read")
        raw = raw[:MAX_STDIN_BYTES]
    text = raw.decode(errors="replace")
    if _looks_binary(raw, text):
        raise UsageError(
            "standard input is not text in UTF-8; `assistant documents add FILE` reads PDF and office files"
        )
    if "\ufffd" in text and "\ufffd".encode() not in raw:
        _notice("standard input is not valid UTF-8: the invalid bytes were replaced")
    return text


def _looks_binary(raw: bytes, text: str) -> bool:
    """Whether the bytes are a picture, a PDF, UTF-16 or the like; `text` is what they decode to. A model that is shown
    such a thing answers nonsense. A few stray bytes are let through: logs hold them."""
    lost = text.count("\ufffd") - raw.count("\ufffd".encode()) + text.count("\0")
    return lost > 16 and lost > len(text) / 10


def _valid_unicode(text: str) -> str:
    """Command line arguments carry undecodable bytes as lone surrogates, which no encoder accepts."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _schema(path: str) -> dict[str, object]:
    import json
    from pathlib import Path

    try:
        schema = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SchemaError(f"{path} is not valid JSON: {error}") from error
    except RecursionError:
        raise SchemaError(f"{path} is nested too deeply") from None
    if not isinstance(schema, dict):
        raise SchemaError(f"{path}: a schema is a JSON object")
    return schema


def _notice(text: str) -> None:
    print(f"assistant: {text}", file=sys.stderr)


@contextlib.contextmanager
def _interrupt_cancels(turn: Turn) -> Iterator[None]:
    """Ctrl+C and SIGTERM stop the turn, so that what was said so far is saved; a second Ctrl+C ends at once."""

    def cancel(number: int, frame: FrameType | None) -> None:
        if turn.cancelled:
            raise KeyboardInterrupt
        turn.cancel()

    previous = [(number, signal.signal(number, cancel)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
