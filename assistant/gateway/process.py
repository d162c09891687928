"""The gateway, `python -m assistant.gateway.process ADDRESS PORT DESCRIPTOR FINGERPRINT`: start.py starts it before the
lock.

It gives up everything it does not need before it reads its first command: every socket but TCP, every port but this one
(Landlock, where the kernel has it), all files but its own program, all other programs. The address stands in its
arguments and in no command; with a fingerprint it speaks TLS, to the server of that certificate alone. It ends when
the app does.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

from assistant.privacy import environment, sandbox

if TYPE_CHECKING:
    from assistant.gateway.home_assistant import HomeAssistant
    from assistant.gateway.messages import Channel
    from assistant.gateway.tls import Tls


def main() -> int:
    environment.apply()
    address, port, descriptor, fingerprint = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    channel_socket = socket.socket(fileno=descriptor)
    tls = _tls(fingerprint) if fingerprint else None
    sandbox.enter_gateway(port)
    from assistant.gateway.messages import Channel, Closed

    try:
        _serve(address, port, tls, Channel(channel_socket, "gateway"))
    except Closed:
        return 0
    return 0


def _tls(fingerprint: str) -> Tls:
    from assistant.gateway.tls import Tls

    return Tls(fingerprint)


def _serve(address: str, port: int, tls: Tls | None, channel: Channel) -> None:
    """Answer the app's messages until it is gone. A connection that broke off is opened again, once a message."""
    from assistant.gateway.actions import Refused
    from assistant.gateway.home_assistant import HomeAssistant, Unreachable, certificate
    from assistant.gateway.messages import Act, Done, Failed, Login, Ready, Seen, Show, Shown

    token = ""
    home: HomeAssistant | None = None

    def answer(message: Any) -> Any:
        nonlocal home, token
        if isinstance(message, Show) or (tls and tls.only_looks):
            if tls is None:
                raise Refused("there is no certificate where https is not spoken")
            return Shown(certificate(address, port, tls))
        if isinstance(message, Login):
            token = message.token
            _close(home)
            home = None
        home = home or HomeAssistant(address, port, token, tls)
        if isinstance(message, Act):
            home.act(message)
            return Done()
        return Ready(home.version) if isinstance(message, Login) else Seen(home.look())

    while True:
        message = channel.receive()
        for last in (home is None, True):  # a connection that broke off meanwhile is opened once more
            try:
                said = answer(message)
            except Refused as refused:
                said = Failed(str(refused))
            except Unreachable as unreachable:
                _close(home)
                home = None
                if not last:
                    continue
                said = Failed(str(unreachable))
            channel.send(said)
            break


def _close(home: HomeAssistant | None) -> None:
    if home is not None:
        home.close()


if __name__ == "__main__":
    sys.exit(main())
