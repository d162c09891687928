"""`assistant explain`: what would handle a request, with the alternatives, and no side effect."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from assistant.errors import EXIT_OK, AssistantError, UsageError

if TYPE_CHECKING:
    from assistant.documents.library import Consultation
    from assistant.tools.decisions import Decision


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
    """Decide over an empty store, so that nothing is changed; the user's documents are looked at as for a question."""
    import contextlib

    import msgspec

    from assistant import config, paths
    from assistant.build import open_model
    from assistant.choosing.choice import chooser_for
    from assistant.history import ephemeral_history
    from assistant.router import Router
    from assistant.text import safe
    from assistant.tools.opening import languages_for, surroundings_for

    if not options.text.strip():
        raise UsageError('nothing was asked; give a request, as in `assistant explain "set a timer for ten minutes"`')
    with contextlib.ExitStack() as stack:
        history = ephemeral_history()
        stack.callback(history.close)
        surroundings = surroundings_for(history)
        home = surroundings.home()
        if options.area and home.area_named(options.area) is None:
            there = ", ".join(area.name for area in home.areas)
            raise UsageError(f"no room is called {options.area!r}; there are: {there or 'none'}")
        router = Router(surroundings, languages_for(home), use_rules=not options.no_rules)
        chooser = None
        if options.model:
            model = open_model(options.model, config.load(paths.settings_file()))
            stack.callback(model.close)
            chooser = chooser_for(model)
        decision = router.decide(options.text, chooser, options.area)
    consulted = None if decision.calls else _consulted(options.text)
    if options.json:
        documents = {"about": round(consulted.about, 3), "place": consulted.passages[0].place} if consulted else None
        sys.stdout.write(msgspec.json.encode({**decision.document(), "documents": documents}).decode() + "\n")
        return EXIT_OK
    lines = _lines(options.text, decision, consulted, asked=bool(options.model))
    sys.stdout.write(safe("\n".join(lines)) + "\n")
    return EXIT_OK


def _lines(text: str, decision: Decision, consulted: Consultation | None, asked: bool) -> list[str]:
    """The decision in words; `asked` is whether a model was asked as well."""
    from assistant.rules.own import own_matter

    lines = [consulted.label if consulted else decision.label]
    for call in decision.calls:
        lines.append(f"  {call.tool} {_arguments(call.arguments)} (confidence {call.confidence:.2f}, {call.source})")
    for call in decision.alternatives:
        lines.append(f"  or {call.tool} {_arguments(call.arguments)} (confidence {call.confidence:.2f}, {call.source})")
    if consulted is not None:
        lines.append(f"  {consulted.about:.2f} that it is about your documents, first {consulted.passages[0].place}")
        if consulted.tentative:
            lines.append("  where they hold no answer, the model answers in words")
    elif not decision.calls:
        lines.append(
            "  no tool: the model would answer in words"
            if asked
            else "  no rule takes it: the model would answer, or choose a tool (`--model NAME` shows which)"
        )
    if (consulted is None or consulted.tentative) and not decision.calls and (matter := own_matter(text)):
        lines.append(
            f"  but for “{matter}”: only you can know it, so what you told about it is read out, or that it is unknown"
        )
    return lines


def _consulted(text: str) -> Consultation | None:
    """What the documents of this home hold about it, if there are any: only then the history's key is needed."""
    from assistant import paths
    from assistant.cli.documents import library_of_this_home
    from assistant.history.opening import DOCUMENTS
    from assistant.text import safe

    if not (paths.history_folder() / DOCUMENTS).exists():
        return None
    try:
        with library_of_this_home() as library:
            found = library.consult(text)
    except AssistantError as error:  # no passphrase in a script: the decision is told all the same
        print(f"assistant: your documents were not looked at: {safe(str(error))}", file=sys.stderr)
        return None
    return found if found and found.passages else None


def _arguments(arguments: dict[str, object]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in arguments.items())
