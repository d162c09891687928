"""TLS to one server that is known by its certificate, whoever signed it: pinned by SHA-256, as SSH pins a host's key.

In a home network a certificate is of its owner's making as a rule, and no authority vouches for an IP address. So the
user compares the fingerprint once, and from then on nothing is sent to a server that shows another one.

Make it before the sandbox is entered: OpenSSL reads its own settings from a file.
"""

from __future__ import annotations

import hashlib
import socket
import ssl

from assistant.addresses import LOOK_ONLY, spelled


class OtherCertificate(OSError):
    """The server shows another certificate than the pinned one; the message says what to do."""


class Tls:
    """`fingerprint` is the SHA-256 of the certificate in hex, or LOOK_ONLY to be told it and nothing else."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # not by an authority: `over` compares the certificate itself

    def over(self, connection: socket.socket) -> ssl.SSLSocket:
        """The connection, encrypted, to the server of the pinned certificate. Raises OtherCertificate, OSError."""
        secured, shown = self._open(connection)
        if shown != self._fingerprint:
            secured.close()
            raise OtherCertificate(
                f"it shows another certificate than the one you trusted: SHA-256 {spelled(shown)}. If that is a new "
                "one of yours, run `assistant home connect https://...` again; nothing was sent to it"
            )
        return secured

    def shown(self, connection: socket.socket) -> str:
        """The fingerprint of the certificate that the server shows. Raises OSError; nothing is sent but the hello."""
        secured, shown = self._open(connection)
        secured.close()
        return shown

    @property
    def only_looks(self) -> bool:
        return self._fingerprint == LOOK_ONLY

    def _open(self, connection: socket.socket) -> tuple[ssl.SSLSocket, str]:
        secured = self._context.wrap_socket(connection)
        certificate = secured.getpeercert(binary_form=True) or b""
        return secured, hashlib.sha256(certificate).hexdigest()
