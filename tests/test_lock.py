"""The network lock against real attempts to get out: every one goes through without it and none with it."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from assistant.privacy import sandbox, seccomp
from evals.probes import namespaces, vectors
from processes import run_assistant, run_python

pytestmark = pytest.mark.skipif(not seccomp.supported(), reason="the lock is for Linux on x86-64 and aarch64")


ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
# Kernels differ in what else they offer (io_uring may be switched off, tracing restricted); these are everywhere.
ALWAYS_POSSIBLE = {"python_connect", "native_thread_connect", "thread_before_lock", "udp_sendto", "other_families"}


@cache
def suite(*arguments: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run the probe suite in a process of its own, in namespaces where they can be had."""
    try:
        prefix, isolated = namespaces.command(), ["--isolated"]
    except OSError:
        prefix, isolated = [], []
    command = [*prefix, sys.executable, "-m", "evals.probes.suite", *isolated, *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert "died" not in report, report
    return report


def through(report: dict[str, Any]) -> set[str]:
    return {name for name, result in report["vectors"].items() if result["through"]}


USERS = ["as ourselves", "as nobody"]


def user_arguments(user: str) -> list[str]:
    if user == "as ourselves":
        return []
    if os.getuid() != 0:
        pytest.skip("only root can become another user; `as ourselves` is unprivileged already")
    return ["--uid", str(NOBODY)]


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("vector", vectors.NAMES)
def test_native_code_gets_out_without_the_lock_and_not_with_it(
    vector: str, user: str, record_property: Callable[[str, object], None]
) -> None:
    locked = suite("--lock", *user_arguments(user))
    record_property("lock_ms", locked["lock_ms"])
    assert locked["statement"] == "locked"
    assert set(locked["vectors"]) == set(vectors.NAMES)
    assert not locked["vectors"][vector]["through"], locked["vectors"][vector]["outcome"]

    unlocked = suite(*user_arguments(user))["vectors"][vector]
    if not unlocked["through"] and vector not in ALWAYS_POSSIBLE:
        pytest.skip(f"not even without the lock on this machine: {unlocked['outcome']}")
    assert unlocked["through"], unlocked["outcome"]


def test_a_shell_that_asks_who_its_user_is_does_not_count_as_a_way_out() -> None:
    """Without SHELL and HOME, bash asks the name service for its user; that is no question about a host."""
    assert not through(suite("--lock", without=("SHELL", "HOME")))


@pytest.mark.parametrize(
    ("weakening", "vector", "noticed"),
    [
        ("no filter", "python_connect", True),
        ("no tsync", "thread_before_lock", True),
        ("io_uring allowed", "io_uring", False),
        ("foreign ABI allowed", "foreign_abi", False),
        ("name service kept", "dns_through_helper", False),
        ("spying allowed", "other_process", False),
        ("other families allowed", "other_families", False),
    ],
)
def test_each_part_of_the_lock_holds_something_back(weakening: str, vector: str, noticed: bool) -> None:
    """Take one part away: its vector gets through, and what the lock's own self-test can notice, it does."""
    if vector not in through(suite()):
        pytest.skip(f"{vector} is not possible on this machine even without the lock")
    report = suite("--lock", "--weaken", weakening)
    assert vector in through(report)
    assert ("lock_error" in report) == noticed


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_an_inherited_network_socket_is_refused(family: int, assistant_home: Path) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as inherited:
        descriptor = inherited.fileno()
        done = run_assistant("doctor", pass_fds=[descriptor])
    assert done.returncode == 3
    assert f"descriptor {descriptor} is a network socket" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_inherited_unix_socket_is_fine() -> None:
    with socket.socket(socket.AF_UNIX) as inherited:
        done = run_python("from assistant.privacy import sandbox; print(sandbox.lock().statement)", pass_fds=[
            inherited.fileno()
        ])  # fmt: skip
    assert done.stdout == "locked\n", done.stderr


def test_an_inherited_io_uring_is_refused() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    ring = libc.syscall(425, 1, ctypes.create_string_buffer(120))
    if ring < 0:
        pytest.skip(f"io_uring is switched off here: {os.strerror(ctypes.get_errno())}")
    try:
        done = run_python("from assistant.privacy import sandbox; sandbox.lock()", pass_fds=[ring])
    finally:
        os.close(ring)
    assert "NetworkLockError" in done.stderr


REFUSE_SECCOMP = """
    import errno, os, sys
    from assistant.privacy import seccomp
    abi = seccomp._ABIS[os.uname().machine]
    op = seccomp._op
    seccomp.install(op(0x20, 0) + seccomp._refuse_number(abi.seccomp, errno.EPERM) + op(0x06, 0x7FFF0000))
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
REPORT = "from assistant.privacy import sandbox; print(sandbox.status().statement)"


def test_where_the_kernel_refuses_the_lock_nothing_starts(assistant_home: Path) -> None:
    done = run_python(REFUSE_SECCOMP, "-m", "assistant", "doctor", "network")
    assert done.returncode == 3
    assert "refused the network lock" in done.stderr
    assert "--allow-unlocked" in done.stderr
    assert done.stdout == ""


def test_allow_unlocked_starts_and_says_so(assistant_home: Path) -> None:
    """A filter of somebody else's is on every thread here, as in a container: it must not pass for ours."""
    allowed = """
        import sys
        from assistant import __main__ as stub
        import assistant.cli
        from assistant.privacy import sandbox
        assistant.cli.main = lambda arguments, claim=None: print(arguments, sandbox.status().statement) or 0
        sys.argv = ["assistant", "--allow-unlocked", "ask", "hello"]
        sys.exit(stub.main())
    """
    done = run_python(REFUSE_SECCOMP, "-c", textwrap.dedent(allowed))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['ask', 'hello'] UNLOCKED (1 of 1 threads)\n"


def test_status_tells_the_threads_of_a_child(tmp_path: Path) -> None:
    child = """
        import threading
        from assistant.privacy import sandbox
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        if {lock}:
            sandbox.lock()
        print(flush=True)
        input()
    """
    for lock, wanted in ((True, "locked"), (False, "UNLOCKED (2 of 2 threads)")):
        code = textwrap.dedent(child.format(lock=lock))
        with subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            report = sandbox.status(process.pid)
            process.kill()
        assert report.statement == wanted
        assert len(report.threads) == 2


def test_threads_that_end_while_they_are_counted_are_not_told_to_be_open() -> None:
    child = """
        import threading
        from assistant.privacy import sandbox
        sandbox.lock()
        read = threading.Event()
        def come_and_go():
            while not read.is_set():
                threads = [threading.Thread(target=int) for _ in range(8)]
                [t.start() for t in threads], [t.join() for t in threads]
        threading.Thread(target=come_and_go).start()
        print({sandbox.status().statement for _ in range(2000)})
        read.set()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(child)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'locked'}\n"


def test_the_kernel_asks_nobody_on_our_behalf() -> None:
    """request_key() makes the kernel start a program outside of the filter; for `dns_resolver` it asks the network."""
    code = """
        import ctypes, errno, sys
        from assistant.privacy import sandbox, seccomp
        import os
        if sys.argv[1] == "lock":
            sandbox.lock()
        number = seccomp._ABIS[os.uname().machine].request_key
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(number, b"user", b"homebody-probe", None, 0)
        print(errno.errorcode[ctypes.get_errno()])
    """
    unlocked, locked = (run_python(code, argument).stdout.strip() for argument in ("open", "lock"))
    if unlocked in ("ENOSYS", "EPERM"):
        pytest.skip(f"this kernel answers no request for a key at all: {unlocked}")
    assert unlocked == "ENOKEY"
    assert locked == "EPERM"


def test_no_third_party_module_is_loaded_before_the_lock() -> None:
    code = """
        import sys
        before = set(sys.modules)  # what .pth files of the environment load is not ours to decide
        from assistant.privacy import sandbox
        import assistant.__main__ as stub
        def lock():
            for name in sorted(set(sys.modules) - before):
                top = name.partition(".")[0]
                if top != "assistant" and top not in sys.stdlib_module_names:
                    print(name)
            print("locked with", len(sys.modules), "modules")
            raise SystemExit(0)
        sandbox.lock = lock
        sys.argv = ["assistant", *sys.argv[1:]]
        stub.main()
    """
    done = run_python(code, "ask", "hello")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("locked with"), done.stdout
    assert lines[:-1] == []


def test_help_loads_no_engine(assistant_home: Path) -> None:
    code = """
        import sys
        from assistant.__main__ import main
        sys.argv = ["assistant", "--help"]
        try:
            main()
        except SystemExit as leaving:
            assert leaving.code == 0
        heavy = ["llama_cpp", "numpy", "textual", "rich", "sqlcipher3", "cryptography", "urllib3", "psutil", "keyring"]
        print("LOADED", [name for name in heavy if name in sys.modules])
    """
    done = run_python(code)
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stdout + done.stderr
    assert list(assistant_home.iterdir()) == []


@pytest.mark.parametrize("package", ["evals", "quantize"])
def test_the_other_commands_silence_their_dependencies_first(package: str) -> None:
    code = """
        import os, sys
        from importlib import import_module
        for name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"):
            os.environ.pop(name, None)
        seen = []
        class Watch:
            def find_spec(self, name, path=None, target=None):
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in ("assistant", "evals", "quantize"):
                    seen.append((name, os.environ.get("ORT_DISABLE_TELEMETRY"), os.environ.get("HF_HUB_OFFLINE")))
        sys.meta_path.insert(0, Watch())
        main = import_module(sys.argv[1] + ".__main__").main
        sys.argv = [sys.argv[1], "--help"]
        try:
            main()
        except SystemExit:
            pass
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "1" == os.environ["HF_HUB_OFFLINE"]
        print([entry for entry in seen if entry[1:] != ("1", "1")])
    """
    done = run_python(code, package)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
