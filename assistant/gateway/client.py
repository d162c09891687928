"""RealHome: the home as Home Assistant has it, with the two functions that tools use of the simulated one.

surroundings.home = real.home            the last state seen, at most a second old
surroundings.change_home = real.change   a changed device becomes typed commands
surroundings.take_back = real.take_back  what devices were becomes typed commands
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from assistant.errors import AssistantError, GatewayError
from assistant.gateway.actions import Refused, actions_for
from assistant.gateway.messages import (
    Act,
    Channel,
    Closed,
    Done,
    Failed,
    Login,
    Look,
    Ready,
    Seen,
    Show,
    Shown,
    ToGateway,
)
from assistant.gateway.start import Gateway
from assistant.gateway.taking_back import Was, actions_back
from assistant.home.model import Entity, Home, from_table
from assistant.text import safe

_ANSWER_S: Final = 30.0
_FRESH_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a real home: the token, what may act without a confirmation (as in home.yaml), the home as it was
    last seen, and where to keep what is seen now."""

    token: str
    allowed: frozenset[str] = frozenset()
    table: dict[str, Any] | None = None
    keep: Callable[[dict[str, Any]], None] = lambda table: None


_connected: RealHome | None = None


def connect(gateway: Gateway, kept: Kept) -> RealHome:
    """The one connection of this process; made, and logged in, the first time."""
    global _connected
    if _connected is None or (kept.token and not _connected.kept.token):
        _connected = RealHome(gateway, kept)
        with contextlib.suppress(GatewayError):
            _connected.login(kept.token)
    return _connected


def certificate(gateway: Gateway) -> str:
    """The SHA-256, in hex, of the certificate that the place of the gateway shows. Raises GatewayError."""
    answer = _asked(Channel(gateway.channel, "app"), Show())
    if not isinstance(answer, Shown):
        raise GatewayError("the gateway process answered out of turn; start the assistant again")
    return answer.fingerprint


class RealHome:
    """Thread-safe. While it cannot be reached `problem` says why, and the home is the one last seen."""

    def __init__(self, gateway: Gateway, kept: Kept) -> None:
        self.place = f"{gateway.address}:{gateway.port}"
        self.kept = kept
        self._channel = Channel(gateway.channel, "app")
        self._lock = threading.Lock()
        self._home = replace(from_table(kept.table) if kept.table else Home(), allowed=kept.allowed)
        self._seen_s = -_FRESH_S
        self._logged_in = False
        self.problem = ""

    def login(self, token: str) -> str:
        """Connect; returns the version of Home Assistant. Raises GatewayError."""
        try:
            if not token:
                raise GatewayError("no token of Home Assistant is kept here; run `assistant home connect`")
            ready = self._ask(Login(token))
            self._logged_in = True
            self._look()
        except GatewayError as error:
            self.problem = str(error)
            raise
        return safe(ready.version, keep_newlines=False)

    def home(self) -> Home:
        """The home as it is, at most a second old. Raises nothing."""
        if time.monotonic() - self._seen_s > _FRESH_S:
            self._seen_s = time.monotonic()
            with contextlib.suppress(GatewayError):
                self._look() if self._logged_in else self.login(self.kept.token)
        return self._home

    def change(self, changes: Mapping[str, Entity], note: Callable[[Was], None] = lambda was: None) -> None:
        """Make real devices what these became; `note` is told what each was. Raises GatewayError; devices before the
        one that failed are changed."""
        for entity_id, after in changes.items():
            before = self._home.entity(entity_id)
            try:
                acts = actions_for(before or replace(after, state="", attributes={}), after)
            except Refused as refused:
                raise GatewayError(f"{after.name}: {refused}.") from refused
            if before is not None:
                note(Was(before, tuple(act.action for act in acts)))
            for act in acts:
                self._ask(act)
        self._seen_s = -_FRESH_S

    def take_back(self, noted: Sequence[str]) -> str:
        """Make devices what `change` noted of them, as JSON; returns what cannot be made so, in words. Raises
        GatewayError if the home is away or refuses; devices before the one that failed are put back."""
        self._seen_s = -_FRESH_S
        home, left = self.home(), list[str]()
        if self.problem:
            raise GatewayError(self.problem)
        for was in (msgspec.json.decode(text, type=Was) for text in noted):
            now = home.entity(was.entity.id)
            try:
                acts = actions_back(was, now) if now else []
            except Refused as refused:
                left.append(f"{was.entity.name}: {refused}.")
                continue
            if now is None:
                left.append(f"{was.entity.name} is no longer there.")
            for act in acts:
                self._ask(act)
        self._seen_s = -_FRESH_S
        return " ".join(left)

    def _look(self) -> None:
        try:
            table = _sound(self._ask(Look()).table)
            seen = replace(from_table(table, "Home Assistant"), allowed=self.kept.allowed)
        except AssistantError as error:
            self.problem = str(error)
            raise GatewayError(str(error)) from error
        if seen.vocabulary != self._home.vocabulary:
            self.kept.keep(table)
        self._home, self._seen_s, self.problem = seen, time.monotonic(), ""

    def _ask(self, message: Login | Look | Act) -> Any:
        wanted = {Login: Ready, Look: Seen, Act: Done}[type(message)]
        with self._lock:
            answer = _asked(self._channel, message)
        if not isinstance(answer, wanted):
            raise GatewayError("the gateway process answered out of turn; start the assistant again")
        return answer


def _asked(channel: Channel, message: ToGateway) -> Any:
    try:
        channel.send(message)
        answer = channel.receive(_ANSWER_S)
    except Closed:
        raise GatewayError("the gateway process has ended; start the assistant again") from None
    if isinstance(answer, Failed):
        raise GatewayError(safe(answer.text, keep_newlines=False))
    return answer


def _sound(table: dict[str, Any]) -> dict[str, Any]:
    """What came from another machine, as a home may hold it: with ids and names, names safe to show, no id twice."""

    def rows(kind: str) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for row in table.get(kind) or []:
            name = safe(str(row.get("name") or ""), keep_newlines=False)[:120]
            if row.get("id") and name:
                aliases = [safe(str(a), keep_newlines=False)[:120] for a in row.get("aliases") or ()]
                found[str(row["id"])] = row | {"name": name, "aliases": aliases}
        return list(found.values())

    return {kind: rows(kind) for kind in ("floors", "areas", "entities")}
