"""The way in: decide, lock the network, and only then load anything.

Standard library only until the lock is on. The filter is inherited by all children and cannot be lifted, so whatever
needs the network (`models pull`) is decided and run here, in a process of its own, before the lock.
"""

from __future__ import annotations

import sys

from assistant.errors import EXIT_INTERRUPTED, AssistantError
from assistant.privacy import environment
from assistant.text import safe

UNLOCKED_FLAG = "--allow-unlocked"


def main() -> int:
    """Run the command line; returns the exit code (errors.py lists them)."""
    environment.apply()
    arguments = sys.argv[1:]
    try:
        return _run(arguments)
    except AssistantError as error:
        print(f"assistant: {safe(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(arguments: list[str]) -> int:
    from assistant import first_run, instance
    from assistant.gateway import start as gateway
    from assistant.privacy import sandbox

    if arguments[:2] == ["models", "pull"]:
        from assistant.cli import main as command_line

        return command_line(arguments)

    claim = None
    opens_screen = not [a for a in arguments if a != UNLOCKED_FLAG] or arguments[0] == "chat"
    if opens_screen or _talks(arguments):
        claim = instance.claim(takes_over=True)
    elif _serves(arguments):
        claim = instance.claim(gives_way="--give-way" in arguments)
    if opens_screen:
        first_run.fetch_missing_model()
    gateway.start(arguments)
    try:
        sandbox.lock()
    except AssistantError:
        if UNLOCKED_FLAG not in arguments:
            raise
    from assistant.cli import main as command_line

    return command_line([a for a in arguments if a != UNLOCKED_FLAG], claim)


def _serves(arguments: list[str]) -> bool:
    """Whether a process is started that owns the home without a screen."""
    return arguments[:1] == ["serve"] and not {"install", "remove", "-h", "--help"} & set(arguments)


def _talks(arguments: list[str]) -> bool:
    """Whether a spoken conversation is started that is kept: its timers ring in this process."""
    others = {"devices", "hold", "release", "hush", "mute", "unmute", "--ephemeral", "-h", "--help"}
    return arguments[:1] == ["voice"] and not others & set(arguments)


if __name__ == "__main__":
    sys.exit(main())
