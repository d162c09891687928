"""`assistant serve`: keep timers and the warm model without a screen, until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from types import FrameType
from typing import Final

from assistant.errors import EXIT_OK


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="let timers ring and keep the model warm, without a screen",
        epilog="`assistant serve install` makes a user service of it (systemd), `assistant serve remove` ends that.",
    )
    parser.add_argument("what", nargs="?", choices=("run", "install", "remove"), default="run", help="default: run")
    parser.add_argument("--no-model", action="store_true", help="timers and rules only")
    parser.add_argument("--give-way", action="store_true", help="end when a chat or a spoken conversation is opened")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Own the home until SIGTERM or Ctrl+C: what rings is printed, `ask` and `history` are served."""
    if options.what != "run":
        from assistant.cli import service

        return service.install(options.no_model) if options.what == "install" else service.remove()
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    import contextlib

    from assistant import config, instance, instance_server, paths
    from assistant.build import open_embedder, open_model
    from assistant.choosing.opening import choosing
    from assistant.cli.passphrase import ask_passphrase
    from assistant.documents.library import Library
    from assistant.engines import LanguageModel
    from assistant.errors import AssistantError
    from assistant.history import open_history
    from assistant.ringing import Ringing

    with contextlib.ExitStack() as stack:
        claim = options.claim or instance.claim(gives_way=options.give_way)
        stack.callback(claim.release)
        settings = config.load(paths.settings_file())
        history = open_history(paths.history_folder(), ask_passphrase)
        stack.callback(history.close)
        loaded: list[LanguageModel] = []

        def close_models() -> None:
            for model in loaded:
                model.close()

        stack.callback(close_models)

        def model_name() -> str:
            return f"I run {loaded[0].file_name} on this machine." if loaded else "No model is loaded."

        facts = {"model": model_name}
        ringing = Ringing(history, facts, choosing(settings))
        stack.callback(ringing.close)

        ringing.listen(_say)
        ended = _ended_by_signal()
        ringing.start()
        library = stack.enter_context(contextlib.closing(Library(history, lambda: open_embedder(settings)).watch()))
        served = instance_server.Served(
            lambda: config.load(paths.settings_file()),
            history,
            lambda: loaded[0] if loaded else None,
            ringing.router,
            library,
        )
        instance_server.start(claim, served)
        if not options.no_model:
            try:
                loaded.append(open_model(settings.model, settings, state_store=history.state_store, report=_notice))
            except AssistantError as error:  # timers do not need it
                _notice(f"no model is served: {error}")
        _notice(f"serving {paths.home()}; Ctrl+C ends it")
        while not ended.wait(_LOOK_S):
            continue
    return EXIT_OK


_LOOK_S: Final = 0.5  # a signal in the moment before a wait begins does not wake it


def _ended_by_signal() -> threading.Event:
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    return ended


def _say(text: str) -> None:
    from assistant.text import safe

    sys.stdout.write(f"\a{safe(text)}\n" if sys.stdout.isatty() else f"{safe(text)}\n")
    sys.stdout.flush()


def _notice(text: str) -> None:
    print(f"assistant: {text}", file=sys.stderr, flush=True)
