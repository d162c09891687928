"""`assistant explain`: what would handle a request, with the alternatives, and no side effect."""

from __future__ import annotations

import argparse
import sys

from assistant.errors import EXIT_OK


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "explain",
        help="tell what would handle a request; does nothing",
        description='Example: assistant explain "set a timer for ten minutes"',
    )
    parser.add_argument("text", help="the request")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--area", default="", help="the room the request comes from")
    parser.add_argument("--model", metavar="NAME|PATH", help="also let this model choose a tool where no rule does")
    parser.add_argument(
        "--no-rules", action="store_true", help="as if there were no rules: what the model would choose"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Decide over an empty store, so that nothing of the user's is read or changed."""
    import contextlib

    import msgspec

    from assistant import config, paths
    from assistant.build import open_model
    from assistant.history import ephemeral_history
    from assistant.router import Router
    from assistant.text import safe
    from assistant.tools.choice import chooser_for
    from assistant.tools.opening import languages_for, surroundings_for

    with contextlib.ExitStack() as stack:
        history = ephemeral_history()
        stack.callback(history.close)
        surroundings = surroundings_for(history)
        router = Router(surroundings, languages_for(surroundings.home()), use_rules=not options.no_rules)
        chooser = None
        if options.model:
            model = open_model(options.model, config.load(paths.settings_file()))
            stack.callback(model.close)
            chooser = chooser_for(model)
        decision = router.decide(options.text, chooser, options.area)
    if options.json:
        sys.stdout.write(msgspec.json.encode(decision.document()).decode() + "\n")
        return EXIT_OK
    lines = [decision.label]
    for call in decision.calls:
        lines.append(f"  {call.tool} {_arguments(call.arguments)} (confidence {call.confidence:.2f}, {call.source})")
    for call in decision.alternatives:
        lines.append(f"  or {call.tool} {_arguments(call.arguments)} (confidence {call.confidence:.2f}, {call.source})")
    if not decision.calls:
        lines.append("  no tool: the model would answer in words")
    sys.stdout.write(safe("\n".join(lines)) + "\n")
    return EXIT_OK


def _arguments(arguments: dict[str, object]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in arguments.items())
