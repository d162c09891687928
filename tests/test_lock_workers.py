"""What a locked worker process can reach: its model and nothing else."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path

import pytest

from assistant.privacy import landlock, seccomp
from processes import run_python

pytestmark = pytest.mark.skipif(not seccomp.supported(), reason="the lock is for Linux on x86-64 and aarch64")


WORKER = """
    import ctypes, errno, json, os, socket, subprocess, sys, threading
    from pathlib import Path
    from assistant.privacy import sandbox

    allowed, secret, unix_stream, unix_datagram, parent = sys.argv[1:]
    enter = len(sys.stdin.read()) > 0
    if enter:
        sandbox.enter_worker((Path(allowed),))

    def ask(action):
        try:
            action()
        except OSError as error:
            return errno.errorcode[error.errno]
        return "ok"

    def datagram():
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", unix_datagram)

    def stream():
        socket.socket(socket.AF_UNIX).connect(unix_stream)

    def fork():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    ran = []
    def thread():
        worker = threading.Thread(target=ran.append, args=(1,))
        worker.start()
        worker.join()
        assert ran

    print(json.dumps({
        "read allowed": ask(lambda: open(allowed).close()),
        "read secret": ask(lambda: open(secret).close()),
        "list folder": ask(lambda: os.listdir(os.path.dirname(secret))),
        "append to allowed": ask(lambda: open(allowed, "a").close()),
        "truncate allowed": ask(lambda: os.truncate(allowed, 0)),
        "create": ask(lambda: open(secret + ".new", "w").close()),
        "create in /tmp": ask(lambda: os.close(os.open("/tmp/homebody-probe-%d" % os.getpid(), os.O_CREAT | os.O_RDWR))),
        "create in /dev/shm": ask(lambda: os.close(os.open("/dev/shm/homebody-probe-%d" % os.getpid(), os.O_CREAT | os.O_RDWR))),
        "delete": ask(lambda: os.unlink(secret + ".doomed")),
        "rename": ask(lambda: os.rename(secret + ".movable", secret + ".moved")),
        "write /dev/null": ask(lambda: open("/dev/null", "w").write("x")),
        "environment of the parent": ask(lambda: open("/proc/%s/environ" % parent).close()),
        "unix stream": ask(stream),
        "unix datagram": ask(datagram),
        "socketpair": ask(lambda: socket.socketpair()),
        "network": ask(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "signal the parent": ask(lambda: os.kill(int(parent), 0)),
        "program": ask(lambda: subprocess.run(["/bin/true"])),
        "fork": ask(fork),
        "thread": ask(thread),
    }))
"""  # noqa: E501


def worker_answers(tmp_path: Path, *, enter: bool) -> dict[str, str]:
    tmp_path = tmp_path / f"enter-{enter}"
    tmp_path.mkdir()
    (tmp_path / "model.gguf").write_text("weights")
    for suffix in ("", ".doomed", ".movable"):
        (tmp_path / f"history.db{suffix}").write_text("secret")
    with socket.socket(socket.AF_UNIX) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
        stream.bind(str(tmp_path / "stream"))
        stream.listen()
        datagram.bind(str(tmp_path / "datagram"))
        done = run_python(
            WORKER,
            *(str(tmp_path / name) for name in ("model.gguf", "history.db", "stream", "datagram")),
            str(os.getpid()),
            input="enter" if enter else "",
        )
    for folder in ("/tmp", "/dev/shm"):
        for left in Path(folder).glob("homebody-probe-*"):
            left.unlink()
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


def test_a_worker_reaches_its_model_and_nothing_else(tmp_path: Path) -> None:
    free = worker_answers(tmp_path, enter=False)
    assert set(free.values()) == {"ok"}, "the test machine must allow everything to begin with"

    confined = worker_answers(tmp_path, enter=True)
    still_allowed = {name for name, answer in confined.items() if answer == "ok"}
    wanted = {"read allowed", "write /dev/null", "thread"}
    if landlock.abi() == 0:
        pytest.skip("this kernel has no Landlock: files are not restricted here")
    if landlock.abi() < 6:
        wanted.add("signal the parent")
    if landlock.abi() < 3:
        wanted.add("truncate allowed")
    assert still_allowed == wanted
    for name in ("unix stream", "unix datagram", "socketpair", "network"):
        assert confined[name] == errno.errorcode[errno.EACCES]


def test_a_worker_that_already_has_threads_is_refused(tmp_path: Path) -> None:
    """Landlock binds one thread: the others would stay free."""
    if landlock.abi() == 0:
        pytest.skip("this kernel has no Landlock")
    code = """
        import threading
        from assistant.privacy import sandbox
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        sandbox.enter_worker(())
    """
    done = run_python(code)
    assert "NetworkLockError" in done.stderr
    assert "before a process starts threads" in done.stderr


@pytest.mark.models
def test_inference_runs_in_a_worker_with_nothing_but_its_model(smollm2_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from assistant.privacy import sandbox
        sandbox.lock()
        sandbox.enter_worker((Path(sys.argv[1]),))
        print(min(sandbox.status().filters.values()))
        from assistant.engines import amx
        amx.switch_off()
        import llama_cpp
        model = llama_cpp.Llama(sys.argv[1], n_ctx=256, verbose=False, n_threads=2)
        print(model("The capital of France is", max_tokens=4, temperature=0)["choices"][0]["text"])
        print(sandbox.status().statement)
    """
    done = run_python(code, str(smollm2_path))
    assert "Paris" in done.stdout, done.stderr
    assert done.stdout.splitlines()[0] == "2"
    assert done.stdout.splitlines()[-1] == "locked"


@pytest.mark.models
def test_the_real_worker_is_confined_before_it_serves(smollm2_path: Path, assistant_home: Path) -> None:
    """The worker's own main(), with the loop that answers requests replaced by a look around."""
    (assistant_home / "history").mkdir()
    for name in (".bashrc", "history/history.db"):
        (assistant_home / name).write_text("secret")
    code = """
        import json, os, sys
        from pathlib import Path
        from assistant.engines import worker
        home = Path(os.environ["HOME"])

        def look_around(receiver, sender):
            answers = {}
            for path in (home / ".bashrc", home / "history" / "history.db", "/tmp", "/etc/passwd", sys.argv[1]):
                try:
                    os.close(os.open(path, os.O_RDONLY))
                    answers[str(path)] = "ok"
                except OSError as error:
                    answers[str(path)] = error.strerror
            try:
                open("/tmp/homebody-probe-worker", "w")
                answers["write"] = "ok"
            except OSError as error:
                answers["write"] = error.strerror
            os.write(2, json.dumps(answers).encode())

        if os.environ.pop("FREE", ""):
            look_around(None, None)
            os.unlink("/tmp/homebody-probe-worker")
        else:
            worker._serve = look_around
            worker.main()
    """
    environment = {**os.environ, "HOME": str(assistant_home)}
    free, confined = (
        run_python(code, str(smollm2_path), input="", env={**environment, "FREE": free}) for free in ("yes", "")
    )
    assert set(json.loads(free.stderr).values()) == {"ok"}, free.stderr
    answers = json.loads(confined.stderr)
    if landlock.abi() == 0:
        pytest.skip("this kernel has no Landlock: files are not restricted here")
    assert {path for path, answer in answers.items() if answer == "ok"} == {str(smollm2_path)}


@pytest.mark.models
def test_the_app_sees_its_worker_locked_on_every_thread(smollm2_path: Path) -> None:
    code = """
        import sys
        sys.path[:0] = ["tests"]
        from pathlib import Path
        from assistant.privacy import sandbox
        sandbox.lock()
        from engine_talks import PLAN, question, say, smollm2
        from assistant.engines.remote import RemoteLanguageModel
        model = RemoteLanguageModel(smollm2(Path(sys.argv[1])), PLAN)
        print(say(model, question("What is the capital of France?"))[0])
        report = sandbox.status(model.pid)
        print(report.statement, min(report.filters.values()) >= 2, len(report.threads) > 1)
        model.close()
    """
    done = run_python(code, str(smollm2_path))
    assert "Paris" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "locked True True", "the app's filter and the worker's own"
