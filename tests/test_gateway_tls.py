"""https to a home: the certificate is compared once and pinned; nothing is sent to a server that shows another."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assistant import config, paths
from assistant.addresses import LOOK_ONLY, place, spelled
from assistant.cli import home as home_command
from assistant.config import HomeGateway, Settings
from assistant.errors import GatewayError, SettingsError, UsageError
from assistant.gateway import client, start
from assistant.gateway.client import Kept, RealHome, certificate
from assistant.history import ephemeral_history
from assistant.tools import connecting
from assistant.tools.records import Records
from home_server import TOKEN, HomeServer

MakeServer = Callable[[], tuple[HomeServer, str]]


def own_certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A self-signed certificate for a name that nobody asks for, as homes have it; and its SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somewhere else")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{made.serial_number}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, made.fingerprint(hashes.SHA256()).hex()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[MakeServer]:
    servers: list[HomeServer] = []

    def make() -> tuple[HomeServer, str]:
        context, fingerprint = own_certificate(tmp_path)
        servers.append(HomeServer(tls=context))
        return servers[-1], fingerprint

    yield make
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def no_gateway_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(client, "_connected", None)
    monkeypatch.setattr(start, "running", None)
    yield
    if start.running is not None:
        start.running.channel.close()


def through(port: int, fingerprint: str) -> RealHome:
    config.save(Settings(gateway=HomeGateway("127.0.0.1", port, fingerprint=fingerprint)), paths.settings_file())
    gateway = start.start(["ask", "x"])
    assert gateway is not None
    return client.connect(gateway, Kept(TOKEN, frozenset({"light"})))


def test_a_home_behind_its_own_certificate_is_seen_and_acted_on(assistant_home: Path, serve: MakeServer) -> None:
    server, fingerprint = serve()
    real = through(server.port, fingerprint)
    assert real.problem == ""
    light = real.home().entity("light.sink")
    assert light is not None
    from assistant.home.states import change

    on = change("HassTurnOn", light, {})
    assert on is not None
    real.change({light.id: on})
    assert [c["service"] for c in server.calls] == ["turn_on"]


def test_another_certificate_gets_no_token(assistant_home: Path, serve: MakeServer) -> None:
    server, _ = serve()
    _, other = serve()
    real = through(server.port, other)
    assert "another certificate than the one you trusted" in real.problem and "home connect" in real.problem
    assert server.tokens == [] and server.connections > 0


def test_a_server_without_https_gets_no_token(assistant_home: Path) -> None:
    server = HomeServer()
    try:
        assert through(server.port, "ab" * 32).problem
        assert server.tokens == []
    finally:
        server.close()


def test_https_is_not_spoken_where_http_was_said(assistant_home: Path, serve: MakeServer) -> None:
    server, _ = serve()
    assert "if it speaks https, connect it as https://" in through(server.port, "").problem
    assert server.tokens == []


# -- connecting --------------------------------------------------------------------------------------------------------


def test_before_it_is_compared_nothing_is_sent(assistant_home: Path, serve: MakeServer) -> None:
    server, fingerprint = serve()
    gateway = start.start(["--json", "home", "connect", f"https://127.0.0.1:{server.port}"])
    assert gateway is not None and gateway.looks
    assert certificate(gateway) == fingerprint
    with pytest.raises(GatewayError):
        RealHome(gateway, Kept(TOKEN)).login(TOKEN)
    assert server.tokens == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "home", "connect", "https://127.0.0.1"], ["home", "status", "https://127.0.0.1"],
        ["home", "connect", "127.0.0.1"], ["home", "connect", "http://127.0.0.1"],
        ["home", "connect", "https://8.8.8.8"], ["home", "connect", "https://homeassistant.local"],
        ["home", "connect", "https://127.0.0.1:99999"], ["home", "connect", "https://10.0.0.1", "https://10.0.0.2"],
    ],
)  # fmt: skip
def test_nothing_is_started_for_anything_else(assistant_home: Path, arguments: list[str]) -> None:
    assert start.start(arguments) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.168.1.20", ("192.168.1.20", 0, False)), ("192.168.1.20:80", ("192.168.1.20", 80, False)),
        ("https://192.168.1.20/", ("192.168.1.20", 0, True)), ("HTTPS://[fd00::1]:8124", ("fd00::1", 8124, True)),
        ("fd00::1", ("fd00::1", 0, False)), ("https://8.8.8.8", None), ("ftp://10.0.0.1", None),
        ("https://10.0.0.1@8.8.8.8", None), ("10.0.0.1:99999", None), ("", None),
    ],
)  # fmt: skip
def test_places(text: str, found: tuple[str, int, bool] | None) -> None:
    assert place(text) == found


def test_a_port_in_the_address_counts() -> None:
    assert connecting.place_of("10.0.0.1:9000", 8200).port == 9000
    assert connecting.place_of("10.0.0.1", 8200).port == 8200
    assert connecting.place_of("https://10.0.0.1").port == 8123


def test_a_place_that_was_not_compared_is_not_kept(assistant_home: Path) -> None:
    at = connecting.place_of("https://10.0.0.1")
    assert at.fingerprint == LOOK_ONLY
    with pytest.raises(UsageError, match="compared first"):
        connecting.connect(Records(ephemeral_history()), paths.settings_file(), at, TOKEN)
    paths.settings_file().write_text('[gateway]\naddress = "10.0.0.1"\nfingerprint = "?"\n')
    with pytest.raises(SettingsError, match="64 hex digits"):
        config.load(paths.settings_file())
    assert start.start(["ask", "x"]) is None


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_the_user_is_asked(
    assistant_home: Path, serve: MakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    answer: str,
) -> None:  # fmt: skip
    server, fingerprint = serve()
    start.start(["home", "connect", f"https://127.0.0.1:{server.port}"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    if answer == "y":
        assert home_command._compared("") == fingerprint
    else:
        with pytest.raises(UsageError, match="nothing was connected"):
            home_command._compared("")
    assert spelled(fingerprint) in capsys.readouterr().err
    assert server.tokens == []


def test_from_the_command_line(assistant_home: Path, serve: MakeServer) -> None:
    server, fingerprint = serve()
    environment = {**os.environ, "ASSISTANT_HOME": str(assistant_home)}

    def assistant(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "assistant", *arguments],
            input=TOKEN + "\n", env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    address = f"https://127.0.0.1:{server.port}"
    unasked = assistant("home", "connect", address)
    assert unasked.returncode == 2 and spelled(fingerprint) in unasked.stderr and not paths.settings_file().exists()
    wrong = assistant("home", "connect", address, "--fingerprint", "ab" * 32)
    assert wrong.returncode == 2 and "another certificate" in wrong.stderr
    right = assistant("home", "connect", address, "--fingerprint", spelled(fingerprint))
    assert right.returncode == 0, right.stderr
    assert server.tokens == []
    status = assistant("home", "status", "--json")
    assert json.loads(status.stdout)["entities"] == 4, status.stderr + status.stdout
    assert server.tokens == [TOKEN]
