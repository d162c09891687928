"""The observers of `evals privacy`: they see what happens, find nothing in the product, and each of them can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assistant.models.store import Store
from evals import privacy
from evals.probes import canary, traces
from evals.task import Effort, Options

if sys.platform != "linux":
    pytest.skip("namespaces, nftables and strace are Linux's", allow_module_level=True)

TESTS = Path(__file__).resolve().parent
SMALLEST = "smollm2-135m"


@pytest.fixture(scope="session")
def observers() -> list[str]:
    """What to put before a program to observe it; skips with the name of what is missing."""
    try:
        return privacy.tools()
    except privacy.CannotObserve as missing:
        pytest.skip(str(missing))


def observe(prefix: list[str], folder: Path, **request: Any) -> dict[str, Any]:
    from assistant.models.catalogue import catalogue

    folder.mkdir()
    defaults = {"work": str(folder), "model": SMALLEST, "idle_s": 0, "chat": False}
    hashes = [file.sha256 for file in catalogue()[SMALLEST].files]
    return privacy._inside(prefix, {**defaults, "hashes": hashes, **request}, folder)


@pytest.fixture(scope="module")
def found(observers: list[str], model_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("privacy") / "product"
    result = observe(observers, folder, models=str(model_home / "models"), passes=[True])
    assert "error" not in result, result["error"]
    return result


@pytest.mark.models
def test_five_programs_that_use_the_network_are_caught_by_both_observers(found: dict[str, Any]) -> None:
    assert len(found["controls"]) == 5
    for name, control in found["controls"].items():
        assert control["attempts"] > 0, f"strace missed {name}"
        assert control["packets"] > 0, f"the recorder missed {name}"
        assert control["self_tests"] == 0
    for name, control in found["controls_under_lock"].items():
        assert control["packets"] == 0, f"{name} got through the lock"
        assert control["self_tests"] == 2


@pytest.mark.models
def test_the_commands_reach_for_nothing_and_leave_nothing_behind(found: dict[str, Any]) -> None:
    locked = found["locked"]
    assert locked["programs"], "nothing was run"
    assert locked["tools"] == 10
    assert locked["attempts"] == {}
    assert (locked["packets"], locked["denied"], locked["destinations"]) == (0, 0, [])
    assert locked["foreign_files"] == []
    assert locked["self_tests"] > 0
    assert found["canary"]["hits"] == []
    assert found["canary"]["planted_found"] == found["canary"]["looks"] > 0


@pytest.mark.slow
@pytest.mark.models
def test_a_leak_of_each_kind_is_found(observers: list[str], model_home: Path, tmp_path: Path) -> None:
    start = [sys.executable, str(TESTS / "leaky_assistant.py")]
    result = observe(observers, tmp_path / "leaky", models=str(model_home / "models"), passes=[False], start=start)
    leaks = result["unlocked"]
    assert leaks["packets"] > 0
    assert leaks["destinations"] == ["udp 203.0.113.99 port 4242"]
    assert any("203.0.113.99" in attempt for attempt in leaks["attempts"])
    assert any(path.endswith("/.cache/diary") for path in leaks["foreign_files"])
    assert any("as UTF-16" in hit and "diary" in hit for hit in result["canary"]["hits"])


@pytest.mark.models
def test_a_blind_observer_makes_the_result_invalid(found: dict[str, Any]) -> None:
    bypass = {"vectors": {"x": {"through": False}}}
    blinded = {**json.loads(json.dumps(found)), "bypass": bypass, "bypass_open": bypass}
    assert privacy._failures(blinded) == []
    blinded["controls"]["io_uring"]["packets"] = 0
    (failure,) = privacy._failures(blinded)
    assert (failure.kind, "io_uring" in failure.message) == ("invalid", True)
    assert privacy._metrics(blinded)["controls_caught"].meets_bar is False


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(1800)
def test_the_whole_product_reaches_for_nothing(
    observers: list[str], model_home: Path, speech_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1, P2 and P3 as `evals run privacy --quick` measures them, with a spoken question."""
    monkeypatch.setenv("ASSISTANT_HOME", str(model_home))
    outcome = privacy.Privacy().run(Options(SMALLEST, Effort.QUICK))
    assert outcome.failures == []
    assert outcome.settings["voice"] and speech_store.installed()
    evidence = json.dumps(outcome.settings["evidence"], indent=1)
    timed = {"lock_ms"}
    missed = [n for n, metric in outcome.metrics.items() if n not in timed and metric.meets_bar is False]
    assert missed == [], evidence
    for one in ("locked", "unlocked"):
        assert "time" in " ".join(outcome.settings["evidence"][one]["heard"]).lower()
    assert outcome.metrics["bypass_through_without_lock"].value > 6


