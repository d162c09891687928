"""Runs inside the namespaces that evals/privacy.py makes: both passes, the controls, the sweep. Result: one JSON file.

python -m evals.probes.inside REQUEST.json RESULT.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from evals.probes import canary, recorder, session, traces
from evals.probes.controls import CONTROLS
from evals.probes.screen import ScreenError

_SWEPT_BESIDE_THE_HOME = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - looked at, not written to


def main() -> int:
    request = json.loads(Path(sys.argv[1]).read_text())
    work = Path(request["work"])
    result: dict[str, Any] = {}
    started_s = time.time()
    recorder.set_up()
    _say("five programs that do use the network")
    result["controls"] = {name: _control(name, work, locked=False) for name in CONTROLS}
    result["controls_under_lock"] = {name: _control(name, work, locked=True) for name in CONTROLS}
    passes: list[session.Pass] = []
    try:
        for locked in request.get("passes", [True, False]):
            _say(f"the product, {'locked' if locked else 'not locked'}, idle for {request['idle_s']:.0f} s")
            start = tuple(request.get("start", session.Place.usual_start(locked=locked)))
            place = session.Place(work / f"home-{locked}", work / f"traces-{locked}", request["model"], start)
            place.observer.mkdir()
            session.install_model(Path(request["models"]), request["hashes"], place)
            what = session.Extent(request["idle_s"], request.get("chat", True), request.get("question", ""))
            passes.append(session.run(place, what, locked=locked))
            result["locked" if locked else "unlocked"] = _pass_as_json(passes[-1])
        _say("a sweep for what was said")
        model = Path(request["models"]) / "blobs" / request["hashes"][0]
        result["canary"] = _sweep(passes, work, model, started_s)
    except (session.SessionError, ScreenError, OSError, subprocess.TimeoutExpired) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    Path(sys.argv[2]).write_text(json.dumps(result))
    return 0


def _control(name: str, work: Path, *, locked: bool) -> dict[str, Any]:
    """Under both observers, as the product will be. Caught: strace saw the attempt and the recorder its packets."""
    observer = work / f"control-{name}-{locked}"
    observer.mkdir()
    place = session.Place(work, observer, "")
    recorder.reset()
    command = [*traces.strace(observer), sys.executable, "-m", "evals.probes.controls", name]
    subprocess.run(
        [*command, *["--lock"] * locked],
        env=place.environment,
        cwd=work,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    recorded, seen = recorder.read(), traces.read(observer)
    return {
        "attempts": sum(seen.attempts.values()),
        "denied": seen.denied,
        "packets": recorded.packets,
        "destinations": recorded.destinations,
        "self_tests": seen.self_tests,
    }


def _pass_as_json(found: session.Pass) -> dict[str, Any]:
    seen = found.seen
    return {
        "packets": found.recorded.packets,
        "questions": found.recorded.questions,
        "destinations": found.recorded.destinations,
        "sockets": dict(seen.sockets),
        "attempts": dict(seen.attempts),
        "denied": seen.denied,
        "self_tests": seen.self_tests,
        "unix_peers": dict(seen.unix_peers),
        "programs": dict(seen.programs),
        "foreign_files": found.foreign_files,
        "tools": found.tools,
        "heard": found.heard,
        "n_threads": found.n_threads,
        "n_threads_without_lock": found.n_threads_without_lock,
        "idle_s": found.idle_s,
        "duration_s": round(found.duration_s, 1),
    }


def _sweep(passes: list[session.Pass], work: Path, model: Path, started_s: float) -> dict[str, Any]:
    """Words and replies, in the homes and wherever temporary files go. Shown to be able to find: planted first."""
    words = [word for found in passes for word in found.words.values()]
    replies = [reply.strip() for found in passes for reply in found.replies if len(reply.strip()) >= 24]
    looks = canary.patterns([*words, *replies], _token_ids(words, model))
    folders = [work / f"home-{found.locked}" for found in passes]
    ours = [p for p in work.iterdir() if p not in folders]
    beside = [Path(folder) for folder in _SWEPT_BESIDE_THE_HOME if Path(folder).is_dir()]
    weights = [folder / ".local/share/homebody/models/blobs" for folder in folders]  # their hash was checked
    hits = canary.sweep(folders, looks, leave_out=weights)
    hits += canary.sweep(beside, looks, leave_out=[*ours, *folders], since_s=started_s)
    with tempfile.TemporaryDirectory(dir=folders[0]) as planted:
        for number, look in enumerate(looks.values()):
            (Path(planted) / f"{number}").write_bytes(b"before" + look + b"after")
        found_again = len({hit.partition(":")[0] for hit in canary.sweep([Path(planted)], looks)})
    return {"hits": hits, "looks": len(looks), "planted_found": found_again, "words": len(words)}


def _token_ids(words: list[str], model: Path) -> list[list[int]]:
    import llama_cpp

    vocabulary = llama_cpp.Llama(str(model), vocab_only=True, n_ctx=1, verbose=False)
    return [vocabulary.tokenize(f" {word}".encode(), add_bos=False) for word in words]


def _say(text: str) -> None:
    sys.stderr.write(f"privacy: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
