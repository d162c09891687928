"""The command line: parse, dispatch, and turn every error into one line and an exit code (errors.py).

Each command is a module with `add_parser()`; it imports what it needs inside its `run()`, so that `assistant --help`
loads no engine.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys

from assistant.cli import ask, chat, doctor, documents, explain, history, home, models, serve, voice
from assistant.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_OK, AssistantError, file_error
from assistant.instance import Claim
from assistant.text import safe

_EPILOG = """exit codes: 0 done, 1 failed, 2 usage, 3 refused by policy, 4 model missing or broken, 130 interrupted
ASSISTANT_HOME moves everything that is stored; results go to stdout, everything else to stderr"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="assistant",
        description="A private assistant on your own machine. Without a command: open the chat.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"homebody {importlib.metadata.version('homebody')}")
    top.add_argument("--allow-unlocked", action="store_true", help="start even if the kernel refuses the network lock")
    top.set_defaults(run=chat.run, conversation=None)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for module in (chat, ask, voice, explain, serve, documents, home, models, history, doctor):
        module.add_parser(commands)
    return top


def main(arguments: list[str], claim: Claim | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    options.claim = claim
    try:
        return int(options.run(options))
    except AssistantError as error:
        return _told(options, str(error), type(error).__name__, error.exit_code)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does; nothing is wrong
        _nobody_reads()
        return EXIT_OK
    except Exception as error:
        if os.environ.get("ASSISTANT_DEBUG"):
            raise
        words = file_error(error) if isinstance(error, OSError) else ""
        words = words or f"unexpected {type(error).__name__}; set ASSISTANT_DEBUG=1 to see where"
        return _told(options, words, type(error).__name__, EXIT_FAILURE)


def _told(options: argparse.Namespace, words: str, kind: str, code: int) -> int:
    """Say an error on stderr and, where JSON was asked for, as the one document of stdout too; return the exit code.

    `voice` writes a document for each turn, among which an error would be taken for one.
    """
    print(f"assistant: {safe(words)}", file=sys.stderr)
    if getattr(options, "json", False) and options.run is not voice.run:
        try:
            print(json.dumps({"error": words, "kind": kind, "exit_code": code}), flush=True)
        except BrokenPipeError:
            _nobody_reads()
    return code


def _nobody_reads() -> None:
    """Let what is left in the buffer of stdout go nowhere, or Python complains about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
