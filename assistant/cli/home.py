"""`assistant home`: connect a real Home Assistant, see it, disconnect it. Off until it is connected."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assistant.addresses import spelled
from assistant.cli.actions import actions_of
from assistant.cli.history_files import print_result
from assistant.errors import EXIT_FAILURE, EXIT_OK, GatewayError, UsageError

if TYPE_CHECKING:
    from assistant.tools.records import Records

_RESTART = "start the assistant again: the process that may reach it is started before the network is locked"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "home",
        help="connect a real Home Assistant, see it, disconnect it",
        description="Without it the built-in simulated home is used. With it one process, and only that, may "
        "connect to that one address. The token is kept encrypted with the history.",
    )
    action = actions_of(parser)

    connecting = action("connect", _connect, "say where Home Assistant is; asks for a long-lived access token")
    connecting.add_argument(
        "address", metavar="ADDRESS", help="its IP address in your own network, not a name; https://ADDRESS for https"
    )
    connecting.add_argument("--port", type=int, default=0, metavar="N", help="default 8123")
    connecting.add_argument(
        "--fingerprint", default="", metavar="SHA256", help="of its certificate, for https, instead of being asked"
    )
    connecting.add_argument(
        "--allow", default="", metavar="KIND,...", help="kinds or entities that act without asking, such as light,fan"
    )
    action("status", _status, "connect now and say what is there")
    action("disconnect", _disconnect, "forget the address, the token and what was seen")


def _connect(options: argparse.Namespace) -> int:
    from msgspec.structs import replace

    from assistant import paths
    from assistant.tools import connecting

    allowed = tuple(a.strip() for a in options.allow.split(",") if a.strip())
    place = replace(connecting.place_of(options.address, options.port), allowed=allowed)
    if place.fingerprint:
        place = replace(place, fingerprint=_compared(options.fingerprint))
    token = _token()
    with _records() as records:
        connecting.connect(records, paths.settings_file(), place, token)
    document = {"address": place.address, "port": place.port, "allowed": list(place.allowed)}
    return print_result(options.json, document, [f"{place.address}:{place.port} is connected; {_RESTART}"])


def _compared(given: str) -> str:
    """The fingerprint of the certificate there, after the user has said that it is theirs. Raises UsageError."""
    from assistant.gateway import client, start

    if start.running is None or not start.running.looks:
        raise GatewayError("the process that may look at its certificate was not started")
    shown = client.certificate(start.running)
    wanted = given.replace(":", "").strip().casefold()
    if wanted:
        if wanted != shown:
            raise UsageError(f"it shows another certificate, SHA-256 {spelled(shown)}; nothing was connected")
        return shown
    told = f"The certificate there has the SHA-256 fingerprint\n  {spelled(shown)}\n"
    if not sys.stdin.isatty():
        raise UsageError(f"{told}Compare it with that of your Home Assistant, then give it with --fingerprint")
    sys.stderr.write(f"{told}Compare it with that of your Home Assistant (openssl x509 -noout -fingerprint -sha256 -in "
                     "FILE, with the file that ssl_certificate names there).\n")  # fmt: skip
    if input("Is it the same? [y/N] ").strip().casefold() not in ("y", "yes"):
        raise UsageError("nothing was connected")
    return shown


def _status(options: argparse.Namespace) -> int:
    from assistant.gateway import start
    from assistant.tools.opening import real_home

    if start.running is None:
        return print_result(options.json, {"connected": False, "enabled": False}, ["the simulated home is used"])
    with _records() as records:
        real = real_home(records)
        home = real.home() if real else None
        problem = real.problem if real else ""
    entities = len(home.entities) if home else 0
    document = {"enabled": True, "connected": not problem, "entities": entities, "problem": problem}
    document["address"] = real.place if real else ""
    lines = [problem or f"Home Assistant at {document['address']}: {entities} devices and sensors"]
    print_result(options.json, document, lines)
    return EXIT_FAILURE if problem else EXIT_OK


def _disconnect(options: argparse.Namespace) -> int:
    from assistant import paths
    from assistant.tools import connecting

    with _records() as records:
        connecting.disconnect(records, paths.settings_file())
    return print_result(options.json, {"connected": False}, ["disconnected: address and token are forgotten"])


def _token() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Long-lived access token: ").strip()
    return sys.stdin.readline().strip()


@contextlib.contextmanager
def _records() -> Iterator[Records]:
    from assistant import paths
    from assistant.cli.passphrase import ask_passphrase
    from assistant.history import open_history
    from assistant.tools.records import Records

    with contextlib.closing(open_history(paths.history_folder(), ask_passphrase)) as history:
        yield Records(history)