def test_strace_output_is_read_to_the_last_call(observers: list[str], tmp_path: Path) -> None:
    code = f"""
import ctypes, os, socket
libc = ctypes.CDLL(None)
for family, protocol in ((socket.AF_INET, 0), (socket.AF_NETLINK, 0), (socket.AF_INET, 253), (socket.AF_UNIX, 0)):
    libc.socket(family, socket.SOCK_DGRAM, protocol)
unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for name in ("/nowhere/socket", "\\0abstract"):
    try:
        unix.connect(name)
    except OSError:
        pass
open({str(tmp_path / "made")!r}, "w").close()
open({str(tmp_path / "made")!r}).close()
os.rename({str(tmp_path / "made")!r}, {str(tmp_path / "moved")!r})
os.mkdir({str(tmp_path / "folder")!r})
os.system("exit 0")
"""
    (tmp_path / "traces").mkdir()
    command = [*traces.strace(tmp_path / "traces"), sys.executable, "-c", code]
    subprocess.run([*observers, *command], check=True, cwd=tmp_path)
    seen = traces.read(tmp_path / "traces")
    assert seen.sockets["AF_NETLINK"] == 1
    assert seen.sockets["AF_INET"] == 2, "unlocked, protocol 253 is answered otherwise and no self-test"
    assert seen.self_tests == 0
    assert set(seen.unix_peers) >= {"/nowhere/socket", "@abstract"}
    assert {str(tmp_path / name) for name in ("made", "moved", "folder")} <= seen.written
    assert any(program.endswith("sh") for program in seen.programs)


def test_refused_calls_are_seen(observers: list[str], tmp_path: Path) -> None:
    """With `strace --seccomp-bpf` this fails: what a filter refuses is never reported."""
    code = (
        "import socket\nfrom assistant.privacy import sandbox\nsandbox.lock()\n"
        "try:\n    socket.socket(socket.AF_INET6)\nexcept PermissionError:\n    pass\n"
    )
    (tmp_path / "traces").mkdir()
    command = [*traces.strace(tmp_path / "traces"), sys.executable, "-c", code]
    subprocess.run([*observers, *command], check=True, cwd=TESTS.parent)
    seen = traces.read(tmp_path / "traces")
    assert seen.self_tests == 2
    assert dict(seen.sockets) == {"AF_INET6": 1}
    assert seen.denied == 1


def test_every_look_of_a_word_is_found(tmp_path: Path) -> None:
    looks = canary.patterns(["qzpelican"], [[17, 300, 9]])
    assert len(looks) == 10
    for number, look in enumerate(looks.values()):
        (tmp_path / f"file{number}").write_bytes(bytes(number) + look)
    (tmp_path / "qzpelican.txt").write_text("harmless")
    (tmp_path / "other").write_text("qzpelicam")
    hits = canary.sweep([tmp_path], looks)
    assert {hit.partition(": ")[2] for hit in hits} == {*looks, "qzpelican as text, in its name"}


def test_a_machine_that_cannot_observe_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy.namespaces, "search_path", lambda: "/nowhere")
    monkeypatch.setattr(privacy.namespaces, "command", lambda: ["unshare"])
    with pytest.raises(privacy.CannotObserve, match=r"invalid: the program `nft` is missing \(package nftables\)"):
        privacy.tools()
